"""The Matrix driver: one account on one homeserver, by the client-server API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from aiohttp import web
from msgspec import UNSET

from drivers.matrix import wire
from drivers.matrix.account import Account
from drivers.matrix.acts import Acts
from drivers.matrix.api import PATIENCE, Api, Refusal
from drivers.matrix.direct import DirectRooms
from drivers.matrix.directory import directory, directory_of_service
from drivers.matrix.events import EventReader, Skipped
from drivers.matrix.history import HistoryReader, Span
from drivers.matrix.html import HTML
from drivers.matrix.login import for_a_look, log_in
from drivers.matrix.media import download, picture, upload_limit
from drivers.matrix.people import People, handle
from drivers.matrix.probe import probe
from drivers.matrix.puppets import Puppets
from drivers.matrix.registration import registration
from drivers.matrix.rooms import Rooms
from drivers.matrix.seen import Seen
from drivers.matrix.sending import KEY_LIVES, LONGEST_TEXT
from drivers.matrix.settings import Homeserver, MatrixRoom, MatrixSettings, realm_of, remarks, room_key, room_remarks
from drivers.matrix.syncing import Listener
from drivers.matrix.transactions import Pushed
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
from nextbridge.envelope import Attachment, Author, ChannelKey, Event, InstanceId, MessageId, UserId
from nextbridge.errors import Gone, Paused, Rejected, Retry
from nextbridge.http.client import open_session
from nextbridge.http.guarded import open_guarded_session
from nextbridge.labels import in_words
from nextbridge.markup import Dialect, emoji
from nextbridge.media.bounded import over

if TYPE_CHECKING:
    from drivers.matrix.encryption import RoomEncryption

__all__ = ["MatrixDriver"]

_LARGEST_PICTURE = 5_000_000


class MatrixDriver(Driver[MatrixSettings, MatrixRoom]):
    """Receives by `/sync` and sends by calls of their own, so that sending goes on while the sync is made again."""

    platform: ClassVar[str] = "matrix"
    title: ClassVar[str] = "Matrix"
    settings_type = MatrixSettings
    channel_type = MatrixRoom
    asked_for: ClassVar[tuple[str, ...] | None] = ("homeserver", "user_id", "access_token")
    dialect: ClassVar[Dialect] = HTML
    libraries: ClassVar[tuple[str, ...]] = ("lxml", "nio", "vodozemac", "Crypto")
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE,
        retry_recognised_by=RetryRecognition.KEY_THEN_MARK,
        retry_key_lives=KEY_LIVES,
        history="new messages, edits, deletions and reactions, from the room's history: as old and as many as "
        "`global.backfill` says",
        sends_while_reconnecting=True,
    )
    default_format: ClassVar[str] = "<strong>{nickname}</strong>: {msg}"
    action_format: ClassVar[str] = "<strong>{nickname}</strong> {msg}"
    calls_by_bare_name: ClassVar[bool] = True
    patience: ClassVar[float] = PATIENCE
    pulse: float = 60.0
    """Seconds after which an application service looks again whether it is reached."""

    def __init__(self, settings: MatrixSettings, channels: Sequence[ConfiguredChannel[MatrixRoom]], host: Host) -> None:
        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        self._server = Homeserver.of(settings.homeserver)
        self._opening = asyncio.Lock()
        self._api: Api | None = None
        self._me: UserId | None = None
        self._name = ""
        self._largest_upload: int | None = None
        self._rooms = Rooms(channels, host)
        self._people = People(host.log)
        self._service = None if settings.application_service is UNSET else settings.application_service
        self._pushed = None
        if self._service is not None:
            self._pushed = Pushed(host, self._rooms, self._people, self._service, pulse=lambda: self.pulse)
        self._listener = self._pushed or Listener(host, self._rooms, self._people)
        self._puppets: Puppets | None = None
        self._history = HistoryReader()
        self._acts: Acts | None = None
        self._encryption: RoomEncryption | None = None

    # --- the operator's file --------------------------------------------------------------------------------------

    @classmethod
    def channel_key(cls, settings: MatrixRoom) -> ChannelKey:
        return room_key(settings)

    @classmethod
    def remarks(cls, settings: MatrixSettings) -> Iterable[Remark]:
        return remarks(settings)

    @classmethod
    def address(cls, settings: MatrixSettings) -> Address | None:
        return Address.of("homeserver", settings.homeserver)

    @classmethod
    def channel_remarks(cls, channel: MatrixRoom, settings: MatrixSettings) -> Iterable[Remark]:  # noqa: ARG003
        return room_remarks(channel)

    @classmethod
    def registration(cls, settings: MatrixSettings, instance: InstanceId, base_url: str) -> str | None:
        service = settings.application_service
        return None if service is UNSET else registration(settings, service, instance, base_url)

    # --- what the server allows -----------------------------------------------------------------------------------

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - all rooms are alike
        return Limits(text=LONGEST_TEXT, unit=Unit.BYTES, files=1)

    @property
    def own_name(self) -> str:
        return self._name

    @property
    def largest_file(self) -> int:
        return self.settings.max_file_size

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:  # noqa: ARG002 - all rooms are alike
        if file.size > self.settings.max_file_size:
            return over(self.settings.max_file_size)
        if self._largest_upload is not None and file.size > self._largest_upload:
            return f"over the {in_words(self._largest_upload)} that the homeserver takes"
        return None

    # --- receiving ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        api = await self._opened()
        who = await log_in(api, self.settings, self.host.store)
        me = self._me = UserId(who.user_id)
        await asyncio.to_thread(emoji.load)
        self._name = await self._own_name(api, me)
        self._largest_upload = await upload_limit(api)
        if self._acts is None:
            why_not = await self._open_encryption(api, who)
            direct = DirectRooms(api, me, self.host)
            self._puppets = await self._made_puppets(api, me)
            account = Account(
                host=self.host,
                api=api,
                me=me,
                rooms=self._rooms,
                people=self._people,
                seen=Seen(),
                direct=direct,
                encryption=self._encryption,
                why_not=why_not,
                puppets=self._puppets,
            )
            self._acts = Acts(account)
        await self._listener.listen(self._acts.account, realm_of(me))

    async def _made_puppets(self, api: Api, me: UserId) -> Puppets | None:
        if self._service is None:
            return None
        proxy = effective_proxy(self.settings.proxy, self.host.proxy)
        pictures = await open_guarded_session(allow=self.host.fetch_allow, proxy=proxy)
        return Puppets(api, me, self._service, self.host, pictures)

    async def _open_encryption(self, api: Api, who: wire.WhoAmI) -> str:
        """Read the device's keys; why encrypted rooms stay closed, where they do."""
        from drivers.matrix.encryption import RoomEncryption

        if self._service is not None:
            return "an application service speaks as many accounts, which have no devices; use a bot's account there"
        if not who.device_id:
            return "the access token belongs to no device; give the relay one that comes of a login"
        encryption = self._encryption or RoomEncryption(api, self.host, self._rooms, who.user_id, who.device_id)
        self._encryption = encryption
        try:
            why_not = await encryption.open()
        except Refusal as refusal:
            why_not = f"the homeserver takes no keys ({refusal.status}): {refusal.message}"
        if why_not:
            self.host.log.error("encryption_unavailable", reason=why_not)
            await encryption.close()
            self._encryption = None
        return why_not

    async def _own_name(self, api: Api, me: UserId) -> str:
        try:
            name = (await api.profile(me)).displayname
        except Refusal:
            name = None
        return name or handle(me).partition(":")[0]

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`. A few rooms at a time, others wait for their turn."""
        acts = self._ready()
        reader = EventReader(acts.account)

        async def make(event: wire.Event) -> Event | None:
            try:
                return await reader.event(channel, event)
            except Skipped as reason:
                self.host.skipped(str(reason), message=(channel, MessageId(event.event_id)))
                return None

        since = await acts.token_of(channel, cursor.value)
        name, now = self._rooms.name(channel), self._listener.heard(channel)
        span = Span(acts.api, channel, name, acts.account.is_ours, since, now)
        async with self._history.read(span, make, age=age, most=most) as past:
            yield past

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`. Each call to the homeserver is bounded to 20 s, an upload by the file's size."""
        return Receipt(await self._ready().send(message))

    @property
    def answers(self) -> Literal["any"]:
        return "any"

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._ready().edit(message, revised)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._ready().delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._ready().react(channel, message, emoji, add=add)

    async def react_for(
        self, channel: ChannelKey, message: MessageId, emoji: str, author: Author, home: str, *, add: bool
    ) -> bool:
        return await self._ready().react_for(channel, message, emoji, author, home, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._ready().set_topic(channel, topic)

    async def tell(self, user: UserId, text: str) -> None:
        await self._ready().tell(user, text)

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        return None if self._acts is None else await self._acts.recall(channel, message)

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        return None if self._acts is None else await self._acts.member(channel, name)

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        if self._acts is not None:
            await self._acts.typing(channel, author)

    def _ready(self) -> Acts:
        """What sending needs. Raises Retry before it was connected once."""
        if self._acts is None or not self._listener.since:
            raise Retry("it was not connected yet")
        return self._acts

    # --- files ----------------------------------------------------------------------------------------------------

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._download(attachment)

    @asynccontextmanager
    async def _download(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        api = await self._entered()
        async with download(api, attachment, self.settings.max_file_size, self._encryption) as chunks:
            yield chunks

    def open_portrait(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._portrait(user)

    @asynccontextmanager
    async def _portrait(self, user: UserId) -> AsyncIterator[AsyncIterator[bytes]]:
        api = await self._entered()
        try:
            place = (await api.profile(user)).avatar_url
        except Refusal as refusal:
            raise Gone(f"there is nobody of that id: {refusal.message}") from refusal
        if not place:
            raise Gone("they have no picture")
        async with picture(api, place, _LARGEST_PICTURE) as chunks:
            yield chunks

    # --- as an application service --------------------------------------------------------------------------------

    @property
    def shows_identity(self) -> bool:
        return self._service is not None

    async def puppet(self, message: Outgoing) -> UserId:
        """Have the puppet of a message's author ready to say it, and return its id. Raises as `send`."""
        return await self._ready().puppet(message)

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """As `Pages.handle`: what the homeserver pushes. There is nothing where it is asked instead."""
        if self._pushed is None:
            return web.Response(status=404, text="There is nothing here.\n")
        return await self._pushed.handle(request, path)

    # --- the rest -------------------------------------------------------------------------------------------------

    async def probe(self) -> list[Finding]:
        try:
            api = Api((await self._opened()).session, self._server, patience=self.patience)
        except Paused as error:
            return [Finding(ok=False, subject="connection", text=error.reason)]
        return await probe(api, self.settings, self.channels, self.host.store)

    async def directory(self) -> Directory:
        api = Api((await self._opened()).session, self._server, patience=self.patience)
        try:
            async with for_a_look(api, self.settings, self.host.store):
                return await (directory if self._service is None else directory_of_service)(api)
        except Refusal as refusal:
            raise Rejected(f"{self._server.url} does not tell ({refusal.status}: {refusal.message})") from refusal

    async def close(self) -> None:
        if self._pushed is not None:
            self._pushed.close()
        if self._puppets is not None:
            await self._puppets.close()
        if self._encryption is not None:
            await self._encryption.close()
            self._encryption = None
        if self._api is not None:
            await self._api.session.close()
            self._api = None

    async def _entered(self) -> Api:
        """The account's calls, also before the first connection. Raises Retry and Paused."""
        api = await self._opened()
        if not api.token:
            await log_in(api, self.settings, self.host.store)
        return api

    async def _opened(self) -> Api:
        """The one session of all calls. Raises Paused where the proxy or the CA cannot be used."""
        if self._api is not None:
            return self._api
        async with self._opening:
            if self._api is None:
                proxy = effective_proxy(self.settings.proxy, self.host.proxy)
                session = await open_session(
                    proxy=proxy, ca_file=self.settings.ca_file or None, answered=self.host.answered
                )
                self._api = Api(session, self._server, patience=self.patience)
            return self._api
