"""What an open page is told: how everything stands, whenever that has changed, and what crosses in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from time import monotonic
from typing import TypeAlias

from nextbridge.control.desk import Desk
from nextbridge.control.protocol import (
    Answer,
    Crossed,
    FollowCrossings,
    ListDead,
    Question,
    ShowQueue,
    ShowRules,
    ShowStatus,
    write_answer,
)

__all__ = ["Feed", "Write"]

Write: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends lines to a page, and waits until they are read."""

_LETTERS_SHOWN = 100
_ASKED: tuple[Question, ...] = (ShowStatus(), ShowRules(), ShowQueue(), ListDead(limit=_LETTERS_SHOWN))
_LOOKS = 2.0
"""Seconds from one look at how everything stands to the next."""
_SILENT_LOOKS = 7
"""Looks after which an empty line is sent where nothing has changed: whoever has gone without a word is noticed."""


class Feed:
    """Lines for all open pages, each an answer of the control protocol. Used on the event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._standing: list[bytes] = []
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    async def tell(self, write: Write) -> None:
        """Tell one page, until it reads too slowly. Raises ControlError then, JournalError, and what `write` raises."""
        async with aclosing(self._desk.follow(FollowCrossings())) as following:
            await anext(following)  # from here on nothing is missed
            tasks = [
                asyncio.create_task(self._tell_standing(write)),
                asyncio.create_task(_tell_crossings(following, write)),
            ]
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                await ended.pop()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell_standing(self, write: Write) -> None:
        told: list[bytes] = []
        silent = 0
        while True:
            standing = await self._look()
            changed = [line for line in standing if line not in told]
            silent = 0 if changed else silent + 1
            if changed or silent >= _SILENT_LOOKS:
                await write(b"".join(changed) or b"\n")
                told, silent = standing, 0
            await asyncio.sleep(_LOOKS)

    async def _look(self) -> list[bytes]:
        """How everything stands; the journal is asked once for all pages."""
        async with self._looking:
            if not self._standing or monotonic() - self._looked_at >= _LOOKS / 2:
                self._standing = [write_answer(await self._desk.answer(each)) for each in _ASKED]
                self._looked_at = monotonic()
            return self._standing


async def _tell_crossings(following: AsyncGenerator[Answer], write: Write) -> None:
    async for answer in following:
        if isinstance(answer, Crossed):
            await write(write_answer(answer))
