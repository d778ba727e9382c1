"""One session with the server: the stream, the rooms and what is sent, from the login to the last connection's end.

Where the server keeps the session (XEP-0198), a connection that breaks is made again a few times, and all goes on as if
nothing had been; otherwise the rooms are joined anew, in a new session.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from xml.etree import ElementTree as ET

import aiohttp
from slixmpp import JID, InvalidJID

from drivers.xmpp.archive import result_of
from drivers.xmpp.connecting import Broken, tls_context
from drivers.xmpp.files import Service, Uploads, found_service, home_of, refusal_of
from drivers.xmpp.history import read_history
from drivers.xmpp.pictures import picture_of
from drivers.xmpp.puppets import Puppets
from drivers.xmpp.room import Room
from drivers.xmpp.sending import Sender
from drivers.xmpp.settings import XmppChannel, XmppSettings
from drivers.xmpp.stanzas import read_message
from drivers.xmpp.stream import Stream
from nextbridge.driver import ConfiguredChannel, Cursor, Host, Past
from nextbridge.envelope import ChannelKey, UserId
from nextbridge.errors import DriverError, Gone, Rejected, Retry

__all__ = ["REALM", "Session"]

REALM = "xmpp"
"""Addresses are the same to every server."""
_TRIES = 5
"""Connections that are attempted before a session is given up."""


class Session:
    """Made by `begun`. `run` ends with the session."""

    def __init__(
        self,
        stream: Stream,
        settings: XmppSettings,
        configured: Sequence[ConfiguredChannel[XmppChannel]],
        host: Host,
        http: aiohttp.ClientSession,
    ) -> None:
        self.stream = stream
        self.service: Service | None = None
        self._settings = settings
        self._host = host
        self._http = http
        self.puppets = Puppets(stream, settings)
        self.rooms: dict[ChannelKey, Room] = {}
        for each in configured:
            key = room_key(each.settings.room)
            if key in self.rooms:
                self.rooms[key].configured.append(each)
            else:
                self.rooms[key] = Room(key, [each], stream, settings, host)
        self.sender: Sender | None = None

    @classmethod
    @asynccontextmanager
    async def begun(
        cls,
        settings: XmppSettings,
        configured: Sequence[ConfiguredChannel[XmppChannel]],
        host: Host,
        *,
        resource: str,
        proxy: str | None,
        http: aiohttp.ClientSession,
    ) -> AsyncIterator[Session]:
        """A session that is logged in; ended on leaving. Entering raises Retry and Paused."""
        context: ssl.SSLContext = await asyncio.to_thread(tls_context, settings)
        stream = Stream(settings, resource, context, proxy)
        session = cls(stream, settings, configured, host, http)
        stream.take = session._take
        try:
            await stream.open()
            yield session
        finally:
            if session.sender is not None:
                session.sender.close()
                session.leave()
            await stream.close()

    # --- its life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Join the rooms and listen until the session is over. Always raises: Retry, or Paused."""
        settings = self._settings
        if not settings.is_component:
            self.stream.presence("")
        self.service = await found_service(self.stream, home_of(settings), seconds=settings.answer_timeout)
        uploads = Uploads(self.stream, self.service, self._http, settings.answer_timeout)
        self.sender = Sender(self.stream, self.rooms, settings, self._host, uploads, self.puppets)
        for room in self.rooms.values():
            for each in room.configured:
                await self._host.resolved(each, room.key, room.key)
        await self._connected()
        tasks = [asyncio.create_task(room.run(), name=f"room {room.key}") for room in self.rooms.values()]
        try:
            await self._live(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for room in self.rooms.values():
                room.echoes.lost(Retry("the connection ended"), keep=False)

    @property
    def _whom_to_ask(self) -> str:
        """Who is asked whether the server is there. A component asks where the rooms are: its domain is its own."""
        if not self._settings.is_component:
            return self._settings.domain
        return next((key.partition("@")[2] for key in self.rooms), self._settings.domain)

    async def _connected(self) -> None:
        await self._host.connected(UserId(self._settings.jid.lower()), realm=REALM)

    async def _live(self, rooms: Sequence[asyncio.Task[None]]) -> None:
        while True:
            error = await self._connection(rooms)
            for room in self.rooms.values():
                room.echoes.lost(error if isinstance(error, Retry) else Retry(error.reason), keep=True)
            if not isinstance(error, Broken) or not self.stream.can_resume:
                raise error
            self._host.disconnected(error.reason)
            if not await self._resumed():
                raise Retry(f"{error.reason}; the session was not to be resumed")
            await self._connected()

    async def _connection(self, rooms: Sequence[asyncio.Task[None]]) -> DriverError:
        """Why the connection ended. Raises what a room's task failed with, which is a bug."""
        keeping = asyncio.create_task(self.stream.keep(self._whom_to_ask))
        ending = asyncio.create_task(self.stream.ended())
        try:
            await asyncio.wait({ending, *rooms}, return_when=asyncio.FIRST_COMPLETED)
            for room in rooms:
                if room.done():
                    await room
            return await ending
        finally:
            for task in (keeping, ending):
                task.cancel()
            await asyncio.wait({keeping, ending})

    async def _resumed(self) -> bool:
        """Whether the session goes on over another connection."""
        for attempt in range(_TRIES):
            await asyncio.sleep(self._settings.reconnect_delay * 1.5**attempt)
            with contextlib.suppress(Retry):
                return await self.stream.open()
        return False

    def leave(self) -> None:
        """Leave the rooms, where the server does not do it for us."""
        if self._settings.is_component and self.stream.is_open:
            self.puppets.farewell()
            for room in self.rooms.values():
                self.stream.presence(f"{room.key}/{room.us.nick}", kind="unavailable")

    # --- what else is asked -----------------------------------------------------------------------------------------

    def refuses(self, size: int) -> str | None:
        """Why a file of so many bytes would not be taken, or None."""
        return refusal_of(self.service, size, self._settings.max_file_size)

    async def picture(self, user: UserId) -> bytes:
        """The picture of somebody in one of the rooms. Raises Gone, Rejected and Retry."""
        for room in self.rooms.values():
            if (occupant := room.occupants.by_id(user)) is not None:
                seconds = self._settings.answer_timeout
                return await picture_of(self.stream, room, occupant, seconds=seconds)
        raise Gone("they are in none of the rooms")

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`."""
        room = self.rooms.get(channel)
        if room is None:
            raise Rejected(f"{channel} is no room of this instance")
        async with read_history(room, cursor, age=age, most=most) as past:
            yield past

    # --- receiving --------------------------------------------------------------------------------------------------

    def _take(self, stanza: ET.Element) -> None:
        place, _, nick = stanza.get("from", "").partition("/")
        room = self.rooms.get(ChannelKey(place.lower()))
        # whoever is in the room could send one: only its own are the archive's
        result = None if nick or stanza.get("type") == "groupchat" else result_of(stanza)
        to = stanza.get("to", "")
        if room is not None and self._settings.is_component and to != self.stream.own_address:
            if stanza.get("type") == "error" and stanza.tag.endswith("}message"):
                room.take(stanza)
                return
            self.puppets.take(room, stanza)
            self.stream.done()
        elif room is not None and result is not None:
            room.archive.collect(result)
            self.stream.done()
        elif room is not None:
            room.take(stanza)
        else:
            self.stream.done()
            self._said_alone(stanza)

    def _said_alone(self, stanza: ET.Element) -> None:
        """What is said to us by somebody's own address."""
        if not stanza.tag.endswith("}message"):
            return
        message = read_message(stanza)
        person = message.sender.partition("/")[0]
        if message.kind not in {"chat", "normal"} or not message.body or "@" not in person or message.is_invitation:
            self._host.skipped("other_message")
            return
        self._host.skipped("private_message")


def room_key(address: str) -> ChannelKey:
    """The one form of a room's address. Raises Paused where it is none."""
    try:
        return ChannelKey(JID(address).bare)
    except InvalidJID:
        return ChannelKey(address.lower())
