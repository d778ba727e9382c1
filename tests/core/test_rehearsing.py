"""`nextbridge trace --dry-run`: what each rule of a file would do with a text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest

from nextbridge.cli import main

FILE: dict[str, Any] = {
    "webchat": {"web": {}},
    "irc": {"net": {"host": "irc.example.com", "nick": "relay"}},
    "rules": [
        {
            "id": "polite",
            "type": "forward",
            "from": {"web": {"room": "lobby"}},
            "to": {"net": {"channel": "#lobby", "msg": {"msg_format": "<{nickname}> {msg}"}}},
            "filter": {"deny": ["mallory"], "replace": [{"pattern": "damn", "with": "****"}]},
        },
        {"id": "rest", "type": "connect", "channels": {"web": {"room": "lobby"}, "net": {"channel": "#lobby"}}},
        {"id": "off", "type": "connect", "enabled": False, "channels": [
            {"instance": "web", "room": "lobby"}, {"instance": "web", "room": "two"},
        ]},
        {"id": "other", "type": "connect", "channels": [
            {"instance": "web", "room": "two"}, {"instance": "web", "room": "three"},
        ]},
    ],
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(FILE))
    return path


def rehearsed(config: Path, *words: str, status: int = 0) -> str:
    arguments = ["trace", "--dry-run", "--config", str(config), *words]
    result = click.testing.CliRunner().invoke(main, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def test_each_rule_says_what_it_would_do(config: Path) -> None:
    """Which relays it, what its filter makes of it and what each target would be given; why the others do not."""
    output = rehearsed(config, "--from", "web/lobby", "--author", "alice", "damn **bold**\x1b[2J")
    assert output.splitlines()[:2] == ["rule polite: relays it", "  -> net/#lobby"]
    assert "lice> **** " in output
    assert "\x1b" not in output
    assert "rule rest: relays it\n  -> net/#lobby: the earlier rule polite leads there\n" in output
    assert "rule off: it is disabled\nrule other: it takes no messages from there\n" in output


def test_a_filter_that_drops_it_says_so_and_the_next_rule_takes_it(config: Path) -> None:
    """As in the relay; for programs, too."""
    found = json.loads(rehearsed(config, "--from", "web/lobby", "--author", "mallory", "--json", "hello"))
    polite, rest, *_ = found
    assert polite["reason"] == "its filter drops it: filter_user (its author is on deny of the rule's filter)"
    assert polite["ways"] == []
    assert [way["target"] for way in rest["ways"]] == ["net/#lobby"]
    assert any("hello" in text for text in rest["ways"][0]["texts"])


def test_a_channel_that_no_rule_reads_is_told(config: Path) -> None:
    """With those that there are; and a wrong file as `check` tells it."""
    assert "web/lobby" in rehearsed(config, "--from", "web/nowhere", "hello", status=66)
    config.write_text("{")
    assert "config.json:1:" in rehearsed(config, "--from", "web/lobby", "hello", status=78)
