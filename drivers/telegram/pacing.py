"""How fast messages go out, so that Telegram need not refuse any: so many a second in all, so many a minute to a group.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this names 30 a second and 20 a minute to a
group. What it answers all the same with `retry_after` is waited for: sending on would make the wait longer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

from msgspec import Struct, field

from nextbridge.errors import Retry

__all__ = ["Pacer"]

_LONGEST_WAIT = 10.0
"""Seconds that a message waits for its turn here; for longer its lane waits."""
_REMEMBERED = 10_000
"""Chats."""


class _Window(Struct):
    """At most `most` in any stretch of `seconds`."""

    seconds: float
    most: int
    times: deque[float] = field(default_factory=deque)

    def wait(self, now: float, count: int) -> float:
        """Seconds until so many more may go."""
        while self.times and self.times[0] <= now - self.seconds:
            self.times.popleft()
        over = len(self.times) + min(count, self.most) - self.most
        return 0.0 if over <= 0 else self.times[over - 1] + self.seconds - now


class Pacer:
    """Of one bot."""

    def __init__(self, per_second: int, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._all = _Window(1.0, per_second)
        self._groups: OrderedDict[int | str, _Window] = OrderedDict()
        self._held: OrderedDict[int | str, float] = OrderedDict()
        """Until when a chat is to be left alone, because Telegram said so."""

    async def turn(self, chat: int | str, count: int = 1) -> None:
        """Return when `count` messages may go to a chat; they count from then on. Raises Retry for a long wait."""
        while (wait := self._wait(chat, count)) > 0:
            if wait > _LONGEST_WAIT:
                raise Retry("as many messages went to this chat as Telegram allows in a minute", after=wait)
            await asyncio.sleep(wait)
        now = self._clock()
        self._all.times.extend([now] * count)
        if _is_group(chat):
            self._window(chat).times.extend([now] * count)

    def held(self, chat: int | str, seconds: float) -> None:
        """Telegram wants no message to this chat for so long."""
        self._held[chat] = self._clock() + seconds
        while len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)

    def _wait(self, chat: int | str, count: int) -> float:
        now = self._clock()
        waits = [self._all.wait(now, count), self._held.get(chat, 0.0) - now]
        if _is_group(chat):
            waits.append(self._window(chat).wait(now, count))
        return max(waits)

    def _window(self, chat: int | str) -> _Window:
        window = self._groups.get(chat)
        if window is None:
            window = self._groups[chat] = _Window(60.0, self._per_minute)
        self._groups.move_to_end(chat)
        while len(self._groups) > _REMEMBERED:
            self._groups.popitem(last=False)
        return window


def _is_group(chat: int | str) -> bool:
    """Whether it is no person: those have positive ids, and a pace of their own that nobody reaches here."""
    return isinstance(chat, str) or chat < 0
