"""A driver that is run as the core runs it: again, a moment after each end, with everything that it says kept."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from nextbridge.driver import ConfiguredChannel, Cursor, Driver, Identity, LocalFile, Outgoing, Receipt
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, Edited, Event, Mark, Posted, UserId
from nextbridge.errors import DriverError
from nextbridge.markup import PLAIN, Paragraph, RichText, Text
from nextbridge.sandbox.host import MemoryStore, RecordingHost

__all__ = ["NotingHost", "Supervised", "again", "error_of", "said", "spooled"]

E = TypeVar("E", bound=Event)

_numbers = itertools.count(1)
_RUN = f"{time.time_ns():x}"
_BOUND = 35.0
"""Seconds in which a send has to end: a driver's own bound is 30."""
_PAUSE = 0.05
"""Seconds until a run that ended is begun again; the core takes longer."""


class NotingHost(RecordingHost):
    """Keeps the order of what a driver says, too."""

    def __init__(self, instance: str, store: MemoryStore) -> None:
        super().__init__(instance)
        self.store = store
        self.calls: list[str] = []

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
        self.calls.append("accept")
        return await super().accept(event, cursor=cursor)

    async def connected(self, me: UserId, *, realm: str) -> None:
        self.calls.append("connected")
        await super().connected(me, realm=realm)

    async def resolved(self, configured: ConfiguredChannel[Any], key: ChannelKey, name: str) -> None:
        self.calls.append(f"resolved {configured.key}")
        await super().resolved(configured, key, name)


class Supervised:
    """Made by `Bench.make`. `start` runs it, `stop` ends the run, `close` lets go of the driver."""

    def __init__(self, driver: Driver[Any, Any], host: NotingHost) -> None:
        self.driver = driver
        self.host = host
        self.ends: list[DriverError | None] = []
        """How each run ended: with what it raised, or None where it returned."""
        self._task: asyncio.Task[None] | None = None

    # --- its life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run the driver until `stop`."""
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.driver.run()
                self.ends.append(None)
            except DriverError as error:
                self.ends.append(error)
            self.host.disconnected("the run ended")
            await asyncio.sleep(_PAUSE)

    async def stop(self, *, within: float = 10.0) -> None:
        """Cancel the run. Raises TimeoutError where it does not end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=within)
            if not done:
                raise TimeoutError(f"a cancelled run has not ended after {within:g} s")
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        self.host.is_connected = False

    async def close(self) -> None:
        """As at the daemon's end."""
        await self.stop()
        await self.driver.close()

    # --- waiting --------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], *, within: float = 20.0) -> None:
        """As `RecordingHost.until`. What is a bug of the driver ends the wait, and is raised."""
        waiting = asyncio.ensure_future(self.host.until(condition, within=within))
        tasks = {waiting} if self._task is None else {waiting, self._task}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._task is not None and self._task.done():
            waiting.cancel()
            await self._task
        await waiting

    async def connected(self) -> None:
        """Return once it is connected."""
        await self.until(lambda: self.host.is_connected)

    async def lost(self) -> None:
        """Return once it has said, or shown by its end, that it is not connected."""
        await self.until(lambda: not self.host.is_connected)

    async def received(self, text: str) -> Posted:
        """The newest event that says `text`, once there is one."""
        await self.until(lambda: text in self.texts)
        return next(event for event in reversed(self.posted) if said(event) == text)

    # --- what came, and what goes ---------------------------------------------------------------------------------

    @property
    def posted(self) -> list[Posted]:
        """The messages that were accepted, in order, without those of our own account."""
        return self.of(Posted)

    @property
    def texts(self) -> list[str]:
        return [said(event) for event in self.posted]

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind that were accepted, in order, without what we did ourselves."""
        return [
            each
            for each in self.host.events
            if isinstance(each, kind) and each.author.id != self.host.me and each.mark is None
        ]

    async def happened(self, kind: type[E], number: int = 1) -> E:
        """The newest event of a kind, once there are so many. AssertionError where there are more."""
        await self.until(lambda: len(self.of(kind)) >= number)
        events = self.of(kind)
        assert len(events) == number, events
        return events[-1]

    def room(self, number: int) -> ChannelKey:
        """The key of a room, as the driver resolved it."""
        key = self.driver.channels[number].key
        return self.host.resolutions[key][0] if key in self.host.resolutions else ChannelKey(key)

    def outgoing(self, text: str, room: int = 0, **changes: Any) -> Outgoing:  # noqa: ANN401 - any field of it
        """A message of Zoë's, from elsewhere, as the core would hand it over. `text` is in the driver's dialect."""
        key = DeliveryKey(f"{_RUN}-{next(_numbers)}-0")
        shows = isinstance(self.driver, Identity) and self.driver.shows_identity
        message = Outgoing(
            key=key,
            channel=self.room(room),
            text=text,
            mark=Mark("daemon-of-the-suite", key, "elsewhere/#town"),
            author=Author(UserId("zoe"), "zoe", "Zoë"),
            platform="Elsewhere",
            name="Zoë" if shows else None,
        )
        return replace(message, **changes)

    def written(self, text: str) -> str:
        """What somebody typed elsewhere, in the driver's dialect: characters that mean themselves."""
        dialect = self.driver.dialect
        # where each line is a message the core cuts at line breaks, and what is left of them is only a character
        blocks = RichText.plain(text).blocks if dialect.multiline else (Paragraph((Text(text),)),)
        return dialect.write(blocks)

    async def send(self, message: Outgoing | str, room: int = 0) -> Receipt:
        """Send, within the bound that the contract sets. Raises what the driver raises, and TimeoutError."""
        if isinstance(message, str):
            message = self.outgoing(self.written(message), room)
        async with asyncio.timeout(_BOUND):
            return await self.driver.send(message)


def again(message: Outgoing, *, seconds_ago: float = 0.0) -> Outgoing:
    """The same message, as the core sends it again where it cannot know whether it arrived."""
    return replace(message, attempted=int((time.time() - seconds_ago) * 1000))


async def error_of(doing: Awaitable[object]) -> DriverError | None:
    """The error of the contract that something ends with, or None where it succeeds. Anything else is raised."""
    try:
        await doing
    except DriverError as error:
        return error
    return None


def spooled(folder: Path, name: str, content: bytes, media_type: str = "application/octet-stream") -> LocalFile:
    """A file as it lies in the spool: its own name is no part of its path. Blocks."""
    path = folder / f"spool-{next(_numbers)}"
    path.write_bytes(content)
    return LocalFile(path, name, media_type, len(content))


def said(event: Posted | Edited) -> str:
    """What an event says, as plain text."""
    return PLAIN.write(event.text.blocks)
