"""The Mattermost driver: one account on one server, by its REST API and its WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import ClassVar, Literal

import msgspec
from aiohttp import web

from drivers.mattermost import wire
from drivers.mattermost.acts import Acts
from drivers.mattermost.allowance import Allowance
from drivers.mattermost.api import PATIENCE, Api, Refusal
from drivers.mattermost.changes import Changes, deletion_of, edit_of, reaction_of
from drivers.mattermost.channels import Channels, listed
from drivers.mattermost.events import PostReader, Skipped
from drivers.mattermost.files import Uploaded, download, portrait
from drivers.mattermost.history import HistoryReader, PostsOf, Reached
from drivers.mattermost.markdown import MARKDOWN
from drivers.mattermost.marks import Marks
from drivers.mattermost.people import People
from drivers.mattermost.probe import probe
from drivers.mattermost.refusals import Refusals
from drivers.mattermost.settings import (
    MattermostChannel,
    MattermostSettings,
    Server,
    channel_key,
    channel_mistakes,
    repairs,
    token_of,
)
from drivers.mattermost.slash import CommandCalls, SlashCommand
from drivers.mattermost.socket import Resumption, Socket, SocketTimes, open_socket
from drivers.mattermost.system_posts import notice_of
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
)
from nextbridge.envelope import Attachment, Author, ChannelKey, Event, Mark, MessageId, Reacted, UserId
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.http.client import open_session
from nextbridge.markup import Dialect, emoji

__all__ = ["MattermostDriver"]


class MattermostDriver(Driver[MattermostSettings, MattermostChannel]):
    """Receives by the socket and sends by REST, so that sending goes on while the socket is made again."""

    platform: ClassVar[str] = "mattermost"
    title: ClassVar[str] = "Mattermost"
    settings_type = MattermostSettings
    channel_type = MattermostChannel
    dialect: ClassVar[Dialect] = MARKDOWN
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE,
        retry_recognised_by=RetryRecognition.KEY_THEN_MARK,
        retry_key_lives=30,
        history="new messages, edits and deletions, from the channel's history: as old and as many as "
        "`global.backfill` says",
        sends_while_reconnecting=True,
    )
    default_format: ClassVar[str] = "**{nickname}**: {msg}"
    action_format: ClassVar[str] = "**{nickname}** *{msg}*"
    socket_times: ClassVar[SocketTimes] = SocketTimes()
    patience: ClassVar[float] = PATIENCE

    def __init__(
        self,
        settings: MattermostSettings,
        channels: Sequence[ConfiguredChannel[MattermostChannel]],
        host: Host,
    ) -> None:
        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        self._server = Server.of(settings.server_url)
        self._opening = asyncio.Lock()
        self._api: Api | None = None
        self._me: wire.User | None = None
        self._allowance = Allowance()
        self._channels = Channels(channels, settings, host)
        self._people = People(host.log)
        self._resumption = Resumption()
        self._history = HistoryReader()
        self._changes = Changes()
        self._reached: dict[str, int] = {}
        """How far each channel was heard: of two things that are told out of turn the later counts."""
        self._socket: Socket | None = None
        self._acts: Acts | None = None
        self._marks = Marks()
        self._uploaded = Uploaded()
        self._command = SlashCommand(host) if settings.slash_command else None
        self._calls = CommandCalls(self._command, host, self._people, self._channels, self._connected_account)
        self._offering: asyncio.Task[None] | None = None

    # --- the operator's file --------------------------------------------------------------------------------------

    @classmethod
    def channel_key(cls, settings: MattermostChannel) -> ChannelKey:
        return channel_key(settings)

    @classmethod
    def remarks(cls, settings: MattermostSettings) -> Iterable[Remark]:
        return repairs(settings)

    @classmethod
    def address(cls, settings: MattermostSettings) -> Address | None:
        return Address.of("server_url", settings.server_url)

    @classmethod
    def channel_remarks(cls, channel: MattermostChannel, settings: MattermostSettings) -> Iterable[Remark]:
        return channel_mistakes(channel, settings)

    # --- what the server allows -----------------------------------------------------------------------------------

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - all channels are alike
        return self._allowance.limits

    @property
    def own_name(self) -> str:
        return "" if self._me is None else self._me.username

    def display_name(self, name: str) -> str:
        # in the text a name with an @ would call whoever bears it
        return name.replace("@", "@\u200b")

    @property
    def shows_identity(self) -> bool:
        return self._allowance.names

    @property
    def largest_file(self) -> int:
        return self.settings.max_file_size

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:  # noqa: ARG002 - all channels are alike
        return self._allowance.refuses(file.size, self.settings.max_file_size)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        api = await self._opened()
        me = self._me = await self._account(api)
        self._allowance = Allowance.of(await api.client_config())
        self._acts = Acts(api, me, Refusals(api, me, self._channels))
        await asyncio.to_thread(emoji.load)
        try:
            async with open_socket(api, self._resumption, self.host.log, self.socket_times) as socket:
                # whoever changed while there was no socket was not told of
                self._people.forget_all()
                await self._channels.resolve(api, me)
                await self.host.connected(UserId(me.id), realm=self._server.realm)
                self._offer_command(api, me)
                reader = self._reader(api, me)
                self._socket = socket
                frames_of = socket.frames(anew=self._channels.anew, missed=self._channels.missed)
                async with aclosing(frames_of) as frames:
                    async for frame in frames:
                        await self._take(frame, reader, api, me)
        finally:
            self._withdraw_offer()
            self._socket = None
            self._channels.unheard()

    async def _take(self, frame: wire.Frame, reader: PostReader, api: Api, me: wire.User) -> None:
        try:
            event = await self._event_of(frame, reader, api)
            if event is None:
                await self._note(frame, reader, api, me)
            elif isinstance(event, Reacted):
                # a reaction is no step in the history: that tells of none
                await self.host.accept(event)
            else:
                await self.host.accept(event, cursor=self._cursor(event.channel.key, event.at))
        except Skipped as skipped:
            post = skipped.post
            cursor = self._cursor(post.channel_id, max(post.create_at, post.edit_at))
            self.host.skipped(str(skipped), cursor=cursor, message=skipped.message)
        except wire.UNREADABLE as error:
            self.host.skipped("unreadable")
            self.host.log.warning("frame_unreadable", frame=frame.event, seq=frame.seq, reason=str(error))

    async def _event_of(self, frame: wire.Frame, reader: PostReader, api: Api) -> Event | None:
        """The event that a frame tells of; None where it tells of something else. Raises Skipped."""
        match frame.event:
            case "posted":
                data = msgspec.json.decode(frame.data, type=wire.PostedData)
                post = msgspec.json.decode(data.post, type=wire.Post)
                if post.type.startswith("system_"):
                    return await notice_of(post, data, reader, self.dialect)
                self._changes.posted(post)
                return await reader.event(post, data)
            case "post_edited":
                changed = msgspec.json.decode(frame.data, type=wire.ChangedData)
                return await self._changes.edited(msgspec.json.decode(changed.post, type=wire.Post), reader)
            case "post_deleted":
                changed = msgspec.json.decode(frame.data, type=wire.ChangedData)
                post = msgspec.json.decode(changed.post, type=wire.Post)
                return await deletion_of(post, changed.delete_by, post.delete_at or api.clock.now(), reader)
            case "reaction_added" | "reaction_removed":
                return await reaction_of(frame, api.clock.now(), reader)
            case _:
                return None

    def _cursor(self, channel: str, at: int) -> Cursor:
        self._reached[channel] = at = max(at, self._reached.get(channel, 0))
        return Reached(at).cursor(channel)

    async def _note(self, frame: wire.Frame, reader: PostReader, api: Api, me: wire.User) -> None:
        """Take note of what is of the moment, or changes what we know: people, memberships, the server's settings."""
        broadcast = frame.broadcast or wire.Broadcast()
        match frame.event:
            case "typing":
                typist = msgspec.json.decode(frame.data, type=wire.TypingData).user_id
                if typist != me.id:
                    self.host.typing(ChannelKey(broadcast.channel_id), await reader.person(typist))
            case "reaction_added" | "reaction_removed":
                self.host.skipped("own_reaction")
            case "user_updated":
                self._people.updated(msgspec.json.decode(frame.data, type=wire.UserUpdated).user)
            case "user_added" | "added_to_team" | "channel_restored":
                about = msgspec.json.decode(frame.data, type=wire.Membership)
                if about.user_id in {"", me.id}:
                    await self._channels.recheck(api, me)
                    self._offer_command(api, me)
            case "user_removed":
                about = msgspec.json.decode(frame.data, type=wire.Membership)
                if me.id in {about.user_id, broadcast.user_id}:
                    self._channels.removed(ChannelKey(about.channel_id or broadcast.channel_id), me)
            case "channel_deleted":
                about = msgspec.json.decode(frame.data, type=wire.Membership)
                self._channels.archived(ChannelKey(about.channel_id))
            case "config_changed":
                changed = msgspec.json.decode(frame.data, type=wire.ConfigChanged)
                self._allowance = Allowance.of(changed.config)
            case _:
                pass

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`: posts, edits and deletions. A few channels at a time, others wait for their turn."""
        acts, heard = self._ready(), Reached.of(cursor)
        api, me = acts.api, acts.me
        reader, about = self._reader(api, me), self._channels.about(channel)

        async def make(raw: msgspec.Raw, *, changed: bool) -> Event | None:
            try:
                post = msgspec.json.decode(raw, type=wire.Post)
                if not changed:
                    return await reader.event(post, about)
                if post.delete_at:
                    return await deletion_of(post, "", post.delete_at, reader)
                return await edit_of(post, reader)
            except Skipped as reason:
                self.host.skipped(str(reason), message=reason.message)
            except wire.UNREADABLE as error:
                self.host.skipped("unreadable")
                self.host.log.warning("post_unreadable", channel=channel, reason=str(error))
            return None

        posts = PostsOf(api, channel, self._channels.name(channel), UserId(me.id), self.host)
        quiet = self._channels.quiet_since(channel, heard.at)
        async with self._history.read(posts, heard, make, age=age, most=most, quiet=quiet) as past:
            yield past

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`. Each call to the server is bounded to 20 s, an upload by the file's size."""
        acts = self._ready()
        api, me = acts.api, acts.me
        try:
            made = await self._marks.made_before(message, api, UserId(me.id))
            if made is None:
                self._marks.trying(message)
                files = await self._uploaded.ids(message, api)
                made = await api.create_post(self._post(message, me, files))
        except Refusal as refusal:
            raise await acts.refusals.of_post(message.channel, refusal, message.reply_to) from refusal
        self._marks.sent(message)
        self._uploaded.forget(message)
        return Receipt(made)

    def _post(self, message: Outgoing, me: wire.User, files: tuple[str, ...]) -> wire.NewPost:
        props: dict[str, str | Mark] = {wire.MARK_PROP: message.mark}
        if message.name:
            props |= {"override_username": wire.storable(message.name), "from_webhook": "true"}
            if self._allowance.icons and (picture := wire.picture(message.avatar)):
                props["override_icon_url"] = picture
        key = hashlib.blake2s(message.key.encode(), digest_size=16).hexdigest()
        pending = f"{me.id}:{key}"
        return wire.NewPost(message.channel, self._text(message), pending, props, files, message.reply_to or "")

    def _text(self, message: Outgoing) -> str:
        text = wire.storable(message.text)
        return f"*{text}*" if message.action and len(text) + 2 <= self._allowance.post_size else text

    # --- what else we do ------------------------------------------------------------------------------------------

    @property
    def answers(self) -> Literal["root"]:
        return "root"

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._ready().edit(revised.channel, message, self._text(revised))

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._ready().delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._ready().react(channel, message, emoji, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._ready().set_header(channel, topic, self.dialect)

    async def tell(self, user: UserId, text: str) -> None:
        await self._ready().tell(user, text)

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        acts = self._acts
        return None if acts is None else await acts.recall(channel, message, self._reader(acts.api, acts.me))

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        return None if self._acts is None else await self._acts.member(channel, name)

    async def typing(self, channel: ChannelKey, author: Author) -> None:  # noqa: ARG002 - it is shown of us
        if self._socket is not None:
            await self._socket.tell_typing(channel)

    def _ready(self) -> Acts:
        """What sending needs. Raises Retry before it was connected once."""
        if self._acts is None:
            raise Retry("it was not connected yet")
        return self._acts

    def _reader(self, api: Api, me: wire.User) -> PostReader:
        return PostReader(self.host.instance, me, api, self._people, self.dialect)

    # --- the slash command ----------------------------------------------------------------------------------------

    def _offer_command(self, api: Api, me: wire.User) -> None:
        """See to it that there is one, while messages are received already."""
        if self._command is not None:
            self._withdraw_offer()
            self._offering = asyncio.create_task(self._command.offer(api, me, self._channels.teams()))

    def _connected_account(self) -> tuple[Api, wire.User] | None:
        return None if self._acts is None else (self._acts.api, self._acts.me)

    def _withdraw_offer(self) -> None:
        if self._offering is not None:
            self._offering.cancel()
            self._offering = None

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """As `Pages.handle`: what the server calls when somebody types the slash command."""
        return await self._calls.answer(request, path)

    # --- files ----------------------------------------------------------------------------------------------------

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._download(attachment)

    @asynccontextmanager
    async def _download(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        async with download(await self._opened(), attachment, self.settings.max_file_size) as chunks:
            yield chunks

    def open_portrait(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._portrait(user)

    @asynccontextmanager
    async def _portrait(self, user: UserId) -> AsyncIterator[AsyncIterator[bytes]]:
        async with portrait(await self._opened(), user) as chunks:
            yield chunks

    # --- the rest -------------------------------------------------------------------------------------------------

    async def probe(self) -> list[Finding]:
        try:
            api = await self._opened()
        except Paused as error:
            return [Finding(ok=False, subject="connection", text=error.reason)]
        return await probe(api, self._server, self.settings, self.channels, self.host.log, self.socket_times)

    async def directory(self) -> Directory:
        try:
            return Directory(await listed(await self._opened()))
        except Refusal as refusal:
            raise Rejected(f"the server does not tell: {refusal.message}") from refusal

    async def close(self) -> None:
        if self._api is not None:
            await self._api.session.close()
            self._api = None

    async def _opened(self) -> Api:
        """The one session of all calls and of the socket. Raises Paused where the proxy or the CA cannot be used."""
        if self._api is not None:
            return self._api
        async with self._opening:
            if self._api is None:
                proxy = effective_proxy(self.settings.proxy, self.host.proxy)
                session = await open_session(
                    proxy=proxy, ca_file=self.settings.ca_file or None, answered=self.host.answered
                )
                self._api = Api(session, self._server, token_of(self.settings), patience=self.patience)
            return self._api

    async def _account(self, api: Api) -> wire.User:
        try:
            return await api.me()
        except Refusal as refusal:
            reason = f"{self._server.url} does not tell who we are ({refusal.status}: {refusal.message})"
            raise Retry(f"{reason}; look at server_url") from refusal
