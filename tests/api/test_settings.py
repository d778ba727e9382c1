"""What the operator may write of the HTTP API, and what is told with a way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nextbridge import config
from nextbridge.errors import ConfigError

TOKEN = "b3b5c7a19f6d4e1c"
GOOD = {"name": "game", "token": "${TOKEN}"}


def loaded(folder: Path, room: object = "ops", **block: object) -> tuple[str, ...]:
    """The warnings of a file with this instance and room. Raises ConfigError."""
    path = folder / "config.json"
    rule = {"type": "connect", "channels": {"tools": {"room": room}, "web": {"room": "ops"}}}
    file = {"api": {"tools": {"tokens": [GOOD], **block}}, "webchat": {"web": {}}, "rules": [rule]}
    path.write_text(json.dumps(file, indent=1))
    path.chmod(0o600)
    environment = {"TOKEN": TOKEN, "SHORT": "abc-def", "SPACED": f" {TOKEN} "}
    return tuple(each.sentence for each in config.load(path, environment=environment).warnings)


def test_a_token_and_a_room_are_enough(tmp_path: Path) -> None:
    """So is what the page of the docs shows."""
    assert loaded(tmp_path) == ()
    two = [{**GOOD, "rooms": ["OPS"]}, {"name": "screen", "token": "0123456789abcdef", "rights": "read"}]
    assert loaded(tmp_path, tokens=two, history=20, max_file_size=0) == ()


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"tokens": []}, "tokens"),
        ({"tokens": [{"name": "game", "token": "${SHORT}"}]}, "openssl rand -hex 16"),
        ({"tokens": [{"name": "game", "token": "${SPACED}"}]}, "spaces around it"),
        ({"tokens": [GOOD, {**GOOD, "name": "other"}]}, "another program has this token"),
        ({"tokens": [GOOD, {"name": "game", "token": "0123456789abcdef"}]}, "another token has this name"),
        ({"tokens": [{**GOOD, "rights": "all"}]}, "rights"),
        ({"tokens": [{**GOOD, "rooms": ["a room"]}]}, "1 to 64 letters"),
        ({"tokens": [{**GOOD, "name": "a/b"}]}, "1 to 64 letters"),
        ({"tokens": [{**GOOD, "rihgts": "read"}]}, "did you mean"),
        ({"history": 5}, "history"),
        ({"max_file_size": 1000, "files_size": 1000}, "a quarter of files_size"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(tmp_path: Path, block: dict[str, Any], told: str) -> None:
    """Without showing a token."""
    with pytest.raises(ConfigError, match=told) as caught:
        loaded(tmp_path, **block)
    assert TOKEN not in str(caught.value)


def test_a_room_that_no_token_opens_is_a_warning(tmp_path: Path) -> None:
    """It would be written into, and read by nobody."""
    (warning,) = loaded(tmp_path, tokens=[{**GOOD, "rooms": ["other"]}])
    assert "no token of the instance may use this room" in warning
    with pytest.raises(ConfigError, match="1 to 64 letters"):
        loaded(tmp_path, "a room")
