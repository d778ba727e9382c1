"""What was said in a room while it was not heard: out of its archive or, without one, of what it sends at a joining.

An archive is read twice. The first reading goes from the newest message back to where the room had been heard, and only
notes what there is: so what is too much is known before the first message is relayed. The second goes forward over the
same pages. A page or two are in memory at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from msgspec import Struct

from drivers.xmpp.archive import CLOCKS_DIFFER, Kept, Page
from drivers.xmpp.backlog import message_id
from drivers.xmpp.incoming import now
from drivers.xmpp.room import Room
from drivers.xmpp.stanzas import Message
from drivers.xmpp.stream import Refused
from nextbridge.driver import Cursor, Past
from nextbridge.envelope import Event
from nextbridge.errors import Paused, Rejected, Retry

__all__ = ["read_history"]

_MOST_COUNTED = 5_000
"""Messages that are counted beyond those that are relayed; what is more is only said to be more."""
_HALF = 500
"""Milliseconds into the second that an archive gives: what was said later than a whole second is not before it."""


class _Heard(Struct, frozen=True):
    """How far a room was heard, as its cursor says it."""

    at: int
    id: str

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        at, _, room_id = cursor.value.partition(" ")
        return cls(int(at), room_id)

    def passes(self, kept: Kept) -> bool:
        """Whether a message, going back, is one that was heard."""
        if self.id and " " not in self.id:
            return kept.id == self.id or kept.at < self.at - CLOCKS_DIFFER
        return kept.at < self.at - self.at % 1000


class _Note(Struct, frozen=True, gc=False):
    """As much of a message as the first reading needs."""

    id: str
    at: int
    is_new: bool
    """It is a message of its own, and does nothing to another."""


class _Survey:
    """The first reading."""

    def __init__(self, room: Room, heard: _Heard) -> None:
        self._room = room
        self._heard = heard
        self.found: list[_Note] = []
        """The newest first; without our own."""
        self.pages: list[str] = []
        """What each page stands before; nothing for the newest."""
        self.first = Page((), complete=True)
        self.newest: Kept | None = None
        self.complete = False

    async def read(self, *, most: int) -> None:
        """Back to where the room was heard, or until more than so many messages are found."""
        before = ""
        while len(self.found) <= most:
            page = await self._room.archive.page(before=before)
            if not before:
                self.first = page
                self.newest = page.kept[-1] if page.kept else None
            self.pages.append(before)
            for kept in reversed(page.kept):
                if self._heard.passes(kept):
                    self.complete = True
                    return
                if _is_relayed(kept.message) and not self._room.us.said(kept.message):
                    self.found.append(_Note(kept.id, kept.at, kept.message.is_new))
            if page.complete:
                self.complete = True
                return
            before = page.kept[0].id


def _is_relayed(message: Message) -> bool:
    return bool(message.body or message.files or message.retracts or message.reacts_to or message.subject is not None)


@asynccontextmanager
async def read_history(room: Room, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
    """As `History.history`."""
    if not room.is_joined:
        raise Retry(room.reason)
    heard, moment = _Heard.of(cursor), now()
    oldest = int(moment - age * 1000)
    if not room.has_archive:
        yield _remembered(room, heard, oldest, most, moment)
        return
    survey = _Survey(room, heard)
    try:
        await survey.read(most=most + _MOST_COUNTED)
    except Refused as error:
        condition = error.failure.condition
        reason = f"the archive of {room.key} is refused ({condition})"
        raise Paused(reason, scope="channel") if condition == "forbidden" else Rejected(reason) from None
    young = [note for note in survey.found if note.at >= oldest]
    posts = [note.id for note in young if note.is_new]
    chosen = {note.id for note in young if not note.is_new} | set(posts[:most])
    newest = survey.newest
    yield Past(
        events=_read_again(room, survey, chosen),
        end=cursor if newest is None else _cursor(room, max(newest.at, heard.at), newest.id),
        now=moment,
        over=sum(1 for note in survey.found if note.is_new and note.id not in chosen),
        counted=survey.complete,
    )


async def _read_again(room: Room, survey: _Survey, chosen: set[str]) -> AsyncIterator[tuple[Event, Cursor]]:
    for before in reversed(survey.pages):
        if not chosen:
            return
        try:
            page = await room.archive.page(before=before) if before else survey.first
        except Refused:
            continue  # what it stood before has been taken out of the archive meanwhile
        for kept in page.kept:
            if kept.id not in chosen:
                continue
            chosen.discard(kept.id)
            at = kept.at if kept.at % 1000 else kept.at + _HALF
            for event in await room.events_of(kept.message, at):
                yield event, _cursor(room, kept.at, kept.id)


def _remembered(room: Room, heard: _Heard, oldest: int, most: int, moment: int) -> Past:
    """Out of what the room sent when it was joined."""
    past = [(message, at) for message, at in room.past if _is_relayed(message)]
    place = next((place for place, (message, _) in enumerate(past) if message_id(message) == heard.id), None)
    if place is not None:
        past = past[place + 1 :]
    else:
        # what was heard already is known by its id, where it has one
        past = [(message, at) for message, at in past if at > heard.at - (CLOCKS_DIFFER if message.id else 0)]
    young = [(message, at) for message, at in past if at >= oldest]
    left_out = max(sum(message.is_new for message, _ in young) - most, 0)
    over = sum(message.is_new for message, at in past if at < oldest) + left_out

    async def events() -> AsyncIterator[tuple[Event, Cursor]]:
        number = 0
        for message, at in young:
            number += message.is_new
            if message.is_new and number <= left_out:
                continue
            for event in await room.events_of(message, at + _HALF):
                yield event, _cursor(room, at, message_id(message))

    end = _cursor(room, max(past[-1][1], heard.at), message_id(past[-1][0])) if past else None
    return Past(events=events(), end=end or _cursor(room, heard.at, heard.id), now=moment, over=over)


def _cursor(room: Room, at: int, room_id: str) -> Cursor:
    return Cursor(room.key, f"{at} {room_id}")
