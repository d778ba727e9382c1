"""The stand-in's time, which a test may turn by hand."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "milliseconds", "system_clock"]

Clock = Callable[[], float]
"""Seconds since 1970."""

system_clock: Clock = time.time


def milliseconds(clock: Clock) -> int:
    """The time in the unit of the API."""
    return int(clock() * 1000)
