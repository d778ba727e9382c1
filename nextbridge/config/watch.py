"""Tells when the operator's files have changed on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeAlias

from nextbridge.config.file import RULES_NAMES

__all__ = ["FileWatch"]

_Stamp: TypeAlias = tuple[int, int, int] | None


class FileWatch:
    """Watches one file and what may stand beside it. By looking: that works on every file system, and is cheap."""

    def __init__(self, path: Path, *, every: float = 1.0) -> None:
        """Changes count from now on; looks every so many seconds. Does file I/O."""
        self._paths = (path, *(path.parent / name for name in RULES_NAMES))
        self._every = every
        self._known = self._stamps()

    async def changed(self) -> None:
        """Return once something has changed and is left alone: an editor may write in several steps."""
        before = self._known
        while True:
            await asyncio.sleep(self._every)
            now = await asyncio.to_thread(self._stamps)
            if now == before != self._known:
                self._known = now
                return
            before = now

    def _stamps(self) -> tuple[_Stamp, ...]:
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None  # not there, for now
    return found.st_mtime_ns, found.st_size, found.st_ino
