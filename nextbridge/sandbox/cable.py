"""A TCP connection's way to a server, which a test can slow, cut and mend: a bad network, as a driver meets it."""

from __future__ import annotations

import asyncio
from enum import Enum
from types import TracebackType
from typing import Self

__all__ = ["Cable", "Towards"]

_CHUNK = 65536


class Towards(Enum):
    """The end of a connection that something goes to."""

    SERVER = "server"
    CLIENT = "client"


class Cable:
    """`async with Cable("127.0.0.1", 6667) as cable`: what connects to `cable.port` is connected to the server."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._target = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0
        self.lag = 0.0
        """Seconds by which everything arrives later, either way. May be changed at any time."""
        self.is_muted = False
        self.bytes_left: int | None = None
        """What is carried before the connection that carries it breaks; None for no end."""

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
        for each in self._connections:
            each.abort()
        while self._carrying:
            await asyncio.wait(self._carrying)

    def cut_after(self, count: int) -> None:
        """Break one connection once `count` more bytes were carried, whatever they belong to. New ones are taken."""
        self.bytes_left = count

    def half_close(self, towards: Towards) -> None:
        """Tell that end of every connection that no more will come, and carry nothing to it; the other way goes on.

        Until that end closes its own half, too: then the connection is gone, as it is when one end has closed it.
        """
        for each in self._connections:
            each.half_close(towards)

    def mute(self) -> None:
        """Carry nothing more from the server, until it is mended; what goes to the server still arrives."""
        self.is_muted = True

    async def mend(self) -> None:
        """Take connections (again), on the same port, and carry everything at once."""
        self.is_muted = False
        self.lag, self.bytes_left = 0.0, None
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._take, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, to_them = await asyncio.open_connection(self._host, self._target)
        except OSError:  # the server is not there: the connection ends at once
            writer.transport.abort()
            return
        connection = _Connection(self, (reader, to_them), (theirs, writer))
        self._connections.add(connection)
        try:
            if self._server is not None:  # else it was cut meanwhile
                await connection.carry()
        finally:
            connection.abort()
            self._connections.discard(connection)


_OTHER = {Towards.SERVER: Towards.CLIENT, Towards.CLIENT: Towards.SERVER}
_Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """Both directions of one connection."""

    def __init__(self, cable: Cable, to_server: _Way, to_client: _Way) -> None:
        self._cable = cable
        self._ways = {Towards.SERVER: to_server, Towards.CLIENT: to_client}
        self._closed: set[Towards] = set()

    async def carry(self) -> None:
        """Until both ends have said that no more will come, or one breaks off."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for towards, (reader, writer) in self._ways.items():
                    tasks.create_task(self._carry(reader, writer, towards))
        except* OSError:
            pass

    def half_close(self, towards: Towards) -> None:
        self._closed.add(towards)
        _, writer = self._ways[towards]
        if not writer.is_closing():
            writer.write_eof()

    def abort(self) -> None:
        for _, writer in self._ways.values():
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, towards: Towards) -> None:
        cable = self._cable
        while data := await reader.read(_CHUNK):
            if cable.lag:
                await asyncio.sleep(cable.lag)
            if towards in self._closed or (cable.is_muted and towards is Towards.CLIENT):
                continue
            if cable.bytes_left is not None and cable.bytes_left <= len(data):
                writer.write(data[: cable.bytes_left])
                cable.bytes_left = None
                raise ConnectionAbortedError
            if cable.bytes_left is not None:
                cable.bytes_left -= len(data)
            writer.write(data)
            await writer.drain()
        if _OTHER[towards] in self._closed:  # it says and hears nothing more: what is sent to it from now on is refused
            writer.close()
            await writer.wait_closed()
            raise ConnectionAbortedError
        if towards not in self._closed and not writer.is_closing():
            writer.write_eof()
