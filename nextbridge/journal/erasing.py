"""Takes out of the journal's file what is not to be known any more: what is old, and who is to be forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nextbridge.journal import Purged
from nextbridge.journal.attempts import AttemptLog
from nextbridge.journal.people import without_person

__all__ = ["Eraser", "shredding"]

_NEEDED = """
    SELECT event FROM waiting WHERE id BETWEEN :first AND :last
    UNION SELECT event FROM waiting WHERE key IS NOT NULL AND event BETWEEN :first AND :last
    UNION SELECT event FROM dead_letter WHERE event BETWEEN :first AND :last
    UNION SELECT says FROM waiting WHERE says BETWEEN :first AND :last
    UNION SELECT says FROM dead_letter WHERE says BETWEEN :first AND :last
"""


class Eraser:
    """Used by the writer, within its transactions. `end` is above every event's id."""

    def __init__(self, cursor: sqlite3.Cursor, attempts: AttemptLog) -> None:
        self._cursor = cursor
        self._attempts = attempts

    def purge(self, before: int, after: int, limit: int, *, end: int) -> Purged:
        """As `Journal.purge`."""
        execute = self._cursor.execute
        found = execute(
            "SELECT id, accepted_at FROM event WHERE id > ? ORDER BY id LIMIT ?", (after, limit + 1)
        ).fetchall()
        old = []
        for number, accepted_at in found[:limit]:
            if accepted_at >= before:
                break
            old.append(number)
        if not old:
            return Purged(0, after, done=True)
        following = found[len(old)][0] if len(old) < len(found) else end
        needed = self._needed(old[0], following)
        gone = [(number,) for number in old if number not in needed]
        self._purged(gone)
        return Purged(len(gone), old[-1], done=len(found) <= limit or len(old) < limit)

    def forget(self, events: Sequence[int], reactors: Sequence[str], *, end: int) -> int:
        """As `Journal.forget`."""
        execute = self._cursor.execute
        forgotten = 0
        with shredding(self._cursor):
            self._cursor.executemany("DELETE FROM reaction WHERE reactor = ?", [(each,) for each in reactors])
            if not events:
                return 0
            (following,) = execute("SELECT min(id) FROM event WHERE id > ?", (max(events),)).fetchone()
            needed = self._needed(min(events), following or end)
            for number in events:
                row = execute("SELECT data FROM event WHERE id = ?", (number,)).fetchone()
                if number in needed or row is None:
                    continue
                forgotten += 1
                rest = without_person(row[0])
                if rest is None:
                    self._purged([(number,)])
                else:
                    execute("UPDATE event SET data = ? WHERE id = ?", (rest, number))
                    self._attempts.forget([(number,)])  # a reason may quote a server
        return forgotten

    def _needed(self, first: int, following: int) -> set[int]:
        """The events from `first` on that a delivery or a dead letter needs, up to the one that follows."""
        return {event for (event,) in self._cursor.execute(_NEEDED, {"first": first, "last": following - 1})}

    def _purged(self, gone: Sequence[tuple[int]]) -> None:
        """Events that are not known any more, with what they became."""
        self._cursor.executemany("DELETE FROM receipt WHERE event = ?", gone)
        self._cursor.executemany("DELETE FROM reaction WHERE event = ?", gone)
        self._attempts.forget(gone)
        self._cursor.executemany("DELETE FROM event WHERE id = ?", gone)


@contextmanager
def shredding(cursor: sqlite3.Cursor) -> Iterator[None]:
    """What is deleted or replaced meanwhile is overwritten: else its bytes would stay in the file's free room."""
    cursor.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        yield
    finally:
        cursor.execute("PRAGMA secure_delete = OFF").fetchall()
