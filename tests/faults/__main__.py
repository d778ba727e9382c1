"""The long runs: `python -m tests.faults` makes every part of `docs/faults.md`, `python -m tests.faults kills` one.

Ends with 1 where anything was lost, repeated or out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
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

_PARTS = ("guarantees", "kills", "outage")
_WITHIN = 600.0
"""Seconds for a target that was away to get everything."""


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
    load = Load(given.messages, given.pace, given.warming)
    without: list[Outcome] = []
    outages: list[Outcome] = []
    for number in range(given.pairs):
        for outcomes in (without, outages):
            with tempfile.TemporaryDirectory() as folder:
                async with Square.standing(Path(folder)) as square:
                    outcomes.append(await square.run(load, with_outage=outcomes is outages, within=_WITHIN))
        sys.stdout.write(f"pair {number + 1}: p50 {without[-1].latency(0.5)} {outages[-1].latency(0.5)} ms\n")
        sys.stdout.flush()

    def measured(what: str, value: Callable[[Outcome], float], digits: int = 0) -> list[str]:
        return [what, *(Series.of([value(run) for run in runs]).shown(digits) for runs in (without, outages))]

    total = [
        sum((verdict for run in runs for verdict in run.verdicts.values()), Verdict()) for runs in (without, outages)
    ]
    caught_up = [each.caught_up_after or float("inf") for each in outages]
    rows = [
        measured("latency on the two others, p50, ms", lambda run: run.latency(0.5)),
        measured("latency on the two others, p99, ms", lambda run: run.latency(0.99)),
        measured("memory of the daemon at the beginning, MiB", lambda run: run.memory[0], 1),
        measured("the most of it, MiB", lambda run: max(run.memory), 1),
        measured("memory at the end, MiB", lambda run: run.memory[-1], 1),
        measured("messages that the third lacked at the end", lambda run: run.behind),
        ["seconds from its return until it had them", "", Series.of(caught_up).shown(1)],
        ["lost, repeated, out of order, on all three", *(f"{t.lost}, {t.repeated}, {t.disordered}" for t in total)],
    ]
    said = (
        f"{given.messages:,} messages, as many as 20 a second are in {given.messages / 1200:.0f} minutes, at "
        f"{given.pace:g} a second; {given.pairs} pairs of runs, a median (and from the least to the most):"
    )
    command = (
        f"python -m tests.faults outage --messages {given.messages} --pace {given.pace:g} "
        f"--warming {given.warming} --pairs {given.pairs}"
    )
    head = ["", "nobody is away", "one of three targets is away"]
    page.write("outage", [said, "", *table(head, rows), "", f"Made by `{command}`."])
    return all(verdict.is_clean for verdict in total) and all(each.caught_up_after is not None for each in outages)


def main() -> None:
    """Run what is asked for, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], help="all of them where none is named")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second among kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=36_000, help="during an outage")
    parser.add_argument("--pace", type=float, default=200.0, help="messages a second, before and during an outage")
    parser.add_argument("--warming", type=int, default=12_000, help="messages before an outage")
    parser.add_argument("--pairs", type=int, default=3, help="runs with and without an outage")
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
    sys.exit(0 if is_clean else 1)


main()
