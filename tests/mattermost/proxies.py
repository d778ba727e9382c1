"""Things between a driver and its server: an HTTP proxy, a SOCKS5 proxy, and TLS before a plain server."""

from __future__ import annotations

import asyncio
import base64
import ssl
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["HttpProxy", "Socks5Proxy", "TlsFront"]


class Passage:
    """Accepts on a free port of the loopback, and passes each connection on to where it says it goes."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.targets: list[str] = []
        """`host:port` of each connection that was passed on."""
        self.refused = 0
        self._tls = tls
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._connections)

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        """Where this connection goes; None where it is not let through."""
        raise NotImplementedError

    async def connected(self, writer: asyncio.StreamWriter) -> None:
        """Say that the way is open."""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        self._writers.add(writer)
        try:
            await self._pass_on(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            await self._leave(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = await self.welcome(reader, writer)
        if target is None:
            self.refused += 1
            return
        self.targets.append(f"{target[0]}:{target[1]}")
        onward, back = await asyncio.open_connection(*target)
        self._writers.add(back)
        try:
            await self.connected(writer)
            await asyncio.gather(_pour(reader, back), _pour(onward, writer))
        finally:
            await self._leave(back)

    async def _leave(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        self._writers.discard(writer)


class HttpProxy(Passage):
    """Lets CONNECT through, with a user name and a password where they are set."""

    def __init__(self, credentials: str = "", *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self._expected = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
        if method != "CONNECT" or (self._expected and headers.get("proxy-authorization") != self._expected):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
        host, _, port = target.rpartition(":")
        return host, int(port)

    async def connected(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")


class Socks5Proxy(Passage):
    """SOCKS version 5 without authentication (RFC 1928)."""

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(str(byte) for byte in await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        return host, struct.unpack(">H", await reader.readexactly(2))[0]

    async def connected(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


class TlsFront(Passage):
    """What terminates TLS before a server that speaks none."""

    def __init__(self, tls: ssl.SSLContext, port: int) -> None:
        super().__init__(tls)
        self._port = port

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        return "127.0.0.1", self._port


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with suppress(ConnectionError, OSError):
        writer.close()
