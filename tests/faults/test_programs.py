"""Programs among the channels of the town: whatever the daemon is killed at, what they post and are given is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import kill_under_load
from tests.faults.programs import ApiSettlement, WebhookSettlement
from tests.faults.test_kill import die_at
from tests.faults.town import Town


@pytest.mark.parametrize("step", ["before the commit", "after the send"])
async def test_nothing_is_lost_or_repeated_in_a_room_of_the_api_by_a_kill_at_a_named_step(
    tmp_path: Path, step: str
) -> None:
    """What a program posted and was not told of, and what was put into its room without a receipt, is known again."""
    async with (
        ApiSettlement.joined(tmp_path) as programs,
        Town.standing(tmp_path, seed=21, another=programs) as town,
    ):
        await die_at(town, step, 12, "api")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_in_a_room_of_the_api_by_kills(tmp_path: Path) -> None:
    """At random moments, while messages, edits and files go both ways and programs read by their cursors."""
    async with (
        ApiSettlement.joined(tmp_path) as programs,
        Town.standing(tmp_path, seed=22, another=programs) as town,
    ):
        await kill_under_load(town, kills=5, per_second=15, seed=2)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_a_kill_repeats_to_a_hook_what_was_not_answered_and_nothing_else(tmp_path: Path) -> None:
    """One message of a hook at most, under its key, by which a receiver knows it; what is posted is taken once."""
    async with (
        WebhookSettlement.joined(tmp_path) as programs,
        Town.standing(tmp_path, seed=23, another=programs) as town,
    ):
        await die_at(town, "after the send", 12, "webhook")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert {lane.again for lane in town.lanes().values()} == {0, 1}


async def test_nothing_is_lost_at_a_hook_by_kills(tmp_path: Path) -> None:
    """At random moments, both ways."""
    async with (
        WebhookSettlement.joined(tmp_path) as programs,
        Town.standing(tmp_path, seed=24, another=programs) as town,
    ):
        await kill_under_load(town, kills=5, per_second=15, seed=3)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
