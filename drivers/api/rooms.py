"""A room as a program may use it, and the bounds of what it may ask of one."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["LONGEST_WAIT", "MOST_ENTRIES", "RoomView"]

MOST_ENTRIES = 1000
"""Of one answer."""
LONGEST_WAIT = 60
"""Seconds for which a request may wait."""


class RoomView(Struct, frozen=True):
    """A room, as a program may use it."""

    room: str
    topic: str
    last: int
    """The newest entry: the cursor for what comes from now on."""
    reads: bool
    writes: bool
