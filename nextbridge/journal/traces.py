"""Finds everything that the journal knows of a message by its id alone. For an operator's question: it reads widely."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from nextbridge.envelope import Channel
from nextbridge.journal import Attempt, Outcome, State, Trace, Traced
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
_ATTEMPTS = """
    SELECT channel.instance, channel.key, terms.rule, terms.settings, attempt.at, attempt.outcome, attempt.reason
    FROM attempt JOIN channel ON channel.id = attempt.target JOIN terms ON terms.id = attempt.terms
    WHERE attempt.event = ? ORDER BY attempt.target, attempt.number
"""
_RECEIPTS = """
    SELECT channel.instance, channel.key, coalesce(terms.rule, ''), coalesce(terms.settings, ''), receipt.message,
        receipt.last, receipt.arrived_at
    FROM receipt JOIN channel ON channel.id = receipt.target LEFT JOIN terms ON terms.id = receipt.terms
    WHERE receipt.event = ? ORDER BY receipt.target, receipt.part
"""
_WAITING = """
    SELECT channel.instance, channel.key, terms.rule, terms.settings, waiting.attempts, coalesce(waiting.reason, '')
    FROM waiting JOIN channel ON channel.id = waiting.target JOIN terms ON terms.id = waiting.terms
    WHERE waiting.event = ? ORDER BY waiting.id
"""
_DEAD = """
    SELECT channel.instance, channel.key, terms.rule, terms.settings, dead_letter.attempts, dead_letter.reason,
        dead_letter.id
    FROM dead_letter JOIN channel ON channel.id = dead_letter.target JOIN terms ON terms.id = dead_letter.terms
    WHERE dead_letter.event = ? ORDER BY dead_letter.id
"""
_ENDS: dict[Outcome, State] = {
    "delivered": "delivered",
    "skipped": "skipped",
    "postponed": "withdrawn",
    "buried": "dropped",
    "deleted": "deleted",
}
"""What has become of a delivery that neither waits nor is dead, and of which nothing is there, by its last attempt."""


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


class _Way:
    """What the tables have of an event's way to one target."""

    def __init__(self) -> None:
        self.rule = ""
        self.settings = ""
        self.tried: list[Attempt] = []
        self.messages: list[str | None] = []
        self.is_whole = False
        self.arrived_at: int | None = None

    def traced(self, target: Channel) -> Traced:
        """As it is where it does not wait any more, nor is a dead letter."""
        last = self.tried[-1] if self.tried else None
        if last is not None and (last.outcome == "skipped" or not self.messages):
            state = _ENDS[last.outcome]
        else:
            state = "delivered" if self.is_whole else "partly delivered"
            if self.is_whole and self.arrived_at is not None and (last is None or last.outcome != "delivered"):
                self.tried.append(Attempt(self.arrived_at, "delivered"))
        return Traced(
            target=target,
            state=state,
            rule=self.rule,
            settings=self.settings,
            attempts=sum(each.outcome == "postponed" for each in self.tried),
            reason="" if state == "delivered" or last is None else last.reason,
            tried=tuple(self.tried),
            messages=tuple(self.messages),
        )


def _trace(connection: sqlite3.Connection, number: int) -> Trace:
    data, instance, key, accepted_at = connection.execute(_EVENT, (number,)).fetchone()
    found: dict[Channel, _Way] = {}
    for target_instance, target_key, rule, settings, at, outcome, reason in connection.execute(_ATTEMPTS, (number,)):
        way = found.setdefault(channel_of(target_instance, target_key), _Way())
        way.rule, way.settings = rule, settings
        way.tried.append(Attempt(at, outcome, reason))
    for target_instance, target_key, rule, settings, shown, last, at in connection.execute(_RECEIPTS, (number,)):
        way = found.setdefault(channel_of(target_instance, target_key), _Way())
        way.rule, way.settings = rule or way.rule, settings or way.settings
        way.messages.append(shown)
        if last:
            way.is_whole, way.arrived_at = True, at
    ended = {target: way.traced(target) for target, way in found.items()}
    ways = []
    for target_instance, target_key, rule, settings, attempts, reason in connection.execute(_WAITING, (number,)):
        target = channel_of(target_instance, target_key)
        so_far = ended.pop(target, Traced(target=target, state="waiting"))
        ways.append(
            replace(so_far, state="waiting", rule=rule, settings=settings, attempts=attempts, reason=reason),
        )
    for target_instance, target_key, rule, settings, attempts, reason, letter in connection.execute(_DEAD, (number,)):
        target = channel_of(target_instance, target_key)
        so_far = ended.pop(target, Traced(target=target, state="dead"))
        ways.append(
            replace(so_far, state="dead", rule=rule, settings=settings, attempts=attempts, reason=reason, dead=letter)
        )
    ways += ended.values()
    return Trace(event_id=number, event=event_of(data, instance, key), accepted_at=accepted_at, ways=tuple(ways))
