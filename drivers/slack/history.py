"""What happened in a channel while it was not heard, out of its history; and how far a channel was heard.

https://docs.slack.dev/reference/methods/conversations.history gives what was said in the channel itself, the newest
first; answers are asked for thread by thread, for those threads that have some since then. What was edited shows when.
What was deleted shows nothing, and is not made good. Messages that are to be relayed are in memory at once: they are no
more than the core asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, Self

from msgspec import Struct

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from drivers.slack.events import EventReader, is_said
from nextbridge.driver import Cursor, Past
from nextbridge.envelope import ChannelKey, Event
from nextbridge.errors import Paused, Rejected

__all__ = ["HistoryReader", "Reached"]

_PAGE = 200
_MOST_COUNTED = 5_000
"""Messages that are counted beyond those that are relayed; what is more is only said to be more."""
_MOST_THREADS = 100
"""Threads with new answers that are read; whoever answers in more of them meanwhile is not heard there."""
_OVERLAP = 10
"""Seconds before the cursor that are read again: of two messages of one moment the later can be told first."""
_AT_ONCE = 4
"""Channels whose history is read at a time."""


class EventOf(Protocol):
    """Makes an event of a message: of itself, or of its newest edit."""

    async def __call__(self, message: wire.Message, *, edited: bool) -> Event | None:
        """None where it is no event, for a reason that was counted."""


class Reached(Struct, frozen=True):
    """How far a channel was heard, as its cursor says it: the ts of the newest thing that was told there.

    One time tells of messages and of edits alike.
    """

    at: str
    floor: str = ""
    """What is older was left out on purpose, and is not looked at again."""

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        at, _, floor = cursor.value.partition(" ")
        return cls(at, floor)

    def cursor(self, channel: str) -> Cursor:
        return Cursor(channel, f"{self.at} {self.floor}" if self.floor else self.at)


class HistoryReader:
    """Reads the history of an app's channels, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def read(
        self,
        api: Api,
        reader: EventReader,
        channel: ChannelKey,
        heard: Reached,
        make: EventOf,
        *,
        age: float,
        most: int,
    ) -> AsyncIterator[Past]:
        """As `History.history`, from where the channel was heard."""
        async with self._turns:
            survey = _Survey(api, reader, channel, heard)
            await survey.read(most)
            now = api.now()
            oldest = now - age * 1000
            young = [each for each in survey.found if wire.milliseconds(each.ts) >= oldest]
            chosen = sorted(young, key=_place)[max(0, len(young) - most) :]
            kept = {each.ts for each in chosen}
            # what is dropped is no message of the gap where it lies before the cursor, in the overlap
            over = survey.uncounted + sum(
                1 for each in survey.found if each.ts not in kept and _is_after(each.ts, heard.at)
            )
            is_cut = survey.uncounted > 0 or len(young) > len(chosen)
            floor = chosen[0].ts if chosen and is_cut else heard.floor
            edits = [each for each in survey.edits if wire.milliseconds(_edit_of(each)) >= oldest]
            yield Past(
                events=_events(channel, Reached(heard.at, floor), chosen, edits, make),
                end=Reached(max(heard.at, survey.newest, *map(_edit_of, edits), key=wire.compare), floor).cursor(
                    channel
                ),
                now=now,
                over=over,
                counted=survey.complete,
            )


class _Survey:
    """What there is since a moment."""

    def __init__(self, api: Api, reader: EventReader, channel: ChannelKey, heard: Reached) -> None:
        self._api = api
        self._reader = reader
        self._channel = channel
        self._heard = heard
        since = max(wire.compare(heard.at)[0] - _OVERLAP, 0)
        self._back_to = max(f"{since}.000000", heard.floor, key=wire.compare)
        self.found: list[wire.Message] = []
        """What was said, without what we said ourselves."""
        self.edits: list[wire.Message] = []
        """What had been said before and was edited since."""
        self.uncounted = 0
        self.newest = "0.000000"
        self.complete = True
        self._threads: list[str] = []

    async def read(self, most: int) -> None:
        """Raises Retry, Paused and Rejected."""
        await self._roots(most)
        await self._before()
        for root in self._threads[:_MOST_THREADS]:
            await self._answers(root)

    async def _roots(self, most: int) -> None:
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = await self._page("conversations.history", oldest=self._back_to, **more)
            for message in _messages(page):
                self._note(message, most)
            cursor = page.response_metadata.next_cursor if page.response_metadata else ""
            if not cursor or not page.messages:
                return
            if self.uncounted > _MOST_COUNTED:
                self.complete = False
                return

    async def _before(self) -> None:
        """The newest of what lies before: some of it may have been edited or answered since."""
        if not any(wire.compare(self._heard.at)):
            return
        page = await self._page("conversations.history", latest=self._back_to, inclusive="true")
        for message in _messages(page):
            self._note_change(message)

    async def _answers(self, root: str) -> None:
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = await self._page("conversations.replies", ts=root, oldest=self._back_to, **more)
            for message in _messages(page):
                if message.ts == root or message.subtype == "thread_broadcast":
                    continue  # those stand in the channel itself
                self.newest = max(self.newest, message.ts, key=wire.compare)
                if self._is_relayed(message):
                    self.found.append(message)
                self._note_edit(message)
            cursor = page.response_metadata.next_cursor if page.response_metadata else ""
            if not cursor or not page.messages:
                return

    def _note(self, message: wire.Message, most: int) -> None:
        self.newest = max(self.newest, message.ts, key=wire.compare)
        self._note_change(message)
        if not self._is_relayed(message):
            return
        if len(self.found) < most:
            self.found.append(message)
        elif _is_after(message.ts, self._heard.at):
            self.uncounted += 1

    def _note_change(self, message: wire.Message) -> None:
        if message.latest_reply and _is_after(message.latest_reply, self._back_to):
            self._threads.append(message.ts)
        self._note_edit(message)

    def _note_edit(self, message: wire.Message) -> None:
        was_heard = not _is_after(message.ts, self._heard.at)
        if was_heard and self._is_relayed(message) and _is_after(_edit_of(message), self._back_to):
            self.edits.append(message)

    def _is_relayed(self, message: wire.Message) -> bool:
        return is_said(message) and not self._reader.is_ours(message)

    async def _page(self, method: str, **arguments: str) -> wire.Messages:
        try:
            return await self._api.look_up(
                method,
                wire.Messages,
                channel=self._channel,
                limit=str(_PAGE),
                include_all_metadata="true",
                **arguments,
            )
        except Refusal as refusal:
            if refusal.error == "thread_not_found":
                return wire.Messages()
            reason = f"the history of the channel is refused: {refusal}"
            if refusal.error in {"not_in_channel", "channel_not_found", "missing_scope"}:
                raise Paused(reason, scope="channel") from refusal
            raise Rejected(reason) from refusal


async def _events(
    channel: str, heard: Reached, messages: list[wire.Message], edits: list[wire.Message], make: EventOf
) -> AsyncIterator[tuple[Event, Cursor]]:
    """Messages with the edits among them, the earliest first."""
    reached = heard.at
    items = [(each.ts, each, False) for each in messages] + [(_edit_of(each), each, True) for each in edits]
    for at, message, edited in sorted(items, key=lambda item: wire.compare(item[0])):
        reached = max(reached, at, key=wire.compare)
        if (event := await make(message, edited=edited)) is not None:
            yield event, Reached(reached, heard.floor).cursor(channel)


def _messages(page: wire.Messages) -> list[wire.Message]:
    """Those that can be read."""
    return [message for each in page.messages if (message := wire.message(each)) is not None and message.ts]


def _edit_of(message: wire.Message) -> str:
    """When a message was last edited; a ts before all others where it never was."""
    return message.edited.ts if message.edited and message.edited.ts else "0.000000"


def _place(message: wire.Message) -> tuple[int, int]:
    return wire.compare(message.ts)


def _is_after(ts: str, other: str) -> bool:
    return wire.compare(ts) > wire.compare(other)
