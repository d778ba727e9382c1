"""The long run: `python -m tests.journal.power --seconds 300 > docs/power.md` writes its table."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import time
from pathlib import Path
from random import Random

from tests.journal.power.disk import Disk
from tests.journal.power.trial import Recording, Trial, record_load, record_start, scratch

TEXT = """# What a loss of power costs

The journal runs under a load of every kind of call, alone and many at once, with its log folded in and the journal
closed and opened again in between. Everything that its SQLite ({sqlite}) does to its files is recorded. Then the power
is cut after each single operation of the record. What was synced up to there is certain; of what was not, the disk is
given nothing, all, or some: writes that are missing while later ones are there, or of which only some sectors arrived
(of 512 bytes or 4 KiB), or whose sectors are each as they were at another moment; rubbish or old content where a file
grew; a name in the folder that is not there yet or still there. Each different outcome is opened as the daemon opens
it. It must open, be sound, and hold what a run of the first calls comes to, with all that were acknowledged; an event
that it had is known to it, and no id is given again.

The same is done while the journal is opened again: after a loss of power, and after a kill, which leaves everything to
be seen and some of it uncertain. What the new daemon has seen must stay.

Three things are taken for granted, as SQLite does of every disk: a sync that returns has been done; a write harms
nothing beside its range; a file that is made shorter is either as it was or cut off at that place.

| the power goes | moments | all uncertain lost | all kept | torn | broken promises |
| --- | ---: | ---: | ---: | ---: | ---: |
{rows}

The columns in the middle are different outcomes that were opened. Made by
`python -m tests.journal.power --seconds {seconds} --seed {seed}`. A short version, an upgrade of an earlier version's
file, and a journal that does not sync its commits (which is found out) are part of the tests (`tests/journal/power/`).
"""


class LongRun:
    """One load after the other, each with another seed, until the time is over."""

    def __init__(self, folder: Path, seed: int, *, until: float, torn: int) -> None:
        self._folder = folder
        self._chance = Random(seed)
        self._until = until
        self._torn = torn
        self.trials = {
            name: Trial(folder / "after", self._chance)
            for name in ("under load", "at the next start after that", "at the next start after a kill")
        }

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    async def run(self) -> None:
        while not self.is_over:
            recording = await record_load(
                self._folder / "state",
                Random(self._chance.random()),
                steps=self._chance.randint(5, 40),
                restart_every=self._chance.randint(5, 40),
                fold_after=self._chance.randint(1, 20),
            )
            await self._cut(recording)

    async def _cut(self, recording: Recording) -> None:
        load, after_loss, after_kill = self.trials.values()
        for point, disk in recording.disks():
            if self.is_over:
                return
            expected = recording.expected(point)
            await load.cut(point, disk, expected, torn=self._torn)
            if self._chance.random() < (0.15 if recording.is_before_sync(point) else 0.01):
                for trial, before in ((after_loss, Disk(disk.torn(self._chance))), (after_kill, disk.copy())):
                    start = await record_start(self._folder / "state", before, expected)
                    await trial.cut_everywhere(start, torn=self._torn)


def row(name: str, trials: list[Trial]) -> str:
    opened = " | ".join(str(sum(each.opened[how] for each in trials)) for how in ("all lost", "all kept", "torn"))
    violations = sum(len(each.violations) for each in trials)
    return f"| {name} | {sum(each.points for each in trials)} | {opened} | {violations} |"


def main() -> None:
    """Run, print the document, and end with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torn", type=int, default=3, help="torn outcomes of each moment")
    given = parser.parse_args()
    with scratch() as folder:
        run = LongRun(Path(folder), given.seed, until=time.monotonic() + given.seconds, torn=given.torn)
        asyncio.run(run.run())
    trials = list(run.trials.values())
    rows = [row(name, [trial]) for name, trial in run.trials.items()] + [row("**all**", trials)]
    version = sqlite3.sqlite_version
    print(TEXT.format(rows="\n".join(rows), seconds=given.seconds, seed=given.seed, sqlite=version), end="")  # noqa: T201
    violations = [violation for trial in trials for violation in trial.violations]
    for violation in violations:
        print(violation, file=sys.stderr)  # noqa: T201
    raise SystemExit(1 if violations else 0)


main()
