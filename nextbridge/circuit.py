"""Whether an instance is known to be down: then one lane at a time tries, and the others wait for what it finds."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from nextbridge.backoff import Backoff
from nextbridge.envelope import Channel

__all__ = ["Circuit"]

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_TRIAL_SECONDS = 45.0
"""After which a trial that has said nothing no longer keeps another lane from trying."""


class Circuit:
    """Of one instance. Open once several channels failed in a row and none succeeded; one success closes it.

    One channel that fails alone opens nothing: what ails it may be its own. Used on the event loop by the lanes.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failing: set[Channel] = set()
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._next_trial = 0.0
        self._trial: Channel | None = None
        self._last_trial: Channel | None = None
        self._waiting: dict[Channel, float] = {}
        """Channels that have asked in vain, with when."""
        self.successes = 0
        """Messages that went through since the start."""

    @property
    def is_open(self) -> bool:
        """Whether the instance is known to be down."""
        return len(self._failing) > 1

    def wait(self, channel: Channel) -> float:
        """Seconds that `channel`'s lane has to wait before it asks again; 0 when it may send now.

        While the circuit is open that is the one trial at a time; the lane must then call `succeeded` or `failed`.
        """
        if not self.is_open:
            return 0.0
        now = self._clock()
        if now < self._next_trial or (channel == self._last_trial and self._others_wait(channel, now)):
            self._waiting[channel] = now
            return max(self._next_trial - now, _FIRST_WAIT)
        self._waiting.pop(channel, None)
        self._trial = self._last_trial = channel
        self._next_trial = now + _TRIAL_SECONDS
        return 0.0

    def succeeded(self) -> bool:
        """A message went through. Returns whether the circuit was open: the lanes that wait can go on."""
        self.successes += 1
        if not self._failing:
            return False
        was_open = self.is_open
        self.close()
        return was_open

    def failed(self, channel: Channel) -> None:
        """A message to `channel` did not go through, for a reason that may be the instance's."""
        self._failing.add(channel)
        if self.is_open and self._trial in {None, channel}:
            self._trial = None
            self._next_trial = self._clock() + self._backoff.wait()

    def _others_wait(self, channel: Channel, now: float) -> bool:
        """Whether another channel has asked lately; one that no longer does has nothing to send."""
        return any(other != channel and now - asked <= _LONGEST_WAIT + 5 for other, asked in self._waiting.items())

    def close(self) -> None:
        """Nothing is known against the instance (any more)."""
        self._failing.clear()
        self._waiting.clear()
        self._trial = self._last_trial = None
        self._next_trial = 0.0
        self._backoff.reset()
