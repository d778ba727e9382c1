"""Everything that is looked up in the journal, in SQL, on a connection of its own. Runs on the reader's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from nextbridge.driver import Cursor
from nextbridge.envelope import Channel, Deleted, Edited, InstanceId
from nextbridge.journal import DeadLetter, Delivery, PlannedPart, Waiting
from nextbridge.journal.fates import Fates
from nextbridge.journal.rows import amended, channel_of, event_of
from nextbridge.journal.schema import KINDS, LATER, SEEN_PERIOD

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
_DELIVERIES = """
    SELECT waiting.id, event.id, event.data, source.instance, source.key, terms.rule, terms.settings,
        event.accepted_at, waiting.attempts, waiting.plan, waiting.parts_done, waiting.key,
        waiting.retried_at, edit.data
    FROM waiting
    JOIN event ON event.id = waiting.event
    JOIN channel AS source ON source.id = event.channel
    JOIN terms ON terms.id = waiting.terms
    LEFT JOIN event AS edit ON edit.id = waiting.says
"""
_LOAD = f"""
    {_DELIVERIES}
    WHERE waiting.target = (SELECT id FROM channel WHERE instance = ? AND key = ?) AND waiting.id > ?
    ORDER BY waiting.id LIMIT ?
"""  # noqa: S608 - ours
# From the message's other events, which are of its period or a later one, to the one delivery that each may have here.
_CHANGES = f"""
    {LATER}
    {_DELIVERIES}
    WHERE waiting.id IN (
        SELECT behind.id FROM event AS change CROSS JOIN waiting AS behind
            ON behind.target = (SELECT id FROM channel WHERE instance = :target_instance AND key = :target_key)
            AND behind.event = change.id AND behind.id > change.id
            AND behind.id < coalesce((SELECT min(id) FROM event WHERE id > change.id), 9223372036854775807)
        WHERE change.period IN later
            AND change.channel = (SELECT id FROM channel WHERE instance = :instance AND key = :key)
            AND change.message = :message AND change.kind IN ({KINDS[Edited]}, {KINDS[Deleted]})
            AND change.id > :after
    )
    ORDER BY waiting.id LIMIT :limit
"""  # noqa: S608 - KINDS are ours
_DEAD_LETTERS = """
    SELECT dead_letter.id, event.data, source.instance, source.key, target.instance, target.key, terms.rule,
        dead_letter.reason, dead_letter.detail, dead_letter.attempts, dead_letter.buried_at, event.accepted_at,
        edit.data
    FROM dead_letter
    JOIN event ON event.id = dead_letter.event
    JOIN channel AS source ON source.id = event.channel
    JOIN channel AS target ON target.id = dead_letter.target
    JOIN terms ON terms.id = dead_letter.terms
    LEFT JOIN event AS edit ON edit.id = dead_letter.says
"""
_NEWEST = f"{_DEAD_LETTERS} ORDER BY dead_letter.buried_at DESC, dead_letter.id DESC LIMIT ?"
_ONE = f"{_DEAD_LETTERS} WHERE dead_letter.id = ?"
_DELIVERED_IDS = """
    SELECT channel.instance, channel.key, receipt.message, receipt.last
    FROM receipt JOIN channel ON channel.id = receipt.target
    WHERE receipt.event = ? ORDER BY receipt.target, receipt.part
"""
_plans = msgspec.msgpack.Decoder(tuple[PlannedPart, ...])


class Reader:
    """The read connection. Use it on one thread at a time.

    Raises sqlite3.Error, and for a damaged row what `envelope.decode` raises.
    """

    def __init__(self, connection: sqlite3.Connection, *, first_id: int) -> None:
        self._connection = connection
        self.fates = Fates(connection)
        self._first_id = first_id
        """Deliveries below this were accepted before the file was opened."""

    def cursor(self, instance: InstanceId, name: str) -> Cursor | None:
        row = self._connection.execute(
            "SELECT value FROM cursor WHERE instance = ? AND name = ?", (instance, name)
        ).fetchone()
        return None if row is None else Cursor(name, row[0])

    def waiting(self) -> list[Waiting]:
        return [
            Waiting(channel_of(instance, key), depth, oldest_at, attempts, reason)
            for instance, key, depth, oldest_at, attempts, reason in self._connection.execute(_WAITING)
        ]

    def load(self, target: Channel, after: int, limit: int) -> list[Delivery]:
        rows = self._connection.execute(_LOAD, (target.instance, target.key, after, limit))
        return [self._delivery(target, row) for row in rows]

    def changes(self, delivery: Delivery, after: int, limit: int) -> list[Delivery]:
        target, source = delivery.target, delivery.event.channel
        names = {
            "target_instance": target.instance,
            "target_key": target.key,
            "instance": source.instance,
            "key": source.key,
            "message": delivery.event.message,
            "period": delivery.event.at >> SEEN_PERIOD,
            "after": max(after, delivery.id),
            "limit": limit,
        }
        return [self._delivery(target, row) for row in self._connection.execute(_CHANGES, names)]

    def _delivery(self, target: Channel, row: tuple[Any, ...]) -> Delivery:
        number, event_id, data, instance, key, rule, settings, accepted_at, *more = row
        attempts, plan, parts_done, was, retried_at, edit = more
        return Delivery(
            id=number,
            event_id=event_id,
            event=amended(event_of(data, instance, key), edit),
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
            amended=edit is not None,
        )

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        return self._dead_letters(_NEWEST, limit)

    def dead_letter(self, number: int) -> DeadLetter | None:
        return next(iter(self._dead_letters(_ONE, number)), None)

    def dead_ids(self, after: int, limit: int) -> list[int]:
        rows = self._connection.execute("SELECT id FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [number for (number,) in rows]

    def dead_count(self) -> int:
        (number,) = self._connection.execute("SELECT count(*) FROM dead_letter").fetchone()
        return int(number)

    def _dead_letters(self, statement: str, argument: int) -> list[DeadLetter]:
        rows = self._connection.execute(statement, (argument,))
        return [
            DeadLetter(
                id=number,
                event=amended(event_of(data, instance, key), edit),
                target=channel_of(target_instance, target_key),
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
                edit,
            ) in rows
        ]

    def delivered_ids(self, event_id: int) -> Mapping[Channel, tuple[str, ...]]:
        parts: dict[Channel, tuple[str, ...]] = {}
        whole: dict[Channel, tuple[str, ...]] = {}
        for instance, key, message, last in self._connection.execute(_DELIVERED_IDS, (event_id,)):
            target = channel_of(instance, key)
            parts[target] = parts.get(target, ()) + (() if message is None else (message,))
            if last:
                whole[target] = parts[target]
        return whole

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
