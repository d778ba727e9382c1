"""What the operator may write, what is put right, and what is refused with a way out."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from drivers.mattermost import MattermostDriver
from drivers.mattermost.settings import MattermostChannel, MattermostSettings, Server, token_of
from nextbridge.config.types import Secret
from nextbridge.driver import Remark

TOKEN = "tokentokentokentokentoken1"
CHANNEL_ID = "4xp9fdt77pncbef59f4k1qe83o"


def settings(server_url: str = "https://mm.example.com", token: str = TOKEN, **more: Any) -> MattermostSettings:
    return MattermostSettings(server_url=server_url, token=Secret(token), **more)


def refusals(kind: type[msgspec.Struct], value: dict[str, object]) -> list[jsonschema.ValidationError]:
    """What the kind's JSON Schema says of `value`."""
    schema = msgspec.json.schema(kind, schema_hook=lambda _: {"type": "string"})
    return list(jsonschema.Draft202012Validator(schema).iter_errors(value))


def hint(refusal: jsonschema.ValidationError) -> str:
    """What the operator is told beside the refusal."""
    schema: Any = refusal.schema
    return str(schema["x-hint"])


def remarks(**changes: Any) -> list[Remark]:
    return list(MattermostDriver.remarks(settings(**changes)))


@pytest.mark.parametrize(
    "written",
    [
        "https://mm.example.com/chat/",
        "https://mm.example.com/chat/api/v4",
        "https://mm.example.com/chat/api/v4/",
        " https://mm.example.com/chat ",
        "https://mm.example.com/chat//",
    ],
)
def test_an_address_is_put_right_with_a_warning(written: str) -> None:
    """A final slash, spaces and /api/v4 are taken off, and the operator is told what it was taken as."""
    assert Server.of(written).url == "https://mm.example.com/chat"
    (remark,) = remarks(server_url=written)
    assert (remark.path, remark.fatal) == (("server_url",), False)
    assert "https://mm.example.com/chat;" in remark.text


@pytest.mark.parametrize("written", ["https://mm.example.com:99999", "http://mm.example.com:0", "https://[::1/chat"])
def test_an_address_that_nothing_can_open_is_refused(written: str) -> None:
    """A port that there cannot be is found in the file, not at the connection."""
    (remark,) = remarks(server_url=written)
    assert (remark.path, remark.fatal) == (("server_url",), True)


def test_a_right_address_and_token_are_not_remarked_upon() -> None:
    """Where nothing is wrong, nothing is said."""
    assert remarks() == []


@pytest.mark.parametrize(
    ("url", "websocket", "realm"),
    [
        ("https://mm.example.com", "wss://mm.example.com/api/v4/websocket", "mm.example.com"),
        ("http://127.0.0.1:8065/chat", "ws://127.0.0.1:8065/chat/api/v4/websocket", "127.0.0.1/chat"),
        ("https://MM.example.com/chat", "wss://MM.example.com/chat/api/v4/websocket", "mm.example.com/chat"),
    ],
)
def test_the_socket_and_the_realm_follow_from_the_address(url: str, websocket: str, realm: str) -> None:
    """https becomes wss, a subpath stays, and the realm is the host with the subpath."""
    assert Server.of(url).websocket == websocket
    assert Server.of(url).realm == realm


@pytest.mark.parametrize("url", ["mm.example.com", "wss://mm.example.com", "https://user@mm.example.com", "https://"])
def test_an_address_that_is_none_is_refused_with_an_example(url: str) -> None:
    """An address without http(s), without a host or with a user name is an error that shows what to write."""
    (refusal,) = refusals(MattermostSettings, {"server_url": url, "token": TOKEN})
    assert refusal.path[0] == "server_url"
    assert "https://mattermost.example.com" in hint(refusal)


def test_a_token_with_spaces_around_it_is_trimmed_with_a_warning() -> None:
    """Pasted spaces are left off, which the operator is told without the token."""
    assert token_of(settings(token=f" {TOKEN}\n")) == TOKEN
    (remark,) = remarks(token=f" {TOKEN}\n")
    assert (remark.path, remark.fatal) == (("token",), False)
    assert TOKEN not in remark.text


@pytest.mark.parametrize("token", ["  ", "two tokens", "line\nbreak"])
def test_a_token_that_is_none_is_an_error(token: str) -> None:
    """A blank token, or one with a space inside, is refused without being shown."""
    (remark,) = remarks(token=token)
    assert remark.fatal
    assert not token.strip() or token not in remark.text


@pytest.mark.parametrize("wrong", ["town-square", CHANNEL_ID[:-1], CHANNEL_ID.upper(), CHANNEL_ID + "x", ""])
def test_a_channel_id_of_another_form_is_refused_with_how_to_find_it(wrong: str) -> None:
    """Anything but 26 characters of a-z and 0-9 is refused, with what an id looks like and where it is shown."""
    refused = refusals(MattermostChannel, {"channel_id": wrong})
    assert refused
    assert "26 characters" in hint(refused[0])
    assert "View Info" in hint(refused[0])


def test_a_channel_id_and_a_channel_name_are_taken() -> None:
    """The two ways to name a channel pass."""
    assert refusals(MattermostChannel, {"channel_id": CHANNEL_ID}) == []
    assert refusals(MattermostChannel, {"team": "main", "channel": "town-square"}) == []


def test_a_display_name_is_refused_with_where_the_name_stands() -> None:
    """`Town Square` is not the channel's name: the refusal says where the name is found."""
    (refusal,) = refusals(MattermostChannel, {"team": "main", "channel": "Town Square"})
    assert "/channels/CHANNEL" in hint(refusal)


def test_unknown_keys_are_refused() -> None:
    """A misspelt key is an error, on the instance and on the channel."""
    assert refusals(MattermostSettings, {"server_url": "https://a", "token": TOKEN, "reconect_delay": 1})
    assert refusals(MattermostChannel, {"chanel_id": CHANNEL_ID})


@pytest.mark.parametrize(
    ("channel", "missing"),
    [
        (MattermostChannel(), "channel_id"),
        (MattermostChannel(team="main"), "channel"),
        (MattermostChannel(channel="town"), "team"),
        (MattermostChannel(channel_id=CHANNEL_ID, channel="town"), "keep the channel_id"),
    ],
)
def test_a_channel_without_a_name_or_with_two_is_an_error(channel: MattermostChannel, missing: str) -> None:
    """A channel needs its id, or its name with a team; not both."""
    (remark,) = MattermostDriver.channel_remarks(channel, settings())
    assert remark.fatal
    assert missing in remark.text


def test_the_team_of_the_instance_serves_its_channels() -> None:
    """A channel by name needs no team of its own where the instance has one."""
    assert list(MattermostDriver.channel_remarks(MattermostChannel(channel="town"), settings(team="main"))) == []


def test_the_key_of_a_channel_is_its_id_or_a_stand_in() -> None:
    """An id is the key; a name makes a stand-in that no id looks like, whatever its capitals."""
    key = MattermostDriver.channel_key
    assert key(MattermostChannel(channel_id=CHANNEL_ID)) == CHANNEL_ID
    assert key(MattermostChannel(team="Main", channel="Town")) == key(MattermostChannel(team="main", channel="town"))
    assert refusals(MattermostChannel, {"channel_id": key(MattermostChannel(channel="town"))})


def test_the_defaults_are_those_of_the_documentation() -> None:
    """50 MB, five seconds, and the general proxy."""
    made = settings()
    assert (made.max_file_size, made.reconnect_delay, made.proxy) == (52428800, 5, msgspec.UNSET)
