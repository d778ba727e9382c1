"""The daemon's end of the control socket: listens in the state folder, for the folder's owner and root alone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from nextbridge.control.protocol import (
    LONGEST_QUESTION,
    Answer,
    ControlError,
    Question,
    Refused,
    read_question,
    write_answer,
)
from nextbridge.errors import EntryRefused, JournalError

__all__ = ["NAME", "ControlServer", "place"]

NAME = "control.sock"
"""The socket's name in the state folder."""
_PATIENCE = 10.0
"""Seconds that a peer may take to say its line, and again to read the answer."""
_MOST_AT_ONCE = 16


def place(folder: int) -> str:
    """The socket's address for `bind` and `connect`, by an open descriptor of its folder.

    An address holds 107 bytes at most, and the folder's path may be longer.
    """
    return f"/proc/self/fd/{folder}/{NAME}"


class ControlServer:
    """Listens from `start` to `stop`. Only who holds the state folder may start it."""

    def __init__(self, folder: Path, answer: Callable[[Question], Awaitable[Answer]]) -> None:
        """`answer` is awaited on the loop for each question."""
        self._folder = folder
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._descriptor: int | None = None
        self._talking: set[asyncio.Task[object]] = set()
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Listen. Where that is not possible the log says so: relaying goes on without."""
        try:
            sock = await asyncio.to_thread(self._bind)
            self._server = await asyncio.start_unix_server(self._talk, sock=sock, limit=LONGEST_QUESTION)
        except OSError as error:
            self._log.error(
                "control_unavailable",
                socket=str(self._folder / NAME),
                reason=f"{error.strerror or error}; commands like nextbridge queue cannot ask this daemon",
            )

    async def stop(self) -> None:
        """Remove the socket, and let go of whoever is being answered."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        if self._descriptor is not None:
            await asyncio.to_thread(self._remove)

    def _bind(self) -> socket.socket:
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(FileNotFoundError):  # what a killed daemon left: the folder's lock says that none listens there
            os.unlink(NAME, dir_fd=self._descriptor)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(place(self._descriptor))
            os.chmod(place(self._descriptor), 0o600)  # noqa: PTH101 - before anybody can connect: nobody listens yet
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    def _remove(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.unlink(NAME, dir_fd=descriptor)
            os.close(descriptor)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has one
        self._talking.add(task)
        try:
            answer = await self._reply(reader)
            if answer is not None:
                async with asyncio.timeout(_PATIENCE):
                    writer.write(write_answer(answer))
                    await writer.drain()
        except (OSError, TimeoutError):
            return  # whoever asked is gone
        finally:
            self._talking.discard(task)
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> Answer | None:
        if len(self._talking) > _MOST_AT_ONCE:
            return Refused(reason="The daemon is answering too many others. Try again.")
        try:
            async with asyncio.timeout(_PATIENCE):
                line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            return Refused(reason=f"The question is too long: {LONGEST_QUESTION} bytes are the most.")
        except asyncio.IncompleteReadError:
            return None
        try:
            return await self._answer(read_question(line))
        except (ControlError, JournalError, EntryRefused) as error:
            return Refused(reason=str(error))
        except Exception as error:  # noqa: BLE001 - a question must not end the daemon
            self._log.exception("control_failed")
            return Refused(reason=f"The daemon failed at it ({type(error).__name__}); its log says more.")
