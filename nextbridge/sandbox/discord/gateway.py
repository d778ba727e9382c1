"""The gateway: sessions that hear events, over WebSockets that may break off and be resumed.

By "Gateway" and "Gateway Events" of the public documentation: hello, identify, heartbeats and their acknowledgements,
resume with a replay, reconnect, invalid session, the close codes, and zlib-stream.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import zlib
from collections import deque
from collections.abc import Callable
from enum import IntFlag
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Struct

from nextbridge.sandbox.discord.records import Account

__all__ = ["Application", "Gateway", "Intent", "Ready"]

_LONGEST_PAYLOAD = 4096
_KEPT = 1000
"""Events that a session keeps for a replay."""
_PRIVILEGED = 1 << 1 | 1 << 8 | 1 << 15
_ALL_INTENTS = (1 << 26) - 1


class Intent(IntFlag):
    """Those that the stand-in has events of."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    MESSAGE_CONTENT = 1 << 15


class Application(Struct):
    """A bot's application, as it is set in the developer portal."""

    account: Account
    privileged: int = _PRIVILEGED
    """The privileged intents that are turned on."""


class Ready(Struct, frozen=True):
    """What a new session is told: the READY event without what the gateway adds, and the guilds that follow it."""

    event: dict[str, Any]
    guilds: list[dict[str, Any]]


class _Payload(Struct):
    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")


class _Identify(Struct):
    token: str
    intents: int
    properties: dict[str, str]
    shard: tuple[int, int] = (0, 1)


class _Resume(Struct):
    token: str
    session_id: str
    seq: int


class Session:
    """One identified connection, which outlives its socket."""

    def __init__(self, application: Application, intents: int) -> None:
        self.id = secrets.token_hex(16)
        self.application = application
        self.intents = intents
        self.sequence = 0
        self.socket: _Socket | None = None
        self._events: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_KEPT)

    def hears(self, intent: Intent | None) -> bool:
        return intent is None or bool(self.intents & intent)

    def tell(self, event: str, data: dict[str, Any]) -> None:
        self.sequence += 1
        payload = {"op": 0, "t": event, "s": self.sequence, "d": data}
        self._events.append((self.sequence, payload))
        if self.socket is not None:
            self.socket.put(payload)

    def missed(self, sequence: int) -> list[dict[str, Any]] | None:
        """What was told after that; None where it is not known any more, or never was."""
        if sequence > self.sequence or (self._events and sequence < self._events[0][0] - 1):
            return None
        return [payload for number, payload in self._events if number > sequence]


class _Socket:
    """What goes out, in order, while tests act without awaiting."""

    def __init__(self, response: web.WebSocketResponse, transport: asyncio.Transport | None, *, compress: bool) -> None:
        self.response = response
        self.transport = transport
        self.is_frozen = False
        self.is_closed = False
        """We have closed it, and not the client."""
        self._deflate = zlib.compressobj() if compress else None
        self._queue: asyncio.Queue[dict[str, Any] | int] = asyncio.Queue()

    def put(self, payload: dict[str, Any]) -> None:
        self._queue.put_nowait(payload)

    def close(self, code: int) -> None:
        """After what was put before it."""
        self._queue.put_nowait(code)

    async def write(self) -> None:
        while True:
            payload = await self._queue.get()
            if isinstance(payload, int):
                self.is_closed = True
                await self.response.close(code=payload)
                return
            if self.is_frozen:
                continue
            data = msgspec.json.encode(payload)
            try:
                if self._deflate is None:
                    await self.response.send_str(data.decode())
                else:
                    await self.response.send_bytes(
                        self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    )
            except OSError:
                return


class Gateway:
    """All sessions. `ready` makes what a bot is told at first."""

    def __init__(self, find: Callable[[str], Application | None], ready: Callable[[Account, str], Ready]) -> None:
        self.heartbeat_interval = 41_250
        """Milliseconds."""
        self.identified = 0
        """How often a new session was begun: of 1,000 a day."""
        self.resumed = 0
        self.sessions: dict[str, Session] = {}
        self.refuses = False
        """No socket is taken."""
        self.answers_heartbeats = True
        self.loses_sessions = False
        """Each resumption is answered with an invalid session."""
        self._find = find
        self._ready = ready
        self._sockets: set[_Socket] = set()

    # --- what tests do --------------------------------------------------------------------------------------------

    def ask_to_reconnect(self) -> None:
        """Tell every client to reconnect and resume (opcode 7), as before a restart of a gateway's node."""
        for socket in self._sockets:
            socket.put({"op": 7, "d": None, "s": None, "t": None})

    def invalidate(self, *, resumable: bool) -> None:
        """Tell every client that its session is invalid (opcode 9)."""
        if not resumable:
            self.sessions.clear()
        for socket in self._sockets:
            socket.put({"op": 9, "d": resumable, "s": None, "t": None})

    def close(self, code: int) -> None:
        """Close every socket with a close code."""
        for socket in self._sockets:
            socket.close(code)

    def freeze(self) -> None:
        """The sockets stay open and nothing comes by them any more."""
        for socket in self._sockets:
            socket.is_frozen = True

    def cut(self) -> None:
        """Break every connection without a close frame."""
        for socket in self._sockets:
            if socket.transport is not None:
                socket.transport.abort()

    # --- what the world tells -------------------------------------------------------------------------------------

    def tell(
        self,
        event: str,
        intent: Intent | None,
        data: Callable[[Session], dict[str, Any] | None],
    ) -> None:
        """Tell an event to every session with the intent; `data` gives what it sees of it, or None."""
        for session in list(self.sessions.values()):
            if session.hears(intent) and (seen := data(session)) is not None:
                session.tell(event, seen)

    # --- what clients do ------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket, from the upgrade to its end."""
        if self.refuses:
            return web.Response(status=503)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            return await self._closed(request, 4012)
        response = web.WebSocketResponse(max_msg_size=1 << 20)
        await response.prepare(request)
        socket = _Socket(response, request.transport, compress=request.query.get("compress") == "zlib-stream")
        self._sockets.add(socket)
        writing = asyncio.create_task(socket.write())
        socket.put({"op": 10, "d": {"heartbeat_interval": self.heartbeat_interval}, "s": None, "t": None})
        session: Session | None = None
        try:
            async for message in response:
                if socket.is_frozen:
                    continue
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY} or len(message.data) > _LONGEST_PAYLOAD:
                    socket.close(4002)
                    continue
                try:
                    payload = msgspec.json.decode(message.data, type=_Payload)
                    session = self._obey(payload, socket, session, request.host)
                except msgspec.MsgspecError:
                    socket.close(4002)
        finally:
            if session is not None and session.socket is socket:
                session.socket = None
                if not socket.is_closed and response.close_code in {WSCloseCode.OK, WSCloseCode.GOING_AWAY}:
                    self.sessions.pop(session.id, None)
            self._sockets.discard(socket)
            writing.cancel()
        return response

    def _obey(self, payload: _Payload, socket: _Socket, session: Session | None, host: str) -> Session | None:
        match payload.op:
            case 1:
                if self.answers_heartbeats:
                    socket.put({"op": 11, "d": None, "s": None, "t": None})
            case 2 if session is None:
                return self._identify(msgspec.json.decode(payload.d, type=_Identify), socket, host)
            case 2:
                socket.close(4005)
            case 6:
                return self._resume(msgspec.json.decode(payload.d, type=_Resume), socket)
            case 3 | 4 | 8 if session is not None:
                pass
            case 3 | 4 | 8:
                socket.close(4003)
            case _:
                socket.close(4001)
        return session

    def _identify(self, asked: _Identify, socket: _Socket, host: str) -> Session | None:
        application = self._find(asked.token.removeprefix("Bot "))
        if application is None:
            socket.close(4004)
            return None
        if asked.intents & ~_ALL_INTENTS or asked.intents < 0:
            socket.close(4013)
            return None
        if asked.intents & _PRIVILEGED & ~application.privileged:
            socket.close(4014)
            return None
        self.identified += 1
        session = Session(application, asked.intents)
        self.sessions[session.id] = session
        session.socket = socket
        ready = self._ready(application.account, host)
        session.tell("READY", ready.event | {"session_id": session.id, "shard": list(asked.shard)})
        if session.hears(Intent.GUILDS):
            for guild in ready.guilds:
                session.tell("GUILD_CREATE", guild)
        return session

    def _resume(self, asked: _Resume, socket: _Socket) -> Session | None:
        application = self._find(asked.token.removeprefix("Bot "))
        if application is None:
            socket.close(4004)
            return None
        session = None if self.loses_sessions else self.sessions.get(asked.session_id)
        missed = None if session is None else session.missed(asked.seq)
        if session is None or missed is None:
            socket.put({"op": 9, "d": False, "s": None, "t": None})
            return None
        if session.socket is not None and session.socket is not socket:
            session.socket.close(4000)
        session.socket = socket
        self.resumed += 1
        for payload in missed:
            socket.put(payload)
        session.tell("RESUMED", {"_trace": [f"at {time.time():.3f}"]})
        return session

    async def _closed(self, request: web.Request, code: int) -> web.StreamResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.close(code=code)
        return response
