"""A Mattermost channel and a Telegram group, bridged by the daemon as a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from nextbridge.sandbox.telegram import Account as Bot
from nextbridge.sandbox.telegram import Message, Room, SandboxTelegram, User
from tests.process import Daemon

PICTURE = b"\x89PNG\r\n\x1a\n" + b"not much of a picture"


class Bridge(Struct):
    """Ada on Mattermost, Ted on Telegram, and the daemon between them."""

    daemon: Daemon
    mattermost: SandboxMattermost
    telegram: SandboxTelegram
    relay: Account
    ada: Account
    town: Channel
    bot: Bot
    ted: User
    group: Room

    @property
    def file(self) -> dict[str, object]:
        return {
            "global": {"http": {"port": 0}},
            "mattermost": {
                "mm": {"server_url": self.mattermost.url, "token": self.relay.token, "reconnect_delay": 0.2}
            },
            "telegram": {
                "tg": {
                    "api_url": self.telegram.url,
                    "token": self.bot.token,
                    "messages_per_minute": 100_000,
                    "messages_per_second": 10_000,
                    "reconnect_delay": 0.2,
                }
            },
            "rules": [
                {
                    "id": "town",
                    "type": "connect",
                    "joins": True,
                    "sync_topic": True,
                    "on_delete": "notice",
                    "channels": {"mm": {"channel_id": self.town.id}, "tg": {"chat": self.group.id}},
                }
            ],
        }

    async def start(self) -> None:
        """Return once both sides hear each other."""
        polls = self.telegram.faults.requests["getUpdates"]
        await self.daemon.start(self.file)
        await self.telegram.until(lambda: self.telegram.faults.requests["getUpdates"] > polls)

    async def restart(self) -> None:
        assert await self.daemon.stop() == 0
        await self.start()

    async def ada_sees(self, text: str) -> Post:
        """The post that says this, once Ada has seen it."""
        return await self.mattermost.shown(self.town, text, within=15)

    async def ted_sees(self, text: str) -> Message:
        """The message that says this, once Ted has seen it."""
        return await self.telegram.shown(self.group, text)


@pytest.fixture
async def bridge(daemon: Daemon) -> AsyncIterator[Bridge]:
    async with SandboxMattermost() as here, SandboxTelegram() as there:
        team = here.add_team("main")
        relay, ada = here.add_bot("relay", team=team), here.add_user("ada", nickname="Ada", team=team)
        town = here.add_channel(team, "town", members=[relay, ada])
        bot, ted = there.add_bot("relay_bot"), there.add_person("Ted", username="teddy")
        group = there.add_supergroup("Town", [ted, bot.user])
        there.promote(group, bot.user)
        yield Bridge(daemon, here, there, relay, ada, town, bot, ted, group)


Pause = Callable[[Bridge], Awaitable[None]]


@pytest.fixture(params=["at once", "after a restart"])
def pause(request: pytest.FixtureRequest) -> Pause:
    """What lies between a message and what is done to it."""

    async def pause(bridge: Bridge) -> None:
        if request.param == "after a restart":
            await bridge.restart()

    return pause


async def test_messages_cross_in_order_and_once(bridge: Bridge) -> None:
    """Three hundred each way at the same time, under their authors' names."""
    await bridge.start()

    async def post() -> None:
        for number in range(300):
            bridge.mattermost.post_as(bridge.ada, bridge.town, f"post {number}")
            await asyncio.sleep(0)

    async def say() -> None:
        for number in range(300):
            bridge.telegram.say(bridge.ted, bridge.group, f"line {number}")
            await asyncio.sleep(0)

    await asyncio.gather(post(), say())
    await asyncio.gather(bridge.ted_sees("Ada: post 299"), bridge.ada_sees("line 299"))
    arrived = [each.text for each in bridge.telegram.messages(bridge.group) if each.from_ == bridge.bot.user]
    assert arrived == [f"Ada: post {number}" for number in range(300)]
    relayed = [each for each in bridge.mattermost.posts(bridge.town) if each.user_id == bridge.relay.id]
    assert [each.message for each in relayed] == [f"line {number}" for number in range(300)]
    assert {each.props["override_username"] for each in relayed} == {"Ted"}
    assert await bridge.daemon.stop() == 0
    assert bridge.daemon.events("delivery_buried") == []
    assert bridge.bot.token not in bridge.daemon.log.read_text(), "no secret is in any line"


async def test_edits_and_deletions_cross(bridge: Bridge, pause: Pause) -> None:
    """The same message says something else on either side; what is deleted on Mattermost is gone on Telegram."""
    await bridge.start()
    post = bridge.mattermost.post_as(bridge.ada, bridge.town, "teh **cat**")
    copy = await bridge.ted_sees("Ada: teh cat")
    said = bridge.telegram.say(bridge.ted, bridge.group, "teh dog")
    theirs = await bridge.ada_sees("teh dog")
    await pause(bridge)
    bridge.mattermost.edit(post, "the _cat_")
    edited = await bridge.ted_sees("Ada: the cat")
    assert edited.message_id == copy.message_id
    assert [each.type for each in edited.entities] == ["bold", "italic"]
    bridge.telegram.edit(bridge.ted, bridge.group, said, "the dog")
    assert (await bridge.ada_sees("the dog")).id == theirs.id
    bridge.mattermost.delete(post)
    await bridge.telegram.until(lambda: copy.message_id not in bridge.group.said)


async def test_answers_and_reactions_cross(bridge: Bridge, pause: Pause) -> None:
    """Under what they answer, and on what they are about; one of the bot's stands for all."""
    await bridge.start()
    question = bridge.mattermost.post_as(bridge.ada, bridge.town, "tea?")
    asked = await bridge.ted_sees("Ada: tea?")
    await pause(bridge)
    bridge.telegram.say(bridge.ted, bridge.group, "with milk", reply_to=asked.message_id)
    assert (await bridge.ada_sees("with milk")).root_id == question.id
    bridge.mattermost.post_as(bridge.ada, bridge.town, "and sugar", root=question)
    answer = await bridge.ted_sees("Ada: and sugar")
    assert answer.reply_to_message is not None
    assert answer.reply_to_message.message_id == asked.message_id
    bridge.telegram.react(bridge.ted, bridge.group, asked.message_id, "👍")
    await bridge.mattermost.until(lambda: bridge.mattermost.reactions_of(question) == ["+1"], within=15)
    bridge.telegram.react(bridge.ted, bridge.group, asked.message_id)
    await bridge.mattermost.until(lambda: bridge.mattermost.reactions_of(question) == [], within=15)
    bridge.mattermost.react_as(bridge.ada, question, "heart")
    await bridge.telegram.until(lambda: bridge.telegram.reactions(bridge.group, asked.message_id) == ["❤"])


async def test_files_cross(bridge: Bridge, pause: Pause) -> None:
    """Several are an album on Telegram and one post on Mattermost, byte for byte; a long text stands before them."""
    await bridge.start()
    await pause(bridge)
    names = ("a cat.png", "b.png")
    files = [bridge.mattermost.upload_as(bridge.ada, bridge.town, name, PICTURE) for name in names]
    bridge.mattermost.post_as(bridge.ada, bridge.town, "two cats", files=files)
    first = await bridge.ted_sees("Ada: two cats")
    await bridge.telegram.until(lambda: len(bridge.telegram.messages(bridge.group)) == 2)
    album = bridge.telegram.messages(bridge.group)
    assert [bridge.telegram.content(each) for each in album] == [(name, PICTURE) for name in names]
    assert {each.media_group_id for each in album} == {first.media_group_id}
    bridge.telegram.say_album(bridge.ted, bridge.group, [("x.bin", b"x"), ("y.bin", b"y")], caption="two files",
                              kind="document")  # fmt: skip
    post = await bridge.ada_sees("two files")
    assert bridge.mattermost.files_of(post) == [("x.bin", b"x"), ("y.bin", b"y")]
    long = "word " * 300
    file = bridge.mattermost.upload_as(bridge.ada, bridge.town, "c.png", PICTURE)
    bridge.mattermost.post_as(bridge.ada, bridge.town, long, files=[file])
    text = await bridge.ted_sees(f"Ada: {long.strip()}")
    await bridge.telegram.until(lambda: bool(bridge.telegram.messages(bridge.group)[-1].photo))
    assert bridge.telegram.messages(bridge.group)[-2].message_id == text.message_id


async def test_who_comes_and_what_the_topic_is_crosses(bridge: Bridge) -> None:
    """Lines on Mattermost, the description on Telegram."""
    await bridge.start()
    newt = bridge.telegram.add_person("Newt")
    bridge.telegram.come(bridge.group, newt)
    post = await bridge.ada_sees("*joined*")
    assert post.props["override_username"] == "Newt"
    bridge.mattermost.change_header(bridge.ada, bridge.town, "All about tea")
    await bridge.telegram.until(lambda: bridge.group.description == "All about tea")


async def test_a_group_that_becomes_a_supergroup_stays_bridged(bridge: Bridge) -> None:
    """What waited goes to the new one, and what is said there arrives, after a restart too, with the same file."""
    group = bridge.telegram.add_group("Old", [bridge.ted, bridge.bot.user])
    bridge.telegram.promote(group, bridge.bot.user)
    bridge.group = group
    await bridge.start()
    bridge.telegram.say(bridge.ted, group, "hello")
    await bridge.ada_sees("hello")
    bridge.mattermost.post_as(bridge.ada, bridge.town, "welcome")
    await bridge.ted_sees("Ada: welcome")
    bigger = bridge.telegram.upgrade(group)
    file = bridge.file
    for number in range(2):
        bridge.mattermost.post_as(bridge.ada, bridge.town, f"to the new one {number}")
        await bridge.telegram.shown(bigger, f"Ada: to the new one {number}")
        # the number is one that the old group had, too
        bridge.telegram.say(bridge.ted, bigger, f"from the new one {number}")
        await bridge.ada_sees(f"from the new one {number}")
        assert await bridge.daemon.stop() == 0
        await bridge.daemon.start(file)
    assert bridge.daemon.events("group_moved")


async def test_nothing_is_lost_by_kills(bridge: Bridge) -> None:
    """What was said before, between and after is there once on Mattermost; on Telegram the last may be there twice."""
    await bridge.start()
    for number in range(5):
        for place in range(10):
            bridge.mattermost.post_as(bridge.ada, bridge.town, f"post {number}.{place}")
            bridge.telegram.say(bridge.ted, bridge.group, f"line {number}.{place}")
            await asyncio.sleep(0.01)
        await bridge.daemon.kill()
        bridge.mattermost.post_as(bridge.ada, bridge.town, f"post {number}.between")
        bridge.telegram.say(bridge.ted, bridge.group, f"line {number}.between")
        await bridge.start()
    bridge.mattermost.post_as(bridge.ada, bridge.town, "end")
    bridge.telegram.say(bridge.ted, bridge.group, "that was all")
    await asyncio.gather(bridge.ted_sees("Ada: end"), bridge.ada_sees("that was all"))
    names = [*map(str, range(10)), "between"]
    expected = [f"{number}.{place}" for number in range(5) for place in names]
    relayed = [each.message for each in bridge.mattermost.posts(bridge.town) if each.user_id == bridge.relay.id]
    assert relayed == [*(f"line {each}" for each in expected), "that was all"]
    shown = [each.text or "" for each in bridge.telegram.messages(bridge.group) if each.from_ == bridge.bot.user]
    arrived = [text.partition(" post ")[2] for text in shown if " post " in text]
    assert [each for place, each in enumerate(arrived) if each not in arrived[:place]] == expected
    assert len(arrived) - len(expected) <= 5, "one for each kill at most"
