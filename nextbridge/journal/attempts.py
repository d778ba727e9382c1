"""What is kept of attempts at deliveries, for whoever asks what became of a message. Part of the writer, on its thread.

A message that just arrives leaves nothing here: its receipt has all there is to know.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

__all__ = ["AttemptLog"]

_FIRST_KEPT, _LAST_KEPT = 5, 15
"""Attempts at a delivery that are kept: the first so many, and the newest."""
_FAILED = """
    INSERT INTO attempt SELECT event, target, 1 + coalesce((SELECT max(number) FROM attempt
        WHERE event = waiting.event AND target = waiting.target), 0), :at, :outcome, terms, substr(:reason, 1, 500)
    FROM waiting WHERE id = :delivery
"""
_BETWEEN = """
    DELETE FROM attempt WHERE (event, target) = (SELECT event, target FROM waiting WHERE id = :delivery)
        AND number > :first AND number <= (SELECT max(number) FROM attempt
            WHERE (event, target) = (SELECT event, target FROM waiting WHERE id = :delivery)) - :last
"""
_ENDED = """
    INSERT INTO attempt SELECT :event, :target, 1 + coalesce(max(number), 0), :at, :outcome, :terms,
        substr(:reason, 1, 500)
    FROM attempt WHERE event = :event AND target = :target
"""
_TAKEN_BACK = """
    INSERT INTO attempt SELECT event, target, 1 + coalesce((SELECT max(number) FROM attempt
        WHERE event = receipt.event AND target = receipt.target), 0), ?, 'deleted', terms, ''
    FROM receipt WHERE event = ? AND target = (SELECT target FROM waiting WHERE id = ?) AND terms IS NOT NULL
    ORDER BY part LIMIT 1
"""
_FORGOTTEN = "DELETE FROM attempt WHERE event = ?"


class AttemptLog:
    """The table `attempt`. Times are in milliseconds since 1970."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def postponed(self, delivery: int, at: int, attempts: int, reason: str) -> None:
        """One more attempt at a waiting delivery failed, so many by now."""
        self._failed(delivery, at, "postponed", reason)
        if attempts > _FIRST_KEPT + _LAST_KEPT:
            self._cursor.execute(_BETWEEN, {"delivery": delivery, "first": _FIRST_KEPT, "last": _LAST_KEPT})

    def buried(self, delivery: int, at: int, reason: str) -> None:
        """A waiting delivery is given up. Before it becomes a dead letter."""
        self._failed(delivery, at, "buried", reason)

    def _failed(self, delivery: int, at: int, outcome: str, reason: str) -> None:
        self._cursor.execute(_FAILED, {"delivery": delivery, "at": at, "outcome": outcome, "reason": reason})

    def ended(self, event: int, target: int, terms: int, at: int, outcome: str, reason: str) -> None:
        """A delivery came to its end and leaves no receipt of the event's own."""
        names = {"event": event, "target": target, "at": at, "outcome": outcome, "terms": terms, "reason": reason}
        self._cursor.execute(_ENDED, names)

    def taken_back(self, delivery: int, at: int, events: Sequence[int]) -> None:
        """The deletion `delivery` has taken these events out of its target. Before their receipts are forgotten."""
        self._cursor.executemany(_TAKEN_BACK, [(at, event, delivery) for event in events])

    def forget(self, events: Sequence[tuple[int]]) -> None:
        """These events, or who did them, are not known any more."""
        self._cursor.executemany(_FORGOTTEN, events)
