"""Look-ups at several places at a time."""

from __future__ import annotations

import asyncio

import pytest

from nextbridge.together import together


async def test_as_many_as_may_be_are_under_way_and_no_more() -> None:
    """What they find comes in the order of the places, whichever is done first."""
    under_way: list[int] = []
    most = 0
    gates = [asyncio.Event() for _ in range(10)]

    async def look(number: int) -> int:
        nonlocal most
        under_way.append(number)
        most = max(most, len(under_way))
        await gates[number].wait()
        under_way.remove(number)
        return number * number

    looking = asyncio.create_task(together(look, range(10), most=3))
    await asyncio.sleep(0)  # it begins
    await asyncio.sleep(0)  # and so do the first three
    for number in reversed(range(10)):
        gates[number].set()
    assert await looking == [number * number for number in range(10)]
    assert most == 3


async def test_one_that_fails_ends_the_others() -> None:
    """Nothing goes on behind whoever asked."""
    ended: list[int] = []

    async def look(number: int) -> None:
        if number == 1:
            raise LookupError
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    with pytest.raises(LookupError):
        await together(look, range(3), most=3)
    assert sorted(ended) == [0, 2]
