"""What was said in a channel and its threads while they were not heard, out of Discord's history.

Ids grow with time wherever they are made, so that one id says how far a channel was heard with all its threads. Each
place is read from its newest message back to there; what was edited meanwhile is told for the messages that were read
and for the last page before them. What was deleted meanwhile, and who reacted, Discord tells only while the session can
be resumed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.events import Reader, Skipped
from drivers.discord.places import Home, Place, Places, message_id
from nextbridge.driver import Cursor, Host, Past
from nextbridge.envelope import Event
from nextbridge.errors import Paused, Rejected

__all__ = ["HistoryReader"]

_OVERLAP = 5_000
"""Milliseconds before the cursor that are read again: of two messages made side by side the later may be told first."""
_MOST_COUNTED = 5_000
"""Messages that are counted beyond those that are relayed; what is more is only said to be more."""
_AT_ONCE = 4
_WITH_THREADS = {0, 5, 15, 16}


class _Said(Struct):
    """A message, or what it was edited to, by the id of that moment."""

    number: int
    place: Place
    message: wire.Message

    def __lt__(self, other: _Said) -> bool:
        return self.number < other.number


class _Span(Struct, frozen=True):
    """What is asked for, in ids of the moments."""

    heard: int
    back_to: int
    """A little before what was heard."""
    oldest: int
    """What is older is too old."""
    most: int


class _Found(Struct):
    """What there is to be relayed."""

    messages: list[_Said]
    """The newest ones, as a heap with the oldest first."""
    edits: list[_Said]
    over: int = 0
    """Those that are left out."""
    counted: bool = True


class HistoryReader:
    """Reads the history of a bot's channels, a few at a time."""

    def __init__(self, places: Places, host: Host) -> None:
        self._places = places
        self._host = host
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def read(
        self, home: Home, cursor: Cursor, reader: Reader, api: Api, *, age: float, most: int
    ) -> AsyncIterator[Past]:
        """As `History.history`."""
        async with self._turns:
            heard, now = int(cursor.value), api.now()
            span = _Span(heard, max(heard - (_OVERLAP << 22), 0), wire.since(int(now - age * 1000)), most)
            found = _Found([], [])
            try:
                for place in await self._places_of(home, span.back_to, api):
                    await self._read_place(place, found, span, reader, api)
            except Refused as refused:
                reason = f"the history of channel {home.name} is refused ({refused.code}): {refused.message}"
                kind = Paused(reason, scope="channel") if refused.about_rights else Rejected(reason)
                raise kind from refused
            newest = max((said.number for said in found.messages), default=0)
            yield Past(
                events=self._events(found, cursor, reader),
                end=Cursor(cursor.name, str(max(heard, newest))),
                now=now,
                over=found.over,
                counted=found.counted,
            )

    async def _places_of(self, home: Home, back_to: int, api: Api) -> list[Place]:
        """The channel, and its threads in which something was said since."""
        places = [] if home.channel.is_forum else [Place(home)]
        if home.channel.is_thread:
            return places
        if home.channel.type in _WITH_THREADS:
            for thread in await api.archived_threads(home.channel.id):
                self._places.met_thread(thread)
        threads = self._places.threads_in(home.channel.id)
        return places + [Place(home, each.id) for each in threads if int(each.last_message_id or each.id) > back_to]

    async def _read_place(self, place: Place, found: _Found, span: _Span, reader: Reader, api: Api) -> None:
        before, read = "", 0
        while True:
            page = await api.messages(place.channel, before=before)
            for message in page:
                self._sort(message, place, found, span, reader)
            read += len(page)
            if len(page) < 100 or int(page[-1].id) <= span.back_to:
                return
            if read > span.most + _MOST_COUNTED or int(page[-1].id) < span.oldest:
                found.counted = False
                return
            before = page[-1].id

    @staticmethod
    def _sort(message: wire.Message, place: Place, found: _Found, span: _Span, reader: Reader) -> None:
        number = int(message.id)
        if message.type not in wire.MessageType.SAID or reader.is_ours(message):
            return
        if message.edited_timestamp is not None and number >= span.oldest:
            edited = int(message.edited_timestamp.timestamp() * 1000)
            if wire.since(edited) > span.back_to:
                found.edits.append(_Said(wire.since(edited), place, message))
        if number <= span.back_to:
            return
        if number < span.oldest:
            found.over += number > span.heard
            return
        heapq.heappush(found.messages, _Said(number, place, message))
        if len(found.messages) > span.most:
            found.over += heapq.heappop(found.messages).number > span.heard

    async def _events(self, found: _Found, cursor: Cursor, reader: Reader) -> AsyncIterator[tuple[Event, Cursor]]:
        """The messages, with the edits among them, the earliest first."""
        reached = int(cursor.value)
        for said in heapq.merge(sorted(found.messages), sorted(found.edits)):
            is_edit = said.message.edited_timestamp is not None and said.number != int(said.message.id)
            if not is_edit:
                reached = max(reached, said.number)
            place, message = said.place, said.message
            try:
                event: Event = reader.edited(message, place) if is_edit else reader.posted(message, place)
            except Skipped as skipped:
                self._host.skipped(str(skipped), message=(place.key, message_id(message.id, place.thread)))
                continue
            yield event, Cursor(cursor.name, str(reached))
