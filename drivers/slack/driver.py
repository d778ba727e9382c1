"""The Slack driver: one app in one workspace, by the Web API, and by Socket Mode or the Events API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
from aiohttp import web

from drivers.slack import wire
from drivers.slack.acts import LONGEST_TEXT, Acts
from drivers.slack.api import PATIENCE, Api, Refusal
from drivers.slack.calls import EventCalls
from drivers.slack.channels import Channels, joined_channels
from drivers.slack.events import EventReader, Me, Skipped
from drivers.slack.files import Uploads, download
from drivers.slack.history import HistoryReader, Reached
from drivers.slack.marks import Marks
from drivers.slack.mrkdwn import MRKDWN
from drivers.slack.people import People
from drivers.slack.probe import probe
from drivers.slack.settings import SlackChannel, SlackSettings, channel_key, channel_mistakes, mistakes, secret_of
from drivers.slack.socket import Received, Socket
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
    Listed,
    LocalFile,
    Outgoing,
    Past,
    Receipt,
    Remark,
    RetryRecognition,
    Unit,
)
from nextbridge.envelope import Attachment, Author, ChannelKey, Event, MessageId, UserId
from nextbridge.errors import DriverError, Paused, Retry
from nextbridge.http.client import open_session
from nextbridge.markup import Dialect, emoji
from nextbridge.media.bounded import over

if TYPE_CHECKING:
    from drivers.slack.web import Signatures

__all__ = ["SlackDriver"]

_FILES_A_MESSAGE = 10
_KNOWN = {
    "message",
    "reaction_added",
    "reaction_removed",
    "member_joined_channel",
    "member_left_channel",
    "channel_left",
    "group_left",
    "channel_deleted",
    "group_deleted",
    "channel_archive",
    "group_archive",
    "channel_unarchive",
    "group_unarchive",
}
"""Events that are read, beside `user_change`."""
_LOOK_AGAIN = 300.0
"""Seconds between two looks whether the token is still good, where no connection tells."""


class SlackDriver(Driver[SlackSettings, SlackChannel]):
    """Sends by the Web API, so that sending goes on while the connection for events is made again."""

    platform: ClassVar[str] = "slack"
    title: ClassVar[str] = "Slack"
    libraries: ClassVar[tuple[str, ...]] = ("slack_sdk",)
    settings_type = SlackSettings
    channel_type = SlackChannel
    asked_for: ClassVar[tuple[str, ...] | None] = ("bot_token", "app_token")
    dialect: ClassVar[Dialect] = MRKDWN
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE,
        retry_recognised_by=RetryRecognition.MARK,
        history="new messages and edits, and answers in threads of the newest 200 messages before, from the channel's "
        "history: as old and as many as `global.backfill` says; no deletions, and no reactions",
        sends_while_reconnecting=True,
    )
    default_format: ClassVar[str] = "*{nickname}*: {msg}"
    action_format: ClassVar[str] = "*{nickname}* _{msg}_"
    patience: ClassVar[float] = PATIENCE
    file_patience: ClassVar[float] = 12.0
    """Seconds that one attempt to send files waits for Slack to show them."""

    def __init__(
        self, settings: SlackSettings, channels: Sequence[ConfiguredChannel[SlackChannel]], host: Host
    ) -> None:
        from drivers.slack.web import Signatures

        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        signatures: Signatures | None = None
        if settings.app_token is None and settings.signing_secret is not None:
            signatures = Signatures(secret_of(settings.signing_secret))
        self._calls = EventCalls(signatures, host, self._take, self._missed)
        self._opening = asyncio.Lock()
        self._api: Api | None = None
        self._people = People(host.log)
        self._channels = Channels(channels, host, self._people)
        self._history = HistoryReader()
        self._marks = Marks()
        self._uploads = Uploads(host.store, patience=self.file_patience)
        self._acts: Acts | None = None
        self._reached: dict[str, str] = {}
        """How far each channel was heard: of two things that are told out of turn the later counts."""
        self._acknowledging: set[asyncio.Task[None]] = set()

    # --- the operator's file ------------------------------------------------------------------------------------------

    @classmethod
    def channel_key(cls, settings: SlackChannel) -> ChannelKey:
        return channel_key(settings)

    @classmethod
    def remarks(cls, settings: SlackSettings) -> Iterable[Remark]:
        return mistakes(settings)

    @classmethod
    def address(cls, settings: SlackSettings) -> Address | None:
        return Address.of("api_url", settings.api_url)

    @classmethod
    def channel_remarks(cls, channel: SlackChannel, settings: SlackSettings) -> Iterable[Remark]:  # noqa: ARG003
        return channel_mistakes(channel)

    # --- what the workspace allows ------------------------------------------------------------------------------------

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - all channels are alike
        files = _FILES_A_MESSAGE if self._may("files:write") else 0
        return Limits(text=LONGEST_TEXT, unit=Unit.UTF16, files=files)

    @property
    def own_name(self) -> str:
        return "" if self._acts is None else self._acts.me.name

    @property
    def shows_identity(self) -> bool:
        return self._may("chat:write.customize")

    @property
    def largest_file(self) -> int:
        return self.settings.max_file_size

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:  # noqa: ARG002 - all channels are alike
        if not self._may("files:write"):
            return "the app may not upload files"
        if file.size == 0:
            return "empty, which Slack refuses"
        if file.size > self.settings.max_file_size:
            return over(self.settings.max_file_size)
        return None

    def _may(self, scope: str) -> bool:
        return self._api is not None and self._api.may(scope)

    # --- receiving ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        api = await self._opened()
        me = await self._account(api)
        await asyncio.to_thread(emoji.load)
        # whoever changed while there was no connection was not told of
        self._people.forget_all()
        await self._channels.resolve(api, me)
        self._acts = Acts(api, me, self._channels, self._people, self._marks, self._uploads)
        try:
            if self.settings.app_token is None:
                await self._be_called(api, me)
            else:
                await self._listen(api, me)
        finally:
            await self._calls.close()
            for task in self._acknowledging:
                task.cancel()

    async def _listen(self, api: Api, me: Me) -> None:
        async with Socket(api, self.host.log) as socket:
            await self.host.connected(UserId(me.user), realm=me.team)
            self._channels.began()
            async for received in socket.events():
                kept = await self._take(received.callback.event)
                task = asyncio.create_task(self._acknowledge(received, kept))
                self._acknowledging.add(task)
                task.add_done_callback(self._acknowledging.discard)

    async def _acknowledge(self, received: Received, kept: Awaitable[object] | None) -> None:
        try:
            if kept is not None:
                await kept
        except Exception as error:  # noqa: BLE001 - the event is not kept, whatever went wrong: it comes again
            self.host.log.warning("event_not_kept", reason=f"{type(error).__name__}: {error}")
            return
        await received.acknowledge()

    async def _be_called(self, api: Api, me: Me) -> None:
        await self.host.connected(UserId(me.user), realm=me.team)
        self._channels.began()
        self._calls.is_open = True
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            await self._account(api)

    def _missed(self) -> None:
        self._channels.missed()

    async def _take(self, raw: msgspec.Raw) -> Awaitable[object] | None:
        """Hand over one event. What it returns is done once it is on disk; None where nothing is kept of it."""
        acts = self._ready()
        reader = self._reader(acts)
        channel, at = "", ""
        said: tuple[ChannelKey, MessageId] | None = None
        try:
            kind = msgspec.json.decode(raw, type=wire.Kind)
            if kind.type == "message" and kind.subtype not in {"message_changed", "message_deleted"}:
                place = msgspec.json.decode(raw, type=wire.Place)
                message = msgspec.json.decode(raw, type=wire.Message)
                channel, at = place.channel, message.ts
                said = ChannelKey(channel), MessageId(at)
                event: Event | None = await self._message(message, place, acts, reader)
            elif kind.type == "user_change":
                self._people.updated(msgspec.json.decode(raw, type=wire.UserChanged).user)
                return None
            elif kind.type not in _KNOWN:
                self.host.skipped("other_event")
                return None
            else:
                about = msgspec.json.decode(raw, type=wire.Event)
                if kind.type == "message" or kind.type.startswith("member_"):
                    channel, at = about.channel, about.event_ts or about.ts
                event = await self._event(about, acts, reader)
        except Skipped as reason:
            self.host.skipped(str(reason), cursor=self._cursor(channel, at), message=said)
            return None
        except wire.UNREADABLE as error:
            self.host.skipped("unreadable")
            self.host.log.warning("event_unreadable", reason=str(error))
            return None
        if event is None:
            return None
        return await self.host.accept(event, cursor=self._cursor(channel, at))

    def _cursor(self, channel: str, at: str) -> Cursor | None:
        """What moves by something that was told at that time; None where it is of no channel of the file's."""
        if not wire.milliseconds(at) or not self._channels.knows(channel):
            return None
        self._reached[channel] = at = max(at, self._reached.get(channel, ""), key=wire.compare)
        return Reached(at).cursor(channel)

    async def _message(self, message: wire.Message, place: wire.Place, acts: Acts, reader: EventReader) -> Event:
        """The event of a new message. Raises Skipped."""
        is_direct = place.channel_type == "im"
        if not is_direct and not self._channels.knows(place.channel):
            raise Skipped("other_channel")
        acts.heard(place.channel, message.ts)
        name = "" if is_direct else self._channels.name(place.channel)
        if reader.is_ours(message) and message.files:
            self._uploads.told(message)
        if message.subtype in {"channel_topic", "group_topic"}:
            return await reader.topic(message, place.channel, name)
        return await reader.posted(message, place.channel, name, is_direct=is_direct)

    async def _event(self, event: wire.Event, acts: Acts, reader: EventReader) -> Event | None:
        """The event of anything else; None where it is only to be noted. Raises Skipped."""
        channel = event.item.channel if event.item is not None else event.channel
        match event.type:
            case "message" | "reaction_added" | "reaction_removed" if not self._channels.knows(channel):
                raise Skipped("other_channel")
            case "message" if event.deleted_ts:
                acts.gone(channel, event.deleted_ts)
                return await reader.deleted(event)
            case "message":
                return await reader.changed(event)
            case "reaction_added" | "reaction_removed":
                return await reader.reacted(event)
            case "member_joined_channel" | "member_left_channel":
                return await self._membership(event, acts, reader)
            case _:
                await self._note(event, acts)
                return None

    async def _membership(self, event: wire.Event, acts: Acts, reader: EventReader) -> Event:
        acts.moved(event.channel)
        if event.user == acts.me.user:
            if event.type == "member_joined_channel":
                await self._channels.recheck(acts.api, acts.me)
            else:
                self._channels.left(event.channel, acts.me)
        if not self._channels.knows(event.channel):
            raise Skipped("other_channel")
        return await reader.membership(event, self._channels.name(event.channel))

    async def _note(self, event: wire.Event, acts: Acts) -> None:
        """Take note of what changes what we know."""
        match event.type:
            case "channel_left" | "group_left" | "channel_deleted" | "group_deleted":
                self._channels.left(event.channel, acts.me)
            case "channel_archive" | "group_archive":
                self._channels.archived(event.channel)
            case _:
                await self._channels.recheck(acts.api, acts.me)

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`: messages, answers and edits. A few channels at a time, others wait for their turn."""
        acts = self._ready()
        reader, name = self._reader(acts), self._channels.name(channel)

        async def make(message: wire.Message, *, edited: bool) -> Event | None:
            try:
                if edited:
                    return await reader.edited(message, channel, at=message.ts)
                return await reader.posted(message, channel, name)
            except Skipped as reason:
                self.host.skipped(str(reason), message=(channel, MessageId(message.ts)))
                return None

        reached = Reached.of(cursor)
        async with self._history.read(acts.api, reader, channel, reached, make, age=age, most=most) as past:
            yield past

    # --- what we do ---------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`. A call to Slack is bounded to 20 s, an upload by the file's size."""
        return await self._ready().send(message)

    @property
    def answers(self) -> Literal["root"]:
        return "root"

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._ready().edit(message, revised)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._ready().delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._ready().react(channel, message, emoji, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._ready().set_topic(channel, topic)

    async def tell(self, user: UserId, text: str) -> None:
        await self._ready().tell(user, text)

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        acts = self._acts
        return None if acts is None else await acts.recall(channel, message, self._reader(acts))

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        return None if self._acts is None else await self._acts.member(channel, name)

    def _ready(self) -> Acts:
        """What everything needs. Raises Retry before it was connected once."""
        if self._acts is None:
            raise Retry("it was not connected yet")
        return self._acts

    def _reader(self, acts: Acts) -> EventReader:
        return EventReader(self.host.instance, acts.me, acts.api, self._people)

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """As `Pages.handle`: what Slack calls when something happens."""
        return await self._calls.answer(request, path)

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._download(attachment)

    @asynccontextmanager
    async def _download(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        token = secret_of(self.settings.bot_token)
        async with download(await self._opened(), token, attachment, self.settings.max_file_size) as chunks:
            yield chunks

    # --- the rest -----------------------------------------------------------------------------------------------------

    async def probe(self) -> list[Finding]:
        try:
            api = await self._opened()
            me = await self._account(api)
        except Retry as error:
            return [Finding(ok=False, subject="server", text=error.reason)]
        except DriverError as error:
            return [Finding(ok=False, subject="bot_token", text=error.reason)]
        return await probe(api, me, self.settings, self.channels, self.host.base_url)

    async def directory(self) -> Directory:
        api = await self._opened()
        await self._account(api)
        found = await joined_channels(api)
        # each is there by its id and by its name
        infos = [each for key, each in found.items() if key == each.id]
        return Directory(
            [Listed(f"#{each.name}", {"channel_id": each.id}) for each in sorted(infos, key=lambda each: each.name)]
        )

    async def close(self) -> None:
        await self._calls.close()
        if self._api is not None:
            await self._api.session.close()
            self._api = None

    async def _opened(self) -> Api:
        """The one session of everything. Raises Paused where the proxy or the CA cannot be used."""
        from drivers.slack.web import Web

        if self._api is not None:
            return self._api
        async with self._opening:
            if self._api is None:
                settings = self.settings
                proxy = effective_proxy(settings.proxy, self.host.proxy)
                session = await open_session(proxy=proxy, ca_file=settings.ca_file or None, answered=self.host.answered)
                bot = Web(session, settings.api_url, secret_of(settings.bot_token))
                app = None
                if settings.app_token is not None:
                    app = Web(session, settings.api_url, secret_of(settings.app_token))
                self._api = Api(session, settings.api_url, bot, app, patience=self.patience)
            return self._api

    async def _account(self, api: Api) -> Me:
        """Who we are. Raises Retry and Paused."""
        try:
            known = await api.look_up("auth.test", wire.AuthTest)
        except Refusal as refusal:
            raise Retry(f"Slack does not tell who we are ({refusal}); look at api_url") from refusal
        if not known.bot_id:
            raise Paused(
                "the bot_token is no bot's; put the Bot User OAuth Token (xoxb-…) into the file", scope="instance"
            )
        return Me(known.user_id, known.bot_id, known.user, known.team_id)
