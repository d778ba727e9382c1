"""A server that does as a test says: for what a real one cannot be made to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

LOOPBACK = "127.0.0.1"


class Visit:
    """One connection to the server. What the client sends is read with `expect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._reader = reader
        self._writer = writer
        self.number = number
        """1 for the first connection of the test."""
        self.lines: list[str] = []

    def send(self, *lines: str | bytes) -> None:
        for line in lines:
            self._writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")

    def send_raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def expect(self, start: str) -> str:
        """The next line of the client that starts with `start` (after a label)."""
        while data := await self._reader.readline():
            line = data.decode().rstrip("\r\n")
            self.lines.append(line)
            bare = line.partition(" ")[2] if line.startswith("@") else line
            if bare.startswith(start):
                return line
        raise ConnectionResetError

    async def welcome(self, *, support: str = "", capabilities: str = "") -> str:
        """Register the client, and return its nick."""
        await self.expect("CAP LS")
        nick = (await self.expect("NICK")).partition(" ")[2]
        self.send(f":s CAP * LS :{capabilities}")
        if capabilities:
            wanted = (await self.expect("CAP REQ")).partition(":")[2]
            self.send(f":s CAP {nick} ACK :{wanted}")
        await self.expect("CAP END")
        self.send(f":s 001 {nick} :Welcome", f":s 005 {nick} {support} :are supported", f":s 376 {nick} :End")
        return nick

    async def admit(self, nick: str) -> None:
        """Let the client join what it wants to join next."""
        names = (await self.expect("JOIN")).split(" ")[1]
        for name in names.split(","):
            self.send(f":{nick}!u@h JOIN {name}")


@contextlib.asynccontextmanager
async def serving(script: Callable[[Visit], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that follows `script` with each visitor and then closes the connection; gives its port.

    What goes wrong in the script (a failed assertion, too) goes wrong in the test.
    """
    tasks: set[asyncio.Task[None]] = set()
    visits = 0

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError):
                await script(Visit(reader, writer, visits))
        finally:
            writer.close()

    server = await asyncio.start_server(visited, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    wrong = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if wrong:
        raise wrong[0]


async def for_ever() -> None:
    """Keep a connection open until the test ends."""
    await asyncio.Event().wait()
