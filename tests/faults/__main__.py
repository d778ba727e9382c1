"""The long runs: `python -m tests.faults` makes every part of `docs/faults.md`, `python -m tests.faults kills` one.

Ends with 1 where anything was lost, repeated or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contract.table import guarantee_table, table
from tests.faults import page
from tests.faults.kills import kill_under_load
from tests.faults.town import Lane, Town
from tests.irc.conftest import Inspircd, made_certificates, running_inspircd

_PARTS = ("guarantees", "kills")


@contextmanager
def _folder_and_irc() -> Iterator[tuple[Path, Inspircd]]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in ("irc", "daemon"):
            (folder / name).mkdir()
        with running_inspircd(folder / "irc", made_certificates(folder)) as irc:
            yield folder / "daemon", irc


async def _kills(given: argparse.Namespace) -> bool:
    with _folder_and_irc() as (folder, irc):
        async with Town.standing(folder, seed=given.seed, irc=irc.port) as town:
            await kill_under_load(town, kills=given.kills, per_second=given.rate, seed=given.seed + 1)
            is_complete = await town.quiet(within=300)
            lanes = town.lanes()
    total = sum(lanes.values(), Lane())
    rows = [_row(name, lane) for name, lane in lanes.items()] + [_row("**all**", total)]
    head = ["lane", "due", "lost", "repeated", "out of order", "beyond the relay", "shown again"]
    said = (
        f"{given.kills} kills, and {given.rate:g} things said a second; "
        f"of the messages {town.ledger.edited} were edited and {town.ledger.with_files} had files:"
    )
    command = f"python -m tests.faults kills --kills {given.kills} --rate {given.rate:g} --seed {given.seed}"
    page.write("kills", [said, "", *table(head, rows), "", f"Made by `{command}`."])
    return is_complete and total.verdict.is_clean


def _row(name: str, lane: Lane) -> list[str]:
    verdict = lane.verdict
    numbers = (verdict.due, verdict.lost, verdict.repeated, verdict.disordered, lane.beyond, lane.again)
    return [name, *(f"{number:,}" for number in numbers)]


def main() -> None:
    """Run what is asked for, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], help="all of them where none is named")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    parts = given.parts or _PARTS
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # each kill cuts off requests
    is_clean = True
    if "guarantees" in parts:
        page.write("guarantees", guarantee_table())
    if "kills" in parts:
        is_clean &= asyncio.run(_kills(given))
    sys.exit(0 if is_clean else 1)


main()
