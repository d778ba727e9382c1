"""A Mattermost channel and a room of a real Prosody, bridged by the daemon as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost
from tests.pairs.xmpping import Bob, account_block, answered, component_block, room_id, text_of
from tests.process import Daemon
from tests.xmpp.conftest import prosody  # noqa: F401 - a fixture
from tests.xmpp.prosody import COMPONENT_SECRET, PASSWORD, Prosody


class Bridge(Struct):
    """Both sides of it."""

    mattermost: SandboxMattermost
    town: Channel
    ada: Account
    bob: Bob
    file: dict[str, Any]

    async def posted(self, text: str) -> Any:
        """The relay's post that says so, once there is one."""
        return await self.mattermost.shown(self.town, text)


@asynccontextmanager
async def bridged(server: Prosody, block: dict[str, object]) -> AsyncIterator[Bridge]:
    """The daemon is not started yet."""
    async with SandboxMattermost() as mattermost, Bob.present(server) as bob:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        file = {
            # the server that Bob's files are on is on this machine
            "global": {"http": {"port": 0}, "fetch_allow": ["127.0.0.1"]},
            "mattermost": {"mm": {"server_url": mattermost.url, "token": relay.token}},
            "xmpp": {"jabber": block},
            "rules": [
                {
                    "type": "connect",
                    "channels": {"mm": {"channel_id": town.id}, "jabber": {"room": bob.room}},
                    "on_reaction": "line",
                }
            ],
        }
        yield Bridge(mattermost, town, ada, bob, file)


@pytest.mark.parametrize("component", [False, True], ids=["account", "component"])
async def test_what_is_said_and_done_crosses_both_ways_and_over_a_restart(
    daemon: Daemon,
    prosody: Prosody,  # noqa: F811 - the fixture
    component: bool,
) -> None:
    """Messages with their formatting, and what becomes of them after the daemon was stopped and started again."""
    block = component_block(prosody) if component else account_block(prosody)
    frame = "{}" if component else "<Ada> {}"
    async with bridged(prosody, block) as bridge:
        bob = bridge.bob
        await daemon.start(bridge.file)
        post = bridge.mattermost.post_as(bridge.ada, bridge.town, "hello **world** <b> *")
        heard = await bob.hears()
        assert text_of(heard) == frame.format("hello *world* <b> *")
        assert heard.get("from") == f"{bob.room}/{'Ada' if component else 'relay'}"
        said = await bob.say("good _day_ @channel")
        theirs = await bridge.posted("good *day* @\u200bchannel")
        assert theirs.props["override_username"] == "Bob"
        assert await daemon.stop() == 0

        missed = await bob.say("while you were away")
        await bob.react(heard, "\N{THUMBS UP SIGN}")
        await daemon.start(bridge.file)
        await bridge.posted("while you were away")
        bridge.mattermost.edit(post, "hello all")
        await bob.sees_edit(heard, frame.format("hello all"))
        bridge.mattermost.post_as(bridge.ada, bridge.town, "an answer", root=theirs)
        answer = await bob.hears()
        assert (text_of(answer), answered(answer)) == (frame.format("an answer"), room_id(said))
        bridge.mattermost.react_as(bridge.ada, theirs, "+1")
        await bob.sees_reaction(said, "\N{THUMBS UP SIGN}")
        await bridge.mattermost.until(lambda: bridge.mattermost.reactions_of(post) == ["+1"])
        await bob.edit(missed, "I was here")
        await bridge.posted("I was here")
        await bob.answer(heard, "likewise")
        assert (await bridge.posted("likewise")).root_id == post.id
        await bob.take_back(missed)
        await bridge.mattermost.until(lambda: "I was here" not in bridge.mattermost.messages(bridge.town))
        bridge.mattermost.delete(post)
        await bob.sees_retraction(heard)
        assert await daemon.stop() == 0
        assert daemon.events("delivery_buried") == []
        log = daemon.log.read_text()
        assert not [each for each in (PASSWORD, COMPONENT_SECRET) if each in log]


async def test_files_cross_both_ways(daemon: Daemon, prosody: Prosody) -> None:  # noqa: F811 - the fixture
    """Byte for byte, with their names; what is said with a file stands beside it."""
    async with bridged(prosody, account_block(prosody)) as bridge:
        await daemon.start(bridge.file)
        content = bytes(range(256)) * 400
        file = bridge.mattermost.upload_as(bridge.ada, bridge.town, "Größe.bin", content)
        bridge.mattermost.post_as(bridge.ada, bridge.town, "see this", files=[file])
        heard = await bridge.bob.hears()
        assert text_of(heard).startswith("<Ada> see this\nhttp")
        assert await bridge.bob.files(heard) == [("Größe.bin", content)]
        await bridge.bob.share("plan.txt", b"the plan", "here it is")
        post = await bridge.posted("here it is")
        assert bridge.mattermost.files_of(post) == [("plan.txt", b"the plan")]
