"""What happened in a channel while it was not heard, out of the server's history; and how far a channel was heard.

The posts are read twice. The first reading goes from the newest post back to where we had heard, and only notes what
there is: so what is too much is known before the first post is relayed. The second goes forward over the same pages.
No more than two pages of a channel are in memory at a time. What was edited or deleted comes with one call beside that
and is put in its place among the posts; the server gives no more than 1,000 rows of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, Self

import msgspec
from msgspec import Raw, Struct

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal, TooLong
from nextbridge.driver import Cursor, Host, Past
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


_MOST_CHANGED = 1_000
"""Rows that the server gives of what was changed; with as many there may be more."""


class EventOf(Protocol):
    """Makes an event of a post's JSON: of the post, or of its newest edit or its deletion."""

    async def __call__(self, raw: Raw, *, changed: bool) -> Event | None:
        """None where it is no event, for a reason that was counted."""


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
    host: Host

    async def changes(self, heard: Reached, age: float) -> list[_Change]:
        """What was done since to posts that had been heard, the earliest first. Raises as `page`."""
        oldest = int(self.api.clock.now() - age * 1000)
        since = max(heard.at - _OVERLAP, oldest)
        try:
            page = await self.api.posts_since(self.channel, since)
        except TooLong:
            self._tell_incomplete()
            return []
        except Refusal as refusal:
            raise self._refused(refusal) from refusal
        if len(page.order) >= _MOST_CHANGED:
            self._tell_incomplete()
        changes = [
            _Change(note.changed_at, page.posts[note.id])
            for note in _notes(page)
            if note.create_at <= heard.at
            and note.changed_at > since
            and not note.original_id
            and not note.type.startswith("system_")
        ]
        return sorted(changes, key=lambda change: change.at)

    def _tell_incomplete(self) -> None:
        self.host.skipped("changes_not_fetched")
        why = "so much was posted and changed meanwhile that the server does not tell all of it"
        self.host.log.warning("edits_not_relayed", channel=self.name, reason=why)

    async def page(self, before: str) -> wire.PostPage:
        """The newest posts before that one (or of all). Raises Retry, Paused and Rejected."""
        try:
            return await self.api.posts_before(self.channel, before, most=_PAGE)
        except Refusal as refusal:
            raise self._refused(refusal) from refusal

    def _refused(self, refusal: Refusal) -> Paused | Rejected:
        reason = f"the history of channel {self.name} is refused ({refusal.status}): {refusal.message}"
        return Paused(reason, scope="channel") if refusal.about_rights else Rejected(reason)


class _Note(Struct, frozen=True, gc=False):
    """As much of a post as the first reading needs."""

    id: str
    create_at: int
    edit_at: int = 0
    delete_at: int = 0
    user_id: str = ""
    type: str = ""
    original_id: str = ""
    """Set on a row that is an earlier version of a post."""

    @property
    def changed_at(self) -> int:
        return max(self.edit_at, self.delete_at)


class _Change(Struct, frozen=True):
    """A post that says something else now, or is gone."""

    at: int
    post: Raw


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
        self, posts: PostsOf, heard: Reached, make: EventOf, *, age: float, most: int, quiet: bool
    ) -> AsyncIterator[Past]:
        """As `History.history`, from where the channel was heard. While it was quiet, nothing was posted."""
        async with self._turns:
            back_to = max(heard.at - _OVERLAP, heard.floor)
            survey = _Survey(posts)
            if quiet:
                survey.complete = True
            else:
                await survey.read(back_to, most=most + _MOST_COUNTED)
            changes = await posts.changes(heard, age) if heard.at else []
            now = posts.api.clock.now()
            young = {post: at for post, at in survey.found.items() if at >= now - age * 1000}
            chosen = dict(list(young.items())[:most])
            over = sum(1 for post, at in survey.found.items() if post not in chosen and at > heard.at)
            floor = min(chosen.values()) if len(young) > len(chosen) else heard.floor
            end = Reached(max(heard.at, survey.newest, *(change.at for change in changes)), floor)
            yield Past(
                events=_events(posts, survey, chosen, changes, Reached(heard.at, floor), make),
                end=end.cursor(posts.channel),
                now=now,
                over=over,
                counted=survey.complete,
            )


async def _events(
    posts: PostsOf,
    survey: _Survey,
    chosen: dict[str, int],
    changes: list[_Change],
    heard: Reached,
    make: EventOf,
) -> AsyncIterator[tuple[Event, Cursor]]:
    """The posts of the second reading, with the changes among them, the earliest first."""
    waiting = deque(changes)
    reached = heard.at
    async for at, raw in _second_reading(posts, survey, chosen):
        before = [waiting.popleft() for _ in range(sum(1 for change in waiting if change.at < at))]
        for when, what, changed in (*((change.at, change.post, True) for change in before), (at, raw, False)):
            reached = max(reached, when)
            if (event := await make(what, changed=changed)) is not None:
                yield event, Reached(reached, heard.floor).cursor(posts.channel)
    for change in waiting:
        reached = max(reached, change.at)
        if (event := await make(change.post, changed=True)) is not None:
            yield event, Reached(reached, heard.floor).cursor(posts.channel)


async def _second_reading(posts: PostsOf, survey: _Survey, chosen: dict[str, int]) -> AsyncIterator[tuple[int, Raw]]:
    """The chosen posts and when they were made, the oldest first."""
    oldest = min(chosen.values(), default=0)
    for anchor, newest in reversed(survey.pages):
        if not chosen or newest < oldest:
            continue
        page = await posts.page(anchor) if anchor else survey.first
        for note in reversed(_notes(page)):
            # what is not asked for, or stood on the page before, is passed over
            if chosen.pop(note.id, None) is not None:
                yield note.create_at, page.posts[note.id]


def _notes(page: wire.PostPage) -> list[_Note]:
    """A page's posts, the newest first; without those that cannot be read."""
    notes = []
    for post in page.order:
        try:
            note = msgspec.json.decode(page.posts[post], type=_Note)
        except (KeyError, *wire.UNREADABLE):
            continue
        notes.append(note)
    return notes
