"""What became of a message: looked up from either side of a way, in SQL, on the reader's connection."""

from __future__ import annotations

import sqlite3

from nextbridge.envelope import Channel, Deleted, Edited, Posted, Reacted, decode
from nextbridge.journal import Fate
from nextbridge.journal.rows import amended, channel_of, event_of
from nextbridge.journal.schema import KINDS, LATER, PERIOD

__all__ = ["Fates"]

_POSTED = KINDS[Posted]
_LATEST = 2**63 - 1

_EVENT = (
    "SELECT event.id, event.channel, event.message, event.kind, event.data, channel.instance, channel.key, event.period"
)
_OF_MESSAGE = f"""
    WITH RECURSIVE period (number) AS (
        SELECT max(period) FROM event
        UNION ALL SELECT (SELECT max(period) FROM event WHERE period < number) FROM period WHERE number IS NOT NULL
    )
    {_EVENT} FROM period CROSS JOIN event ON event.period = period.number AND event.channel = ? AND event.message = ?
        AND event.kind = {_POSTED}
    JOIN channel ON channel.id = event.channel LIMIT 1
"""  # noqa: S608 - ours
_OF_ID = f"{_EVENT} FROM event JOIN channel ON channel.id = event.channel WHERE event.id = ?"
_ANSWERS = """
    SELECT event.id, channel.instance, channel.key, event.message FROM event JOIN channel ON channel.id = event.channel
    WHERE event.channel = ? AND event.root = ?
"""
_BECAME = f"""
    WITH RECURSIVE
        bounds (first, last) AS (
            SELECT (SELECT min(event) FROM receipt) >> {PERIOD}, (SELECT max(event) FROM receipt) >> {PERIOD}
        ),
        period (number) AS (
            SELECT last FROM bounds UNION ALL SELECT number - 1 FROM period, bounds WHERE number > first
        )
    SELECT receipt.event FROM period CROSS JOIN receipt
        ON receipt.target = :target AND receipt.event >> {PERIOD} = period.number AND receipt.message = :message
    LIMIT 1
"""  # noqa: S608 - PERIOD is ours
_CHANGES = "later CROSS JOIN event AS change ON change.period = later.number AND change.channel = :channel"
_EDITED = f"{_CHANGES} AND change.message = :message AND change.kind = {KINDS[Edited]}"
_STATE = f"""
    {LATER}
    SELECT max(change.id) FILTER (WHERE change.kind = {KINDS[Edited]} AND change.id < :before), max(change.kind)
    FROM {_CHANGES} AND change.message = :message AND change.kind IN ({KINDS[Edited]}, {KINDS[Deleted]})
"""  # noqa: S608 - ours
_SAYS = "SELECT data FROM event WHERE id = ?"
_CORRECTIONS = f"""
    {LATER} SELECT receipt.event, receipt.message FROM {_EDITED}
    CROSS JOIN receipt ON receipt.event = change.id AND receipt.target = :target ORDER BY receipt.event, receipt.part
"""  # noqa: S608 - ours
_LATER_REACTIONS = f"""
    {LATER} SELECT change.data FROM {_CHANGES} AND change.message = :message AND change.kind = {KINDS[Reacted]}
        AND change.id > :after
"""  # noqa: S608 - ours
_RECEIPTS = "SELECT message, note FROM receipt WHERE event = ? AND target = ? ORDER BY part"
_DEAD = "SELECT id FROM dead_letter WHERE event = ? AND target = ? LIMIT 1"
# what has an id of its own time lies between its event and the next; the rest has kept its first id as its key
_WAITING = """
    SELECT id FROM waiting WHERE target = :target AND event = :event AND id > :event
        AND id < coalesce((SELECT min(id) FROM event WHERE id > :event), 9223372036854775807)
    UNION ALL SELECT id FROM waiting WHERE key IS NOT NULL AND event = :event AND target = :target
    LIMIT 1
"""
_COPIES = "SELECT target, message FROM receipt WHERE event = ? AND message IS NOT NULL"
_REACTORS = "SELECT reactor FROM reaction WHERE event = ? AND target = ? AND emoji = ?"

Row = tuple[int, int, str, int, bytes, str, str, int]


class Fates:
    """Use it on the reader's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of(self, target: Channel, channel: Channel, message: str, before: int = _LATEST) -> Fate | None:
        """See `Journal.fate`."""
        row = self._posted(self._number(channel), message)
        return None if row is None else self._fate(row, self._number(target), before)

    def corrections(self, target: Channel, channel: Channel, message: str) -> dict[int, tuple[str | None, ...]]:
        """See `Journal.corrections`."""
        row = self._posted(self._number(channel), message)
        found: dict[int, tuple[str | None, ...]] = {}
        if row is not None:
            names = {"period": row[7], "channel": row[1], "message": row[2], "target": self._number(target)}
            for edit, part in self._connection.execute(_CORRECTIONS, names):
                found[edit] = (*found.get(edit, ()), part)
        return found

    def thread(self, channel: Channel, root: str) -> list[tuple[Channel, str]]:
        """See `Journal.thread`."""
        number = self._number(channel)
        row = self._posted(number, root)
        roots = [(number, root)]
        if row is not None and row[1] == number:  # what was done to a copy is done there alone
            roots += self._connection.execute(_COPIES, (row[0],))
        answers = {
            each[0]: each for where in dict.fromkeys(roots) for each in self._connection.execute(_ANSWERS, where)
        }
        return [(channel_of(instance, key), message) for _, instance, key, message in sorted(answers.values())]

    def reactors(self, target: Channel, event_id: int, emoji: str) -> frozenset[str]:
        """See `Journal.reactors`."""
        rows = self._connection.execute(_REACTORS, (event_id, self._number(target), emoji))
        return frozenset(reactor for (reactor,) in rows)

    def reacted_again(self, event_id: int) -> bool:
        """See `Journal.reacted_again`."""
        row = self._connection.execute(_OF_ID, (event_id,)).fetchone()
        if row is None:
            return False
        number, channel, message, _, data, *_, period = row
        names = {"period": period, "channel": channel, "message": message, "after": number}
        reacted = decode(data)
        assert isinstance(reacted, Reacted)  # noqa: S101 - nobody asks for anything else
        return any(
            isinstance(later := decode(each), Reacted)
            and (later.author.id, later.emoji) == (reacted.author.id, reacted.emoji)
            for (each,) in self._connection.execute(_LATER_REACTIONS, names)
        )

    def _number(self, channel: Channel) -> int | None:
        row = self._connection.execute(
            "SELECT id FROM channel WHERE instance = ? AND key = ?", (channel.instance, channel.key)
        ).fetchone()
        return None if row is None else row[0]

    def _posted(self, channel: int | None, message: str) -> Row | None:
        """The event that a channel's message is, or was made from."""
        row: Row | None = self._connection.execute(_OF_MESSAGE, (channel, message)).fetchone()
        if row is not None:
            return row
        found = self._connection.execute(_BECAME, {"target": channel, "message": message}).fetchone()
        if found is None:
            return None
        row = self._connection.execute(_OF_ID, found).fetchone()
        if row is None or row[3] == _POSTED:
            return row
        # what a correction was posted as stands for what it corrects
        return self._connection.execute(_OF_MESSAGE, (row[1], row[2])).fetchone()  # type: ignore[no-any-return]

    def _fate(self, row: Row, target: int | None, before: int = _LATEST) -> Fate:
        number, channel, message, _, data, instance, key, period = row
        names = {"period": period, "channel": channel, "message": message, "before": before}
        edit, newest_kind = self._connection.execute(_STATE, names).fetchone()
        deleted = newest_kind == KINDS[Deleted]  # which is the higher number
        says = self._connection.execute(_SAYS, (edit,)).fetchone()  # it may have been purged just now
        event = amended(event_of(data, instance, key), None if says is None else says[0])
        assert isinstance(event, Posted)  # noqa: S101 - the row's kind says so
        if channel == target:
            return Fate(event_id=number, event=event, parts=(message,), edit=edit, deleted=deleted)
        receipts = self._connection.execute(_RECEIPTS, (number, target)).fetchall()
        dead = self._connection.execute(_DEAD, (number, target)).fetchone()
        return Fate(
            event_id=number,
            event=event,
            parts=tuple(message for message, _ in receipts),
            dead=None if dead is None else dead[0],
            waiting=self._waiting(number, target),
            note=next((note for _, note in reversed(receipts) if note is not None), None),
            edit=edit,
            edit_waits=edit is not None and self._waiting(edit, target) is not None,
            deleted=deleted,
        )

    def _waiting(self, event: int, target: int | None) -> int | None:
        row = self._connection.execute(_WAITING, {"event": event, "target": target}).fetchone()
        return None if row is None else row[0]
