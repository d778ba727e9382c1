"""The long runs: `python -m tests.faults` makes every part of `docs/faults.md`, `python -m tests.faults kills` one.

Ends with 1 where anything was lost, repeated or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.relay.table import Series
from tests.contract.table import guarantee_table, table
from tests.faults import page
from tests.faults.kills import kill_under_load
from tests.faults.ledger import Verdict
from tests.faults.outage import Load, Outcome, Square
from tests.faults.town import Lane, Town
from tests.irc.conftest import Inspircd, made_certificates, running_inspircd

_PARTS = ("guarantees", "kills", "outage", "latency")
_WITHIN = 600.0
"""Seconds for a target that was away to get everything."""
_REAL_PACE = 20.0
"""Messages a second where latency is measured."""
_MOMENTS = ("when it begins", "after a quarter", "after a half", "after three quarters", "at its end")


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


async def _outage(given: argparse.Namespace) -> bool:
    outcome = await _one(Load(given.messages, given.pace, given.warming), with_outage=True)
    outage = (
        f"{outcome.behind:,} messages, as many as 20 a second are in {outcome.behind / 1200:.0f} minutes, at "
        f"{given.pace:g} a second:"
    )
    memory = ["memory, MiB", *(f"{each:.1f}" for each in outcome.at(len(_MOMENTS)))]
    arrived = f"The third target had all of them {outcome.caught_up_after or math.inf:.0f} s after its return."
    command = (
        f"Made by `python -m tests.faults outage --messages {given.messages} --warming {given.warming} "
        f"--pace {given.pace:g}`."
    )
    lines = [outage, "", *table(["", *_MOMENTS], [memory]), "", arrived, _found([outcome]), "", command]
    page.write("outage", lines)
    return _is_clean([outcome])


async def _latency(given: argparse.Namespace) -> bool:
    load = Load(given.paired, _REAL_PACE, warming=given.paired // 6)
    without: list[Outcome] = []
    outages: list[Outcome] = []
    for number in range(given.pairs):
        without.append(await _one(load, with_outage=False))
        outages.append(await _one(load, with_outage=True))
        sys.stdout.write(f"pair {number + 1}: {without[-1].latency(0.5)} and {outages[-1].latency(0.5)} ms\n")
        sys.stdout.flush()
    rows = [
        [f"{name}, ms", *(Series.of([run.latency(share) for run in runs]).shown(0) for runs in (without, outages))]
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    said = (
        f"{given.pairs} pairs of runs of {given.paired:,} messages, {_REAL_PACE:g} a second; "
        "a median, and from the least to the most:"
    )
    runs = [*without, *outages]
    command = f"Made by `python -m tests.faults latency --paired {given.paired} --pairs {given.pairs}`."
    page.write(
        "latency", [said, "", *table(["", "nobody is away", "one is away"], rows), "", _found(runs), "", command]
    )
    return _is_clean(runs)


def _found(runs: Iterable[Outcome]) -> str:
    total = sum((verdict for run in runs for verdict in run.verdicts.values()), Verdict())
    return (
        f"On all three {total.due:,} messages were due: {total.lost:,} lost, {total.repeated:,} repeated, "
        f"{total.disordered:,} out of order."
    )


def _is_clean(runs: Iterable[Outcome]) -> bool:
    return all(verdict.is_clean for run in runs for verdict in run.verdicts.values())


async def _one(load: Load, *, with_outage: bool) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        async with Square.standing(Path(folder)) as square:
            return await square.run(load, with_outage=with_outage, within=_WITHIN)


def main() -> None:
    """Run what is asked for, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], help="all of them where none is named")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second among kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=36_000, help="during the outage")
    parser.add_argument("--warming", type=int, default=12_000, help="messages before the outage")
    parser.add_argument("--pace", type=float, default=100.0, help="messages a second of the outage")
    parser.add_argument("--paired", type=int, default=600, help="messages of each run of a pair")
    parser.add_argument("--pairs", type=int, default=5, help="runs without an outage, and with one")
    given = parser.parse_args()
    parts = given.parts or _PARTS
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # each kill cuts off requests
    is_clean = True
    if "guarantees" in parts:
        page.write("guarantees", guarantee_table())
    if "kills" in parts:
        is_clean &= asyncio.run(_kills(given))
    if "outage" in parts:
        is_clean &= asyncio.run(_outage(given))
    if "latency" in parts:
        is_clean &= asyncio.run(_latency(given))
    sys.exit(0 if is_clean else 1)


main()
