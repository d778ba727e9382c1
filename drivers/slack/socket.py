"""Socket Mode: the WebSocket that brings events, opened with the app-level token, and replaced before Slack closes it.

https://docs.slack.dev/apis/events-api/using-socket-mode: Slack says beforehand that it will close a connection; then a
new one is opened first, so that nothing is missed in between. What is not acknowledged comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from nextbridge.errors import DriverError, Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable

__all__ = ["Received", "Socket"]

_LARGEST_FRAME = 4 * 1024 * 1024
"""Bytes. An edited message of the longest kind, twice, is well below."""
_HEARTBEAT = 30.0
"""Seconds between two pings; a connection that does not answer one is taken for dead."""
_HELLO = 15.0
"""Seconds that the first frame may take."""
_WAITING = 100
"""Frames that wait to be taken, before no more are read."""


class Received(Struct, frozen=True):
    """An event that came; `acknowledge` it once it is on disk."""

    callback: wire.Callback
    envelope_id: str
    connection: aiohttp.ClientWebSocketResponse

    async def acknowledge(self) -> None:
        """Tell Slack that it need not come again. Where the connection is lost, it comes again."""
        answer = msgspec.json.encode({"envelope_id": self.envelope_id}).decode()
        with suppress(*CONNECTION_ERRORS):
            await self.connection.send_str(answer)


class _Frame(Struct, frozen=True):
    connection: aiohttp.ClientWebSocketResponse
    envelope: wire.Envelope | None
    """None where the connection is over, for that reason."""
    trouble: str = ""


class Socket:
    """`async with Socket(api, log) as socket`: it is open then. Entering raises Retry and Paused."""

    def __init__(self, api: Api, log: FilteringBoundLogger) -> None:
        self._api = api
        self._log = log
        self._frames: asyncio.Queue[_Frame] = asyncio.Queue(_WAITING)
        self._open: list[aiohttp.ClientWebSocketResponse] = []
        self._reading: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            await self._connect()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def events(self) -> AsyncIterator[Received]:
        """What comes, in Slack's order. Raises Retry where the last connection breaks off, and Paused."""
        while True:
            frame = await self._frames.get()
            if frame.envelope is None:
                self._open.remove(frame.connection)
                await frame.connection.close()
                if not self._open:
                    raise Retry(f"the connection to Slack broke off: {frame.trouble}")
            elif frame.envelope.type == "disconnect":
                await self._replace(frame)
            elif frame.envelope.envelope_id:
                try:
                    callback = msgspec.json.decode(frame.envelope.payload, type=wire.Callback)
                except wire.UNREADABLE:
                    callback = wire.Callback()
                yield Received(callback, frame.envelope.envelope_id, frame.connection)

    async def _replace(self, frame: _Frame) -> None:
        reason = frame.envelope.reason if frame.envelope is not None else ""
        if reason == "link_disabled":
            raise Paused("Socket Mode was turned off for the app; turn it on under Socket Mode", scope="instance")
        if frame.connection is self._open[-1]:
            self._log.info("connection_replaced", reason=reason)
            await self._connect()

    async def _connect(self) -> None:
        try:
            link = await self._api.connection()
        except Refusal as refusal:
            raise Paused(
                f"Slack opens no connection for events ({refusal}); turn Socket Mode on, and look whether the "
                "app_token has the scope connections:write",
                scope="instance",
            ) from refusal
        try:
            async with asyncio.timeout(_HELLO):
                connection = await self._api.session.ws_connect(
                    link.url,
                    heartbeat=_HEARTBEAT,
                    max_msg_size=_LARGEST_FRAME,
                    timeout=aiohttp.ClientWSTimeout(ws_close=3.0),
                )
                self._open.append(connection)
                await self._greeted(connection)
        except aiohttp.WSServerHandshakeError as error:
            # the error itself holds the address with its ticket, and is not passed on
            raise Retry(
                f"Slack answers {error.status} instead of opening a WebSocket; a proxy on the way must let WebSocket "
                "connections through"
            ) from None
        except CONNECTION_ERRORS as error:
            raise Retry(f"no connection for events comes about: {unreachable(error)}") from None
        task = asyncio.create_task(self._read(connection))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    @staticmethod
    async def _greeted(connection: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await connection.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Retry("Slack closes the connection for events as soon as it is open")
            if _envelope(message.data).type == "hello":
                return

    async def _read(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        trouble = "it was closed"
        while True:
            message = await connection.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._frames.put(_Frame(connection, _envelope(message.data)))
                continue
            if message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG}:
                continue
            if (error := connection.exception()) is not None:
                trouble = unreachable(error)
            break
        await self._frames.put(_Frame(connection, None, trouble))

    async def _leave(self) -> None:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        for connection in self._open:
            with suppress(DriverError, *CONNECTION_ERRORS):
                await connection.close()
        self._open.clear()


def _envelope(data: str) -> wire.Envelope:
    try:
        return msgspec.json.decode(data, type=wire.Envelope)
    except wire.UNREADABLE:
        return wire.Envelope()
