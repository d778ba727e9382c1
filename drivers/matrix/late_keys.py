"""Messages whose keys have not come: they often do a moment after the message, by another way.

A room waits for a key for a few seconds, with all that is said there after it, so that the order is kept; for one key
once. What is still not readable then is told by a line that says so, and becomes what it says when the key does come.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from msgspec import Raw, Struct

from nextbridge.driver import Cursor
from nextbridge.envelope import ChannelKey

__all__ = ["Held", "LateKeys"]

_PATIENCE = 8.0
"""Seconds."""
_MOST_HELD = 500
"""Events of a room; with more of them it waits no longer."""
_MISSED = 10_000
"""Keys that were waited for in vain and are not waited for again."""
_TOLD = 500
"""Unreadable messages that may still become readable."""


class Held(Struct, frozen=True):
    """An event that waits, and the key that it waits for; empty where it waits for those before it."""

    raw: Raw
    cursor: Cursor
    key: str
    until: float


class LateKeys:
    """One account's."""

    def __init__(self) -> None:
        self._held: dict[ChannelKey, deque[Held]] = {}
        self._missed: OrderedDict[str, None] = OrderedDict()
        self._told: OrderedDict[tuple[str, str], tuple[ChannelKey, Raw]] = OrderedDict()
        """By key and event."""

    @property
    def rooms(self) -> list[ChannelKey]:
        """Those that wait."""
        return list(self._held)

    def is_waiting(self, room: ChannelKey) -> bool:
        """Whether what is said there has to wait for what was said before."""
        return room in self._held

    def is_worth_waiting(self, key: str) -> bool:
        """Whether a key that is not here may come in a moment."""
        return bool(key) and key not in self._missed

    def hold(self, room: ChannelKey, raw: Raw, cursor: Cursor, key: str = "") -> None:
        """Let an event wait, for a key or for those before it."""
        self._held.setdefault(room, deque()).append(Held(raw, cursor, key, time.monotonic() + _PATIENCE))

    def first(self, room: ChannelKey) -> Held | None:
        """The one that has waited for longest."""
        return self._held[room][0] if self._held.get(room) else None

    def wait_for(self, room: ChannelKey, key: str) -> Held:
        """The first of a room waits for a key of its own, from when it was said."""
        first = self._held[room][0]
        self._held[room][0] = first = Held(first.raw, first.cursor, key, first.until)
        return first

    def is_over(self, room: ChannelKey, held: Held) -> bool:
        """Whether there is no sense in waiting any longer; its key is then not waited for again."""
        over = not held.key or held.key in self._missed or time.monotonic() >= held.until
        over = over or len(self._held[room]) > _MOST_HELD
        if over and held.key:
            self._missed[held.key] = None
            if len(self._missed) > _MISSED:
                self._missed.popitem(last=False)
        return over

    def release(self, room: ChannelKey) -> Held:
        """The first of a room does not wait any more."""
        held = self._held[room].popleft()
        if not self._held[room]:
            del self._held[room]
        return held

    def remaining(self) -> float | None:
        """Seconds until the first that waits for a key does so no longer; None where none does."""
        ends = [held.until for waiting in self._held.values() for held in waiting if held.key]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def told(self, room: ChannelKey, event: str, key: str, raw: Raw) -> None:
        """It was told that this event cannot be read."""
        self._told[key, event] = room, raw
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)

    def readable(self, keys: set[str]) -> list[tuple[ChannelKey, Raw]]:
        """What was told to be unreadable, and is readable with these keys."""
        found = [place for place in self._told if place[0] in keys] if keys else []
        return [self._told.pop(place) for place in found]
