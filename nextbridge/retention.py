"""Forgets what was delivered long ago, so that the journal does not grow for ever; a little at a time.

What still waits and what is dead is never forgotten. A walk begins with the oldest event, so a restart loses nothing
but its place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from nextbridge.errors import JournalError
from nextbridge.journal import Journal

__all__ = ["Retention"]

_STEP = 50
"""Events looked at in one transaction: it takes a few milliseconds, and what is accepted meanwhile waits for it."""
_LEAST_PAUSE = 0.02
_SHARE = 10
"""A step is followed by a pause of so many times its length."""
_BETWEEN_WALKS = 600.0


class Retention:
    """Keeps what is in the journal no older than the operator wants."""

    def __init__(
        self, journal: Journal, *, remember: Callable[[], float], clock: Callable[[], float] = time.time
    ) -> None:
        """`remember` gives the seconds that hold now; `clock` those since 1970."""
        self._journal = journal
        self._remember = remember
        self._clock = clock
        self._asked = asyncio.Event()
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Walk again and again. Ends by cancellation, or when the journal fails, which others tell."""
        try:
            while True:
                if forgotten := await self._walk():
                    self._log.info("forgotten", events=forgotten)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_BETWEEN_WALKS):
                        await self._asked.wait()
                self._asked.clear()
        except JournalError:
            return

    def look_again(self) -> None:
        """Perhaps it is another time now: the next walk begins at once."""
        self._asked.set()

    async def _walk(self) -> int:
        before = int((self._clock() - self._remember()) * 1000)
        after = forgotten = 0
        while True:
            started = time.monotonic()
            purged = await self._journal.purge(before=before, after=after, limit=_STEP)
            after, forgotten = purged.after, forgotten + purged.events
            if purged.done:
                return forgotten
            await asyncio.sleep(max(_LEAST_PAUSE, _SHARE * (time.monotonic() - started)))
