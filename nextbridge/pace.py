"""How often somebody may do something: so much a minute, with a burst at the start."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

__all__ = ["Pace"]

_REMEMBERED = 10_000
"""Authors remembered; one who was forgotten has a full burst again."""


class Pace:
    """A token bucket for each of many."""

    def __init__(self, per_minute: float, *, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 60 / per_minute
        self._burst = burst
        self._clock = clock
        self._paid_until: OrderedDict[str, float] = OrderedDict()

    def take(self, who: str) -> float:
        """Take one now and return 0, or the seconds until there is one."""
        wait = self.wait(who)
        if wait > 0:
            return wait
        now = self._clock()
        self._paid_until[who] = self._start(who, now) + self._interval
        self._paid_until.move_to_end(who)
        while len(self._paid_until) > _REMEMBERED:
            self._paid_until.popitem(last=False)
        return 0.0

    def wait(self, who: str) -> float:
        """The seconds until there is one to take; 0 where there is one."""
        now = self._clock()
        return max(0.0, self._start(who, now) + self._interval - now)

    def _start(self, who: str, now: float) -> float:
        return max(self._paid_until.get(who, 0.0), now - self._burst * self._interval)
