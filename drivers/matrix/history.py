"""What happened in a room while it was not heard, out of the server's history; and how far a room was heard.

The history is read twice. The first reading goes from the newest event back to where we had heard, and only notes what
there is: so what is too much is known before the first message is relayed. The second goes forward over the same pages.
No more than two pages of a room are in memory at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from msgspec import Struct, field

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from nextbridge.driver import Cursor, Past
from nextbridge.envelope import ChannelKey, Event
from nextbridge.errors import Paused, Rejected

__all__ = ["HistoryReader", "Span"]

_PAGE = 100
_MOST_COUNTED = 5_000
"""Messages that are counted beyond those that are relayed; what is more is only said to be more."""
_MOST_PAGES = 500
"""Pages of a room that are looked at, whatever stands on them."""
_AT_ONCE = 4
"""Rooms whose history is read at a time."""
_SAID = {"m.room.message", "m.room.encrypted", "m.sticker"}


class EventOf(Protocol):
    """Makes the core's event of a room's."""

    async def __call__(self, event: wire.Event) -> Event | None:
        """None where it is no event, for a reason that was counted."""


class Span(Struct, frozen=True):
    """One room's history to be read."""

    api: Api
    room: ChannelKey
    name: str
    is_ours: Callable[[str], bool]
    """Whether what that account says is ours."""
    since: str
    """The sync token that the room was heard up to."""
    now: str
    """The sync token up to which it will have been read at the end: what comes after is read, too, and told live."""

    async def page(self, start: str | None) -> wire.Page:
        """The newest events before that token (or of all), as far as `since`. Raises Retry, Paused and Rejected."""
        try:
            return await self.api.messages(self.room, start=start, to=self.since, backwards=True, most=_PAGE)
        except Refusal as refusal:
            reason = f"the history of room {self.name} is refused ({refusal.status}): {refusal.message}"
            if refusal.about_rights:
                raise Paused(reason, scope="channel") from refusal
            raise Rejected(reason) from refusal


class _Survey(Struct):
    """The first reading: which messages there are to be relayed, and on which pages they stand."""

    found: dict[str, int] = field(default_factory=dict)
    """When each was sent; the newest first. Without our own, and without edits."""
    pages: list[tuple[str | None, str]] = field(default_factory=list)
    """The token that each page was asked for from, the newest first, and the one where it ends."""
    first: wire.Page = field(default_factory=wire.Page)
    complete: bool = False
    """Whether it goes back as far as was asked for."""


async def _survey(span: Span, most: int) -> _Survey:
    survey = _Survey()
    start: str | None = None
    while len(survey.found) <= most and len(survey.pages) < _MOST_PAGES:
        page = await span.page(start)
        if not survey.pages:
            survey.first = page
        for event in wire.events_of(page.chunk):
            if _is_message(event, span.is_ours):
                survey.found[event.event_id] = event.origin_server_ts
        survey.pages.append((start, page.end or span.since))
        if not page.chunk or page.end is None or page.end == start:
            survey.complete = True
            return survey
        start = page.end
    return survey


def _is_message(event: wire.Event, is_ours: Callable[[str], bool]) -> bool:
    if event.type not in _SAID or is_ours(event.sender) or event.is_redacted or event.state_key is not None:
        return False
    return wire.Content(event.content).part("m.relates_to").text("rel_type") != "m.replace"


class HistoryReader:
    """Reads the history of an account's rooms, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def read(self, span: Span, make: EventOf, *, age: float, most: int) -> AsyncIterator[Past]:
        """As `History.history`."""
        async with self._turns:
            survey = await _survey(span, most + _MOST_COUNTED)
            now = span.api.clock.now()
            oldest = int(now - age * 1000)
            young = [event for event, at in survey.found.items() if at >= oldest]
            chosen = set(young[:most])
            yield Past(
                events=_second_reading(span, survey, chosen, oldest, make),
                end=Cursor(span.room, span.now),
                now=now,
                over=len(survey.found) - len(chosen),
                counted=survey.complete,
            )


async def _second_reading(
    span: Span, survey: _Survey, chosen: set[str], oldest: int, make: EventOf
) -> AsyncIterator[tuple[Event, Cursor]]:
    """The chosen messages, and what was done among them and after; the earliest first."""
    left_out = survey.found.keys() - chosen
    begun = not left_out
    reached = span.since
    for start, _ in reversed(survey.pages):
        page = survey.first if start is None else await span.page(start)
        for event in reversed(wire.events_of(page.chunk)):
            if event.event_id in left_out:
                continue
            begun = begun or event.event_id in chosen
            # what was done before the first message that is relayed was done to what is left out
            if begun and event.origin_server_ts >= oldest and (made := await make(event)) is not None:
                yield made, Cursor(span.room, reached)
        reached = start or span.now
