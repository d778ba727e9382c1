"""How long to wait before trying again: growing, bounded, and jittered so that waiters do not come back together."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits of `first`, then twice as long each time up to `longest`, each jittered down by up to a quarter."""

    def __init__(self, *, first: float, longest: float) -> None:
        """Both in seconds."""
        self._first = first
        self._longest = longest
        self._tries = 0

    @property
    def tries(self) -> int:
        """How often `wait` was called since the last `reset`."""
        return self._tries

    def wait(self) -> float:
        """The next wait, in seconds."""
        wait = min(self._first * float(1 << min(self._tries, 30)), self._longest)
        self._tries += 1
        return wait * random.uniform(0.75, 1.0)  # noqa: S311 - jitter needs no secrecy

    def reset(self) -> None:
        """It worked: the next wait is the first again."""
        self._tries = 0
