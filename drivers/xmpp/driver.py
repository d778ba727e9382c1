"""The XMPP driver of the contract: one object an instance, one session a login."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from drivers.xmpp.names import display_name
from drivers.xmpp.settings import XmppChannel, XmppSettings, channel_remarks, remarks
from drivers.xmpp.styling import STYLING
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
    Unlisted,
)
from nextbridge.envelope import Attachment, Author, ChannelKey, MessageId, UserId
from nextbridge.errors import Retry
from nextbridge.http.client import open_session
from nextbridge.http.guarded import GuardedSession, open_guarded_session

if TYPE_CHECKING:
    from drivers.xmpp.sending import Sender
    from drivers.xmpp.session import Session

__all__ = ["XmppDriver"]

_RESOURCE = "resource"
_LONGEST_TEXT = 8_000
"""Bytes. A server must take stanzas of 10,000 bytes (RFC 6120, 13.12), and those in use take some 65,000."""


_FILES = 10
"""In one message."""


class XmppDriver(Driver[XmppSettings, XmppChannel]):
    """An account, or a component, in rooms (MUC).

    A user id is worth what the room makes of it (see `occupants.py`): where it shows neither addresses nor ids of its
    occupants, it is a nick, and somebody else may bear that tomorrow (`accounts_last`).
    """

    platform = "xmpp"
    title = "XMPP"
    settings_type = XmppSettings
    channel_type = XmppChannel
    asked_for: ClassVar[tuple[str, ...] | None] = ("jid", "password")
    dialect = STYLING
    libraries = ("slixmpp",)
    guarantees: ClassVar[Guarantees] = Guarantees(
        acknowledged_by=Acknowledgement.ECHO,
        retry_recognised_by=RetryRecognition.MARK,
        history="new messages, corrections, retractions and reactions, from the room's archive: as old and as many as "
        "`global.backfill` says; without an archive what the room sends to whoever joins (20 messages, mostly)",
    )
    default_format = "<{nickname}> {msg}"
    action_format = "* {nickname} {msg}"
    accounts_last = False
    calls_by_bare_name = True

    def __init__(self, settings: XmppSettings, channels: Sequence[ConfiguredChannel[XmppChannel]], host: Host) -> None:
        super().__init__(settings, channels, host)
        # what needs slixmpp is first imported here: a file is read without it
        from drivers.xmpp.session import Session

        self.reconnect_delay = settings.reconnect_delay
        self._begun = Session.begun
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._guarded: GuardedSession | None = None

    @classmethod
    def channel_key(cls, settings: XmppChannel) -> ChannelKey:
        return ChannelKey(settings.room.lower())

    @classmethod
    def remarks(cls, settings: XmppSettings) -> Iterable[Remark]:
        return remarks(settings)

    @classmethod
    def address(cls, settings: XmppSettings) -> Address | None:
        if settings.host is None:
            return None
        tls = None if settings.is_component else settings.tls == "direct"
        writes = 'set "tls": "direct"', 'set "tls": "starttls"'
        return Address("host", settings.host, settings.effective_port, tls, *writes)

    @classmethod
    def channel_remarks(cls, channel: XmppChannel, settings: XmppSettings) -> Iterable[Remark]:
        return channel_remarks(channel, settings)

    @property
    def own_name(self) -> str:
        rooms = () if self._session is None else self._session.rooms.values()
        return next((room.us.nick for room in rooms), self.settings.nick)

    def display_name(self, name: str) -> str:
        return display_name(name)

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - all rooms are alike
        return Limits(text=_LONGEST_TEXT, unit=Unit.BYTES, files=_FILES)

    @property
    def shows_identity(self) -> bool:
        return self.settings.is_component

    @property
    def largest_file(self) -> int:
        return self.settings.max_file_size

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:  # noqa: ARG002 - all rooms are alike
        session = self._session
        return "the server is not connected" if session is None else session.refuses(file.size)

    async def run(self) -> None:
        proxy = effective_proxy(self.settings.proxy, self.host.proxy)
        http = await open_session(proxy=proxy, ca_file=self.settings.ca_file, answered=self.host.answered)
        try:
            async with self._begun(
                self.settings, self.channels, self.host, resource=await self._resource(), proxy=proxy, http=http
            ) as session:
                self._session = session
                await session.run()
        finally:
            self._session = None
            await http.close()

    async def _resource(self) -> str:
        """The same after a restart: the server then ends what is left of the last connection."""
        kept = await self.host.store.get(_RESOURCE)
        if kept is None:
            kept = f"nextbridge.{secrets.token_hex(6)}"
            await self.host.store.set(_RESOURCE, kept)
        return kept

    @property
    def _sender(self) -> Sender:
        if self._session is None or self._session.sender is None:
            raise Retry("there is no connection to the server")
        return self._session.sender

    async def send(self, message: Outgoing) -> Receipt:
        return await self._sender.send(message)

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._sender.edit(message, revised)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._sender.delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._sender.react(channel, message, emoji, add=add)

    @property
    def answers(self) -> Literal["any"] | None:
        session = self._session
        return "any" if session is not None and any(room.has_ids for room in session.rooms.values()) else None

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._sender.set_topic(channel, topic)

    async def tell(self, user: UserId, text: str) -> None:
        await self._sender.tell(user, text)

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        if self._session is not None and self._session.sender is not None:
            self._session.sender.typing(channel, author)

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        room = None if self._session is None else self._session.rooms.get(channel)
        occupant = None if room is None else room.occupants.called(name)
        if room is None or occupant is None or occupant.nick == room.us.nick:
            return None
        return room.occupants.author(occupant)

    @asynccontextmanager
    async def open_attachment(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        """Whoever sent the file chose its address: only what is public, or what the operator allows, is asked."""
        http = await self._fetching()
        async with http.open(attachment.id, largest=self.settings.max_file_size) as chunks:
            yield chunks

    async def _fetching(self) -> GuardedSession:
        async with self._opening:
            if self._guarded is None:
                proxy = effective_proxy(self.settings.proxy, self.host.proxy)
                self._guarded = await open_guarded_session(proxy=proxy, allow=self.host.fetch_allow)
            return self._guarded

    @asynccontextmanager
    async def open_portrait(self, user: UserId) -> AsyncIterator[AsyncIterator[bytes]]:
        if self._session is None:
            raise Retry("there is no connection to the server")
        picture = await self._session.picture(user)

        async def chunks() -> AsyncIterator[bytes]:
            yield picture

        yield chunks()

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`: messages and what was done to them."""
        if self._session is None:
            raise Retry("there is no connection to the server")
        async with self._session.history(channel, cursor, age=age, most=most) as past:
            yield past

    async def close(self) -> None:
        guarded, self._guarded = self._guarded, None
        if guarded is not None:
            await guarded.close()

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        room = None if self._session is None else self._session.rooms.get(channel)
        if room is None:
            return None
        try:
            said = await room.lookup.find(message)
        except Retry:
            return None
        return None if said is None or said.is_gone or not said.text else Excerpt(said.nick, said.text)

    async def probe(self) -> list[Finding]:
        from drivers.xmpp.probing import probe

        return await probe(self.settings, self.channels, effective_proxy(self.settings.proxy, self.host.proxy))

    async def directory(self) -> Directory | Unlisted:
        from drivers.xmpp.directory import directory

        return await directory(self.settings, effective_proxy(self.settings.proxy, self.host.proxy))
