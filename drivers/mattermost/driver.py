"""The Mattermost driver: one account on one server, by its REST API and its WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import ClassVar

import msgspec

from drivers.mattermost import wire
from drivers.mattermost.allowance import Allowance
from drivers.mattermost.api import PATIENCE, Api, Refusal
from drivers.mattermost.channels import Channels, to_be_added
from drivers.mattermost.events import PostReader, Skipped
from drivers.mattermost.files import Uploaded, download, portrait
from drivers.mattermost.history import HistoryReader, PostsOf, Reached
from drivers.mattermost.markdown import MARKDOWN
from drivers.mattermost.marks import Marks
from drivers.mattermost.people import People
from drivers.mattermost.probe import probe
from drivers.mattermost.settings import (
    MattermostChannel,
    MattermostSettings,
    Server,
    channel_key,
    channel_mistakes,
    repairs,
    token_of,
)
from drivers.mattermost.socket import Resumption, SocketTimes, open_socket
from nextbridge.config.types import effective_proxy
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Cursor,
    Driver,
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
from nextbridge.envelope import Attachment, ChannelKey, Event, Mark, UserId
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.http.client import open_session
from nextbridge.markup import Dialect

__all__ = ["MattermostDriver"]

_NOT_RELAYED = {"post_edited", "post_deleted", "reaction_added", "reaction_removed"}


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
        history="new messages, from the channel's history: as old and as many as `global.backfill` says",
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
        self._marks = Marks()
        self._uploaded = Uploaded()

    # --- the operator's file --------------------------------------------------------------------------------------

    @classmethod
    def channel_key(cls, settings: MattermostChannel) -> ChannelKey:
        return channel_key(settings)

    @classmethod
    def remarks(cls, settings: MattermostSettings) -> Iterable[Remark]:
        return repairs(settings)

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
        try:
            async with open_socket(api, self._resumption, self.host.log, self.socket_times) as socket:
                # whoever changed while there was no socket was not told of
                self._people.forget_all()
                await self._channels.resolve(api, me)
                await self.host.connected(UserId(me.id), realm=self._server.realm)
                reader = PostReader(self.host.instance, me, api, self._people, self.dialect)
                frames_of = socket.frames(anew=self._channels.anew, missed=self._channels.missed)
                async with aclosing(frames_of) as frames:
                    async for frame in frames:
                        await self._take(frame, reader, api, me)
        finally:
            self._channels.unheard()

    async def _take(self, frame: wire.Frame, reader: PostReader, api: Api, me: wire.User) -> None:
        try:
            if frame.event == "posted":
                event = await reader.read(frame)
                await self.host.accept(event, cursor=Reached(event.at).cursor(event.channel.key))
            elif frame.event in _NOT_RELAYED:
                self.host.skipped(frame.event)
            else:
                await self._note(frame, api, me)
        except Skipped as skipped:
            post = skipped.post
            self.host.skipped(str(skipped), cursor=Reached(post.create_at).cursor(post.channel_id))
        except msgspec.DecodeError as error:
            self.host.skipped("unreadable")
            self.host.log.warning("frame_unreadable", frame=frame.event, seq=frame.seq, reason=str(error))

    async def _note(self, frame: wire.Frame, api: Api, me: wire.User) -> None:
        """Take note of what changes what we know: people, memberships, the server's settings."""
        broadcast = frame.broadcast or wire.Broadcast()
        match frame.event:
            case "user_updated":
                self._people.updated(msgspec.json.decode(frame.data, type=wire.UserUpdated).user)
            case "user_added" | "added_to_team" | "channel_restored":
                about = msgspec.json.decode(frame.data, type=wire.Membership)
                if about.user_id in {"", me.id}:
                    await self._channels.recheck(api, me)
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
        """As `History.history`; new posts alone. A few channels at a time, others wait for their turn."""
        api, me, heard = await self._opened(), self._me, Reached.of(cursor)
        if me is None:
            raise Retry("it was not connected yet")
        if self._channels.quiet_since(channel, heard.at):
            yield Past(events=_nothing(), end=cursor, now=api.server_time())
            return
        reader = PostReader(self.host.instance, me, api, self._people, self.dialect)
        about = self._channels.about(channel)

        async def make(post: msgspec.Raw) -> Event | None:
            try:
                return await reader.event(msgspec.json.decode(post, type=wire.Post), about)
            except Skipped as reason:
                self.host.skipped(str(reason))
            except msgspec.DecodeError as error:
                self.host.skipped("unreadable")
                self.host.log.warning("post_unreadable", channel=channel, reason=str(error))
            return None

        posts = PostsOf(api, channel, self._channels.name(channel), UserId(me.id))
        async with self._history.read(posts, heard, make, age=age, most=most) as past:
            yield past

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`. Each call to the server is bounded to 20 s, an upload by the file's size."""
        api, me = await self._opened(), self._me
        if me is None:
            raise Retry("it was not connected yet")
        try:
            made = await self._marks.made_before(message, api, UserId(me.id))
            if made is None:
                self._marks.trying(message)
                files = await self._uploaded.ids(message, api)
                made = await api.create_post(self._post(message, me, files))
        except Refusal as refusal:
            raise await self._refused(message, refusal, api, me) from refusal
        self._marks.sent(message)
        self._uploaded.forget(message)
        return Receipt(made)

    def _post(self, message: Outgoing, me: wire.User, files: tuple[str, ...]) -> wire.NewPost:
        text = wire.storable(message.text)
        if message.action and len(text) + 2 <= self._allowance.post_size:
            text = f"*{text}*"
        props: dict[str, str | Mark] = {wire.MARK_PROP: message.mark}
        if message.name:
            props |= {"override_username": wire.storable(message.name), "from_webhook": "true"}
            if self._allowance.icons and (picture := wire.picture(message.avatar)):
                props["override_icon_url"] = picture
        key = hashlib.blake2s(message.key.encode(), digest_size=16).hexdigest()
        return wire.NewPost(message.channel, text, f"{me.id}:{key}", props, files)

    async def _refused(self, message: Outgoing, refusal: Refusal, api: Api, me: wire.User) -> Paused | Rejected:
        """What a refused post means: for this message only, or for all to the channel.

        The server's status alone does not tell (an unknown channel is 403, 404 or 400, an archived one 400, by its
        version), so the channel is looked at.
        """
        meaning = await self._meaning(message.channel, refusal, api, me)
        if isinstance(meaning, Paused):
            self._channels.paused(message.channel)
        return meaning

    async def _meaning(self, channel: ChannelKey, refusal: Refusal, api: Api, me: wire.User) -> Paused | Rejected:
        name = self._channels.name(channel)
        try:
            found = await api.channel(channel)
            if found.delete_at:
                return Paused(f"channel {found.display_name or name} is archived; restore it", scope="channel")
            await api.membership(channel)
        except Refusal:
            return Paused(to_be_added(name, me.username), scope="channel")
        if refusal.about_rights:
            reason = f"@{me.username} may not do this in channel {name}: {refusal.message}"
            return Paused(f"{reason} Give it the right to post and to upload files there", scope="channel")
        return Rejected(f"the server refuses it ({refusal.status}): {refusal.message}")

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
        return await probe(api, self._server, self.settings, self.channels)

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
                session = await open_session(proxy=proxy, ca_file=self.settings.ca_file or None)
                self._api = Api(session, self._server, token_of(self.settings), patience=self.patience)
            return self._api

    async def _account(self, api: Api) -> wire.User:
        try:
            return await api.me()
        except Refusal as refusal:
            reason = f"{self._server.url} does not tell who we are ({refusal.status}: {refusal.message})"
            raise Retry(f"{reason}; look at server_url") from refusal


async def _nothing() -> AsyncIterator[tuple[Event, Cursor]]:
    return
    yield
