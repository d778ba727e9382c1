"""A noticeboard: the smallest platform that has everything. Notices in memory, and whoever watches is told of each act.

It remembers the keys of notices for ever, and can be shut.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["Act", "Notice", "Noticeboard", "Told"]


class Notice(Struct, frozen=True):
    """As it hangs there now. A whisper hangs in no room; it is `to` somebody."""

    number: int
    at: int
    room: str
    author: str
    text: str
    action: bool = False
    answers: int | None = None
    to: str = ""
    reactions: frozenset[tuple[str, str]] = frozenset()
    """By whom, and which."""


class Act(Struct, frozen=True):
    """Something that somebody did beside pinning up a notice. `count` is another for each."""

    what: Literal["changed", "moved", "removed", "reacted", "took back", "came", "went", "entitled", "typing"]
    by: str
    room: str
    at: int
    count: int
    notice: Notice | None = None
    text: str = ""
    """The reaction, or the topic."""


Told: TypeAlias = Notice | Act | None
"""What a watcher is told; None says that the board is shut."""


class Noticeboard:
    """The server. Raises ConnectionError while it is shut, and LookupError for a notice that is not there."""

    emoji = frozenset({"👍", "🎉", "😀"})

    def __init__(self) -> None:
        self.secret = "open sesame"
        self.rooms = {"hall", "attic", "cellar"}
        self.locked = {"cellar"}
        self.people = {"Ida", "the relay"}
        self.topics = dict.fromkeys(self.rooms, "")
        self.is_open = True
        self.answering = asyncio.Event()
        self.answering.set()
        self.watching: set[asyncio.Queue[Told]] = set()
        self.notices: dict[int, Notice] = {}
        self._pinned = 0
        self._acts = 0
        self._by_key: dict[str, Notice] = {}

    async def pin(
        self,
        room: str,
        author: str,
        text: str,
        *,
        key: str | None = None,
        action: bool = False,
        answers: int | None = None,
        to: str = "",
    ) -> Notice:
        """Pin up a notice; the same key gives the notice that it had."""
        await asyncio.sleep(0)
        if not self.is_open:
            raise ConnectionError
        if key is not None and key in self._by_key:
            return self._by_key[key]
        if answers is not None and answers not in self.notices:
            raise LookupError(answers)
        self._pinned += 1
        notice = Notice(self._pinned, _now(), room, author, text, action, answers, to)
        self.notices[notice.number] = notice
        if key is not None:
            self._by_key[key] = notice
        self._tell(notice)
        for _ in range(5):
            # the answer is on its way: who reads the board is faster
            await asyncio.sleep(0)
        await self.answering.wait()
        if not self.is_open:
            raise ConnectionError
        return notice

    async def change(self, number: int, by: str, text: str, *, action: bool = False) -> None:
        await self._act("changed", by, replace(await self._found(number), text=text, action=action))

    async def move(self, number: int, by: str) -> None:
        """To another nail; it says what it said."""
        await self._act("moved", by, await self._found(number))

    async def remove(self, number: int, by: str) -> None:
        notice = await self._found(number)
        del self.notices[number]
        await self._act("removed", by, notice)

    async def react(self, number: int, by: str, emoji: str, *, add: bool) -> None:
        """Nothing happens where it is so already."""
        notice = await self._found(number)
        mine = {(by, emoji)}
        reactions = notice.reactions | mine if add else notice.reactions - mine
        if reactions != notice.reactions:
            await self._act("reacted" if add else "took back", by, replace(notice, reactions=reactions), text=emoji)

    async def do(self, what: Literal["came", "went", "entitled", "typing"], by: str, room: str, text: str = "") -> None:
        """What concerns a room."""
        await asyncio.sleep(0)
        if not self.is_open:
            raise ConnectionError
        if what == "entitled":
            self.topics[room] = text
        elif what != "typing":
            self.people ^= {by}
        self._acts += 1
        self._tell(Act(what, by, room, _now(), self._acts, text=text))

    def shut(self) -> None:
        self.is_open = False
        self.answering.set()
        for queue in self.watching:
            queue.put_nowait(None)

    async def _found(self, number: int) -> Notice:
        await asyncio.sleep(0)
        if not self.is_open:
            raise ConnectionError
        return self.notices[number]

    async def _act(
        self,
        what: Literal["changed", "moved", "removed", "reacted", "took back"],
        by: str,
        notice: Notice,
        text: str = "",
    ) -> None:
        if what != "removed":
            self.notices[notice.number] = notice
        self._acts += 1
        self._tell(Act(what, by, notice.room, _now(), self._acts, notice, text))

    def _tell(self, told: Told) -> None:
        for queue in self.watching:
            queue.put_nowait(told)


def _now() -> int:
    return time.time_ns() // 1_000_000
