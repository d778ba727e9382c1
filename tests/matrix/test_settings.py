"""What the operator may write of a homeserver and of a room, and the report on what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.matrix.settings import Homeserver
from nextbridge import config
from nextbridge.errors import ConfigError

_ACCOUNT = {"homeserver": "https://matrix.example.com", "user_id": "@relay:example.com", "access_token": "syt_x"}
_SERVICE = {"as_token": "a" * 32, "hs_token": "h" * 32}
_ROOM = {"room_id": "!AbC:example.com"}


def file(account: dict[str, Any], room: dict[str, Any]) -> dict[str, Any]:
    """A whole file with one account and two rooms, of which one is right."""
    other = {"instance": "hs", "alias": "#other:example.com"}
    channels = [{"instance": "hs", **room}, other]
    return {"matrix": {"hs": account}, "rules": [{"id": "r", "type": "connect", "channels": channels}]}


def report(tmp_path: Path, account: dict[str, Any], room: dict[str, Any]) -> str:
    """What is said of a file with a mistake."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(file(account, room), indent=1))
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        config.load(path, environment={})
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"homeserver": "matrix.example.com"}, "write the address that clients use"),
        ({"homeserver": "https://matrix.example.com:99999"}, "look at the host and at the port"),
        ({"user_id": "relay"}, "write the whole id, like @relay:example.com"),
        ({"access_token": ...}, "it has no way to log in; add `access_token`, `password` or `application_service`"),
        ({"password": "p"}, "there is an access_token too; keep one of the two"),
        ({"access_token": "syt x"}, "it is blank or has a space inside"),
        ({"application_service": _SERVICE}, "an application service has no use for it; take it out"),
        ({"application_service": _SERVICE | {"as_token": "short"}}, "`openssl rand -hex 32` makes some"),
        ({"application_service": _SERVICE | {"hs_token": "h h" * 20}}, "`openssl rand -hex 32` makes some"),
        ({"application_service": _SERVICE | {"hs_token": "a" * 32}}, "it is the as_token; make another one"),
        ({"application_service": _SERVICE | {"puppets": "rel"}}, "choose another beginning for the puppets"),
        ({"application_service": _SERVICE | {"puppets": "Über_"}}, "puppets"),
        ({"application_service": _SERVICE | {"url": "matrix.example.com"}}, "url"),
        ({"application_service": {"as_token": "a" * 32}}, 'the key "hs_token" is missing'),
        ({"acces_token": "syt_x", "access_token": ...}, 'did you mean "access_token"?'),
    ],
)
def test_a_mistake_in_an_account_is_told(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    """With its place and the fix, and without the token."""
    account = {key: value for key, value in (_ACCOUNT | change).items() if value is not ...}
    said = report(tmp_path, account, _ROOM)
    assert told in said
    assert "matrix > hs" in said
    assert "syt_x" not in said


@pytest.mark.parametrize(
    ("room", "told"),
    [
        ({}, "it names no room"),
        ({"room_id": "#ops:example.com"}, "a room id begins with an exclamation mark"),
        ({"alias": "ops"}, "an alias is like #ops:example.com"),
        (_ROOM | {"alias": "#ops:example.com"}, "keep the room_id alone"),
    ],
)
def test_a_mistake_in_a_room_is_told(tmp_path: Path, room: dict[str, Any], told: str) -> None:
    """With its place and the fix."""
    assert told in report(tmp_path, dict(_ACCOUNT), room)


@pytest.mark.parametrize(
    "written",
    [
        " https://matrix.example.com/ ",
        "https://matrix.example.com/_matrix/client/v3",
        "https://matrix.example.com//_matrix",
    ],
)
def test_what_people_add_to_an_address_is_taken_off(tmp_path: Path, written: str) -> None:
    """And they are told how to write it."""
    assert Homeserver.of(written).url == "https://matrix.example.com"
    path = tmp_path / "config.json"
    path.write_text(json.dumps(file(_ACCOUNT | {"homeserver": written}, _ROOM)))
    path.chmod(0o600)
    (warning,) = (each for each in config.load(path, environment={}).warnings if "homeserver" in each.path)
    assert "write it so" in warning.message
