"""SIGKILL at random moments under load: every message is there once, in order."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.faults.stepped import STEPS
from tests.faults.town import Town
from tests.process import Daemon


async def kill_under_load(daemon: Daemon, town: Town, *, kills: int, per_second: float, seed: int) -> None:
    """Run the daemon while the town talks, kill it again and again, and let it finish at last."""
    moments = random.Random(seed)
    await daemon.start(town.file)
    talking = asyncio.create_task(town.talk(per_second=per_second))
    for _ in range(kills):
        await asyncio.sleep(moments.uniform(0.1, 1.5))
        await daemon.kill()
        await asyncio.sleep(moments.choice((0.0, 0.0, 0.3)))
        await daemon.start(town.file, until_ready=False)
    await asyncio.sleep(1)
    talking.cancel()
    await asyncio.wait({talking})


@pytest.mark.parametrize("after", [1, 7])
@pytest.mark.parametrize("step", STEPS)
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(tmp_path: Path, step: str, after: int) -> None:
    """Before and after the journal's commit, the send and the receipt: the next start makes it good."""
    daemon = Daemon(tmp_path)
    async with Town.standing(seed=5) as town:
        try:
            await daemon.start(town.file)  # the first start of a rule relays nothing old
            assert await daemon.stop() == 0
            await daemon.start(town.file, until_ready=False, program=("tests.faults.stepped", step, str(after)))
            talking = asyncio.create_task(town.talk(per_second=20))
            assert await daemon.ended() == -signal.SIGKILL
            talking.cancel()
            await asyncio.wait({talking})
            await daemon.start(town.file)
            complete = await town.quiet(within=30)
            assert await daemon.stop() == 0
        finally:
            if daemon.is_running:
                await daemon.kill()
        wrong = {name: verdict for name, verdict in town.verdicts().items() if not verdict.is_clean}
        assert (wrong, complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path) -> None:
    """Eight kills at random moments, also while the daemon starts and while it fills a gap."""
    daemon = Daemon(tmp_path)
    async with Town.standing(seed=1) as town:
        try:
            await kill_under_load(daemon, town, kills=8, per_second=30, seed=2)
            complete = await town.quiet(within=60)
            assert await daemon.stop() == 0
        finally:
            if daemon.is_running:
                await daemon.kill()
        wrong = {name: verdict for name, verdict in town.verdicts().items() if not verdict.is_clean}
        assert (wrong, complete) == ({}, True)
