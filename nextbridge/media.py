"""Attachments on their way: fetched once for all targets, spooled on disk while a delivery needs them.

The spool is a folder with one folder an event. A file counts as fetched once it is there under its final name. What
cannot be fetched has a reason instead, and nothing waits for it for ever.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

import structlog

from nextbridge.backoff import Backoff
from nextbridge.driver import Downloads, LocalFile
from nextbridge.envelope import Attachment, InstanceId, Posted
from nextbridge.errors import DriverError, Retry, SpoolError
from nextbridge.journal import Journal
from nextbridge.labels import Missing, in_words

__all__ = ["Spool"]

_TRIES = 5
_FETCH_SECONDS = 300.0
"""A single attempt may take this long."""
_SWEEP_DELAY = 5.0


class _Limit(Exception):
    """A file that is fetched meets a limit of ours."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.reason)
        self.missing = missing


def _over(largest: int) -> Missing:
    limit = f"over the {in_words(largest)} that are relayed"
    return Missing(f"it is {limit}", limit)


_Files: TypeAlias = tuple[LocalFile | Missing, ...]


class Spool:
    """The attachments of undelivered events. One object, used by the delivery lanes."""

    def __init__(self, folder: Path, journal: Journal, drivers: Mapping[InstanceId, object], *, size: int) -> None:
        """`size` bounds all files together, in bytes."""
        self._folder = folder
        self._journal = journal
        self._drivers = drivers
        self._size = size
        self._used = 0
        self._fetches: dict[int, asyncio.Task[_Files]] = {}
        self._sweep: asyncio.Task[None] | None = None
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Make the folder, and forget what no delivery needs any more. Before the first delivery, or at any time after.

        Raises SpoolError where the folder cannot be made.
        """
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
            self._used = sum((await asyncio.to_thread(self._sizes)).values())
        except OSError as error:
            raise SpoolError(f"the spool {self._folder} cannot be used: {error.strerror or error}") from error
        await self._remove_unneeded()

    async def close(self) -> None:
        """Stop fetching. What was fetched stays for the next start."""
        tasks = [*self._fetches.values(), *([self._sweep] if self._sweep else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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

    async def _remove_soon(self) -> None:
        await asyncio.sleep(_SWEEP_DELAY)
        await self._remove_unneeded()

    async def _remove_unneeded(self) -> None:
        # What is there is listed before the journal is asked: a folder that comes later is not in question.
        sizes = await asyncio.to_thread(self._sizes)
        fetched = [event_id for event_id, task in self._fetches.items() if task.done()]
        needed = await self._journal.undelivered_events()
        for event_id in fetched:
            if event_id not in needed:
                self._fetches.pop(event_id, None)
        for name, size in sizes.items():
            if not (name.isdecimal() and (int(name) in needed or int(name) in self._fetches)):
                await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)
                self._used -= size

    def _sizes(self) -> dict[str, int]:
        """Bytes by folder."""
        sizes: dict[str, int] = {}
        for folder in self._folder.iterdir():
            sizes[folder.name] = 0
            with suppress(OSError):  # a fetch that is given up removes its file
                sizes[folder.name] = sum(file.stat().st_size for file in folder.iterdir())
        return sizes

    async def _fetch_all(self, event_id: int, event: Posted) -> _Files:
        log = self._log.bind(
            instance=event.channel.instance, channel=event.channel.key, event_id=f"{event.channel}/{event.message}"
        )
        found: list[LocalFile | Missing] = []
        for place, attachment in enumerate(event.attachments):
            path = self._folder / str(event_id) / str(place)
            file = await self._have(path, attachment) or await self._fetch(path, attachment, event.channel.instance)
            if isinstance(file, Missing):
                log.warning("attachment_missing", file=attachment.name, reason=file.reason)
            found.append(file)
        return tuple(found)

    async def _have(self, path: Path, attachment: Attachment) -> LocalFile | None:
        def look() -> int | None:
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

        size = await asyncio.to_thread(look)
        return None if size is None else LocalFile(path, attachment.name, attachment.media_type, size)

    async def _fetch(self, path: Path, attachment: Attachment, source: InstanceId) -> LocalFile | Missing:
        driver = self._drivers.get(source)
        if not isinstance(driver, Downloads):
            return Missing("files of its platform cannot be fetched")
        if attachment.size is not None and attachment.size > driver.largest_file:
            return _over(driver.largest_file)
        backoff = Backoff(first=1.0, longest=30.0)
        while True:
            try:
                async with asyncio.timeout(_FETCH_SECONDS):
                    return await self._write(path, attachment, driver)
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
            except Exception as error:  # noqa: BLE001 - a bug in a driver costs the file, not the message
                self._log.exception("fetch_failed", instance=source)
                return Missing(f"the driver failed: {type(error).__name__}")

    async def _write(self, path: Path, attachment: Attachment, driver: Downloads) -> LocalFile:
        partial = path.with_suffix(".part")
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, exist_ok=True)
        size = spooled = 0
        file = await asyncio.to_thread(partial.open, "wb")
        try:
            async with driver.open_attachment(attachment) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > driver.largest_file:
                        raise _Limit(_over(driver.largest_file))  # noqa: TRY301
                    self._reserve(len(chunk))
                    spooled += len(chunk)
                    await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(self._finish, file, partial, path)
        except BaseException:
            self._used -= spooled
            with suppress(OSError):  # a full disk is told once
                file.close()
            partial.unlink(missing_ok=True)
            raise
        return LocalFile(path, attachment.name, attachment.media_type, size)

    def _reserve(self, size: int) -> None:
        if self._used + size > self._size:
            raise _Limit(Missing(f"the spool is full ({in_words(self._size)})", "there is no room for it now"))
        self._used += size

    @staticmethod
    def _finish(file: BinaryIO, partial: Path, path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        partial.replace(path)
