"""A Mattermost channel and a channel of the stand-in Discord, bridged by the daemon as a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from nextbridge.sandbox import discord as api
from nextbridge.sandbox.discord import Allowance, SandboxDiscord
from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from tests.process import Daemon


class Bridge(Struct):
    """Both sides of it."""

    mattermost: SandboxMattermost
    town: Channel
    ada: Account
    discord: SandboxDiscord
    guild: api.Guild
    hall: api.Channel
    bob: api.Account
    file: dict[str, Any]

    async def posted(self, text: str) -> Post:
        """The post on Mattermost that says so, once there is one."""
        return await self.mattermost.shown(self.town, text)

    async def said(self, text: str, channel: api.Channel | None = None) -> api.Message:
        """The message on Discord that says so, once there is one."""
        where = channel or self.hall
        await self.discord.until(lambda: text in self.discord.texts(where))
        return next(each for each in self.discord.messages(where) if each.content == text)


@asynccontextmanager
async def bridged(*, forum: bool = False, **instance: object) -> AsyncIterator[Bridge]:
    """The daemon is not started yet."""
    sandbox = SandboxDiscord(allowance=Allowance.generous())
    async with SandboxMattermost() as mattermost, sandbox:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        guild = sandbox.add_guild("Town")
        bot, bob = sandbox.add_bot("relay", guild), sandbox.add_person("bob", guild, name="Bob")
        hall = sandbox.add_channel(guild, "hall", forum=forum)
        block = {"token": bot.token, "api_url": sandbox.api_url, "reconnect_delay": 0.2}
        file = {
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": mattermost.url, "token": relay.token, "reconnect_delay": 0.2}},
            "discord": {"dc": block | instance},
            "rules": [
                {
                    "id": "town",
                    "type": "connect",
                    "channels": {"mm": {"channel_id": town.id}, "dc": {"channel_id": hall.id}},
                }
            ],
        }
        yield Bridge(mattermost, town, ada, sandbox, guild, hall, bob, file)


async def test_a_conversation_crosses_before_and_after_a_restart(daemon: Daemon) -> None:
    """Messages under their authors' names, answers, edits, reactions and deletions, also to what was said before."""
    async with bridged() as both:
        mattermost, sandbox = both.mattermost, both.discord
        await daemon.start(both.file)
        asked = mattermost.post_as(both.ada, both.town, "**who** is there? @everyone <@1>")
        shown = await both.said("**who** is there? \\@everyone \\<@1>")
        assert (shown.author.username, shown.webhook_id is not None) == ("Ada", True)
        assert not shown.mention_everyone
        sandbox.post_as(both.bob, both.hall, "*me*, `code`", answers=shown)
        answer = await both.posted("*me*, `code`")
        assert (answer.root_id, answer.props.get("override_username")) == (asked.id, "Bob")

        assert await daemon.stop() == 0
        await daemon.start(both.file)
        mattermost.post_as(both.ada, both.town, "and Carol?", root=asked)
        link = f"-# ↪ https://discord.com/channels/{both.guild.id}/{both.hall.id}/{shown.id}\n"
        again = await both.said(f"{link}and Carol?")
        mattermost.edit(asked, "who is here?")
        await both.said("who is here?")
        sandbox.react_as(both.bob, again, "👍")
        carol = next(each for each in mattermost.posts(both.town) if each.message == "and Carol?")
        await mattermost.until(lambda: both.mattermost.reactions_of(carol) == ["+1"])
        said = sandbox.post_as(both.bob, both.hall, "no")
        no = await both.posted("no")
        mattermost.react_as(both.ada, no, "tada")
        await sandbox.until(lambda: "🎉" in sandbox.reactions_of(said))
        sandbox.edit(said, "not yet")
        await both.posted("not yet")
        sandbox.delete(said)
        await mattermost.until(lambda: "not yet" not in mattermost.messages(both.town))
        mattermost.delete(carol)
        await sandbox.until(lambda: again not in sandbox.messages(both.hall))
        assert await daemon.stop() == 0


async def test_what_happened_while_the_daemon_was_stopped_is_told_afterwards(daemon: Daemon) -> None:
    """By the session, which is resumed after a restart: messages, edits, deletions and reactions."""
    async with bridged() as both:
        mattermost, sandbox = both.mattermost, both.discord
        await daemon.start(both.file)
        said = [sandbox.post_as(both.bob, both.hall, text) for text in ("one", "two", "three")]
        three = await both.posted("three")
        assert await daemon.stop() == 0
        sandbox.edit(said[0], "first")
        sandbox.delete(said[1])
        sandbox.react_as(both.bob, said[2], "👍")
        sandbox.post_as(both.bob, both.hall, "four")
        await daemon.start(both.file)
        await both.posted("four")
        await mattermost.until(lambda: both.mattermost.reactions_of(three) == ["+1"])
        assert mattermost.messages(both.town) == ["first", "three", "four"]
        assert (sandbox.gateway.identified, sandbox.gateway.resumed) == (1, 1)
        assert await daemon.stop() == 0


async def test_without_the_session_the_history_tells(daemon: Daemon) -> None:
    """After a long time away: what was said in the channel and in its threads, in order, and what was edited."""
    async with bridged() as both:
        mattermost, sandbox = both.mattermost, both.discord
        await daemon.start(both.file)
        said = sandbox.post_as(both.bob, both.hall, "one")
        await both.posted("one")
        assert await daemon.stop() == 0
        sandbox.gateway.sessions.clear()
        sandbox.edit(said, "first")
        thread = sandbox.start_thread(both.bob, said, "more of it")
        for number in range(3):
            sandbox.post_as(both.bob, thread if number == 1 else both.hall, f"missed {number}")
        await daemon.start(both.file)
        await both.posted("missed 2")
        await mattermost.until(lambda: "first" in mattermost.messages(both.town))
        assert mattermost.messages(both.town) == ["first", "missed 0", "missed 1", "missed 2"]
        first, *_, inside, _ = mattermost.posts(both.town)
        assert inside.root_id == first.id
        assert await daemon.stop() == 0


async def test_threads_and_files_cross(daemon: Daemon) -> None:
    """What is said in a thread is an answer; an answer to it comes into the thread, with its file."""
    async with bridged() as both:
        mattermost, sandbox = both.mattermost, both.discord
        await daemon.start(both.file)
        root = mattermost.post_as(both.ada, both.town, "a plan")
        plan = await both.said("a plan")
        thread = sandbox.start_thread(both.bob, plan, "the plan")
        sandbox.post_as(both.bob, thread, "where?", files=[("map.png", b"\x89PNG map")])
        where = await both.posted("where?")
        assert where.root_id == root.id
        assert mattermost.files_of(where) == [("map.png", b"\x89PNG map")]
        file = mattermost.upload_as(both.ada, both.town, "the plan (1).txt", b"here")
        mattermost.post_as(both.ada, both.town, "there", root=root, files=[file])
        there = await both.said("there", thread)
        assert sandbox.files_of(there) == [("the plan (1).txt", b"here")]
        assert await daemon.stop() == 0


async def test_a_forum_is_a_channel_of_threads(daemon: Daemon) -> None:
    """What answers nothing begins a post on Discord, and a post begins a thread on Mattermost; answers follow."""
    async with bridged(forum=True) as both:
        mattermost, sandbox = both.mattermost, both.discord
        await daemon.start(both.file)
        root = mattermost.post_as(both.ada, both.town, "an idea for the town")
        await sandbox.until(lambda: bool(sandbox.threads(both.hall)))
        (idea,) = sandbox.threads(both.hall)
        assert idea.name == "an idea for the town"
        await both.said("an idea for the town", idea)
        sandbox.post_as(both.bob, idea, "a good one")
        assert (await both.posted("a good one")).root_id == root.id
        mattermost.post_as(both.ada, both.town, "thanks", root=root)
        await both.said("thanks", idea)
        mattermost.post_as(both.ada, both.town, "word " * 900)
        await sandbox.until(lambda: sum(map(len, sandbox.texts(sandbox.threads(both.hall)[-1]))) >= 4490)
        assert [len(sandbox.messages(each)) for each in sandbox.threads(both.hall)] == [3, 3]
        other, _ = sandbox.post_in_forum(both.bob, both.hall, "another", "what about this?")
        begun = await both.posted("what about this?")
        mattermost.post_as(both.ada, both.town, "why not", root=begun)
        await both.said("why not", other)
        assert await daemon.stop() == 0
