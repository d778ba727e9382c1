"""A Mattermost channel and a room of a real Matrix homeserver, bridged by the daemon as a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost
from tests.matrix.conftest import synapse  # noqa: F401 - a fixture
from tests.matrix.person import Person, shown
from tests.matrix.synapse import Synapse
from tests.process import Daemon


class Bridge(Struct):
    """Both sides of it."""

    mattermost: SandboxMattermost
    town: Channel
    ada: Account
    bob: Person
    room: str
    file: dict[str, Any]

    async def hears(self) -> str:
        """What Bob hears next, as his client shows it."""
        return shown((await self.bob.hear(self.room))["content"]).text

    async def posted(self, text: str) -> Any:
        """The relay's post that says so, once there is one."""
        return await self.mattermost.shown(self.town, text)


@asynccontextmanager
async def bridged(server: Synapse, **rule: object) -> AsyncIterator[Bridge]:
    """The daemon is not started yet. The relay is invited to the room, and not in it."""
    async with SandboxMattermost() as mattermost, Person(server) as bob:
        await bob.call_by_name("Bob")
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        account = server.register()
        room = await bob.room(account.user, name="Town hall")
        file = {
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": mattermost.url, "token": relay.token}},
            "matrix": {
                "hs": {
                    "homeserver": server.url,
                    "user_id": account.user,
                    "password": account.password,
                    "reconnect_delay": 0.2,
                }
            },
            "rules": [
                {"type": "connect", "channels": {"mm": {"channel_id": town.id}, "hs": {"room_id": room}}, **rule}
            ],
        }
        yield Bridge(mattermost, town, ada, bob, room, file)


@pytest.fixture
async def bridge(synapse: Synapse) -> AsyncIterator[Bridge]:  # noqa: F811 - the fixture
    async with bridged(synapse, on_reaction="line") as made:
        yield made


async def test_what_is_said_and_done_crosses_both_ways_and_over_a_restart(daemon: Daemon, bridge: Bridge) -> None:
    """Messages with their formatting, and what becomes of them after the daemon was stopped and started again."""
    await daemon.start(bridge.file)
    post = bridge.mattermost.post_as(bridge.ada, bridge.town, "hello **world** <b>")
    event = await bridge.bob.hear(bridge.room)
    assert shown(event["content"]).text == "Ada: hello world <b>"
    assert event["content"]["formatted_body"].endswith("hello <strong>world</strong> &lt;b&gt;")
    said = await bridge.bob.say(
        bridge.room, "good *day*", format="org.matrix.custom.html", formatted_body="good <em>day</em> @channel"
    )
    theirs = await bridge.posted("good *day* @\u200bchannel")
    assert theirs.props["override_username"] == "Bob"
    assert await daemon.stop() == 0

    missed = await bridge.bob.say(bridge.room, "while you were away")
    await bridge.bob.react(bridge.room, event["event_id"], "\N{THUMBS UP SIGN}")
    await daemon.start(bridge.file)
    await bridge.posted("while you were away")
    bridge.mattermost.edit(post, "hello all")
    bridge.mattermost.post_as(bridge.ada, bridge.town, "an answer", root=theirs)
    answer = await bridge.bob.hear(bridge.room)
    assert answer["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}
    assert shown(answer["content"]).text == "Ada: an answer"
    edits = [each for each in await bridge.bob.messages(bridge.room) if "m.new_content" in each["content"]]
    assert [shown(each["content"]["m.new_content"]).text for each in edits] == ["Ada: hello all"]
    await bridge.mattermost.until(lambda: bridge.mattermost.reactions_of(post) == ["+1"])
    await bridge.bob.edit(bridge.room, missed, "I was here")
    await bridge.posted("I was here")
    await bridge.bob.take_back(bridge.room, missed)
    await bridge.mattermost.until(lambda: "I was here" not in bridge.mattermost.messages(bridge.town))
    bridge.mattermost.delete(post)
    async with asyncio.timeout(15):
        while not await _is_redacted(bridge, event["event_id"]):  # noqa: ASYNC110 - of another process's doing
            await asyncio.sleep(0.05)
    assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []


async def _is_redacted(bridge: Bridge, event: str) -> bool:
    found = next(each for each in await bridge.bob.messages(bridge.room) if each["event_id"] == event)
    return not found["content"]


async def test_files_cross_both_ways(daemon: Daemon, bridge: Bridge) -> None:
    """Byte for byte, with their names; what is said with a file is its caption."""
    await daemon.start(bridge.file)
    content = bytes(range(256)) * 400
    file = bridge.mattermost.upload_as(bridge.ada, bridge.town, "Größe.bin", content)
    bridge.mattermost.post_as(bridge.ada, bridge.town, "see this", files=[file])
    event = await bridge.bob.hear(bridge.room)
    assert (shown(event["content"]).text, event["content"]["filename"]) == ("Ada: see this", "Größe.bin")
    assert await bridge.bob.download(event["content"]["url"]) == content
    place = await bridge.bob.upload("plan.txt", b"the plan", "text/plain")
    about = {"msgtype": "m.file", "filename": "plan.txt", "url": place, "info": {"mimetype": "text/plain"}}
    await bridge.bob.say(bridge.room, "here it is", **about)
    post = await bridge.posted("here it is")
    assert bridge.mattermost.files_of(post) == [("plan.txt", b"the plan")]


async def test_the_password_is_used_once_and_shown_nowhere(
    daemon: Daemon,
    bridge: Bridge,
    synapse: Synapse,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """The token that it gets is kept in the state folder: the next start is the same device. No line shows a secret."""
    await daemon.start(bridge.file)
    assert await daemon.stop() == 0
    await daemon.start(bridge.file)
    user = bridge.file["matrix"]["hs"]["user_id"]
    devices = synapse.request("GET", f"/_synapse/admin/v2/users/{user}/devices", None, synapse.admin.token)["devices"]
    assert len(devices) == 2, "the one that registered, and the relay's"
    log = daemon.log.read_text()
    assert bridge.file["matrix"]["hs"]["password"] not in log
    assert "syt_" not in log
    state = b"".join(each.read_bytes() for each in (tmp_path / "state").rglob("*") if each.is_file())
    assert bridge.file["matrix"]["hs"]["password"].encode() not in state


async def test_a_person_of_mattermost_is_a_member_of_the_room(
    daemon: Daemon,
    synapse: Synapse,  # noqa: F811 - the fixture
) -> None:
    """As an application service: what they say and do is theirs there, before and after a restart."""
    service = synapse.services.take()
    async with bridged(synapse) as bridge:
        login = {"type": "m.login.application_service", "username": service.name, "inhibit_login": True}
        synapse.request("POST", "/_matrix/client/v3/register", login, service.settings.as_token.reveal())
        await bridge.bob.invite(bridge.room, service.user)
        bridge.file["matrix"] = {service.name: service.written(synapse.url)}
        bridge.file["global"] = {"http": {"port": service.port}}
        channels = bridge.file["rules"][0]["channels"]
        channels[service.name] = channels.pop("hs")
        await daemon.start(bridge.file)
        post = bridge.mattermost.post_as(bridge.ada, bridge.town, "hello **world**")
        event = await bridge.bob.hear(bridge.room)
        assert event["content"]["formatted_body"] == "hello <strong>world</strong>"
        members = (await bridge.bob.call("GET", f"/rooms/{bridge.room}/joined_members"))["joined"]
        assert members[event["sender"]]["display_name"] == "Ada"
        await bridge.bob.say(bridge.room, "good day")
        theirs = await bridge.posted("good day")
        assert await daemon.stop() == 0

        await bridge.bob.say(bridge.room, "while you were away")
        await daemon.start(bridge.file)
        await bridge.posted("while you were away")
        bridge.mattermost.edit(post, "hello all")
        bridge.mattermost.react_as(bridge.ada, theirs, "+1")
        bridge.mattermost.post_as(bridge.ada, bridge.town, "goodbye")
        assert (await bridge.bob.hear(bridge.room))["sender"] == event["sender"]
        events = await bridge.bob.messages(bridge.room)
        changed = [each for each in events if "m.new_content" in each["content"] or each["type"] == "m.reaction"]
        assert {(each["type"], each["sender"]) for each in changed} == {
            ("m.room.message", event["sender"]),
            ("m.reaction", event["sender"]),
        }
        assert await daemon.stop() == 0
        assert daemon.events("delivery_buried") == []
        assert service.settings.as_token.reveal() not in daemon.log.read_text()
        assert service.settings.hs_token.reveal() not in daemon.log.read_text()
