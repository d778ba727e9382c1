"""The Telegram driver: one bot, by the Bot API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Literal

from aiohttp import web
from msgspec import UNSET

from drivers.telegram import wire
from drivers.telegram.acts import Acts
from drivers.telegram.albums import Albums
from drivers.telegram.api import Api, Migrated, Refusal
from drivers.telegram.chats import Chats
from drivers.telegram.conversion import Converter
from drivers.telegram.events import Reader
from drivers.telegram.files import FILES, converted, download, largest_download, refuses
from drivers.telegram.notation import TELEGRAM
from drivers.telegram.pacing import Pacer
from drivers.telegram.people import People
from drivers.telegram.portraits import Portraiture
from drivers.telegram.probe import probe
from drivers.telegram.receiving import Receiver, kept
from drivers.telegram.sending import LONGEST_TEXT, Sender
from drivers.telegram.settings import (
    TelegramChannel,
    TelegramSettings,
    channel_mistakes,
    configured_place,
    mistakes,
)
from drivers.telegram.webhook import Webhook, make_way_for_polling
from nextbridge.config.types import effective_proxy
from nextbridge.driver import (
    Acknowledgement,
    Address,
    ConfiguredChannel,
    Driver,
    Finding,
    Guarantees,
    Host,
    Limits,
    LocalFile,
    Outgoing,
    Receipt,
    Remark,
    RetryRecognition,
    Unit,
    Unlisted,
)
from nextbridge.envelope import Attachment, Author, ChannelKey, MessageId, UserId
from nextbridge.errors import Gone, Paused, Retry
from nextbridge.http.client import open_session
from nextbridge.markup import Dialect

__all__ = ["TelegramDriver"]

_REALM = "telegram"
"""There is one network, whatever server leads to it."""
_LIMITS = Limits(text=LONGEST_TEXT, unit=Unit.UTF16, files=FILES)


class TelegramDriver(Driver[TelegramSettings, TelegramChannel]):
    """Receives by long polling or a webhook, and sends by calls of their own: either goes on without the other."""

    platform: ClassVar[str] = "telegram"
    title: ClassVar[str] = "Telegram"
    settings_type = TelegramSettings
    channel_type = TelegramChannel
    dialect: ClassVar[Dialect] = TELEGRAM
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE,
        retry_recognised_by=RetryRecognition.NONE,
        history="new messages, edits and reactions: Telegram keeps them for 24 hours and hands them over",
        sends_while_reconnecting=True,
    )
    default_format: ClassVar[str] = "<b>{nickname}</b>: {msg}"
    action_format: ClassVar[str] = "<b>{nickname}</b> <i>{msg}</i>"
    poll_seconds: ClassVar[int] = 25
    """How long Telegram waits for something to tell before it says that there is nothing."""

    def __init__(
        self,
        settings: TelegramSettings,
        channels: Sequence[ConfiguredChannel[TelegramChannel]],
        host: Host,
    ) -> None:
        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        self._opening = asyncio.Lock()
        self._api: Api | None = None
        self._me: wire.User | None = None
        self._people = People()
        self._chats = Chats(channels, host, self._people)
        self._albums = Albums(host.store)
        self._portraits: Portraiture | None = None
        self._reader: Reader | None = None
        self._sender: Sender | None = None
        self._acts: Acts | None = None
        self._webhook = Webhook(host, self.platform)
        self._converter = Converter(host.folder)

    # --- the operator's file --------------------------------------------------------------------------------------

    @classmethod
    def channel_key(cls, settings: TelegramChannel) -> ChannelKey:
        return configured_place(settings).key

    @classmethod
    def remarks(cls, settings: TelegramSettings) -> Iterable[Remark]:
        return mistakes(settings)

    @classmethod
    def address(cls, settings: TelegramSettings) -> Address | None:
        return Address.of("api_url", settings.api_url)

    @classmethod
    def channel_remarks(cls, channel: TelegramChannel, settings: TelegramSettings) -> Iterable[Remark]:  # noqa: ARG003 - all bots are alike
        return channel_mistakes(channel)

    # --- what Telegram allows -------------------------------------------------------------------------------------

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - all chats are alike
        return _LIMITS

    @property
    def own_name(self) -> str:
        return "" if self._me is None else self._me.username

    @property
    def answers(self) -> Literal["any"]:
        return "any"

    @property
    def largest_file(self) -> int:
        return largest_download(self.settings.max_file_size, is_local=self.settings.local_server)

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:  # noqa: ARG002 - all chats are alike
        return refuses(file, self.settings.max_file_size, is_local=self.settings.local_server)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        api = await self._opened()
        try:
            await self._run(api)
        except (Refusal, Migrated) as error:
            raise Retry(f"{self.settings.host} refuses it: {error}") from error

    async def _run(self, api: Api) -> None:
        me = await api.me()
        if self._me is None or self._me.id != me.id or self._reader is None:
            portraits = self._portraits = Portraiture(api)
            self._reader = Reader(self.host, me, self._albums, portraits)
            self._sender = Sender(api, me, self.settings, self._chats, self._people, self._albums, self._reader)
            self._acts = Acts(self.host, api, me, self._chats, self._people, self._albums, self._sender)
        self._me = me
        self._reader.converted = await self._converter.kinds()
        if not self.settings.webhook:
            await make_way_for_polling(api, self.host, self.platform)
        await self._chats.resolve(api, me)
        await self.host.connected(UserId(str(me.id)), realm=_REALM)
        receiver = Receiver(self.host, api, me, self._chats, self._people, self._reader)
        try:
            await receiver.begin()
            if self.settings.webhook:
                await self._webhook.run(api, receiver)
            else:
                await self._poll(api, receiver)
        finally:
            receiver.close()

    async def _poll(self, api: Api, receiver: Receiver) -> None:
        """Ask for updates, and confirm them once they are on disk: by asking for the next."""
        offset = 0
        while True:
            updates = await api.updates(offset, seconds=self.poll_seconds)
            pending: list[Awaitable[object]] = []
            for raw in updates:
                number, waiting = await receiver.take(raw)
                pending += waiting
                offset = number + 1
            await kept(pending)

    # --- sending --------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        if self._sender is None:
            raise _too_early()
        return await self._sender.send(message)

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._ready().edit(message, revised)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._ready().delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._ready().react(channel, message, emoji, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._ready().describe(channel, topic)

    async def tell(self, user: UserId, text: str) -> None:
        await self._ready().tell(user, text)

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        return None if self._acts is None else await self._acts.member(channel, name)

    async def typing(self, channel: ChannelKey, author: Author) -> None:  # noqa: ARG002 - it is shown of the bot
        if self._acts is not None:
            await self._acts.typing(channel)

    def _ready(self) -> Acts:
        if self._acts is None:
            raise _too_early()
        return self._acts

    # --- files and pages ------------------------------------------------------------------------------------------

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._download(attachment)

    @asynccontextmanager
    async def _download(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        api = await self._opened()
        kind, file_id = converted(attachment.id)
        if kind:
            opening = self._converter.open(api, kind, file_id, self.largest_file)
        else:
            opening = download(api, file_id, self.largest_file)
        async with opening as chunks:
            yield chunks

    def open_portrait(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._portrait(user)

    @asynccontextmanager
    async def _portrait(self, user: UserId) -> AsyncIterator[AsyncIterator[bytes]]:
        if not user.removeprefix("-").isdecimal():
            raise Gone("nobody has this picture")
        portraits = self._portraits or Portraiture(await self._opened())
        async with portraits.open(int(user)) as chunks:
            yield chunks

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        return await self._webhook.answer(request, path)

    # --- the rest -------------------------------------------------------------------------------------------------

    async def probe(self) -> list[Finding]:
        try:
            api = await self._opened()
        except Paused as error:
            return [Finding(ok=False, subject="connection", text=error.reason)]
        return await probe(api, self.host, self.platform, self.settings, self.channels)

    async def directory(self) -> Unlisted:
        api = await self._opened()
        try:
            me = await api.me()
        except (Refusal, Migrated) as error:
            raise Retry(f"{self.settings.host} does not tell who we are: {error}") from error
        return Unlisted(
            "the Bot API tells no bot which chats it is in",
            f"Add @{me.username} to a chat and write something there while the daemon runs; then this command, given "
            "the daemon's --state, shows it.",
        )

    async def close(self) -> None:
        if self._api is not None:
            await self._api.session.close()
            self._api = None

    async def _opened(self) -> Api:
        """The one session of all calls. Raises Paused where the proxy or the CA cannot be used."""
        if self._api is not None:
            return self._api
        async with self._opening:
            if self._api is None:
                proxy = effective_proxy(self.settings.proxy, self.host.proxy)
                ca_file = None if self.settings.ca_file is UNSET else self.settings.ca_file
                session = await open_session(proxy=proxy, ca_file=ca_file, answered=self.host.answered)
                pacer = Pacer(self.settings.messages_per_second, self.settings.messages_per_minute)
                self._api = Api(session, self.settings, pacer)
            return self._api


def _too_early() -> Retry:
    return Retry("it was not connected yet")
