"""Attachments on their way: fetched once for all targets, spooled on disk while a delivery or a link needs them.

The spool is a folder with one folder an event. A file counts as fetched once it is there under its final name, which is
its place in the message. What cannot be fetched has a reason instead, and nothing waits for it for ever. A file that a
target shows by a link has a note beside it: it stays for as long as the operator says, or until its room is needed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec
import structlog
from msgspec import Struct

from nextbridge.backoff import Backoff
from nextbridge.driver import Downloads, LocalFile
from nextbridge.envelope import Attachment, InstanceId, Posted
from nextbridge.errors import DriverError, JournalError, Retry, SpoolError
from nextbridge.journal import Journal
from nextbridge.labels import Missing, in_words
from nextbridge.media.bounded import over
from nextbridge.media.content import head_of, media_type_of
from nextbridge.media.links import Links

__all__ = ["Allowance", "Published", "Spool"]

_TRIES = 5
_FETCH_SECONDS = 300.0
"""A single attempt may take this long."""
_SWEEP_DELAY = 5.0
_BETWEEN_SWEEPS = 600.0

_Files: TypeAlias = tuple[LocalFile | Missing, ...]


class Allowance(Struct, frozen=True, kw_only=True):
    """What the operator allows the spool."""

    size: int
    """Bytes of all files together."""
    links: Links | None
    """None where no file is shown by a link, and none that was made opens anything."""
    keep: float
    """Seconds that a published file stays after its message was last sent."""


class Published(Struct, frozen=True):
    """A file that whoever has its link may open."""

    path: Path
    name: str
    head: bytes
    size: int


class _Note(Struct, frozen=True):
    """What lies beside a published file. Its time on disk is when it was published."""

    name: str


class _Limit(Exception):
    """A file that is being fetched meets a limit of ours."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.reason)
        self.missing = missing


class Spool:
    """The attachments of undelivered events and of links. One object, used by the delivery lanes."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        drivers: Mapping[InstanceId, object],
        allowance: Callable[[], Allowance],
    ) -> None:
        """`allowance` gives what holds now."""
        self._folder = folder
        self._journal = journal
        self._drivers = drivers
        self._allowance = allowance
        self._held: dict[int, int] = {}
        """Bytes by event."""
        self._used = 0
        self._published: dict[int, float] = {}
        """Events with links: when the last was given out, in seconds since 1970."""
        self._fetches: dict[int, asyncio.Task[_Files]] = {}
        self._sweep: asyncio.Task[None] | None = None
        self._expiry: asyncio.Task[None] | None = None
        self._is_open = False
        self._log = structlog.get_logger()

    @property
    def publishes(self) -> bool:
        """Whether a file that a target cannot take is shown by a link."""
        return self._allowance().links is not None

    async def open(self) -> None:
        """Make the folder, and forget what nothing needs any more. Before the first delivery, or at any time after.

        Raises SpoolError where the folder cannot be made.
        """
        if not self._is_open:
            try:
                await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
                self._held, self._published = await asyncio.to_thread(self._found)
            except OSError as error:
                raise SpoolError(f"the spool {self._folder} cannot be used: {error.strerror or error}") from error
            self._used = sum(self._held.values())
            self._is_open = True
            self._expiry = asyncio.create_task(self._expire())
        await self._remove_unneeded()

    async def close(self) -> None:
        """Stop fetching. What was fetched stays for the next start."""
        tasks = [*self._fetches.values(), *(each for each in (self._sweep, self._expiry) if each is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- files of messages ---

    def start(self, event_id: int, event: Posted) -> asyncio.Task[_Files]:
        """Start to fetch the event's attachments, once for all targets."""
        task = self._fetches.get(event_id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._fetches[event_id] = asyncio.create_task(self._fetch_all(event_id, event))
        return task

    async def files(self, event_id: int, event: Posted) -> _Files:
        """The event's attachments in their order, once they are here or known not to be had."""
        return await asyncio.shield(self.start(event_id, event))  # others wait for them too

    def delivered(self) -> None:
        """A delivery with attachments came to its end: soon see what is needed no more."""
        if self._sweep is None or self._sweep.done():
            self._sweep = asyncio.create_task(self._remove_soon())

    # --- links ---

    async def publish(self, event_id: int, place: int, file: LocalFile) -> str | None:
        """The link to a file that is here, which works from now on; None where there are no links.

        The same each time. To be called at each attempt to send it: it lasts from the last one.
        """
        if not self.publishes:
            return None
        try:
            await asyncio.to_thread(self._write_note, file)
        except OSError as error:
            self._log.warning("link_not_made", file=file.name, reason=error.strerror or str(error))
            return None
        self._published[event_id] = time.time()
        links = self._allowance().links  # they may be others by now
        return None if links is None else links.file(event_id, place, file.name)

    async def withdraw(self, event_id: int) -> None:
        """Links to the files of a message open nothing any more: it was deleted where it was posted."""
        if self._published.pop(event_id, None) is not None:
            await asyncio.to_thread(self._remove_notes, event_id)

    def published(self, event_id: int, place: int) -> Published | None:
        """What a link opens, or None where it has expired or never was. Blocking; from any thread."""
        path = self._folder / str(event_id) / str(place)
        try:
            note_path = _note_of(path)
            if note_path.stat().st_mtime + self._allowance().keep < time.time():
                return None
            note = msgspec.json.decode(note_path.read_bytes(), type=_Note)
            return Published(path, note.name, head_of(path), path.stat().st_size)
        except (OSError, msgspec.DecodeError):
            return None

    def _remove_notes(self, event_id: int) -> None:
        for note in (self._folder / str(event_id)).glob(f"*{_NOTE}"):
            note.unlink(missing_ok=True)

    @staticmethod
    def _write_note(file: LocalFile) -> None:
        note = _note_of(file.path)
        try:
            os.utime(note)
        except FileNotFoundError:
            partial = note.with_suffix(f".{secrets.token_hex(4)}.part")  # several targets may be sent it at once
            with partial.open("wb") as written:
                written.write(msgspec.json.encode(_Note(file.name.encode("utf-8", "replace").decode())))
                written.flush()
                os.fsync(written.fileno())
            partial.replace(note)

    # --- what is needed no more ---

    async def _expire(self) -> None:
        """Look again and again which links have lasted long enough."""
        with suppress(JournalError):  # which others tell
            while True:
                await asyncio.sleep(_BETWEEN_SWEEPS)
                await self._remove_unneeded()

    async def _remove_soon(self) -> None:
        await asyncio.sleep(_SWEEP_DELAY)
        await self._remove_unneeded()

    async def _remove_unneeded(self) -> None:
        # What is there is listed before the journal is asked: a folder that comes later is not in question.
        names = await asyncio.to_thread(os.listdir, self._folder)
        fetched = [event_id for event_id, task in self._fetches.items() if task.done()]
        needed = await self._journal.undelivered_events()
        for event_id in fetched:
            if event_id not in needed:
                self._fetches.pop(event_id, None)
        for name in names:
            if not name.isdecimal():
                await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)
            elif not (int(name) in needed or int(name) in self._fetches or self._is_linked(int(name))):
                await self._remove(int(name))

    def _is_linked(self, event_id: int) -> bool:
        since = self._published.get(event_id)
        return since is not None and since + self._allowance().keep >= time.time()

    async def _remove(self, event_id: int) -> None:
        self._fetches.pop(event_id, None)
        self._published.pop(event_id, None)
        freed = self._held.pop(event_id, 0)
        await asyncio.to_thread(shutil.rmtree, self._folder / str(event_id), ignore_errors=True)
        self._used -= freed

    def _found(self) -> tuple[dict[int, int], dict[int, float]]:
        """Bytes by event, and the times of those with links. What an interrupted fetch left is removed."""
        held: dict[int, int] = {}
        published: dict[int, float] = {}
        for folder in self._folder.iterdir():
            if not folder.name.isdecimal():
                continue
            event_id = int(folder.name)
            held[event_id] = 0
            for file in folder.iterdir():
                if file.suffix == ".part":
                    file.unlink()
                    continue
                found = file.stat()
                held[event_id] += found.st_size
                if file.suffix == _NOTE:
                    published[event_id] = max(found.st_mtime, published.get(event_id, 0.0))
        return held, published

    # --- fetching ---

    async def _fetch_all(self, event_id: int, event: Posted) -> _Files:
        log = self._log.bind(
            instance=event.channel.instance, channel=event.channel.key, event_id=f"{event.channel}/{event.message}"
        )
        found: list[LocalFile | Missing] = []
        for place, attachment in enumerate(event.attachments):
            path = self._folder / str(event_id) / str(place)
            here = await asyncio.to_thread(_local, path, attachment)
            file = here or await self._fetch(event_id, path, attachment, event.channel.instance)
            if isinstance(file, Missing):
                log.warning("attachment_missing", file=attachment.name, reason=file.reason)
            found.append(file)
        return tuple(found)

    async def _fetch(
        self, event_id: int, path: Path, attachment: Attachment, source: InstanceId
    ) -> LocalFile | Missing:
        driver = self._drivers.get(source)
        if not isinstance(driver, Downloads):
            return Missing("files of its platform cannot be fetched")
        if attachment.size is not None and attachment.size > driver.largest_file:
            return _over(driver.largest_file)
        backoff = Backoff(first=1.0, longest=30.0)
        while True:
            try:
                async with asyncio.timeout(_FETCH_SECONDS):
                    await self._write(event_id, path, attachment, driver)
                found = await asyncio.to_thread(_local, path, attachment)
                return found or Missing("it is gone from the spool")
            except (Retry, TimeoutError) as error:
                reason = str(error) or "it took too long"
                if backoff.tries >= _TRIES - 1:
                    return Missing(reason)
                await asyncio.sleep(max(backoff.wait(), min(getattr(error, "after", None) or 0.0, 60.0)))
            except _Limit as limit:
                return limit.missing
            except DriverError as error:
                return Missing(error.reason)
            except OSError as error:
                return Missing(f"it cannot be spooled: {error.strerror or error}")
            except JournalError:
                raise
            except Exception as error:  # noqa: BLE001 - a bug in a driver costs the file, not the message
                self._log.exception("fetch_failed", instance=source)
                return Missing(f"the driver failed: {type(error).__name__}")

    async def _write(self, event_id: int, path: Path, attachment: Attachment, driver: Downloads) -> None:
        partial = path.with_suffix(".part")
        await self._make_room(attachment.size or 0)
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, exist_ok=True)
        size = spooled = 0
        file = await asyncio.to_thread(partial.open, "wb")
        try:
            async with driver.open_attachment(attachment) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > driver.largest_file:
                        raise _Limit(_over(driver.largest_file))  # noqa: TRY301
                    await self._make_room(len(chunk))
                    self._take(event_id, len(chunk))
                    spooled += len(chunk)
                    await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(self._finish, file, partial, path)
        except BaseException:
            self._take(event_id, -spooled)
            with suppress(OSError):  # a full disk is told once
                file.close()
            partial.unlink(missing_ok=True)
            raise

    def _take(self, event_id: int, size: int) -> None:
        self._held[event_id] = self._held.get(event_id, 0) + size
        self._used += size

    async def _make_room(self, size: int) -> None:
        """See that so many bytes have room; the oldest links give way. Raises _Limit where that is not enough.

        When it returns there is room, for whoever takes it without awaiting anything.
        """
        while self._used + size > (most := self._allowance().size):
            if size > most or not await self._give_way(size, most):
                raise _Limit(Missing(f"the spool is full ({in_words(most)})", "there is no room for it now"))

    async def _give_way(self, size: int, most: int) -> bool:
        """Remove the oldest files that are there for links alone, until no more than `most` bytes will be taken.

        False where there are too few of them.
        """
        needed = await self._journal.undelivered_events()
        spare = [each for each in self._published if not (each in needed or self._is_fetching(each))]
        if self._used + size - sum(self._held.get(each, 0) for each in spare) > most:
            return False
        for event_id in sorted(spare, key=lambda each: self._published.get(each, 0.0)):
            if self._used + size <= most:
                break
            if event_id in self._published:
                self._log.info("link_ended_early", spooled=event_id, reason="its room in the spool is needed")
                await self._remove(event_id)
        return True

    def _is_fetching(self, event_id: int) -> bool:
        fetch = self._fetches.get(event_id)
        return fetch is not None and not fetch.done()

    @staticmethod
    def _finish(file: BinaryIO, partial: Path, path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        partial.replace(path)


_NOTE = ".link"


def _note_of(path: Path) -> Path:
    return path.with_suffix(_NOTE)


def _local(path: Path, attachment: Attachment) -> LocalFile | None:
    """The file as drivers are given it, or None where it is not here. Blocking."""
    try:
        size = path.stat().st_size
        media_type = media_type_of(head_of(path), attachment.media_type)
    except OSError:
        return None
    return LocalFile(path, attachment.name, media_type, size)


def _over(largest: int) -> Missing:
    limit = over(largest)
    return Missing(f"it is {limit}", limit)
