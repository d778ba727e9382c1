"""Ids as Discord makes them: 64 bits, the milliseconds since 2015 above 22 bits that tell ids of one moment apart.

By "API Reference: Snowflakes" of the public documentation.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

__all__ = ["Snowflakes", "moment", "timestamp"]

_EPOCH = 1_420_070_400_000
"""Milliseconds since 1970 of the first second of 2015."""


class Snowflakes:
    """Makes ids, each greater than the last; those of two stand-ins differ."""

    def __init__(self) -> None:
        self._worker = random.getrandbits(10)
        self._last = 0

    def next(self) -> str:
        """The next id, as the text that the API writes it as."""
        made = (int(time.time() * 1000) - _EPOCH) << 22 | self._worker << 12
        self._last = max(made, self._last + 1)
        return str(self._last)


def moment(snowflake: str) -> int:
    """When an id was made, in milliseconds since 1970."""
    return (int(snowflake) >> 22) + _EPOCH


def timestamp(at: int) -> str:
    """Milliseconds since 1970 as the API writes a time."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="microseconds")
