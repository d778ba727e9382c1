"""Finds what the journal keeps of a person's doing. For an operator who is asked to forget it: it reads everything."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from msgspec import structs

from nextbridge.envelope import (
    Author,
    Edited,
    Event,
    InstanceId,
    Joined,
    Left,
    MessageId,
    Posted,
    Reacted,
    TopicChanged,
    UserId,
    decode,
    encode,
)
from nextbridge.journal import Authored, Did, KnownAs
from nextbridge.journal.rows import channel_of
from nextbridge.journal.schema import connect_reader
from nextbridge.markup import RichText

__all__ = ["NOBODY", "authored", "without_person"]

NOBODY = Author(id=UserId("-"), username="-", name="(forgotten)")
"""Who stands in place of somebody who was forgotten."""
# most rows are left out by their bytes alone, without being decoded
_MENTIONING = """
    SELECT event.id, channel.instance, channel.key, event.data FROM event JOIN channel ON channel.id = event.channel
    WHERE instr(event.data, ?) ORDER BY event.id
"""
_COPIES = """
    SELECT channel.instance, channel.key, receipt.message FROM receipt JOIN channel ON channel.id = receipt.target
    WHERE receipt.event = ? AND receipt.message IS NOT NULL
"""


def authored(path: Path, person: str, instance: InstanceId | None = None) -> Authored:
    """What somebody said or did whose id or handle this is, on one instance or on all. Blocking.

    On a connection of its own, so that nothing waits for it. Raises JournalError, sqlite3.Error, and for a damaged row
    what `envelope.decode` raises.
    """
    needle = person.encode("utf-8", "replace")
    found: dict[tuple[InstanceId, UserId], KnownAs] = {}
    events: list[Did] = []
    with closing(connect_reader(path)) as connection:
        for number, name, channel, data in connection.execute(_MENTIONING, (needle,)):
            author = decode(data).author
            if person not in {author.id, author.username} or instance not in {None, name}:
                continue
            copies = connection.execute(_COPIES, (number,))
            became = tuple((channel_of(at, where), MessageId(message)) for at, where, message in copies)
            events.append(Did(number, channel_of(name, channel), became))
            key = InstanceId(name), author.id
            said = found[key].events + 1 if key in found else 1
            found[key] = KnownAs(*key, author.username, author.name, said)
    return Authored(tuple(found.values()), tuple(events))


def without_person(data: bytes) -> bytes | None:
    """An event as it stays, without who did it and what they said: that it was is to be known when it is told again.

    None for what need not stay at all: who reacted, came or went is in the very name of that.
    """
    event = decode(data)
    return None if isinstance(event, Reacted | Joined | Left) else encode(_blank(event))


def _blank(event: Event) -> Event:
    match event:
        case Posted() | Edited():
            return structs.replace(event, author=NOBODY, text=RichText(), attachments=())
        case TopicChanged():
            return structs.replace(event, author=NOBODY, topic="")
        case _:
            return structs.replace(event, author=NOBODY)
