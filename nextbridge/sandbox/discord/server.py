"""The stand-in Discord itself: what a test starts, fills, and looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from msgspec import UNSET

from nextbridge.sandbox.discord import places, posts
from nextbridge.sandbox.discord.buckets import Allowance, Buckets
from nextbridge.sandbox.discord.exchange import Exchange
from nextbridge.sandbox.discord.faults import Faults
from nextbridge.sandbox.discord.gateway import Gateway
from nextbridge.sandbox.discord.records import (
    Account,
    Channel,
    ChannelType,
    CustomEmoji,
    Guild,
    Message,
    MessageReference,
    MessageType,
    Overwrite,
    Role,
    Snapshot,
    Sticker,
    User,
    plain,
)
from nextbridge.sandbox.discord.rights import Right, of_bot
from nextbridge.sandbox.discord.world import Draft, Upload, World

__all__ = ["SandboxDiscord"]

_GRACE = 0.5
"""Seconds that requests have to end when it stops."""
_LARGEST_REQUEST = 256 << 20


class SandboxDiscord:
    """A Discord to run against: `async with SandboxDiscord() as sandbox`. Set up before or after the start."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, allowance: Allowance | None = None) -> None:
        """`port` 0 takes a free one. `allowance` are the rate limits, Discord's own by default."""
        self.world = World()
        self.buckets = Buckets(allowance or Allowance())
        self.faults = Faults()
        self._exchange = Exchange(self.world, self.buckets, self.faults)
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._founder = self.world.add_account("founder", name="Founder", bot=False)

    # --- running --------------------------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self._port

    @property
    def api_url(self) -> str:
        """What an operator writes as `api_url`."""
        return f"http://{self._host}:{self._port}/api"

    @property
    def gateway(self) -> Gateway:
        return self.world.gateway

    @property
    def requests(self) -> list[str]:
        """The routes that were asked for, in order."""
        return self._exchange.requests

    async def start(self) -> None:
        """Raises OSError where the port cannot be had."""
        app = web.Application(client_max_size=_LARGEST_REQUEST)
        for route in (*places.routes(), *posts.routes()):
            method, path, _ = route
            app.router.add_route(method, f"/api/v10{path}", self._exchange.bound(route))
        app.router.add_get("/attachments/{channel}/{attachment}/{name}", self._file)
        app.router.add_get("/", self._gateway)
        app.router.add_get("/resuming", self.gateway.handle)
        app.router.add_get("/resuming/", self.gateway.handle)
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=_GRACE)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.faults.forget()
        self.gateway.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def until(self, condition: Callable[[], bool], *, within: float = 15.0) -> None:
        """Return once `condition()` holds; looked at whenever something happened. Raises TimeoutError."""
        happened = asyncio.Event()

        def note(event: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - whatever it was
            happened.set()

        self.world.watchers.append(note)
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await happened.wait()
                    happened.clear()
        finally:
            self.world.watchers.remove(note)

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        return self.faults.instead("GET /") or await self.gateway.handle(request)

    async def _file(self, request: web.Request) -> web.Response:
        return posts.file_of(self.world, request)

    # --- setting up -----------------------------------------------------------------------------------------------

    def add_guild(self, name: str, *, premium_tier: int = 0) -> Guild:
        guild = self.world.add_guild(name, self._founder)
        guild.premium_tier = premium_tier
        return guild

    def add_person(self, username: str, *guilds: Guild, name: str | None = None, nick: str | None = None) -> Account:
        """A person, whom tests move by hand. `nick` is what they are called in these guilds alone."""
        account = self.world.add_account(username, name=name, bot=False)
        for guild in guilds:
            self.world.add_member(guild, account, [], nick)
        return account

    def add_bot(self, username: str, *guilds: Guild, rights: Right = of_bot) -> Account:
        """A bot with its token, and a role of its own in these guilds."""
        account = self.world.add_account(username, name=None, bot=True)
        for guild in guilds:
            role = Role(id=self.world.snowflakes.next(), name=username, permissions=str(int(rights)), managed=True)
            guild.roles.append(role)
            self.world.add_member(guild, account, [role.id])
        return account

    def add_channel(self, guild: Guild, name: str, *, hidden: bool = False, forum: bool = False) -> Channel:
        """A text channel, or a forum. A hidden one is seen by nobody but the guild's owner."""
        overwrite = Overwrite(id=guild.id, type=0, deny=str(int(Right.VIEW_CHANNEL)))
        channel = Channel(
            id=self.world.snowflakes.next(),
            type=ChannelType.FORUM if forum else ChannelType.TEXT,
            guild_id=guild.id,
            name=name,
            topic=None,
            position=0,
            permission_overwrites=[overwrite] if hidden else [],
            nsfw=False,
            parent_id=None,
            rate_limit_per_user=0,
        )
        if forum:
            channel.available_tags, channel.default_forum_layout = [], 0
            channel.default_reaction_emoji = channel.default_sort_order = None
        return self.world.add_channel(channel)

    def change_right(self, channel: Channel, account: Account, right: Right, *, allow: bool) -> None:
        """Give somebody a right in a channel, or take it."""
        mask = str(int(right))
        kept = [each for each in channel.permission_overwrites or [] if each.id != account.id]
        overwrite = Overwrite(id=account.id, type=1, allow=mask if allow else "0", deny="0" if allow else mask)
        channel.permission_overwrites = [*kept, overwrite]
        self.world.tell("CHANNEL_UPDATE", channel, plain(channel))

    def turn_off_intents(self, bot: Account, *bits: int) -> None:
        """Turn privileged intents off in the developer portal."""
        for bit in bits:
            self.world.applications[bot.token].privileged &= ~(1 << bit)

    def revoke(self, bot: Account) -> None:
        """The token is reset: it is refused from here on."""
        del self.world.applications[bot.token]
        for session in list(self.gateway.sessions.values()):
            if session.application.account == bot:
                del self.gateway.sessions[session.id]
        self.gateway.close(4004)

    def add_emoji(self, guild: Guild, name: str) -> CustomEmoji:
        return self.world.add_emoji(guild, name)

    # --- what people do -------------------------------------------------------------------------------------------

    def post_as(  # noqa: PLR0913 - what a message may have
        self,
        person: Account,
        channel: Channel,
        text: str,
        *,
        answers: Message | None = None,
        files: Sequence[tuple[str, bytes]] = (),
        embeds: Sequence[dict[str, Any]] = (),
        stickers: Sequence[Sticker] = (),
        type: MessageType = MessageType.DEFAULT,  # noqa: A002 - the API's word
    ) -> Message:
        reference = None
        if answers is not None:
            reference = MessageReference(
                message_id=answers.id, channel_id=answers.channel_id, guild_id=channel.guild_id
            )
        draft = Draft(
            content=text,
            author=person.user,
            answers=reference,
            files=[Upload(name, content) for name, content in files],
            embeds=list(embeds),
            type=type,
        )
        message = self.world.made(channel, draft)
        if stickers:
            message.sticker_items = list(stickers)
        return self.world.put(channel, message, self._authority)

    def forward_as(self, person: Account, channel: Channel, forwarded: Message) -> Message:
        """A forward: it has no content of its own, and a snapshot of what it forwards."""
        reference = MessageReference(
            message_id=forwarded.id, channel_id=forwarded.channel_id, guild_id=channel.guild_id, type=1
        )
        message = self.world.made(channel, Draft(author=person.user, answers=reference))
        kept = ("content", "timestamp", "edited_timestamp", "attachments", "embeds", "mentions", "type", "flags")
        shown = self.world.seen(forwarded, person.id, self._authority)
        message.message_snapshots = [Snapshot({name: shown[name] for name in kept})]
        return self.world.put(channel, message, self._authority)

    def post_by_webhook(self, channel: Channel, name: str, text: str) -> Message:
        """A message by a webhook of somebody else's."""
        webhook = self.world.add_webhook(channel, name, self._founder.user, None)
        user = User(id=webhook.id, username=name, discriminator="0000", bot=True)
        return self.world.post(channel, Draft(content=text, author=user, webhook=webhook), self._authority)

    def post_in_forum(self, person: Account, forum: Channel, name: str, text: str) -> tuple[Channel, Message]:
        return self.world.post_in_forum(forum, name, Draft(content=text, author=person.user), self._authority)

    def start_thread(self, person: Account, on: Message, name: str) -> Channel:
        """A thread on a message. Its parent shows a notice only where it hangs on no message."""
        return self.world.start_thread(self.world.channels[on.channel_id], name, person.user, on=on.id)

    def archive(self, thread: Channel) -> None:
        if thread.thread_metadata is not UNSET:
            thread.thread_metadata.archived = True
            self.world.tell("THREAD_UPDATE", thread, plain(thread))

    def edit(self, message: Message, text: str) -> None:
        self.world.edit(self.world.channels[message.channel_id], message, text, None, self._authority)

    def pin(self, message: Message) -> None:
        self.world.pin(self.world.channels[message.channel_id], message, self._authority)

    def delete(self, message: Message) -> None:
        self.world.delete(self.world.channels[message.channel_id], message)

    def react_as(self, person: Account, message: Message, emoji: str, *, add: bool = True) -> None:
        """`emoji` is a character, or `name:id` of a custom one."""
        self.world.react(self.world.channels[message.channel_id], message, person.user, emoji, add=add)

    def type_as(self, person: Account, channel: Channel) -> None:
        self.world.type_in(channel, person.user)

    def whisper_as(self, person: Account, other: Account, text: str) -> Message:
        """Something said to one alone."""
        return self.post_as(person, self.world.conversation(person.user, other.user), text)

    # --- looking --------------------------------------------------------------------------------------------------

    def messages(self, channel: Channel) -> list[Message]:
        """What stands in a channel, in order."""
        return list(self.world.messages[channel.id].values())

    def texts(self, channel: Channel) -> list[str]:
        return [each.content for each in self.messages(channel)]

    def threads(self, parent: Channel) -> list[Channel]:
        return [each for each in self.world.channels.values() if each.is_thread and each.parent_id == parent.id]

    def files_of(self, message: Message) -> list[tuple[str, bytes]]:
        """Names, as people see them, and contents."""
        return [
            (
                each.filename if each.title is UNSET else f"{each.title}{_suffix(each.filename)}",
                self.world.contents[each.id],
            )
            for each in message.attachments
        ]

    def reactions_of(self, message: Message) -> dict[str, list[str]]:
        """By emoji, who put it there."""
        return {emoji: list(who) for emoji, who in self.world.reactions.get(message.id, {}).items() if who}

    @property
    def _authority(self) -> str:
        return f"{self._host}:{self._port}"


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix}" if dot and stem else ""
