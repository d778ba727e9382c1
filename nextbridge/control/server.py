"""The daemon's end of the control socket: listens in the state folder, for the folder's owner and root alone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path

import structlog

from nextbridge.control.protocol import (
    LONGEST_QUESTION,
    Answer,
    ControlError,
    FollowCrossings,
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
"""Seconds."""
_MOST_AT_ONCE = 16


def place(folder: int) -> str:
    """The socket's address for `bind` and `connect`, by an open descriptor of its folder.

    An address holds 107 bytes at most, and the folder's path may be longer.
    """
    return f"/proc/self/fd/{folder}/{NAME}"


class ControlServer:
    """Listens from `start` to `stop`. Only who holds the state folder may start it."""

    def __init__(
        self,
        folder: Path,
        answer: Callable[[Question], Awaitable[Answer]],
        follow: Callable[[FollowCrossings], AsyncGenerator[Answer]],
        *,
        patience: float = _PATIENCE,
    ) -> None:
        """`answer` is awaited on the loop for each question, `follow` iterated over for as long as somebody reads.

        A peer may take `patience` seconds to say its line, and to read each answer.
        """
        self._folder = folder
        self._answer = answer
        self._follow = follow
        self._patience = patience
        self._server: asyncio.Server | None = None
        self._descriptor: int | None = None
        self._talking: set[asyncio.Task[object]] = set()
        self._followed = 0
        """How many of them listen for as long as they like."""
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
            reply = await self._reply(reader)
            if isinstance(reply, FollowCrossings):
                await self._tell(reply, reader, writer)
            elif reply is not None:
                await self._write(writer, reply)
        except (OSError, TimeoutError):
            return  # whoever asked is gone
        finally:
            self._talking.discard(task)
            writer.close()

    async def _write(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        writer.write(write_answer(answer))
        async with asyncio.timeout(self._patience):
            await writer.drain()

    async def _tell(
        self, question: FollowCrossings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Until either side ends it."""
        telling = asyncio.create_task(self._tell_all(question, writer))
        gone = asyncio.create_task(reader.read(1))  # who listens says nothing more: it is the connection's end
        self._followed += 1
        try:
            await asyncio.wait((telling, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._followed -= 1
            telling.cancel()
            gone.cancel()
            await asyncio.gather(telling, gone, return_exceptions=True)

    async def _tell_all(self, question: FollowCrossings, writer: asyncio.StreamWriter) -> None:
        try:
            try:
                async with aclosing(self._follow(question)) as answers:
                    async for answer in answers:
                        await self._write(writer, answer)
            except ControlError as error:
                await self._write(writer, Refused(reason=str(error)))
            except TimeoutError:
                await self._write(writer, Refused(reason="It was read too slowly, and the rest was dropped."))
        except TimeoutError:
            writer.transport.abort()  # it does not even read that
        except OSError:
            return  # whoever listened is gone
        except Exception:  # noqa: BLE001 - nobody else would hear of it
            self._log.exception("control_failed")

    async def _reply(self, reader: asyncio.StreamReader) -> Answer | FollowCrossings | None:
        if len(self._talking) - self._followed > _MOST_AT_ONCE:
            return Refused(reason="The daemon is answering too many others. Try again.")
        try:
            async with asyncio.timeout(self._patience):
                line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            return Refused(reason=f"The question is too long: {LONGEST_QUESTION} bytes are the most.")
        except asyncio.IncompleteReadError:
            return None
        try:
            question = read_question(line)
            return question if isinstance(question, FollowCrossings) else await self._answer(question)
        except (ControlError, JournalError, EntryRefused) as error:
            return Refused(reason=str(error))
        except Exception as error:  # noqa: BLE001 - a question must not end the daemon
            self._log.exception("control_failed")
            return Refused(reason=f"The daemon failed at it ({type(error).__name__}); its log says more.")
