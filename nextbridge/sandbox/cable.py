"""A TCP connection's way to a server, which a test can cut and mend: what a lost network looks like to a driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Cable"]

_CHUNK = 65536


class Cable:
    """`async with Cable("127.0.0.1", 6667) as cable`: what connects to `cable.port` is connected to the server."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._target = host, port
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._muted = False
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()

    async def cut(self) -> None:
        """Break every connection without a goodbye, and take no new one. What was under way is lost."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self._ends:
            end.transport.abort()
        while self._carrying:
            await asyncio.wait(self._carrying)

    def mute(self) -> None:
        """Carry nothing more from the server, until it is mended; what goes to the server still arrives."""
        self._muted = True

    async def mend(self) -> None:
        """Take connections (again), on the same port."""
        self._muted = False
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._take, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._ends |= ends
        try:
            theirs, to_them = await asyncio.open_connection(self._host, self._target)
            ends.add(to_them)
            self._ends.add(to_them)
            if self._server is not None:  # else it was cut meanwhile
                answered = _carry(theirs, writer, lambda: not self._muted)
                await asyncio.gather(_carry(reader, to_them, lambda: True), answered)
        except OSError:
            pass  # the server is not there: the connection ends at once
        finally:
            for end in ends:
                end.transport.abort()
            self._ends -= ends


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Callable[[], bool]) -> None:
    """Pass on what comes while it `passes`, and the end of it, until one side breaks off."""
    try:
        while data := await reader.read(_CHUNK):
            if passes():
                writer.write(data)
                await writer.drain()
        if not writer.is_closing():
            writer.write_eof()
    except OSError:
        writer.transport.abort()
