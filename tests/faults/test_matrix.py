"""Rooms of a real homeserver among the channels of the town: kills and a bad network lose and repeat nothing there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import kill_under_load
from tests.faults.ledger import Verdict
from tests.faults.matrix import MatrixServiceSettlement, MatrixSettlement
from tests.faults.test_cables import suffer
from tests.faults.test_kill import die_at
from tests.faults.town import Town
from tests.matrix.synapse import Synapse


def wrong(town: Town, settling: type[MatrixSettlement]) -> dict[str, Verdict]:
    """What is lost or repeated, and for an account what is out of order.

    Synapse may hand over what came about while it found out that an application service is back after what came later,
    and not before the service was away once more: see `Synapse.is_up`.
    """
    found = town.wrong()
    if settling is MatrixServiceSettlement:
        found = {name: each for name, each in found.items() if each.lost or each.repeated}
    return found


MODES = pytest.mark.parametrize("settling", [MatrixSettlement, MatrixServiceSettlement], ids=["account", "service"])


@MODES
@pytest.mark.parametrize("step", ["before the send", "after the send", "after the receipt"])
async def test_nothing_is_lost_or_repeated_by_a_kill_at_a_named_step(
    tmp_path: Path, synapse: Synapse, step: str, settling: type[MatrixSettlement]
) -> None:
    """A message that was sent and whose receipt was not on disk is known again by its transaction id, or its mark."""
    async with Town.standing(tmp_path, seed=11, another=settling(synapse)) as town:
        await die_at(town, step, 12, "matrix")
        complete = await town.quiet(within=30)
        assert await town.daemon.stop() == 0
        assert (wrong(town, settling), complete) == ({}, True)


async def test_nothing_is_lost_or_repeated_by_kills(tmp_path: Path, synapse: Synapse) -> None:
    """Kills at random moments, while messages, edits and files go both ways."""
    async with Town.standing(tmp_path, seed=12, another=MatrixSettlement(synapse)) as town:
        await kill_under_load(town, kills=5, per_second=15, seed=2)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)


async def test_an_application_service_loses_and_repeats_nothing_by_kills(tmp_path: Path, synapse: Synapse) -> None:
    """What the homeserver pushes is sent again until it is on disk; what a puppet said is known by its transaction."""
    async with Town.standing(tmp_path, seed=14, another=MatrixServiceSettlement(synapse)) as town:
        await kill_under_load(town, kills=5, per_second=15, seed=4)
        # away once more, with something said meanwhile: so that nothing is left with the homeserver
        assert await town.daemon.stop() == 0
        town.speak_everywhere()
        await town.daemon.start(town.file)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (wrong(town, MatrixServiceSettlement), complete) == ({}, True)


@MODES
async def test_nothing_is_lost_or_repeated_by_a_bad_network(
    tmp_path: Path, synapse: Synapse, settling: type[MatrixSettlement]
) -> None:
    """Late, cut anywhere, deaf on one side, away."""
    async with Town.standing(tmp_path, seed=13, another=settling(synapse), cables=True) as town:
        await suffer(town, seed=3)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (wrong(town, settling), complete) == ({}, True)
