"""Channels of Slack among those of the town: kills and a bad network lose and repeat nothing there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nextbridge.sandbox.slack import SandboxSlack
from tests.faults.kills import kill_under_load
from tests.faults.slack import SlackSettlement
from tests.faults.test_cables import suffer
from tests.faults.test_kill import die_at
from tests.faults.town import Town


@pytest.fixture
async def settlement() -> AsyncIterator[SlackSettlement]:
    async with SandboxSlack() as sandbox:
        yield SlackSettlement(sandbox)


@pytest.mark.parametrize("step", ["before the send", "after the send", "after the receipt"])
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(
    tmp_path: Path, settlement: SlackSettlement, step: str
) -> None:
    """A message that was sent and whose receipt was not on disk is found by its mark."""
    async with Town.standing(tmp_path, seed=41, another=settlement) as town:
        await die_at(town, step, 12, "slack")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path, settlement: SlackSettlement) -> None:
    """At random moments, while messages, edits and files go both ways; also while a gap is filled."""
    async with Town.standing(tmp_path, seed=42, another=settlement) as town:
        await kill_under_load(town, kills=5, per_second=15, seed=5)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_a_bad_network(tmp_path: Path, settlement: SlackSettlement) -> None:
    """Late, cut anywhere, half closed, away."""
    async with Town.standing(tmp_path, seed=43, another=settlement, cables=True) as town:
        await suffer(town, seed=6)
        complete = await town.quiet(within=90)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert town.daemon.events("delivery_buried") == []
