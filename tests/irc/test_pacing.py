"""Pacing: a server's limit is kept by waiting, never by dropping."""

from __future__ import annotations

import asyncio

from drivers.irc.pacing import Pacer


async def test_a_burst_passes_and_the_rest_waits() -> None:
    """After a pause the burst goes out at once; then it is the rate that counts."""
    clock = asyncio.get_running_loop().time
    pacer = Pacer(10, 5)
    started = clock()
    for _ in range(5):
        await pacer.turn()
    assert clock() - started < 0.35  # without a burst they would take 0.4
    for _ in range(4):
        await pacer.turn()
    assert clock() - started >= 0.39


async def test_who_waits_first_goes_first() -> None:
    """Channels share the pace in the order in which they ask."""
    pacer = Pacer(200, 1)
    order: list[int] = []

    async def speak(number: int) -> None:
        await pacer.turn()
        order.append(number)

    await asyncio.gather(*(speak(number) for number in range(8)))
    assert order == list(range(8))


async def test_lines_that_cannot_wait_are_paid_for_afterwards() -> None:
    """A PONG or a JOIN goes out at once, and the next message waits for it."""
    clock = asyncio.get_running_loop().time
    pacer = Pacer(50, 2)
    for _ in range(4):
        pacer.charge()
    started = clock()
    await pacer.turn()
    assert clock() - started >= 0.05


async def test_who_was_too_fast_gets_slower_each_time_and_never_stops() -> None:
    """First to what networks usually allow, then to half of it, down to a bound."""
    pacer = Pacer(1000, 1000)
    pacer.slower()
    assert (pacer.rate, pacer.burst) == (0.5, 2)
    for _ in range(20):
        pacer.slower()
    assert 0 < pacer.rate < 0.1
    assert pacer.burst == 1
