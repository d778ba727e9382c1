"""The Discord driver: one bot, by the gateway and the REST API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import ClassVar, Literal, TypeVar

import msgspec

from drivers.discord import wire
from drivers.discord.acts import Acts
from drivers.discord.api import Api, Refused
from drivers.discord.directory import directory
from drivers.discord.events import Reader, Skipped
from drivers.discord.files import MOST_FILES, download, largest_of
from drivers.discord.gateway import Connection, GatewayTimes, InvalidSession, Resumption, open_gateway
from drivers.discord.history import HistoryReader
from drivers.discord.markdown import MARKDOWN
from drivers.discord.people import People
from drivers.discord.places import Place, Places, message_id
from drivers.discord.probe import probe
from drivers.discord.sending import Sender
from drivers.discord.settings import DiscordChannel, DiscordSettings, api_of, channel_key, repairs, token_of
from drivers.discord.webhooks import Webhooks
from nextbridge.config.types import effective_proxy
from nextbridge.driver import (
    Acknowledgement,
    Address,
    ConfiguredChannel,
    Cursor,
    Directory,
    Driver,
    Excerpt,
    Finding,
    Guarantees,
    Host,
    Limits,
    LocalFile,
    Outgoing,
    Past,
    Receipt,
    Remark,
    RetryRecognition,
    Unit,
)
from nextbridge.envelope import Attachment, Author, ChannelKey, Event, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Paused, Rejected, Retry
from nextbridge.http.client import open_session
from nextbridge.labels import in_words
from nextbridge.markup import Dialect, emoji
from nextbridge.media.bounded import over

__all__ = ["DiscordDriver"]

T = TypeVar("T")
_DELETED_KEPT = 1000
_SAVING = 2.0
"""Seconds that the end of a connection waits for the disk."""


class DiscordDriver(Driver[DiscordSettings, DiscordChannel]):
    """Receives by the gateway and sends by REST, so that sending goes on while the gateway is connected anew."""

    platform: ClassVar[str] = "discord"
    title: ClassVar[str] = "Discord"
    settings_type = DiscordSettings
    channel_type = DiscordChannel
    dialect: ClassVar[Dialect] = MARKDOWN
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE,
        retry_recognised_by=RetryRecognition.KEY_THEN_MARK,
        retry_key_lives=120,
        history="everything, for the few minutes that Discord keeps a session; after that new messages and the latest "
        "edits from the channels' and threads' histories, as old and as many as `global.backfill` says",
        sends_while_reconnecting=True,
    )
    default_format: ClassVar[str] = "**{nickname}**: {msg}"
    action_format: ClassVar[str] = "**{nickname}** *{msg}*"
    gateway_times: ClassVar[GatewayTimes] = GatewayTimes()

    def __init__(
        self, settings: DiscordSettings, channels: Sequence[ConfiguredChannel[DiscordChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        self._opening = asyncio.Lock()
        self._api: Api | None = None
        self._reader: Reader | None = None
        """Set once it was connected."""
        self._places = Places(channels, host)
        self._people = People()
        self._webhooks = Webhooks(host)
        self._sender = Sender(settings, self._places, self._webhooks, host)
        self._acts = Acts(self._places, self._people)
        self._history = HistoryReader(self._places, host)
        self._resumption = Resumption(host.store)
        self._told_of_gaps = False
        self._deleted: dict[str, None] = {}
        """Messages that we took back ourselves: a deletion does not say who did."""

    # --- the operator's file --------------------------------------------------------------------------------------

    @classmethod
    def channel_key(cls, settings: DiscordChannel) -> ChannelKey:
        return channel_key(settings)

    @classmethod
    def address(cls, settings: DiscordSettings) -> Address | None:
        return Address.of("api_url", settings.api_url)

    @classmethod
    def remarks(cls, settings: DiscordSettings) -> Iterable[Remark]:
        return repairs(settings)

    # --- what Discord allows --------------------------------------------------------------------------------------

    def limits(self, channel: ChannelKey) -> Limits:
        room = self._sender.room(self._places.home(channel), named=self.shows_identity)
        return Limits(text=room, unit=Unit.UTF16, files=MOST_FILES)

    @property
    def own_name(self) -> str:
        return "" if self._reader is None else self._reader.me.username

    @property
    def shows_identity(self) -> bool:
        return any(self._sender.identity(home) == "webhook" for home in self._places.homes)

    @property
    def answers(self) -> Literal["any"]:
        return "any"

    @property
    def largest_file(self) -> int:
        return self.settings.max_file_size

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:
        if file.size > self.settings.max_file_size:
            return over(self.settings.max_file_size)
        largest = largest_of(self._places.guild(self._places.guild_of(channel)))
        if file.size > largest:
            return f"over the {in_words(largest)} that the server takes"
        return None

    # --- receiving ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        api = await self._opened()
        me = await self._asked(api.me())
        await self._resumption.load()
        await asyncio.to_thread(emoji.load)
        try:
            await self._connect(api, me)
        except InvalidSession:
            self._told_of_gaps = False
            try:
                await self._connect(api, me)
            except InvalidSession:
                raise Retry("Discord does not begin a session now") from None

    async def _connect(self, api: Api, me: wire.User) -> None:
        try:
            async with open_gateway(api, self._resumption, self.host.log, self.gateway_times) as connection:
                reader = await self._ready(api, me, connection)
                async with aclosing(connection.frames()) as frames:
                    async for frame in frames:
                        await self._take(frame, reader, api)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAVING):
                    await self._resumption.save()

    async def _ready(self, api: Api, me: wire.User, connection: Connection) -> Reader:
        """Look at everything that is configured; from here on messages are taken and given."""
        self._sender.me = me
        await self._places.resolve(api, me)
        await self._webhooks.find_all(self._places, me, api)
        reader = self._reader = Reader(self.host.instance, me, self._places, self._people)
        await self.host.connected(UserId(me.id), realm="discord")
        if not connection.resumes or not self._told_of_gaps:
            self._places.gaps()
            self._told_of_gaps = True
        return reader

    async def _take(self, frame: wire.Frame, reader: Reader, api: Api) -> None:
        written = None
        try:
            written = await self._event(frame, reader, api)
        except Skipped as skipped:
            self.host.skipped(str(skipped))
        except wire.UNREADABLE as error:
            self.host.skipped("unreadable")
            self.host.log.warning("frame_unreadable", frame=frame.t, seq=frame.s, reason=str(error))
        if frame.s is not None:
            self._resumption.taken(frame.s, written)

    async def _event(self, frame: wire.Frame, reader: Reader, api: Api) -> asyncio.Future[object] | None:
        """Hand over the event that a frame tells of; what is done once that is on disk. Raises Skipped."""
        match frame.t:
            case "MESSAGE_CREATE":
                return await self._created(_read(frame, wire.Message), reader, api)
            case "MESSAGE_UPDATE":
                message = _read(frame, wire.Message)
                place = await self._places.place(message.channel_id, message.guild_id, api)
                return None if place is None else await self._accept(reader.edited(message, place))
            case "MESSAGE_DELETE":
                gone = _read(frame, wire.Deleted)
                place = await self._places.place(gone.channel_id, gone.guild_id, api)
                return None if place is None else await self._gone((gone.id,), place, reader, api)
            case "MESSAGE_DELETE_BULK":
                many = _read(frame, wire.DeletedMany)
                place = await self._places.place(many.channel_id, many.guild_id, api)
                return None if place is None else await self._gone(many.ids, place, reader, api)
            case "MESSAGE_REACTION_ADD" | "MESSAGE_REACTION_REMOVE":
                reaction = _read(frame, wire.Reaction)
                place = await self._places.place(reaction.channel_id, reaction.guild_id, api)
                if place is None:
                    return None
                added = frame.t.endswith("ADD")
                version = f"{reaction.user_id} {reaction.emoji.id or reaction.emoji.name} {self._number(frame)}"
                event = await reader.reacted(reaction, place, added=added, now=api.now(), version=version, api=api)
                return await self._accept(event)
            case "MESSAGE_REACTION_REMOVE_ALL" | "MESSAGE_REACTION_REMOVE_EMOJI":
                raise Skipped("reactions_cleared")
            case "TYPING_START":
                await self._typed(_read(frame, wire.Typing), reader, api)
            case "GUILD_CREATE" | "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE":
                await self._let_in(frame, reader, api)
                self._note(frame, reader)
            case _:
                self._note(frame, reader)
        return None

    async def _let_in(self, frame: wire.Frame, reader: Reader, api: Api) -> None:
        """Look again where this shows a channel of the file for the first time: we were invited, or it was made."""
        guild = _read(frame, wire.Guild)
        shown = (guild.id, *(each.id for each in (*guild.channels, *guild.threads)))
        if self._places.awaits(shown):
            await self._places.resolve(api, reader.me)
            await self._webhooks.find_all(self._places, reader.me, api)

    def _number(self, frame: wire.Frame) -> str:
        """Names a frame, the same when it is told again."""
        return f"{self._resumption.session_id[:12]}-{frame.s}"

    async def _created(self, message: wire.Message, reader: Reader, api: Api) -> asyncio.Future[object] | None:
        place = await self._places.place(message.channel_id, message.guild_id, api)
        if place is None:
            if message.guild_id is None and not reader.is_ours(message):
                return await self._accept(reader.whispered(message))
            return None
        cursor = self._places.received(place, message.id)
        try:
            event = reader.posted(message, place)
        except Skipped as skipped:
            self.host.skipped(str(skipped), cursor=cursor, message=(place.key, message_id(message.id, place.thread)))
            return None
        return asyncio.ensure_future(await self.host.accept(event, cursor=cursor))

    async def _gone(
        self, messages: Sequence[str], place: Place, reader: Reader, api: Api
    ) -> asyncio.Future[object] | None:
        last = None
        for message in messages:
            if message in self._deleted:
                self.host.skipped("own_message")
            else:
                last = await self._accept(reader.deleted(message, place, api.now()))
        return last

    async def _typed(self, typing: wire.Typing, reader: Reader, api: Api) -> None:
        place = await self._places.place(typing.channel_id, typing.guild_id, api)
        if place is None or typing.user_id == reader.me.id:
            return
        guild = place.home.channel.guild_id or ""
        if typing.member is not None and typing.member.user is not None:
            author = self._people.met(typing.member.user, typing.member, guild)
        else:
            author = await self._people.person(guild, typing.user_id, api)
        self.host.typing(place.key, author)

    async def _accept(self, event: Event) -> asyncio.Future[object]:
        """Hand over what is no step in the history: that tells of new messages alone."""
        return asyncio.ensure_future(await self.host.accept(event))

    def _note(self, frame: wire.Frame, reader: Reader) -> None:  # noqa: C901, PLR0912 - one for each event
        """Take note of what changes what we know: guilds, channels, threads, roles and emoji."""
        match frame.t:
            case "GUILD_CREATE" | "GUILD_UPDATE":
                self._places.met_guild(_read(frame, wire.Guild))
            case "GUILD_DELETE":
                guild = _read(frame, wire.Guild)
                if not guild.unavailable:
                    self._places.lost_guild(guild.id)
            case "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE":
                changed = _read(frame, wire.RoleChanged)
                self._places.changed_role(changed.guild_id, changed.role)
            case "GUILD_ROLE_DELETE":
                gone = _read(frame, wire.RoleGone)
                self._places.lost_role(gone.guild_id, gone.role_id)
            case "GUILD_MEMBER_UPDATE":
                member = _read(frame, wire.MemberChanged)
                if member.user.id == reader.me.id:
                    self._places.changed_roles(member.guild_id, member.roles)
            case "GUILD_EMOJIS_UPDATE":
                emojis = _read(frame, wire.EmojisChanged)
                self._places.changed_emojis(emojis.guild_id, emojis.emojis)
            case "CHANNEL_CREATE" | "CHANNEL_UPDATE":
                self._places.changed_channel(_read(frame, wire.Channel))
            case "CHANNEL_DELETE":
                self._places.lost_channel(_read(frame, wire.ChannelGone).id)
            case "THREAD_CREATE" | "THREAD_UPDATE":
                self._places.met_thread(_read(frame, wire.Channel))
            case "THREAD_LIST_SYNC":
                for thread in _read(frame, wire.Threads).threads:
                    self._places.met_thread(thread)
            case "THREAD_DELETE":
                self._places.lost_thread(_read(frame, wire.ChannelGone).id)
            case "WEBHOOKS_UPDATE":
                self._webhooks.forget(_read(frame, wire.Typing).channel_id)
            case _:
                pass

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`. A few channels at a time, others wait for their turn."""
        api, reader = self._connected()
        home = self._places.home(channel)
        if home is None:
            raise Rejected("the channel is none of the file's")
        async with self._history.read(home, cursor, reader, api, age=age, most=most) as past:
            yield past

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`. Each call is bounded to 20 s, one with files by their size."""
        api, _ = self._connected()
        return await self._sender.send(message, api)

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        api, _ = self._connected()
        await self._sender.edit(message, revised, api)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        api, _ = self._connected()
        number = message.rpartition("/")[2]
        self._deleted[number] = None
        if len(self._deleted) > _DELETED_KEPT:
            del self._deleted[next(iter(self._deleted))]
        try:
            await self._sender.delete(channel, message, api)
        except Gone:
            raise
        except DriverError:
            self._deleted.pop(number, None)
            raise

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        api, _ = self._connected()
        await self._acts.react(channel, message, emoji, api, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        api, _ = self._connected()
        await self._acts.set_topic(channel, topic, api)

    async def tell(self, user: UserId, text: str) -> None:
        api, _ = self._connected()
        await self._acts.tell(user, text, api)

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        with suppress(Retry):
            api, _ = self._connected()
            return await self._acts.recall(channel, message, api)
        return None

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        with suppress(Retry):
            api, _ = self._connected()
            return await self._acts.member(channel, name, api)
        return None

    async def typing(self, channel: ChannelKey, author: Author) -> None:  # noqa: ARG002 - it is shown of us
        with suppress(Retry):
            api, _ = self._connected()
            await self._acts.typing(channel, api)

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._download(attachment)

    @asynccontextmanager
    async def _download(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        async with download(await self._opened(), attachment, self.settings.max_file_size) as chunks:
            yield chunks

    # --- the rest -------------------------------------------------------------------------------------------------

    async def probe(self) -> list[Finding]:
        try:
            api = await self._opened()
        except Paused as error:
            return [Finding(ok=False, subject="connection", text=error.reason)]
        return await probe(api, Places(self.channels, None), self.settings, self.gateway_times)

    async def directory(self) -> Directory:
        api = await self._opened()
        return await self._asked(directory(api))

    async def close(self) -> None:
        if self._api is not None:
            await self._api.session.close()
            self._api = None

    def _connected(self) -> tuple[Api, Reader]:
        """What it takes to do anything. Raises Retry before it was connected once."""
        if self._api is None or self._reader is None:
            raise Retry("it was not connected yet")
        return self._api, self._reader

    async def _opened(self) -> Api:
        """The one session of all calls and of the gateway. Raises Paused where the proxy or the CA cannot be used."""
        async with self._opening:
            if self._api is None:
                proxy = effective_proxy(self.settings.proxy, self.host.proxy)
                session = await open_session(
                    proxy=proxy, ca_file=self.settings.ca_file or None, answered=self.host.answered
                )
                self._api = Api(session, api_of(self.settings), token_of(self.settings))
            return self._api

    async def _asked(self, call: Awaitable[T]) -> T:
        """The answer to a question that cannot be refused by what we ask, but by who we are."""
        try:
            return await call
        except Refused as refused:
            raise Retry(f"Discord refuses to tell who we are ({refused}); look at api_url") from refused


def _read(frame: wire.Frame, kind: type[T]) -> T:
    return msgspec.json.decode(frame.d, type=kind)
