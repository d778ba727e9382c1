"""Finds everything that the journal knows of a message by its id alone. For an operator's question: it reads widely."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from nextbridge.envelope import Channel
from nextbridge.journal import Trace, Traced
from nextbridge.journal.rows import channel_of, event_of
from nextbridge.journal.schema import connect_reader

__all__ = ["traces"]

# Both read a whole index: ids are in no order over all time.
_SAID = "SELECT id FROM event WHERE message = ? ORDER BY id DESC LIMIT ?"
_SHOWN = "SELECT DISTINCT event FROM receipt WHERE message = ? ORDER BY event DESC LIMIT ?"
_MESSAGE = "SELECT channel, message FROM event WHERE id = ?"
_ABOUT = "SELECT id FROM event WHERE channel = ? AND message = ? ORDER BY id DESC LIMIT ?"
_EVENT = """
    SELECT event.data, channel.instance, channel.key, event.accepted_at
    FROM event JOIN channel ON channel.id = event.channel WHERE event.id = ?
"""
_RECEIPTS = """
    SELECT channel.instance, channel.key, receipt.message, receipt.last
    FROM receipt JOIN channel ON channel.id = receipt.target
    WHERE receipt.event = ? ORDER BY receipt.target, receipt.part
"""
_WAITING = """
    SELECT channel.instance, channel.key, terms.rule, waiting.attempts, coalesce(waiting.reason, '')
    FROM waiting JOIN channel ON channel.id = waiting.target JOIN terms ON terms.id = waiting.terms
    WHERE waiting.event = ? ORDER BY waiting.id
"""
_DEAD = """
    SELECT channel.instance, channel.key, terms.rule, dead_letter.attempts, dead_letter.reason, dead_letter.id
    FROM dead_letter JOIN channel ON channel.id = dead_letter.target JOIN terms ON terms.id = dead_letter.terms
    WHERE dead_letter.event = ? ORDER BY dead_letter.id
"""


def traces(path: Path, message: str, limit: int) -> list[Trace]:
    """The newest events about what some channel knows as `message`, oldest first, at most `limit` of them. Blocking.

    On a connection of its own, so that nothing waits for it. Raises JournalError, sqlite3.Error, and for a damaged row
    what `envelope.decode` raises.
    """
    message = message.encode("utf-8", "replace").decode()  # a half of a surrogate pair is in no id
    with closing(connect_reader(path)) as connection:
        connection.execute("BEGIN")  # all of it as of one moment
        found = {number for (number,) in connection.execute(_SAID, (message, limit))}
        for (shown,) in connection.execute(_SHOWN, (message, limit)).fetchall():
            channel, said = connection.execute(_MESSAGE, (shown,)).fetchone()
            found |= {number for (number,) in connection.execute(_ABOUT, (channel, said, limit))}
        return [_trace(connection, number) for number in sorted(found)[-limit:]]


def _trace(connection: sqlite3.Connection, number: int) -> Trace:
    data, instance, key, accepted_at = connection.execute(_EVENT, (number,)).fetchone()
    receipts: dict[Channel, list[str | None]] = {}
    whole: set[Channel] = set()
    for target_instance, target_key, shown, last in connection.execute(_RECEIPTS, (number,)):
        target = channel_of(target_instance, target_key)
        receipts.setdefault(target, []).append(shown)
        if last:
            whole.add(target)
    ways = [
        Traced(
            target=channel_of(target_instance, target_key),
            state="waiting",
            rule=rule,
            attempts=attempts,
            reason=reason,
            messages=tuple(receipts.pop(channel_of(target_instance, target_key), ())),
        )
        for target_instance, target_key, rule, attempts, reason in connection.execute(_WAITING, (number,))
    ]
    ways += [
        Traced(
            target=channel_of(target_instance, target_key),
            state="dead",
            rule=rule,
            attempts=attempts,
            reason=reason,
            dead=letter,
            messages=tuple(receipts.pop(channel_of(target_instance, target_key), ())),
        )
        for target_instance, target_key, rule, attempts, reason, letter in connection.execute(_DEAD, (number,))
    ]
    ways += [
        Traced(target=target, state="delivered" if target in whole else "partly delivered", messages=tuple(shown))
        for target, shown in receipts.items()
    ]
    return Trace(event=event_of(data, instance, key), accepted_at=accepted_at, ways=tuple(ways))
