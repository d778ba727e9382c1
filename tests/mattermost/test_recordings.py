"""What a real server was recorded to say, read by the driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.mattermost import wire
from drivers.mattermost.allowance import Allowance
from drivers.mattermost.api import RateGovernor
from nextbridge.envelope import Deleted, Edited, Joined, Left, Posted, Reacted
from nextbridge.markup import PLAIN
from tests.mattermost.script import Play, Server, Socket

WIRE = Path(__file__).parent.parent / "wire" / "mattermost"
RELAY = "c6aymamaniga5cfnuoexzty4jc"


def recorded(name: str) -> Any:
    return json.loads((WIRE / name).read_text())


def exchange(name: str) -> dict[str, Any]:
    """The recorded exchange of this name."""
    (found,) = [each for each in recorded("rest.json") if each["name"] == name]
    return dict(found)


async def test_the_recorded_frames_are_read_as_what_happened(play: Play, server: Server) -> None:
    """Each frame of the recorded hour becomes the right event, or is counted under the right reason."""
    frames = [frame for frame in recorded("websocket.json") if "event" in frame or "status" in frame]
    alice = exchange("user with nickname")["body"]
    server.me = RELAY
    server.people = {alice["id"]: alice}

    async def script(socket: Socket) -> None:
        for frame in frames:
            await socket.ws.send_json(frame)
        await socket.posted("the end", 22)
        await socket.linger()

    running = play(script)
    await running.received("the end")
    said = [
        (event.author.name, event.author.bot, text) for event, text in zip(running.posted, running.texts, strict=True)
    ]
    assert said[:-1] == [
        ("Ally", False, "hello **world** :smile: ünïcode 🎉"),
        ("bob", False, "a reply"),
        ("bob", False, said[2][2]),
        ("Ally", False, ""),
        ("Ally", False, "waves"),
        ("Weather", True, "from a hook\n\n**T**\nbody"),
        ("peer", True, "I am a bot too"),
        ("Ally", False, "psst"),
    ]
    assert [event.addressed for event in running.posted[:-1]] == [False, False, True, False, False, False, False, True]
    assert [event.action for event in running.posted].index(True) == 4
    assert [(each.name, each.size) for each in running.posted[3].attachments] == [
        ("cat.png", 67),
        ("notes%20%C3%BCn%C3%AF.txt", 11),
    ]
    assert running.posted[1].thread == running.posted[0].message
    first, bob = running.posted[0].message, "bjci5po9ebgsjem58o3r1gj17y"  # nobody tells the name
    events = [event for event in running.host.events if not isinstance(event, Posted)]
    assert [(type(event), event.author.name) for event in events] == [
        (Edited, "Ally"),
        (Reacted, bob),
        (Reacted, bob),
        (Left, "carol"),
        (Joined, "carol"),
        (Deleted, "Ally"),
    ]
    edited, added, removed, left, _, deleted = events
    assert isinstance(edited, Edited)
    assert isinstance(added, Reacted)
    assert isinstance(removed, Reacted)
    assert isinstance(left, Left)
    assert isinstance(deleted, Deleted)
    assert {event.message for event in (edited, added, removed, deleted)} == {first}
    assert (PLAIN.write(edited.text.blocks), edited.at) == ("hello edited", 1795295153702)
    assert (added.emoji, added.added, removed.emoji, removed.added) == ("👍", True, "👍", False)
    assert left.reason.startswith("removed by ")
    assert deleted.with_thread
    assert [author.name for _, author in running.host.typists] == ["Ally"]
    assert running.host.skips == {"post_touched": 1, "own_post": 1}


async def test_the_recorded_resumption_is_read_without_a_gap(play: Play, server: Server) -> None:
    """The frames of a resumed connection, as a real server sent them, follow on those before it."""
    frames = recorded("websocket-resumed.json")
    cut = [place for place, frame in enumerate(frames) if "closed" in frame]
    first, second = frames[cut[0] + 2 : cut[1]], frames[cut[1] + 2 : cut[2]]

    async def before(socket: Socket) -> None:
        for frame in first:
            await socket.ws.send_json(frame)

    async def after(socket: Socket) -> None:
        for frame in second:
            await socket.ws.send_json(frame)
        await socket.linger()

    running = play(before, after)
    await running.received("missed 2")
    assert running.texts == ["seen live", "missed 0", "missed 1", "missed 2"]
    assert server.sockets[1].query["sequence_number"] == "4"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("create post", wire.Post),
        ("post with files", wire.Post),
        ("same pending_post_id, again", wire.Post),
        ("posts since", wire.PostList),
        ("posts after", wire.PostList),
        ("upload cat.png", wire.Uploaded),
        ("file info", wire.FileInfo),
        ("me", wire.User),
        ("user with nickname", wire.User),
        ("channel", wire.ChannelInfo),
        ("create direct channel", wire.ChannelInfo),
        ("client config", wire.ClientConfig),
        ("join", wire.Member),
        ("patch post", wire.Nothing),
        ("add reaction", wire.Reaction),
        ("me, bad token", wire.ServerError),
        ("file not found", wire.ServerError),
        ("16384 runes", wire.ServerError),
    ],
)
def test_every_recorded_answer_that_is_used_can_be_read(name: str, kind: type[msgspec.Struct]) -> None:
    """The structures fit what the server says."""
    assert isinstance(msgspec.json.decode(json.dumps(exchange(name)["body"]), type=kind), kind)


def test_the_recorded_settings_are_understood() -> None:
    """The limits and the overrides of the recorded server are read from its client config."""
    config = msgspec.json.decode(json.dumps(exchange("client config")["body"]), type=wire.ClientConfig)
    assert Allowance.of(config) == Allowance(post_size=16383, file_size=104857600, files=True, names=True, icons=True)


def test_the_recorded_rate_limit_is_obeyed() -> None:
    """Of the recorded headers, a 429 says how long to wait, and nothing else does."""
    governor = RateGovernor()
    waits = [governor.heard(each["status"], each["headers"]) for each in recorded("rest-ratelimited.json")]
    statuses = [each["status"] for each in recorded("rest-ratelimited.json")]
    assert [wait is not None for wait in waits] == [status == 429 for status in statuses]
    assert 429 in statuses
    assert {wait for wait in waits if wait is not None} == {1.0}
