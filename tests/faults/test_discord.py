"""Channels of Discord among those of the town: kills and a bad network lose and repeat nothing there.

By webhooks, which know no nonce, and by the bot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nextbridge.sandbox.discord import Allowance, SandboxDiscord
from tests.faults.discord import DiscordSettlement
from tests.faults.kills import kill_under_load
from tests.faults.test_cables import suffer
from tests.faults.test_kill import die_at
from tests.faults.town import Town


@pytest.fixture(params=["webhook", "bot"])
async def settlement(request: pytest.FixtureRequest) -> AsyncIterator[DiscordSettlement]:
    async with SandboxDiscord(allowance=Allowance.generous()) as sandbox:
        yield DiscordSettlement(sandbox, request.param)


@pytest.mark.parametrize("step", ["before the send", "after the send", "after the receipt"])
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(
    tmp_path: Path, settlement: DiscordSettlement, step: str
) -> None:
    """A message that was sent and whose receipt was not on disk is found in the channel, by the note of it."""
    async with Town.standing(tmp_path, seed=21, another=settlement) as town:
        await die_at(town, step, 12, "discord")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path, settlement: DiscordSettlement) -> None:
    """Kills at random moments, while messages, edits and files go both ways: the session is resumed."""
    async with Town.standing(tmp_path, seed=22, another=settlement) as town:
        await kill_under_load(town, kills=5, per_second=15, seed=2)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_a_bad_network(tmp_path: Path, settlement: DiscordSettlement) -> None:
    """Late, cut anywhere, deaf on one side, away."""
    async with Town.standing(tmp_path, seed=23, another=settlement, cables=True) as town:
        await suffer(town, seed=3)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
