"""How fast lines may go out: a bucket of tokens, one a line. It delays; it never drops.

Servers count lines: RFC 1459 section 8.10 gives each client two seconds a line and ten seconds of credit, and most
still work much like it; who sends faster is cut off for "Excess Flood".
"""

from __future__ import annotations

import asyncio

__all__ = ["Pacer"]

_SAFE_RATE = 0.5
_SLOWEST = 0.05


class Pacer:
    """Lets `rate` lines pass a second and `burst` after a pause. Shared by all channels of a connection, in turn."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = float(burst)
        self._at: float | None = None
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Return when the next message may go out. Who asks first goes first."""
        async with self._turn:
            self._fill()
            while self._tokens < 1:
                await asyncio.sleep((1 - self._tokens) / self.rate)
                self._fill()
            self._tokens -= 1

    def at_once(self) -> bool:
        """Whether one may go out now; then it counts."""
        self._fill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def to_spare(self) -> bool:
        """Whether one may go out now and leaves enough for messages that come next; then it counts."""
        self._fill()
        if self._tokens < 1 + self.burst / 2:
            return False
        self._tokens -= 1
        return True

    def charge(self) -> None:
        """A line went out that could not wait (a PONG, a JOIN): the next messages wait for it instead."""
        self._fill()
        self._tokens = max(self._tokens - 1, -float(self.burst))

    def slower(self) -> None:
        """The server found us too fast: until the daemon starts anew, what servers usually allow, or half of that."""
        self.rate = _SAFE_RATE if self.rate > _SAFE_RATE else max(self.rate / 2, _SLOWEST)
        self.burst = max(min(self.burst, 4) // 2, 1)
        self._tokens = min(self._tokens, float(self.burst))

    def doubted(self) -> None:
        """The server may have found us too fast: it cut us off without a word. Half as fast, never below the usual."""
        if self.rate > _SAFE_RATE:
            self.rate = max(self.rate / 2, _SAFE_RATE)
            self.burst = max(self.burst // 2, min(self.burst, 4))
            self._tokens = min(self._tokens, float(self.burst))

    def rested(self) -> None:
        """A new connection was welcomed: the server's count starts anew."""
        self._tokens = float(self.burst)

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._at is not None:
            self._tokens = min(self._tokens + (now - self._at) * self.rate, float(self.burst))
        self._at = now
