"""Channels of Discord among those of the town: kills and a bad network lose and repeat nothing there.

By webhooks, which know no nonce, and by the bot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nextbridge.sandbox.discord import Allowance, SandboxDiscord
from tests.faults.discord import DiscordSettlement
from tests.faults.kills import kill_under_load
from tests.faults.test_cables import suffer
from tests.faults.test_kill import die_at
from tests.faults.town import Town


@asynccontextmanager
async def standing(folder: Path, identity: str, *, seed: int, cables: bool = False) -> AsyncIterator[Town]:
    async with SandboxDiscord(allowance=Allowance.generous()) as sandbox:
        settlement = DiscordSettlement(sandbox, identity)
        async with Town.standing(folder, seed=seed, another=settlement, cables=cables) as town:
            yield town


@pytest.mark.parametrize(
    ("identity", "step"),
    [
        ("webhook", "before the send"),
        ("webhook", "after the send"),
        ("bot", "after the send"),
        ("webhook", "after the receipt"),
    ],
)
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(tmp_path: Path, identity: str, step: str) -> None:
    """A message that was sent and whose receipt was not on disk is found in the channel, by the note of it."""
    async with standing(tmp_path, identity, seed=21) as town:
        await die_at(town, step, 12, "discord")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


@pytest.mark.parametrize("identity", ["webhook", "bot"])
async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path, identity: str) -> None:
    """Kills at random moments, while messages, edits and files go both ways: the session is resumed."""
    async with standing(tmp_path, identity, seed=22) as town:
        await kill_under_load(town, kills=4, per_second=15, seed=2)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_a_bad_network(tmp_path: Path) -> None:
    """Late, cut anywhere, deaf on one side, away."""
    async with standing(tmp_path, "webhook", seed=23, cables=True) as town:
        await suffer(town, seed=3)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
