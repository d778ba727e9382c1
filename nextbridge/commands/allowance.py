"""How often people may speak to the relay: each of them, and all together, so that nobody makes it flood a channel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from nextbridge.bindings import Account

__all__ = ["Allowance"]

_OF_ALL, _SECONDS_OF_ALL = 30.0, 1.0
_REMEMBERED = 1000


class _Bucket:
    """So many at once, and one more each so many seconds."""

    __slots__ = ("_at", "_left", "_most", "_seconds")

    def __init__(self, most: float, seconds: float, now: float) -> None:
        self._most, self._seconds = most, seconds
        self._left, self._at = most, now

    def take(self, now: float) -> bool:
        self._left = min(self._most, self._left + (now - self._at) / self._seconds)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Allowance:
    """Counts commands by account and in total. Whoever was forgotten begins anew: the total bounds that."""

    def __init__(self, clock: Callable[[], float], *, most: int = 6, seconds: float = 5.0) -> None:
        """Each may do `most` at once, and one more every so many seconds. `clock` gives monotonic seconds."""
        self._clock = clock
        self._most, self._seconds = most, seconds
        self._all = _Bucket(_OF_ALL, _SECONDS_OF_ALL, clock())
        self._each: OrderedDict[Account, _Bucket] = OrderedDict()

    def take(self, account: Account) -> bool:
        """Whether the account's command is one that may be answered; it counts if so."""
        now = self._clock()
        bucket = self._each.get(account)
        if bucket is None:
            bucket = self._each[account] = _Bucket(self._most, self._seconds, now)
            if len(self._each) > _REMEMBERED:
                self._each.popitem(last=False)
        self._each.move_to_end(account)
        # whoever asks too often takes nothing from the others
        return bucket.take(now) and self._all.take(now)
