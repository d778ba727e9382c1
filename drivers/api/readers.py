"""Programs that wait for what happens in a room: by a long request, server-sent events, or a WebSocket.

A reader is a cursor in the room's log and nothing else: what it has not taken yet lies on disk, and no queue grows for
it. One that takes nothing for half a minute is cut off, and comes back with its cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Struct

from drivers.api.entries import Entry, encode
from drivers.api.log import Log
from drivers.api.refusals import Refused

__all__ = ["GLANCE", "GOODBYE", "Gap", "Page", "Readers", "Update", "cut", "follow", "is_gone"]

GLANCE = 1.0
"""Seconds of silence until it is looked whether the reader is still there: aiohttp does not tell."""
_HEARTBEAT = 15
"""So many glances until a reader of events is shown that the connection lives."""
_BATCH = 100
GOODBYE = 2.0
"""Seconds for a reader to take leave."""


class Page(Struct, frozen=True):
    """Some of a room's log."""

    entries: tuple[Entry, ...]
    after: int
    """The cursor to go on after."""
    gap: bool
    """What followed the cursor is not all there any more; the entries begin with the oldest that is kept."""


class Gap(Struct, frozen=True, tag_field="kind", tag="gap"):
    """In a stream: something that followed the reader's cursor is forgotten."""

    after: int
    """What comes next follows this."""


class Update(Struct, frozen=True):
    """What a reader gets at once: entries, and whether something before them is missing. Empty: nothing for a while."""

    entries: tuple[Entry, ...]
    gap: bool = False


class Readers:
    """All who wait, of one instance."""

    def __init__(self, most: int) -> None:
        self.patience = 30.0
        """Seconds in which a reader has to take what it is sent."""
        self._most = most
        self._tasks: set[asyncio.Task[object]] = set()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for the one who asks in this task. Raises Refused where there is none."""
        task = asyncio.current_task()
        if len(self._tasks) >= self._most or task is None:
            raise Refused(503, "Too many are reading. Try again later.", {"Retry-After": "10"})
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def leave(self) -> None:
        """Return once everybody is gone; they were told by their logs' end."""
        if self._tasks:
            _, staying = await asyncio.wait(self._tasks, timeout=GOODBYE)
            for task in staying:
                task.cancel()
            if staying:
                await asyncio.wait(staying)

    async def in_time(self, doing: Awaitable[object]) -> None:
        """Send something to a reader that takes it. Raises TimeoutError where it does not."""
        async with asyncio.timeout(self.patience):
            await doing

    async def converse(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        listening: Coroutine[Any, Any, None],
        writing: Coroutine[Any, Any, None],
    ) -> None:
        """Do both until either ends, and close the socket."""
        sides = [asyncio.ensure_future(listening), asyncio.ensure_future(writing)]
        try:
            done, _ = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
            await self.in_time(socket.close(code=WSCloseCode.GOING_AWAY))
        except (TimeoutError, ConnectionError):
            cut(request)
        finally:
            for each in sides:
                each.cancel()
            await asyncio.gather(*sides, return_exceptions=True)

    # --- the three ways ---

    async def page(self, request: web.Request, log: Log, after: int | None, limit: int, wait: int) -> Page:
        """What follows the cursor; where nothing does, what comes within `wait` seconds."""
        entries, gap = log.since(after, limit)
        if not entries and wait:
            with self.place():
                until = asyncio.get_running_loop().time() + wait
                async with aclosing(follow(log, after or 0)) as following:
                    async for update in following:
                        if update.entries or is_gone(request) or asyncio.get_running_loop().time() >= until:
                            break
            entries, gap = log.since(after, limit)
        return Page(entries, entries[-1].id if entries else after or 0, gap)

    async def events(self, request: web.Request, log: Log, after: int | None) -> web.StreamResponse:
        """Server-sent events, until the reader goes, takes nothing, or the API stops."""
        with self.place():
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
            await response.prepare(request)
            try:
                await self.in_time(response.write(b"retry: 2000\n\n"))
                silence = 0
                async with aclosing(follow(log, after)) as following:
                    async for update in following:
                        silence = 0 if update.entries or update.gap else silence + 1
                        if silence % _HEARTBEAT == 0:
                            await self.in_time(response.write(_as_events(update)))
                        elif is_gone(request):
                            return response
                await self.in_time(response.write_eof())
            except (TimeoutError, ConnectionError):
                cut(request)
            return response

    async def socket(self, request: web.Request, log: Log, after: int | None) -> web.StreamResponse:
        """A WebSocket, likewise; each frame is an entry. What the reader says is not read."""
        with self.place():
            socket = web.WebSocketResponse(timeout=GOODBYE, heartbeat=30, max_msg_size=1024, compress=False)
            await socket.prepare(request)
            await self.converse(request, socket, _listen(socket), self._write(socket, log, after))
            return socket

    async def _write(self, socket: web.WebSocketResponse, log: Log, after: int | None) -> None:
        async with aclosing(follow(log, after)) as following:
            async for update in following:
                if update.gap:
                    await self.in_time(socket.send_str(msgspec.json.encode(_gap(update.entries)).decode()))
                for entry in update.entries:
                    await self.in_time(socket.send_str(encode(entry).decode()))


async def follow(log: Log, after: int | None) -> AsyncGenerator[Update, None]:
    """What happens after a cursor (None: from now on), as it happens; and an empty update where it is silent.

    Ends when nobody is to wait any more.
    """
    at = log.last if after is None else after
    while True:
        entries, gap = log.since(at, _BATCH)
        if entries or gap:
            at = entries[-1].id if entries else log.last
            yield Update(entries, gap)
            continue
        try:
            async with asyncio.timeout(GLANCE):
                if not await log.follow(at):
                    return
        except TimeoutError:
            yield Update(())


def cut(request: web.Request) -> None:
    """End a connection whose other side takes nothing: a close would wait behind what it does not read."""
    if request.transport is not None:
        request.transport.abort()


def is_gone(request: web.Request) -> bool:
    """Whether whoever asked has gone away."""
    return request.transport is None or request.transport.is_closing()


def _as_events(update: Update) -> bytes:
    if not update.entries and not update.gap:
        return b": still here\n\n"
    parts = [_gap_event(update.entries)] if update.gap else []
    for entry in update.entries:
        kind = str(type(entry).__struct_config__.tag)
        parts.append(b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.id, kind.encode(), encode(entry)))
    return b"".join(parts)


def _gap_event(entries: tuple[Entry, ...]) -> bytes:
    return b"event: gap\ndata: %s\n\n" % msgspec.json.encode(_gap(entries))


def _gap(entries: tuple[Entry, ...]) -> Gap:
    return Gap(entries[0].id - 1 if entries else 0)


async def _listen(socket: web.WebSocketResponse) -> None:
    """Return once the reader closes; without this its close and its pongs are not seen."""
    async for frame in socket:
        if frame.type is WSMsgType.ERROR:
            return
