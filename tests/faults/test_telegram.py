"""Telegram groups among the channels of the town: nothing is lost there, and only the last message is repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nextbridge.sandbox.telegram import SandboxTelegram
from tests.faults.kills import kill_under_load
from tests.faults.telegram import TelegramSettlement
from tests.faults.test_cables import suffer
from tests.faults.test_kill import die_at
from tests.faults.town import Town


@pytest.fixture
async def settlement() -> AsyncIterator[TelegramSettlement]:
    async with SandboxTelegram() as sandbox:
        yield TelegramSettlement(sandbox)


@pytest.mark.parametrize(("step", "least"), [("before the send", 0), ("after the send", 1), ("after the receipt", 0)])
async def test_a_kill_at_a_named_step_repeats_what_is_stated(
    tmp_path: Path, settlement: TelegramSettlement, step: str, least: int
) -> None:
    """Of what was sent before the receipt was on disk one message, and nothing is lost."""
    async with Town.standing(tmp_path, seed=21, another=settlement) as town:
        await die_at(town, step, 12, "telegram")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        # each channel has a lane of its own, and the kill ends them all
        assert least <= sum(place.repeated for place in settlement.places) <= len(settlement.places)


async def test_nothing_is_lost_by_kills(tmp_path: Path, settlement: TelegramSettlement) -> None:
    """At random moments, while messages, edits, files and albums go both ways; one of a channel repeats for a kill."""
    kills = 6
    async with Town.standing(tmp_path, seed=22, another=settlement) as town:
        await kill_under_load(town, kills=kills, per_second=20, seed=3)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert all(place.repeated <= kills for place in settlement.places)


async def test_nothing_is_lost_by_a_bad_network(tmp_path: Path, settlement: TelegramSettlement) -> None:
    """Late, cut anywhere, half closed, away."""
    async with Town.standing(tmp_path, seed=23, another=settlement, cables=True) as town:
        await suffer(town, seed=4)
        complete = await town.quiet(within=90)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert town.daemon.events("delivery_buried") == []
