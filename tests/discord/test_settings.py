"""What the operator may write, what is put right, and what is refused with a way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nextbridge import config
from nextbridge.errors import ConfigError

TOKEN = "MTA5ODc2NTQzMjEwOTg3NjU0Mw.GhJkLm.abcdefghijklmnopqrstuvwxyz0123456789AB"


def loaded(folder: Path, channel: object = "1098765432109876543", **block: object) -> tuple[str, ...]:
    """The warnings of a file with this instance and channel. Raises ConfigError."""
    path = folder / "config.json"
    file = {
        "discord": {"d": {"token": "${TOKEN}"} | block},
        "webchat": {"web": {}},
        "rules": [{"type": "connect", "channels": {"d": {"channel_id": channel}, "web": {"room": "ops"}}}],
    }
    path.write_text(json.dumps(file, indent=1))
    return tuple(str(each) for each in config.load(path, environment={"TOKEN": TOKEN}).warnings)


def test_what_the_docs_show_is_without_fault(tmp_path: Path) -> None:
    """A token and a channel's id are enough."""
    assert loaded(tmp_path) == ()
    assert loaded(tmp_path, identity="bot", answers="reply", api_url="https://proxy.example.com/api/v10/") == ()


@pytest.mark.parametrize(
    ("channel", "told"),
    [
        ("general", "Copy Channel ID"),
        ("#general", "Copy Channel ID"),
        (1098765432109876543, "quotes"),
        ("https://discord.com/channels/1/2", "Copy Channel ID"),
    ],
)
def test_a_channel_is_named_by_its_id(tmp_path: Path, channel: object, told: str) -> None:
    """A name, an address or a number without quotes is refused, with where the id is to be found."""
    with pytest.raises(ConfigError, match=told):
        loaded(tmp_path, channel)


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("  ", "it is blank"),
        ("1098765432109876543", "this is an id"),
        ("ab" * 32, "public key"),
        (f"{TOKEN[:30]} {TOKEN[30:]}", "a space"),
    ],
)
def test_what_is_no_token_is_refused_with_where_it_is_found(tmp_path: Path, token: str, told: str) -> None:
    """The application's id and public key stand beside the token in the portal; a part of it is no token either."""
    with pytest.raises(ConfigError, match=told) as error:
        loaded(tmp_path, token=token)
    assert token.strip() not in str(error.value) or not token.strip()


def test_a_token_as_its_header_has_it_is_put_right(tmp_path: Path) -> None:
    """`Bot …` is taken, with a warning."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"discord": {"d": {"token": "${TOKEN}"}}, "rules": []}))
    warnings = config.load(path, environment={"TOKEN": f" Bot {TOKEN}\n"}).warnings
    assert any("left off" in each.sentence for each in warnings)


@pytest.mark.parametrize(
    ("key", "value"), [("identity", "user"), ("answers", "thread"), ("api_url", "discord.com"), ("tokn", "x")]
)
def test_other_mistakes_are_told(tmp_path: Path, key: str, value: str) -> None:
    """A word that is none of the choices, an address without its scheme, a misspelt key."""
    with pytest.raises(ConfigError, match=key):
        loaded(tmp_path, **{key: value})
