"""People's pictures that only a driver can fetch: fetched when somebody first asks, then kept on disk, bounded.

A picture's name here is made of whose it is and of its version, so one that changes is another. The one that nobody has
asked for longest goes first.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from msgspec import Struct, json

from nextbridge.driver import Portraits
from nextbridge.envelope import InstanceId
from nextbridge.errors import DriverError, Gone, Rejected, SpoolError
from nextbridge.media.content import HEAD, PICTURES, head_of, signature
from nextbridge.media.links import PictureAsked

__all__ = ["Picture", "Pictures"]

_LARGEST = 2 * 1024 * 1024
"""Bytes of one picture."""
_MOST_BYTES = 64 * 1024 * 1024
_MOST = 5_000
_FETCH_SECONDS = 20.0
_AT_ONCE = 4
"""Fetches under way; others wait for their turn."""
_REFUSED_SECONDS = 60.0
"""For which a picture that could not be had is not asked for again."""
_MOST_REFUSED = 1_000


class Picture(Struct, frozen=True):
    """A picture on disk."""

    path: Path
    media_type: str


class Pictures:
    """The pictures that were asked for. Used on the event loop, by the media server."""

    def __init__(self, folder: Path, driver_of: Callable[[InstanceId], object], *, most: int = _MOST) -> None:
        """`driver_of` gives a running instance's driver, or None; `most` is how many pictures are kept."""
        self._folder = folder
        self._most = most
        self._driver_of = driver_of
        self._kept: OrderedDict[str, int] = OrderedDict()
        """Bytes by name, the one asked for last at the end."""
        self._used = 0
        self._fetches: dict[str, asyncio.Task[Picture | None]] = {}
        self._refused: OrderedDict[str, float] = OrderedDict()
        """Names that could not be had, and when that was."""
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """See what is there from earlier runs. Raises SpoolError where the folder cannot be used."""
        try:
            self._kept = await asyncio.to_thread(self._found)
        except OSError as error:
            raise SpoolError(f"the folder {self._folder} cannot be used: {error.strerror or error}") from error
        self._used = sum(self._kept.values())

    async def close(self) -> None:
        """Stop fetching."""
        tasks = list(self._fetches.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, asked: PictureAsked) -> Picture | None:
        """The picture, from disk or from its platform; None where it is not to be had (now). Within half a minute."""
        name = hashlib.sha256(json.encode(asked)).hexdigest()
        if name in self._kept:
            self._kept.move_to_end(name)
            if (found := await asyncio.to_thread(self._look, name)) is not None:
                return found
            self._forget(name)
        if time.monotonic() - self._refused.get(name, -_REFUSED_SECONDS) < _REFUSED_SECONDS:
            return None
        task = self._fetches.get(name)
        if task is None:
            task = self._fetches[name] = asyncio.create_task(self._fetch(name, asked))
            task.add_done_callback(lambda _: self._fetches.pop(name, None))
        return await asyncio.shield(task)  # others may wait for it too

    async def _fetch(self, name: str, asked: PictureAsked) -> Picture | None:
        driver = self._driver_of(asked.instance)
        if not isinstance(driver, Portraits):
            return None
        reason = ""
        try:
            async with asyncio.timeout(_FETCH_SECONDS), self._turns:
                content = await self._read(driver, asked)
            await asyncio.to_thread(self._write, name, content)
        except Gone:
            reason = "there is none"
        except DriverError as error:
            reason = error.reason
        except TimeoutError:
            reason = "it took too long"
        except OSError as error:
            reason = error.strerror or str(error)
        except Exception as error:  # noqa: BLE001 - a bug in a driver costs the picture
            self._log.exception("picture_failed", instance=asked.instance)
            reason = f"the driver failed: {type(error).__name__}"
        else:
            self._keep(name, len(content))
            return await asyncio.to_thread(self._look, name)
        self._log.info("picture_not_fetched", instance=asked.instance, user=asked.user, reason=reason)
        self._refused[name] = time.monotonic()
        self._refused.move_to_end(name)
        while len(self._refused) > _MOST_REFUSED:
            self._refused.popitem(last=False)
        return None

    async def _read(self, driver: Portraits, asked: PictureAsked) -> bytes:
        content = bytearray()
        async with driver.open_portrait(asked.user) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > _LARGEST:
                    raise Rejected(f"it is larger than {_LARGEST} bytes")
        if signature(bytes(content[:HEAD])) not in PICTURES:
            raise Rejected("it is no picture that browsers know")
        return bytes(content)

    def _keep(self, name: str, size: int) -> None:
        self._kept[name] = size
        self._used += size
        while len(self._kept) > self._most or self._used > _MOST_BYTES:
            oldest = next(iter(self._kept))
            if oldest == name:
                break
            self._forget(oldest)

    def _forget(self, name: str) -> None:
        self._used -= self._kept.pop(name, 0)
        with suppress(OSError):  # one short call, and only where room is needed
            (self._folder / name).unlink(missing_ok=True)

    # --- on disk; blocking ---

    def _found(self) -> OrderedDict[str, int]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for file in self._folder.iterdir():
            if file.suffix:
                file.unlink()  # an interrupted write
                continue
            known = file.stat()
            found.append((known.st_atime, file.name, known.st_size))
        return OrderedDict((name, size) for _, name, size in sorted(found))

    def _look(self, name: str) -> Picture | None:
        path = self._folder / name
        try:
            media_type = signature(head_of(path))
            os.utime(path, (time.time(), path.stat().st_mtime))  # asked for now; its content is as old as it was
        except OSError:
            return None
        return Picture(path, media_type) if media_type in PICTURES else None

    def _write(self, name: str, content: bytes) -> None:
        partial = self._folder / f"{name}.part"
        partial.write_bytes(content)
        partial.replace(self._folder / name)
