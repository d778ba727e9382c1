"""The one writer: everything that changes the journal, in SQL, many commands to a transaction.

It runs on the writer's thread alone and knows neither futures nor the event loop (see nextbridge.journal.sqlite). What
can wait for the end of a batch is collected and written with one statement for all of it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Channel, ChannelKey, Event, InstanceId, Posted, encode
from nextbridge.errors import EntryRefused
from nextbridge.journal import Delivery, NewDelivery, PlannedPart, Purged
from nextbridge.journal.attempts import AttemptLog
from nextbridge.journal.erasing import Eraser, shredding
from nextbridge.journal.faults import is_fatal
from nextbridge.journal.schema import KINDS, SEEN_PERIOD

__all__ = ["Command", "Writer"]

Command = tuple[Callable[..., object], tuple[object, ...]]
"""A method of Writer and its arguments."""

K = TypeVar("K")

_REMEMBERED = 50_000
"""Channels, and targets with their terms, whose numbers are kept in memory. Above that they are looked up anew."""
_CLOCKS_DIFFER = 86_400_000
_BLOCK = 1_000
"""Ids are reserved on disk this many at a time. A crash leaves a hole of at most so many, and gives no id twice."""

_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SEEN = (
    "SELECT 1 FROM event WHERE period IN (?, ?, ?) AND channel = ? AND message = ? AND kind = ? AND version = ? LIMIT 1"
)
_WAITING = "INSERT INTO waiting (id, target, event, terms) VALUES (?, ?, ?, ?)"
_CURSOR = "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)"
_RECEIPT = "INSERT OR REPLACE INTO receipt SELECT event, target, ?, 1, ?, ?, terms, ? FROM waiting WHERE id = ?"
_PART = "INSERT OR REPLACE INTO receipt SELECT event, target, ?, 0, ?, NULL, terms, ? FROM waiting WHERE id = ?"
_BURIED = (
    "INSERT INTO dead_letter"
    " (id, target, event, terms, attempts, parts_done, plan, key, says, reason, detail, buried_at)"
    " SELECT id, target, event, terms, attempts, parts_done, plan, key, says, ?, ?, ? FROM waiting WHERE id = ?"
)
_DEAD = (
    "SELECT channel.instance, channel.key FROM dead_letter JOIN channel ON channel.id = dead_letter.target"
    " WHERE dead_letter.id = ?"
)
_RETRIED = (
    "INSERT INTO waiting (id, target, event, terms, parts_done, plan, key, says, retried_at)"
    " SELECT ?, target, event, terms, parts_done, plan, coalesce(key, id), says, ? FROM dead_letter WHERE id = ?"
)
_DROPPED = "DELETE FROM dead_letter WHERE id = ?"
_GONE = "DELETE FROM waiting WHERE id = ?"
_TARGET = "(SELECT target FROM waiting WHERE id = ?)"
_REVISED = "INSERT INTO receipt SELECT ?, target, ?, ?, ?, ?, ?, ? FROM waiting WHERE id = ?"
_FIRST_ARRIVED = f"SELECT terms, arrived_at FROM receipt WHERE event = ? AND target = {_TARGET} ORDER BY part LIMIT 1"  # noqa: S608
_FORGOTTEN = f"DELETE FROM receipt WHERE event = ? AND target = {_TARGET}"  # noqa: S608 - ours
_SUPERSEDED = tuple(f"UPDATE {table} SET says = ?, plan = NULL WHERE id = ?" for table in ("waiting", "dead_letter"))  # noqa: S608
_UNARRIVED = "DELETE FROM receipt WHERE (event, target) IN (SELECT event, target FROM dead_letter WHERE id = ?)"
_ARRIVED = "INSERT INTO receipt SELECT event, target, ?, 0, ?, NULL, terms, ? FROM dead_letter WHERE id = ?"
_REACTED = (
    "INSERT OR IGNORE INTO reaction (event, emoji, reactor, target) SELECT ?, ?, ?, target FROM waiting WHERE id = ?"
)
_NO_LONGER = f"DELETE FROM reaction WHERE event = ? AND emoji = ? AND reactor = ? AND target = {_TARGET}"  # noqa: S608
_REQUEUED = "UPDATE waiting SET key = coalesce(key, id), id = ? WHERE id = ?"

# The same for many rows, given as JSON, in one step: between two steps the writer waits for its turn among the threads.
_WAITING_MANY = (
    "INSERT INTO waiting (id, target, event, terms) SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?)"
)
_RECEIPT_MANY = (
    "INSERT OR REPLACE INTO receipt SELECT event, target, json_extract(value, '$[0]'), 1, json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]'), waiting.terms, json_extract(value, '$[3]')"
    " FROM json_each(?) CROSS JOIN waiting ON waiting.id = json_extract(value, '$[4]')"
)
_GONE_MANY = "DELETE FROM waiting WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))"

# Two channels that become one, :old and :new, may both have a delivery of one event: one of them is enough, the one
# that has arrived, else that of :new.
_MERGE = (
    """
    DELETE FROM waiting WHERE target = :old AND (
        event IN (SELECT event FROM waiting WHERE target = :new)
        OR EXISTS (SELECT 1 FROM receipt WHERE event = waiting.event AND target = :new AND last)
    )
    """,
    """
    DELETE FROM waiting WHERE target = :new
        AND EXISTS (SELECT 1 FROM receipt WHERE event = waiting.event AND target = :old AND last)
    """,
    """
    DELETE FROM receipt WHERE target = :new
        AND EXISTS (SELECT 1 FROM receipt AS o WHERE o.event = receipt.event AND o.target = :old AND o.last)
        AND NOT EXISTS (SELECT 1 FROM receipt AS n WHERE n.event = receipt.event AND n.target = :new AND n.last)
    """,
    """
    DELETE FROM receipt WHERE target = :old
        AND EXISTS (SELECT 1 FROM receipt AS n WHERE n.event = receipt.event AND n.target = :new)
    """,
    "UPDATE receipt SET target = :new WHERE target = :old",
    "UPDATE OR REPLACE reaction SET target = :new WHERE target = :old",
    "UPDATE OR REPLACE attempt SET target = :new WHERE target = :old",
    "UPDATE waiting SET target = :new WHERE target = :old",
    "UPDATE dead_letter SET target = :new WHERE target = :old",
    # An event that both channels reported stays with the old one, which then stays too.
    """
    UPDATE event SET channel = :new WHERE channel = :old AND NOT EXISTS (
        SELECT 1 FROM event AS n WHERE n.period BETWEEN event.period - 1 AND event.period + 1 AND n.channel = :new
            AND n.message = event.message AND n.kind = event.kind AND n.version = event.version
    )
    """,
    "DELETE FROM channel WHERE id = :old AND NOT EXISTS (SELECT 1 FROM event WHERE channel = :old)",
)


class Writer:
    """The write connection and what it remembers. Use it on one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._attempts = AttemptLog(self._cursor)
        self._eraser = Eraser(self._cursor, self._attempts)
        self.daemon_id: str
        self.daemon_id, self._reserved = self._cursor.execute("SELECT daemon_id, reserved FROM journal").fetchone()
        self.first_id: int = self._reserved
        """Above every id that was given out before the file was opened."""
        self._next = self.first_id
        self._now = 0
        self._channels: dict[Channel, int] = {}
        self._places: dict[NewDelivery, tuple[int, int]] = {}
        # What the batch has collected.
        self._waiting: list[tuple[int, int, int, int]] = []
        self._cursors: dict[tuple[str, str], str] = {}
        self._receipts: list[tuple[int, str | None, str | None, int, int]] = []
        self._done: list[tuple[int]] = []
        self.commits = 0
        self._folded = 0

    # --- a batch ------------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[Command]) -> list[object]:
        """Do the commands in order, in one transaction, and return their results once they are on disk.

        A command that cannot be done has an EntryRefused for its result, and none of it is done. Raises what SQLite
        raised when the file is in trouble: then nothing of the batch is certain, and the connection is to be closed.
        """
        execute = self._cursor.execute
        self._now = time.time_ns() // 1_000_000
        execute("BEGIN")
        try:
            results = [do(*arguments) for do, arguments in batch]
            self._write_collected()
        except Exception as error:  # whatever it is, it must not take the rest of the batch along
            if is_fatal(error):
                raise
            execute("ROLLBACK")
            self._forget()
            execute("BEGIN")
            results = [self._do_alone(do, arguments) for do, arguments in batch]
        if self._next > self._reserved:
            self._reserved = self._next + _BLOCK
            execute("UPDATE journal SET reserved = ?", (self._reserved,))
        execute("COMMIT")
        self.commits += 1
        return results

    def _do_alone(self, do: Callable[..., object], arguments: tuple[object, ...]) -> object:
        execute = self._cursor.execute
        execute("SAVEPOINT alone")
        try:
            result = do(*arguments)
            self._write_collected()
        except Exception as error:
            if is_fatal(error):
                raise
            execute("ROLLBACK TO alone")
            self._forget()
            # Only the kind of the error: its text may quote what people wrote.
            result = EntryRefused(f"It cannot be kept in the journal ({type(error).__name__}).")
            result.__cause__ = error
        execute("RELEASE alone")
        return result

    def _write_collected(self) -> None:
        many = self._cursor.executemany
        if self._waiting:
            self._write_rows(_WAITING, _WAITING_MANY, self._waiting)
            self._waiting.clear()
        if self._done:
            self._write_rows(_RECEIPT, _RECEIPT_MANY, self._receipts)
            self._write_rows(_GONE, _GONE_MANY, self._done)
            self._receipts.clear()
            self._done.clear()
        if self._cursors:
            many(_CURSOR, [(instance, name, value) for (instance, name), value in self._cursors.items()])
            self._cursors.clear()

    def _write_rows(self, one: str, many: str, rows: Sequence[tuple[object, ...]]) -> None:
        if len(rows) == 1:
            self._cursor.execute(one, rows[0])
            return
        listed = msgspec.json.encode(rows).decode()
        if "\\u0000" in listed:  # where SQLite's JSON ends a text
            self._cursor.executemany(one, rows)
        else:
            self._cursor.execute(many, (listed,))

    def _forget(self) -> None:
        """What was collected, and the numbers of rows that may have been rolled back."""
        self._waiting.clear()
        self._receipts.clear()
        self._done.clear()
        self._cursors.clear()
        self._channels.clear()
        self._places.clear()

    def fold(self, *, after_commits: int) -> None:
        """Copy the log into the file, if there were so many commits since the last time. For idle moments."""
        if self.commits - self._folded >= after_commits:
            self._folded = self.commits
            self._cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Give back the ids that were reserved and not used, fold the log in, and close the file."""
        self._cursor.execute("UPDATE journal SET reserved = ?", (self._next,))
        self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()

    def abandon(self) -> None:
        """Close a file that is in trouble, as far as that is possible."""
        self._connection.close()

    # --- the commands (see Journal) -----------------------------------------------------------------------------

    def nothing(self) -> None:
        pass

    def accept(
        self, event: Event, targets: Sequence[NewDelivery], cursor: tuple[InstanceId, Cursor] | None
    ) -> tuple[Delivery, ...] | None:
        now = self._now
        number = self._next
        channel = self._channels.get(event.channel) or self._channel(event.channel)
        kind = KINDS[type(event)]
        # a time in the future is none of a clock that anybody should go by
        period = min(event.at, now + _CLOCKS_DIFFER) >> SEEN_PERIOD
        key = (period - 1, period, period + 1, channel, event.message, kind, event.version)
        if self._cursor.execute(_SEEN, key).fetchone() is not None:
            if cursor is not None:
                self.move_cursor(*cursor)
            return None
        root = event.thread if type(event) is Posted else None
        self._cursor.execute(
            _EVENT, (number, channel, event.message, kind, event.version, now, encode(event), root, period)
        )
        deliveries = []
        following = number
        for new in targets:
            following += 1
            target, terms = self._places.get(new) or self._place(new)
            self._waiting.append((following, target, number, terms))
            deliveries.append(
                Delivery(
                    id=following,
                    event_id=number,
                    event=event,
                    target=new.target,
                    rule=new.rule,
                    settings=new.settings,
                    accepted_at=now,
                )
            )
        self._next = following + 1
        if cursor is not None:
            self.move_cursor(*cursor)
        return tuple(deliveries)

    def move_cursor(self, instance: InstanceId, cursor: Cursor) -> None:
        self._cursors[instance, cursor.name] = cursor.value

    def plan(self, delivery: int, parts: Sequence[PlannedPart]) -> None:
        self._cursor.execute("UPDATE waiting SET plan = ? WHERE id = ?", (msgspec.msgpack.encode(parts), delivery))

    def part_done(self, delivery: int, part: int, receipt: Receipt) -> None:
        self._cursor.execute(_PART, (part, receipt.message, self._now, delivery))
        self._cursor.execute("UPDATE waiting SET parts_done = ? WHERE id = ?", (part + 1, delivery))

    def complete(self, delivery: int, part: int, receipt: Receipt, note: str | None = None) -> None:
        self._receipts.append((part, receipt.message, note, self._now, delivery))
        self._done.append((delivery,))

    def postpone(self, delivery: int, attempts: int, reason: str) -> None:
        self._cursor.execute("UPDATE waiting SET attempts = ?, reason = ? WHERE id = ?", (attempts, reason, delivery))
        self._attempts.postponed(delivery, self._now, attempts, reason)

    def ended(self, event_id: int, way: NewDelivery, outcome: str, reason: str) -> None:
        target, terms = self._places.get(way) or self._place(way)
        self._attempts.ended(event_id, target, terms, self._now, outcome, reason)

    def bury(self, delivery: int, reason: str, detail: str) -> None:
        self._write_collected()
        self._attempts.buried(delivery, self._now, reason)
        self._cursor.execute(_BURIED, (reason, detail, self._now, delivery))
        self._cursor.execute(_GONE, (delivery,))

    def retry(self, dead: Sequence[int]) -> dict[int, Channel]:
        self._write_collected()
        lanes = {}
        for number in sorted(set(dead)):
            row = self._cursor.execute(_DEAD, (number,)).fetchone()
            if row is not None:
                self._cursor.execute(_RETRIED, (self._next, self._now, number))
                self._cursor.execute(_DROPPED, (number,))
                self._next += 1
                lanes[number] = Channel(InstanceId(row[0]), ChannelKey(row[1]))
        return lanes

    def drop(self, dead: Sequence[int]) -> list[int]:
        self._write_collected()
        return [number for number in dead if self._cursor.execute(_DROPPED, (number,)).rowcount]

    def purge(self, before: int, after: int, limit: int) -> Purged:
        self._write_collected()
        return self._eraser.purge(before, after, limit, end=self._next)

    def forget(self, events: Sequence[int], reactors: Sequence[str]) -> int:
        self._write_collected()
        return self._eraser.forget(events, reactors, end=self._next)

    # What becomes of messages that were changed, deleted and reacted to.

    def supersede(self, old: int, by: Sequence[tuple[int, int]], parts: Sequence[str | None] | None) -> bool:
        """`by` are the edits' deliveries, each with its event."""
        self._write_collected()
        execute = self._cursor.execute
        if not any(execute(statement, (by[-1][1], old)).rowcount for statement in _SUPERSEDED):
            return False
        if parts is not None:
            execute(_UNARRIVED, (old,))
            self._cursor.executemany(_ARRIVED, [(part, message, self._now, old) for part, message in enumerate(parts)])
            execute("UPDATE dead_letter SET parts_done = ? WHERE id = ?", (len(parts), old))
        self._cursor.executemany(_GONE, [(delivery,) for delivery, _ in by])
        return True

    def withdraw(self, deliveries: Sequence[int]) -> None:
        self._write_collected()
        for each in deliveries:
            self._cursor.execute(_GONE, (each,))
            self._cursor.execute(_DROPPED, (each,))

    def revise(self, delivery: int, event_id: int, parts: Sequence[str | None], note: str | None, done: bool) -> None:
        self._write_collected()
        terms, arrived_at = self._cursor.execute(_FIRST_ARRIVED, (event_id, delivery)).fetchone() or (None, None)
        self._forget_receipts(delivery, [event_id])
        last = len(parts) - 1
        rows = [
            (event_id, part, part == last, message, note if part == last else None, terms, arrived_at, delivery)
            for part, message in enumerate(parts)
        ]
        self._cursor.executemany(_REVISED, rows)
        if done:
            self._cursor.execute(_GONE, (delivery,))

    def erase(self, delivery: int, events: Sequence[int]) -> None:
        self._write_collected()
        self._attempts.taken_back(delivery, self._now, events)
        self._forget_receipts(delivery, events)
        self._cursor.execute(_GONE, (delivery,))

    def _forget_receipts(self, delivery: int, events: Sequence[int]) -> None:
        self._cursor.executemany(_FORGOTTEN, [(event, delivery) for event in events])

    def react(self, delivery: int, event_id: int, emoji: str, reactor: str, added: bool) -> None:
        self._write_collected()
        self._cursor.execute(_REACTED if added else _NO_LONGER, (event_id, emoji, reactor, delivery))
        self._cursor.execute(_GONE, (delivery,))

    def requeue(self, delivery: int) -> None:
        self._write_collected()
        self._cursor.execute(_REQUEUED, (self._next, delivery))
        self._next += 1

    def rekey(self, old: Channel, new: Channel) -> None:
        self._write_collected()
        execute = self._cursor.execute
        self._channels.clear()
        self._places.clear()
        find = "SELECT id FROM channel WHERE instance = ? AND key = ?"
        was = execute(find, (old.instance, old.key)).fetchone()
        is_now = execute(find, (new.instance, new.key)).fetchone()
        if was is not None and is_now is None:
            execute("UPDATE channel SET instance = ?, key = ? WHERE id = ?", (new.instance, new.key, was[0]))
        elif was is not None and was != is_now:
            for statement in _MERGE:
                execute(statement, {"old": was[0], "new": is_now[0]})
        if old != new:
            names = (new.instance, new.key, old.instance, old.key)
            execute("UPDATE OR IGNORE cursor SET instance = ?, name = ? WHERE instance = ? AND name = ?", names)
            execute("DELETE FROM cursor WHERE instance = ? AND name = ?", (old.instance, old.key))

    def write(self, namespace: str, key: str, value: str | None) -> None:
        with shredding(self._cursor):  # a driver keeps there what people said in a room that is the daemon's own
            if value is None:
                self._cursor.execute("DELETE FROM store WHERE namespace = ? AND key = ?", (namespace, key))
            else:
                self._cursor.execute("INSERT OR REPLACE INTO store VALUES (?, ?, ?)", (namespace, key, value))

    # --- what is written once and referred to by its number -----------------------------------------------------

    def _channel(self, channel: Channel) -> int:
        number = self._number("channel", "instance", "key", (channel.instance, channel.key))
        _remember(self._channels, channel, number)
        return number

    def _place(self, new: NewDelivery) -> tuple[int, int]:
        target = self._channels.get(new.target) or self._channel(new.target)
        place = (target, self._number("terms", "rule", "settings", (new.rule, new.settings)))
        _remember(self._places, new, place)
        return place

    def _number(self, table: str, first: str, second: str, values: tuple[str, str]) -> int:
        # The names are ours, from the two calls above.
        find = f"SELECT id FROM {table} WHERE {first} = ? AND {second} = ?"  # noqa: S608
        row = self._cursor.execute(find, values).fetchone()
        if row is None:
            self._cursor.execute(f"INSERT INTO {table} ({first}, {second}) VALUES (?, ?)", values)  # noqa: S608
            row = (self._cursor.lastrowid,)
        number: int = row[0]
        return number


V = TypeVar("V")


def _remember(known: dict[K, V], key: K, value: V) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value
