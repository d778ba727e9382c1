"""The gateway: a WebSocket that is opened, identified, kept alive, resumed, and read event by event.

By "Gateway" and "Gateway Events" of the public documentation. It knows what a connection is and nothing of what events
say. `Resumption` outlives it, and the daemon: it counts as received what is on disk, so that all else is told again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from enum import IntFlag

import aiohttp
import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from drivers.discord import wire
from drivers.discord.api import Api, bad_token
from nextbridge.driver import Store
from nextbridge.errors import JournalError, Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable

__all__ = ["INTENTS", "Connection", "GatewayTimes", "InvalidSession", "Resumption", "knock", "open_gateway"]

_LARGEST_FRAME = 64 * 1024 * 1024
"""Bytes. A guild of many channels is some megabytes."""
_KEY = "session"
_SAVED_EVERY = 3.0
_CLOSING = 4000
"""Any code but 1000 and 1001, which would end the session."""
_MOST_UNWRITTEN = 20_000
_NOT_DISCORD = "the gateway does not speak as Discord's does; look at api_url"
_NO_SESSION = {4007, 4009}
"""Close codes after which there is nothing to resume."""


class Intents(IntFlag):
    """What we ask to be told. The content of messages is a privileged intent."""

    GUILDS = 1 << 0
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    MESSAGE_CONTENT = 1 << 15


INTENTS = Intents(sum(Intents))


class GatewayTimes(Struct, frozen=True):
    """Seconds. Tests make them short."""

    opening: float = 20.0
    """How long until a new connection has to have said its first word."""
    heartbeat: float | None = None
    """Instead of what the gateway asks for."""


class InvalidSession(Exception):
    """What was to be resumed is not there any more: a new session has to be begun."""


class _Saved(Struct):
    session_id: str
    url: str
    sequence: int


class Resumption:
    """What it takes to be told what was missed: the session, and the number of the last event that is on disk."""

    def __init__(self, store: Store) -> None:
        self.session_id = ""
        self.url = ""
        self.sequence = 0
        """The last event that is on disk, with all before it."""
        self.heard = 0
        """The last event that came."""
        self._store = store
        self._unwritten: deque[tuple[int, asyncio.Future[object]]] = deque()
        self._saved: bytes | None = None
        self._loaded = False

    async def load(self) -> None:
        """Take up the session of an earlier run of the daemon, once."""
        if self._loaded:
            return
        if (kept := await self._store.get(_KEY)) is not None:
            with suppress(*wire.UNREADABLE):
                saved = msgspec.json.decode(kept, type=_Saved)
                self.session_id, self.url = saved.session_id, saved.url
                self.sequence = self.heard = saved.sequence
        self._loaded = True

    def begin(self, session_id: str, url: str) -> None:
        """A session was begun."""
        self.forget()
        self.session_id, self.url = session_id, url

    def forget(self) -> None:
        """There is nothing to resume."""
        self.session_id = self.url = ""
        self.sequence = self.heard = 0
        self._unwritten.clear()

    def again(self) -> None:
        """From here on what is not on disk is told again."""
        self._unwritten.clear()
        self.heard = self.sequence

    def taken(self, sequence: int, written: Awaitable[object] | None) -> None:
        """An event was handed over; `written` is done once it is on disk, None where there is nothing to write."""
        if written is not None:
            future: asyncio.Future[object] = asyncio.ensure_future(written)
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._unwritten.append((sequence, future))
        elif self._unwritten:
            future = asyncio.get_running_loop().create_future()
            future.set_result(None)
            self._unwritten.append((sequence, future))
        else:
            self.sequence = sequence
        self._advance()

    def _advance(self) -> None:
        while self._unwritten and (first := self._unwritten[0][1]).done():
            if not first.cancelled() and isinstance(first.exception(), JournalError):
                return  # the daemon ends, and is told of it again after the next start
            self.sequence, _ = self._unwritten.popleft()
        if len(self._unwritten) > _MOST_UNWRITTEN:  # a gap that takes so long is filled from the history anyway
            self.sequence, _ = self._unwritten.popleft()

    async def save(self) -> None:
        """Put on disk how far was received, where that has changed."""
        self._advance()
        kept = msgspec.json.encode(_Saved(self.session_id, self.url, self.sequence)) if self.session_id else None
        if kept != self._saved:
            await self._store.set(_KEY, None if kept is None else kept.decode())
            self._saved = kept


class Connection:
    """An open connection. `first` is awaited once, then `frames` is iterated once."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        api: Api,
        resumption: Resumption,
        log: FilteringBoundLogger,
        times: GatewayTimes,
    ) -> None:
        self._socket = socket
        self._api = api
        self._resumption = resumption
        self._log = log
        self._times = times
        self._first: wire.Frame | None = None
        self._acknowledged = True
        self._reading = False
        self._silent = False
        self._beating: asyncio.Task[None] | None = None
        self.resumes = bool(resumption.session_id)
        """Whether it goes on with an earlier session."""

    async def first(self) -> None:
        """Return once the gateway has taken us: with a new session, or with the first thing that was missed.

        Raises Retry, Paused, or InvalidSession.
        """
        try:
            async with asyncio.timeout(self._times.opening):
                hello = await self._receive()
                if hello.op == 7:
                    raise Retry("Discord asks to reconnect")
                interval = msgspec.json.decode(hello.d, type=wire.Hello).heartbeat_interval / 1000
                self._beating = asyncio.create_task(self._beat(self._times.heartbeat or interval))
                await self._introduce()
                self._first = await self._event()
        except TimeoutError:
            raise Retry("the gateway opens but does not take us") from None
        except wire.UNREADABLE:
            raise Retry(_NOT_DISCORD) from None

    async def _introduce(self) -> None:
        token, resumption = self._api.token, self._resumption
        if self.resumes:
            resumption.again()
            resume = {"token": token, "session_id": resumption.session_id, "seq": resumption.sequence}
            await self._send(6, resume)
            return
        properties = {"os": "linux", "browser": "NextBridge", "device": "NextBridge"}
        await self._send(2, {"token": token, "intents": int(INTENTS), "properties": properties, "large_threshold": 50})

    async def frames(self) -> AsyncGenerator[wire.Frame, None]:
        """The events in order, until the connection ends with Retry, Paused or InvalidSession."""
        frame = self._first
        while frame is not None:
            if frame.t == "READY":
                self._begin(frame)
            self._resumption.heard = frame.s or self._resumption.heard
            yield frame
            frame = await self._event()

    def _begin(self, frame: wire.Frame) -> None:
        try:
            ready = msgspec.json.decode(frame.d, type=wire.Ready)
        except wire.UNREADABLE:
            self._resumption.forget()  # a session that goes on would tell the same again
            raise Retry(_NOT_DISCORD) from None
        self._resumption.begin(ready.session_id, ready.resume_gateway_url)

    async def close(self) -> None:
        """End the connection, and keep the session."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        with suppress(*CONNECTION_ERRORS):
            await self._socket.close(code=_CLOSING)

    async def _event(self) -> wire.Frame:
        """The next event; what concerns the connection alone is dealt with."""
        while True:
            frame = await self._receive()
            match frame.op:
                case 0:
                    return frame
                case 1:
                    await self._heartbeat()
                case 7:
                    raise Retry("Discord asks to reconnect", after=0.0)
                case 9:
                    if frame.d == b"true":
                        raise Retry("the gateway asks to resume")
                    self._resumption.forget()
                    raise InvalidSession
                case 11:
                    self._acknowledged = True
                case _:
                    continue

    async def _receive(self) -> wire.Frame:
        while True:
            self._reading = True
            message = await self._socket.receive()
            self._reading = False
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    try:
                        return msgspec.json.decode(message.data, type=wire.Frame)
                    except wire.UNREADABLE:
                        self._log.warning("frame_unreadable", size=len(message.data))
                case aiohttp.WSMsgType.CLOSE:
                    raise self._closed(message.data)
                case aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED:
                    raise self._closed(self._socket.close_code)
                case aiohttp.WSMsgType.ERROR:
                    error = self._socket.exception()
                    raise Retry(f"the connection broke off: {unreachable(error) if error else 'it was cut'}")
                case _:
                    continue

    def _closed(self, code: int | None) -> Retry | Paused:
        """What a close code means."""
        match code:
            case 4004:
                return bad_token()
            case 4014:
                return Paused(
                    "Discord does not let the bot read messages: turn on Message Content Intent under Bot > "
                    "Privileged Gateway Intents in the developer portal (https://discord.com/developers/applications)",
                    scope="instance",
                )
            case 4010 | 4011:
                reason = "the bot is in too many servers for one connection; make a bot for the relay alone"
                return Paused(reason, scope="instance")
            case 4012 | 4013:
                return Paused(f"Discord takes this version of the relay no more ({code}); update it", scope="instance")
        if code in _NO_SESSION:
            self._resumption.forget()
        if self._silent:
            return Retry("the gateway fell silent")
        return Retry(f"the gateway closed the connection ({code or 'without a word'})")

    async def _beat(self, interval: float) -> None:
        """Let the gateway know that we are there, and close the connection once it does not answer that."""
        with suppress(Retry, *CONNECTION_ERRORS):
            await asyncio.sleep(interval * random.random())  # noqa: S311 - no secret; the documentation asks for it
            saved = 0.0
            while True:
                if not self._acknowledged and self._reading:
                    self._silent = True
                    await self._socket.close(code=_CLOSING)
                    return
                self._acknowledged = False
                await self._heartbeat()
                while saved < interval:
                    await asyncio.sleep(min(_SAVED_EVERY, interval))
                    saved += min(_SAVED_EVERY, interval)
                    await self._resumption.save()
                saved = 0.0

    async def _heartbeat(self) -> None:
        await self._send(1, self._resumption.heard or None)

    async def _send(self, op: int, data: object) -> None:
        try:
            await self._socket.send_str(msgspec.json.encode({"op": op, "d": data}).decode())
        except CONNECTION_ERRORS as error:
            raise Retry(f"the connection broke off: {unreachable(error)}") from None


@asynccontextmanager
async def open_gateway(
    api: Api, resumption: Resumption, log: FilteringBoundLogger, times: GatewayTimes
) -> AsyncIterator[Connection]:
    """Connect, and resume or identify. Raises Retry, Paused, and InvalidSession (then it is to be tried once more)."""
    if resumption.session_id and resumption.url:
        url = resumption.url
    else:
        gateway = await api.gateway()
        limit = gateway.session_start_limit
        if limit.remaining <= 0 and not resumption.session_id:
            reason = "the bot has begun as many sessions as Discord lets it in a day"
            raise Retry(reason, after=limit.reset_after / 1000)
        url = gateway.url
    try:
        socket = await _socket(api, url, times)
    except Retry:
        resumption.url = ""  # the next attempt asks where the gateway is
        raise
    connection = Connection(socket, api, resumption, log, times)
    try:
        await connection.first()
        yield connection
    finally:
        await connection.close()


async def knock(api: Api, url: str, times: GatewayTimes) -> None:
    """Return once the gateway at `url` has said hello: nothing is begun there. For `probe`. Raises Retry."""
    socket = await _socket(api, url, times)
    try:
        async with asyncio.timeout(times.opening):
            await socket.receive()
    except TimeoutError:
        raise Retry("Discord's gateway opens, and says nothing") from None
    finally:
        with suppress(*CONNECTION_ERRORS):
            await socket.close()


async def _socket(api: Api, url: str, times: GatewayTimes) -> aiohttp.ClientWebSocketResponse:
    try:
        async with asyncio.timeout(times.opening):
            return await api.session.ws_connect(
                f"{url.rstrip('/')}/?v=10&encoding=json",
                max_msg_size=_LARGEST_FRAME,
                autoclose=False,  # it would answer a close with 1000, which ends the session
                timeout=aiohttp.ClientWSTimeout(ws_close=3.0),
            )
    except aiohttp.WSServerHandshakeError as error:
        raise Retry(
            f"Discord's gateway answers {error.status} instead of opening a WebSocket; a proxy on the way must let "
            "WebSocket connections through"
        ) from None
    except (*CONNECTION_ERRORS, ValueError) as error:
        raise Retry(f"Discord's gateway cannot be reached: {unreachable(error)}") from None
