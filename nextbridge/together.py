"""Several look-ups at a time, and no more at once than the other side is to be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

__all__ = ["together"]

T = TypeVar("T")
R = TypeVar("R")


async def together(look: Callable[[T], Awaitable[R]], at: Iterable[T], *, most: int) -> list[R]:
    """What `look` finds at each, in their order, `most` at a time. Raises what one raises, and ends the others."""
    turns = asyncio.Semaphore(most)

    async def looked(one: T) -> R:
        async with turns:
            return await look(one)

    tasks = [asyncio.ensure_future(looked(each)) for each in at]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
