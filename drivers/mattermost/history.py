"""What was posted in a channel while it was not heard, out of the server's history; and how far a channel was heard.

The history is read twice. The first reading goes from the newest post back to where we had heard, and only notes what
there is: so what is too much is known before the first post is relayed. The second goes forward over the same pages.
No more than two pages of a channel are in memory at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self, TypeAlias

import msgspec
from msgspec import Raw, Struct

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from nextbridge.driver import Cursor, Past
from nextbridge.envelope import ChannelKey, Event, UserId
from nextbridge.errors import Paused, Rejected

__all__ = ["HistoryReader", "PostsOf", "Reached"]

_PAGE = 100
"""Posts; of the longest kind they stay well below the longest answer that is taken."""
_MOST_COUNTED = 5_000
"""Posts that are counted beyond those that are relayed; what is more is only said to be more."""
_OVERLAP = 10_000
"""Milliseconds before the cursor that are read again: of two posts made side by side the later can be told first."""
_AT_ONCE = 4
"""Channels whose history is read at a time."""


EventOf: TypeAlias = Callable[[Raw], Awaitable[Event | None]]
"""Makes an event of a post's JSON; None where it is none, for a reason that was counted."""


class Reached(Struct, frozen=True):
    """How far a channel was heard, as its cursor says it.

    One time tells of posts and of changes to them alike: `since=` asks for both.
    """

    at: int
    """The newest of what was received, in milliseconds by the server's clock."""
    floor: int = 0
    """What is older was left out on purpose, and is not looked at again."""

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        at, _, floor = cursor.value.partition(" ")
        return cls(int(at), int(floor or 0))

    def cursor(self, channel: str) -> Cursor:
        return Cursor(channel, f"{self.at} {self.floor}" if self.floor else str(self.at))


class PostsOf(Struct, frozen=True):
    """One channel's history to be read, for one account."""

    api: Api
    channel: ChannelKey
    name: str
    me: UserId

    async def page(self, before: str) -> wire.PostPage:
        """The newest posts before that one (or of all). Raises Retry, Paused and Rejected."""
        try:
            return await self.api.posts_before(self.channel, before, most=_PAGE)
        except Refusal as refusal:
            reason = f"the history of channel {self.name} is refused ({refusal.status}): {refusal.message}"
            if refusal.about_rights:
                raise Paused(reason, scope="channel") from refusal
            raise Rejected(reason) from refusal


class _Note(Struct, frozen=True, gc=False):
    """As much of a post as the first reading needs."""

    id: str
    create_at: int
    user_id: str = ""
    type: str = ""


class _Survey:
    """The first reading: which posts there are to be relayed, and on which pages they stand."""

    def __init__(self, posts: PostsOf) -> None:
        self._posts = posts
        self.found: dict[str, int] = {}
        """When each was made; the newest first. Without our own, and without those that the server itself makes."""
        self.pages: list[tuple[str, int]] = []
        """The post that each page stands before (nothing for the newest page), and when its newest post was made."""
        self.first = wire.PostPage()
        self.newest = 0
        self.complete = False
        """Whether it goes back as far as was asked for."""

    async def read(self, back_to: int, *, most: int) -> None:
        """Until `back_to` (milliseconds), or until more than `most` are found."""
        anchor = ""
        while len(self.found) <= most:
            page = await self._posts.page(anchor)
            if not anchor:
                self.first = page
            notes = _notes(page)
            if not notes:
                self.complete = True
                return
            self.newest = max(self.newest, notes[0].create_at)
            self.found |= {note.id: note.create_at for note in notes if self._is_relayed(note, back_to)}
            oldest = notes[-1].create_at
            self.pages.append((anchor, notes[0].create_at))
            if oldest < back_to:
                self.complete = True
                return
            # a page leaves out what shares its anchor's millisecond: stand on one that is later than the last
            anchor = next((note.id for note in reversed(notes) if note.create_at > oldest), notes[-1].id)

    def _is_relayed(self, note: _Note, back_to: int) -> bool:
        return note.create_at >= back_to and note.user_id != self._posts.me and not note.type.startswith("system_")


class HistoryReader:
    """Reads the history of an account's channels, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def read(
        self, posts: PostsOf, heard: Reached, make: EventOf, *, age: float, most: int
    ) -> AsyncIterator[Past]:
        """As `History.history`, from where the channel was heard."""
        async with self._turns:
            back_to = max(heard.at - _OVERLAP, heard.floor)
            survey = _Survey(posts)
            await survey.read(back_to, most=most + _MOST_COUNTED)
            now = posts.api.server_time()
            young = {post: at for post, at in survey.found.items() if at >= now - age * 1000}
            chosen = dict(list(young.items())[:most])
            over = sum(1 for post, at in survey.found.items() if post not in chosen and at > heard.at)
            floor = min(chosen.values()) if len(young) > len(chosen) else heard.floor
            end = Reached(max(heard.at, survey.newest), floor)
            yield Past(
                events=_events(posts, survey, chosen, Reached(heard.at, floor), make),
                end=end.cursor(posts.channel),
                now=now,
                over=over,
                counted=survey.complete,
            )


async def _events(
    posts: PostsOf, survey: _Survey, chosen: dict[str, int], heard: Reached, make: EventOf
) -> AsyncIterator[tuple[Event, Cursor]]:
    """The second reading, the oldest post first."""
    oldest = min(chosen.values(), default=0)
    for anchor, newest in reversed(survey.pages):
        if not chosen or newest < oldest:
            continue
        page = await posts.page(anchor) if anchor else survey.first
        for note in reversed(_notes(page)):
            if chosen.pop(note.id, None) is None:
                continue  # not asked for, or it stood on the page before
            event = await make(page.posts[note.id])
            if event is not None:
                yield event, Reached(max(heard.at, note.create_at), heard.floor).cursor(posts.channel)


def _notes(page: wire.PostPage) -> list[_Note]:
    """A page's posts, the newest first; without those that cannot be read."""
    notes = []
    for post in page.order:
        try:
            note = msgspec.json.decode(page.posts[post], type=_Note)
        except (KeyError, msgspec.DecodeError):
            continue
        notes.append(note)
    return notes
