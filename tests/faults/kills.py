"""Kills at random moments, while people talk."""

from __future__ import annotations

import asyncio
import random

from tests.faults.town import Town

__all__ = ["kill_under_load"]


async def kill_under_load(town: Town, *, kills: int, per_second: float, seed: int) -> None:
    """Run the daemon while the town talks, kill it again and again, and leave it running, and the town silent.

    Where there is IRC, whose servers let people in slowly, every second kill waits until the relay is there.
    """
    moments = random.Random(seed)
    await town.begin()
    talking = asyncio.create_task(town.talk(per_second=per_second))
    for number in range(kills):
        if number % 2 == 0:
            await town.whole()
        await asyncio.sleep(moments.uniform(0.1, 1.5))
        await town.daemon.kill()
        await asyncio.sleep(moments.choice((0.0, 0.0, 0.3)))
        await town.daemon.start(town.file, until_ready=False)
    await town.whole()
    await asyncio.sleep(1)
    talking.cancel()
    await asyncio.wait({talking})
