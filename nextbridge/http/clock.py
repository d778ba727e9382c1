"""A server's clock, as far as the `Date` of its answers tells it (RFC 9110, 6.6.1): to a second."""

from __future__ import annotations

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime

__all__ = ["ServerClock"]


class ServerClock:
    """Used by whoever hears one server's answers."""

    def __init__(self) -> None:
        self._told: tuple[str, float] | None = None
        """The Date of the latest answer, and when that came, by this machine's monotonic clock."""

    def heard(self, date: str | None) -> None:
        """An answer has this `Date`, or none."""
        if date:
            self._told = date, time.monotonic()

    def now(self) -> int:
        """Now, in milliseconds since 1970; by this machine's clock where the server has not told it."""
        with suppress(TypeError, ValueError):
            if self._told is not None:
                date, then = self._told
                return int((parsedate_to_datetime(date).timestamp() + time.monotonic() - then) * 1000)
        return int(time.time() * 1000)

    def ahead(self) -> float:
        """Seconds that this machine's clock is ahead of it; 0 where the server has not told it."""
        return time.time() - self.now() / 1000
