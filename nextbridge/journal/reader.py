"""Everything that is looked up in the journal, in SQL, on a connection of its own. Runs on the reader's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from nextbridge.driver import Cursor
from nextbridge.envelope import Channel, ChannelKey, Event, InstanceId, decode
from nextbridge.journal import DeadLetter, Delivery, PlannedPart, Waiting
from nextbridge.journal.schema import PERIOD

__all__ = ["Reader"]

_WAITING = """
    SELECT channel.instance, channel.key, lane.depth, coalesce(waiting.retried_at, event.accepted_at), waiting.attempts,
        coalesce(waiting.reason, '')
    FROM (SELECT target, count(*) AS depth, min(id) AS first FROM waiting GROUP BY target) AS lane
    JOIN channel ON channel.id = lane.target
    JOIN waiting ON waiting.id = lane.first
    JOIN event ON event.id = waiting.event
    ORDER BY lane.first
"""
_LOAD = """
    SELECT waiting.id, event.id, event.data, source.instance, source.key, terms.rule, terms.settings,
        event.accepted_at, waiting.attempts, waiting.plan, waiting.parts_done, waiting.key,
        waiting.retried_at
    FROM waiting
    JOIN event ON event.id = waiting.event
    JOIN channel AS source ON source.id = event.channel
    JOIN terms ON terms.id = waiting.terms
    WHERE waiting.target = (SELECT id FROM channel WHERE instance = ? AND key = ?) AND waiting.id > ?
    ORDER BY waiting.id LIMIT ?
"""
_DEAD_LETTERS = """
    SELECT dead_letter.id, event.data, source.instance, source.key, target.instance, target.key, terms.rule,
        dead_letter.reason, dead_letter.detail, dead_letter.attempts, dead_letter.buried_at, event.accepted_at
    FROM dead_letter
    JOIN event ON event.id = dead_letter.event
    JOIN channel AS source ON source.id = event.channel
    JOIN channel AS target ON target.id = dead_letter.target
    JOIN terms ON terms.id = dead_letter.terms
"""
_NEWEST = f"{_DEAD_LETTERS} ORDER BY dead_letter.buried_at DESC, dead_letter.id DESC LIMIT ?"
_ONE = f"{_DEAD_LETTERS} WHERE dead_letter.id = ?"
_DELIVERED_IDS = """
    SELECT channel.instance, channel.key, receipt.message, receipt.last
    FROM receipt JOIN channel ON channel.id = receipt.target
    WHERE receipt.event = ? ORDER BY receipt.target, receipt.part
"""

_BECAME = f"""
    WITH RECURSIVE
        goal (target) AS (SELECT id FROM channel WHERE instance = :instance AND key = :key),
        bounds (first, last) AS (
            SELECT (SELECT min(event) FROM receipt) >> {PERIOD}, (SELECT max(event) FROM receipt) >> {PERIOD}
        ),
        period (number) AS (
            SELECT last FROM bounds UNION ALL SELECT number - 1 FROM period, bounds WHERE number > first
        )
    SELECT receipt.event FROM goal CROSS JOIN period CROSS JOIN receipt
        ON receipt.target = goal.target AND receipt.event >> {PERIOD} = period.number AND receipt.message = :message
    LIMIT 1
"""  # noqa: S608 - PERIOD is ours

_plans = msgspec.msgpack.Decoder(tuple[PlannedPart, ...])


class Reader:
    """The read connection. Use it on one thread at a time. Raises sqlite3.Error, and DecodeError for a damaged row."""

    def __init__(self, connection: sqlite3.Connection, *, first_id: int) -> None:
        self._connection = connection
        self._first_id = first_id
        """Deliveries below this were accepted before the file was opened."""

    def cursor(self, instance: InstanceId, name: str) -> Cursor | None:
        row = self._connection.execute(
            "SELECT value FROM cursor WHERE instance = ? AND name = ?", (instance, name)
        ).fetchone()
        return None if row is None else Cursor(name, row[0])

    def waiting(self) -> list[Waiting]:
        return [
            Waiting(_channel(instance, key), depth, oldest_at, attempts, reason)
            for instance, key, depth, oldest_at, attempts, reason in self._connection.execute(_WAITING)
        ]

    def load(self, target: Channel, after: int, limit: int) -> list[Delivery]:
        rows = self._connection.execute(_LOAD, (target.instance, target.key, after, limit))
        return [
            Delivery(
                id=number,
                event_id=event_id,
                event=_event(data, instance, key),
                target=target,
                rule=rule,
                settings=settings,
                accepted_at=accepted_at,
                attempts=attempts,
                attempted=accepted_at if number < self._first_id or attempts or parts_done or was else None,
                plan=None if plan is None else _plans.decode(plan),
                parts_done=parts_done,
                key=was,
                retried_at=retried_at,
            )
            for (
                number,
                event_id,
                data,
                instance,
                key,
                rule,
                settings,
                accepted_at,
                attempts,
                plan,
                parts_done,
                was,
                retried_at,
            ) in rows
        ]

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        return self._dead_letters(_NEWEST, limit)

    def dead_letter(self, number: int) -> DeadLetter | None:
        return next(iter(self._dead_letters(_ONE, number)), None)

    def dead_ids(self, after: int, limit: int) -> list[int]:
        rows = self._connection.execute("SELECT id FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [number for (number,) in rows]

    def _dead_letters(self, statement: str, argument: int) -> list[DeadLetter]:
        rows = self._connection.execute(statement, (argument,))
        return [
            DeadLetter(
                id=number,
                event=_event(data, instance, key),
                target=_channel(target_instance, target_key),
                rule=rule,
                reason=reason,
                detail=detail,
                attempts=attempts,
                buried_at=buried_at,
                accepted_at=accepted_at,
            )
            for (
                number,
                data,
                instance,
                key,
                target_instance,
                target_key,
                rule,
                reason,
                detail,
                attempts,
                buried_at,
                accepted_at,
            ) in rows
        ]

    def delivered_ids(self, event_id: int) -> Mapping[Channel, tuple[str, ...]]:
        parts: dict[Channel, tuple[str, ...]] = {}
        whole: dict[Channel, tuple[str, ...]] = {}
        for instance, key, message, last in self._connection.execute(_DELIVERED_IDS, (event_id,)):
            target = _channel(instance, key)
            parts[target] = parts.get(target, ()) + (() if message is None else (message,))
            if last:
                whole[target] = parts[target]
        return whole

    def became(self, target: Channel, message: str) -> int | None:
        names = {"instance": target.instance, "key": target.key, "message": message}
        row = self._connection.execute(_BECAME, names).fetchone()
        return None if row is None else row[0]

    def undelivered_events(self) -> set[int]:
        rows = self._connection.execute("SELECT event FROM waiting UNION SELECT event FROM dead_letter")
        return {event for (event,) in rows}

    def read(self, namespace: str, key: str) -> str | None:
        row = self._connection.execute(
            "SELECT value FROM store WHERE namespace = ? AND key = ?", (namespace, key)
        ).fetchone()
        return None if row is None else row[0]

    def read_all(self, namespace: str) -> dict[str, str]:
        return dict(self._connection.execute("SELECT key, value FROM store WHERE namespace = ?", (namespace,)))

    def close(self) -> None:
        self._connection.close()


def _channel(instance: str, key: str) -> Channel:
    return Channel(InstanceId(instance), ChannelKey(key))


def _event(data: bytes, instance: str, key: str) -> Event:
    """The event as it was written, in the channel whose key may have changed since."""
    event = decode(data)
    if event.channel.key != key or event.channel.instance != instance:
        return msgspec.structs.replace(event, channel=_channel(instance, key))
    return event
