"""One browser's connection, from its Hello to its end."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from structlog.typing import FilteringBoundLogger

from drivers.webchat.actions import Actor, answer
from drivers.webchat.frames import (
    Delete,
    Discard,
    Edit,
    FromBrowser,
    Hello,
    History,
    Join,
    Joined,
    Ping,
    Pong,
    Post,
    React,
    Refused,
    Request,
    ToBrowser,
    Typing,
    Typist,
    Unsent,
    Welcome,
    decode,
    encode,
)
from drivers.webchat.lobby import Lobby
from drivers.webchat.names import NameRefused, read_name
from drivers.webchat.room import Listener, Room

__all__ = ["Session"]

_PATIENCE = 10.0
"""Seconds for the first frame to come, and for a frame to be taken by the browser's machine."""
_GOODBYE = 2.0
"""Seconds for a browser to take leave."""
_MOST_WAITING = 300
"""Frames waiting for a browser that does not keep up; with more it is let go, and comes back by itself."""
_BATCH = 50
"""Messages in one frame of history."""


class Session:
    """One connection. `serve` runs it; `hear` is how its room reaches it."""

    def __init__(self, request: web.Request, lobby: Lobby, log: FilteringBoundLogger, *, admitted: bool) -> None:
        self.admitted = admitted
        self.author = ""
        self.name = ""
        self.room: Room | None = None
        self._lobby = lobby
        self._log = log
        self._request = request
        self._outbox: deque[str | History] = deque()
        self._something = asyncio.Event()
        # A character takes at most twelve bytes of JSON: two escaped surrogates.
        largest = 4096 + 12 * lobby.settings.max_message
        self._socket = web.WebSocketResponse(timeout=_GOODBYE, heartbeat=30, max_msg_size=largest, compress=False)

    async def serve(self) -> web.StreamResponse:
        """Hold the conversation until either side ends it."""
        await self._socket.prepare(self._request)
        self._lobby.people.add(self)
        writer = asyncio.create_task(self._write())
        try:
            if await self._greet():
                async for frame in self._socket:
                    if frame.type is not WSMsgType.TEXT or not await self._take(frame.data):
                        break
        finally:
            self._leave()
            self._lobby.people.discard(self)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        await self._finish(WSCloseCode.POLICY_VIOLATION)
        return self._socket

    async def dismiss(self) -> None:
        """Close the connection because the web chat stops; the page comes back by itself."""
        await self._finish(WSCloseCode.GOING_AWAY)

    # --- what the browser says ---

    async def _greet(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                first = await self._socket.receive()
        except TimeoutError:
            return False
        hello = self._decode(first.data) if first.type is WSMsgType.TEXT else None
        if not isinstance(hello, Hello):
            return False
        if not self.admitted:
            if not self._lobby.door.opens(hello.token):
                return await self._refuse_token(given=hello.token is not None)
            self.admitted = True
        author = self._lobby.authors.recognise(hello.session)
        if author is None:
            if self._lobby.arrivals.take(""):
                await self._send_now(Refused("full", "Many people are coming in just now. Try again in a minute."))
                return False
            author = self._lobby.authors.new()
        self.author = author
        self._say(
            Welcome(
                title=self._lobby.settings.title,
                rooms=tuple(self._lobby.rooms),
                session=self._lobby.authors.session(author),
                author=author,
                max_message=self._lobby.settings.max_message,
                max_file=self._lobby.files.largest,
            )
        )
        return True

    async def _refuse_token(self, *, given: bool) -> bool:
        if given:
            await self._lobby.refuse_token(self._log, self._request)
            await self._send_now(Refused("token", "This is not the token of this chat."))
        else:
            await self._send_now(Refused("token", "This chat asks for its token."))
        return False

    async def _take(self, data: str) -> bool:
        match self._decode(data):
            case Join() as join:
                self._join(join)
            case Typing():
                self._type()
            case Discard(file):
                await self._lobby.files.withdraw(self.author, file)
            case Post() | Edit() | Delete() | React() as request:
                await self._do(request)
            case Ping():
                self._say(Pong())
            case _:
                return False
        return True

    def _decode(self, data: str) -> FromBrowser | None:
        try:
            return decode(data)
        except msgspec.DecodeError:
            return None

    def _join(self, join: Join) -> None:
        room = self._lobby.rooms.get(join.room.lower())
        if room is None:
            return self._say(Refused("room", "There is no such room here."))
        try:
            name = read_name(join.name)
        except NameRefused as refusal:
            return self._say(Refused("name", str(refusal)))
        if self._lobby.name_taken(room, name, self.author):
            return self._say(Refused("name", f"Somebody in the room is called {name} already. Choose another name."))
        if self._lobby.joins.take(self.author):
            return self._say(Refused("full", "That was a lot of coming and going. Try again in a minute."))
        if room is not self.room and self._lobby.room_full(room):
            return self._say(Refused("full", "The room is full. Try again later."))
        self._leave()
        self.room, self.name = room, name
        room.listeners.add(self)
        messages, fresh = room.since(join.after)
        self._say(Joined(room.key, name, room.topic, fresh))
        for start in range(0, len(messages), _BATCH):
            self._put(History(messages[start : start + _BATCH]))
        return None

    def _leave(self) -> None:
        if self.room is not None:
            self.room.listeners.discard(self)
        self.room = None

    async def _do(self, request: Request) -> None:
        if self.room is None:
            return self._say(Unsent(request.id, "You are not in a room yet.", 1.0))
        return self._say(await answer(request, Actor(self._lobby, self.room, self.author, self.name)))

    def _type(self) -> None:
        if self.room is None or self._lobby.typing.take(self.author):
            return
        self._lobby.tell_typing(self.room, self.author, self.name)
        self.room.say(Typist(self.name), but=self._is_same_author)

    def _is_same_author(self, listener: Listener) -> bool:
        return isinstance(listener, Session) and listener.author == self.author

    # --- what the browser is told ---

    def hear(self, frame: str) -> None:
        """Take a frame of the room for the browser; never waits."""
        self._put(frame)

    def _say(self, frame: ToBrowser) -> None:
        self._put(encode(frame))

    def _put(self, frame: str | History) -> None:
        if len(self._outbox) >= _MOST_WAITING:
            self._cut()
            return
        self._outbox.append(frame)
        self._something.set()

    async def _write(self) -> None:
        try:
            while True:
                await self._something.wait()
                while self._outbox:
                    frame = self._outbox.popleft()
                    async with asyncio.timeout(_PATIENCE):
                        # History is encoded when its turn comes: many who open a large room at once cost little.
                        await self._socket.send_str(encode(frame) if isinstance(frame, History) else frame)
                self._something.clear()
        except (TimeoutError, ConnectionError, RuntimeError):
            self._cut()

    async def _send_now(self, frame: ToBrowser) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._socket.send_str(encode(frame))
        except (TimeoutError, ConnectionError):
            self._cut()

    def _cut(self) -> None:
        # Not a close: its frame would have to wait behind what the browser does not read.
        self._leave()
        self._outbox.clear()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _finish(self, code: WSCloseCode) -> None:
        try:
            async with asyncio.timeout(_GOODBYE):
                await self._socket.close(code=code)
        except (TimeoutError, ConnectionError):
            self._cut()
