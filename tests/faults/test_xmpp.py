"""Rooms of a real Prosody among the channels of the town: by what they keep, nothing is lost and nothing repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import kill_under_load
from tests.faults.test_cables import suffer
from tests.faults.test_kill import die_at
from tests.faults.town import Town
from tests.faults.xmpp import XmppSettlement
from tests.xmpp.prosody import BARE, Prosody

MODES = pytest.mark.parametrize("component", [False, True], ids=["account", "component"])


@MODES
@pytest.mark.parametrize("step", ["before the send", "after the send", "after the receipt"])
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(
    tmp_path: Path, prosody: Prosody, step: str, component: bool
) -> None:
    """A message that was sent and whose receipt was not on disk is found in the room's archive by its id."""
    async with (
        XmppSettlement.joined(prosody, component=component) as settlement,
        Town.standing(tmp_path, seed=51, another=settlement) as town,
    ):
        await die_at(town, step, 12, "xmpp")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


@pytest.mark.parametrize("step", ["before the send", "after the send", "after the receipt"])
async def test_a_kill_loses_and_repeats_nothing_in_a_room_whose_history_reaches_back(
    tmp_path: Path, prosody: Prosody, step: str
) -> None:
    """There is no archive: what was sent, and what was missed, is in what the room tells whoever joins."""
    async with (
        XmppSettlement.joined(prosody, host=BARE) as settlement,
        Town.standing(tmp_path, seed=54, another=settlement) as town,
    ):
        await die_at(town, step, 12, "xmpp")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


@MODES
async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path, prosody: Prosody, component: bool) -> None:
    """At random moments, while messages, edits and files go both ways; also while a gap is filled."""
    async with (
        XmppSettlement.joined(prosody, component=component) as settlement,
        Town.standing(tmp_path, seed=52, another=settlement) as town,
    ):
        await kill_under_load(town, kills=5, per_second=15, seed=6)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


@MODES
async def test_nothing_is_lost_or_repeated_by_a_bad_network(tmp_path: Path, prosody: Prosody, component: bool) -> None:
    """Late, cut anywhere, half closed, away: an account's session is resumed where it can be, a component's is not."""
    async with (
        XmppSettlement.joined(prosody, component=component) as settlement,
        Town.standing(tmp_path, seed=53, another=settlement, cables=True) as town,
    ):
        await suffer(town, seed=7)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert town.daemon.events("delivery_buried") == []
