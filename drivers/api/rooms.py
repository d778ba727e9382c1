"""The rooms of an instance, as those who serve them share them, and a room as a program may use it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from drivers.api.access import Caller, Gate
from drivers.api.actions import Writer
from drivers.api.log import Log
from drivers.api.refusals import Refused
from drivers.api.settings import ApiSettings
from nextbridge.driver import Store
from nextbridge.media.hosted import Files
from nextbridge.pace import Pace

__all__ = ["LONGEST_WAIT", "MOST_ENTRIES", "RoomView", "Rooms"]

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


class Rooms(Struct, frozen=True, kw_only=True):
    """All of an instance, with what belongs to them."""

    instance: str
    address: str
    """Where the instance is found: whole, or from the first slash of its path."""
    settings: ApiSettings
    log: FilteringBoundLogger
    """The operator's."""
    store: Store
    logs: Mapping[str, Log]
    """By the rooms' keys."""
    names: Mapping[str, str]
    """What the operator calls them."""
    files: Files
    gate: Gate
    pace: Pace

    def of(self, caller: Caller) -> dict[str, Log]:
        """Those that are there for a program."""
        return {key: log for key, log in self.logs.items() if caller.sees(key)}

    def writer(self, log: Log, caller: Caller) -> Writer:
        """A program that writes in one of them."""
        return Writer(log, self.files, caller, self.settings.max_message)

    def keep_pace(self, caller: Caller) -> None:
        """Count one more that a program writes. Raises Refused where it may not, or has to wait."""
        caller.must_write()
        if wait := self.pace.take(caller.name):
            raise Refused(429, "That was a lot at once.", {"Retry-After": str(math.ceil(wait))})
