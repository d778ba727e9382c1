"""How much a bot may send: about a message a second to a chat, 20 a minute to a group, 30 a second in all.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this says so, and that short bursts pass; who
sends more is answered 429 with `retry_after`, and answered so for as long as it does not wait.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from msgspec import Struct, field

from nextbridge.sandbox.telegram.refusals import too_many

__all__ = ["FloodLimits"]


class _Window(Struct):
    seconds: float
    most: int
    times: deque[float] = field(default_factory=deque)

    def wait(self, now: float, count: int) -> float:
        """Seconds until `count` more may pass."""
        while self.times and self.times[0] <= now - self.seconds:
            self.times.popleft()
        over = len(self.times) + count - self.most
        return 0.0 if over <= 0 or not self.times else self.times[min(over, len(self.times)) - 1] + self.seconds - now


class FloodLimits:
    """Of one bot. Off until `limit` turns it on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[int | None, _Window] = {}
        self._banned_until = 0.0
        self._a_minute, self._a_second = 0, 0
        self.refused = 0
        """How often it was answered 429."""

    def limit(self, *, to_a_group_a_minute: int = 20, a_second: int = 30) -> None:
        """Refuse what is more."""
        self._a_minute, self._a_second = to_a_group_a_minute, a_second

    def lift(self) -> None:
        """Refuse nothing more."""
        self._a_minute = self._a_second = 0
        self._banned_until = 0.0

    def spend(self, chat: int, count: int) -> None:
        """A bot sends so many messages to a chat; groups and channels have negative ids. Raises Refusal (429)."""
        if not self._a_minute:
            return
        now = self._clock()
        windows = [self._windows.setdefault(None, _Window(1.0, self._a_second))]
        if chat < 0:
            windows.append(self._windows.setdefault(chat, _Window(60.0, self._a_minute)))
        wait = max(self._banned_until - now, *(window.wait(now, count) for window in windows), 0.0)
        if wait > 0:
            self.refused += 1
            self._banned_until = max(self._banned_until, now + wait)
            raise too_many(math.ceil(wait))
        for window in windows:
            window.times.extend([now] * count)
