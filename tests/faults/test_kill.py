"""SIGKILL at random moments under load: every message is there once, in order."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.faults.kills import kill_under_load
from tests.faults.stepped import STEPS
from tests.faults.town import Town
from tests.irc.conftest import Inspircd


@pytest.mark.parametrize("after", [1, 7])
@pytest.mark.parametrize("step", STEPS)
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(tmp_path: Path, step: str, after: int) -> None:
    """Before and after the journal's commit, the send and the receipt: the next start makes it good."""
    async with Town.standing(tmp_path, seed=5) as town:
        await die_at(town, step, after, "mattermost")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_a_kill_repeats_one_message_of_a_channel_at_most_on_irc(tmp_path: Path, inspircd: Inspircd) -> None:
    """The one that was sent, and whose receipt was not on disk: the ledger counts any other as repeated."""
    async with Town.standing(tmp_path, seed=6, irc=inspircd.port) as town:
        await die_at(town, "after the send", 60, "irc")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert sum(lane.again for lane in town.lanes().values()) > 0


async def die_at(town: Town, step: str, after: int, platform: str) -> None:
    """Run the daemon until it dies there, while people talk; and start it again."""
    await town.begin()  # the first start of a rule relays nothing old
    assert await town.daemon.stop() == 0
    await town.daemon.start(town.file, until_ready=False, program=("tests.faults.stepped", step, str(after), platform))
    talking = asyncio.create_task(town.talk(per_second=20))
    assert await town.daemon.ended() == -signal.SIGKILL
    talking.cancel()
    await asyncio.wait({talking})
    await town.daemon.start(town.file)


async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path, inspircd: Inspircd) -> None:
    """Eight kills at random moments, also while the daemon starts and while it fills a gap; IRC as far as it goes."""
    async with Town.standing(tmp_path, seed=1, irc=inspircd.port) as town:
        await kill_under_load(town, kills=8, per_second=30, seed=2)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
