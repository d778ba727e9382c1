"""The long run of the fault tests: `python -m tests.faults --kills 100 > docs/faults.md` writes its table."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.faults.ledger import Verdict
from tests.faults.test_kill import kill_under_load
from tests.faults.town import Town
from tests.process import Daemon

TEXT = """# What faults cost

Two Mattermost stand-ins whose channels the daemon joins: four rules of three channels, so that each of the twelve lanes
has two sources. People post {rate} messages a second, of 5 to 5,000 characters, also while the daemon is dead. It is
killed with SIGKILL {kills} times at random moments (also while it starts, and while it fills a gap) and started again.
Then what was posted is compared with what is there: lost, there more than once, or out of its source's order.

| lane | posted for it | lost | repeated | out of order |
| --- | ---: | ---: | ---: | ---: |
{rows}

Made by `python -m tests.faults --kills {kills} --rate {rate} --seed {seed}`. A short version of it, kills at each named
step of a delivery, and servers that answer wrongly, late or not at all are part of the tests (`tests/faults/`).
"""


def row(name: str, verdict: Verdict) -> str:
    return f"| {name} | {verdict.posted} | {verdict.lost} | {verdict.repeated} | {verdict.disordered} |"


async def run(kills: int, rate: float, seed: int) -> dict[str, Verdict]:
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder))
        async with Town.standing(seed=seed) as town:
            try:
                await kill_under_load(daemon, town, kills=kills, per_second=rate, seed=seed + 1)
                await town.quiet(within=300)
            finally:
                if daemon.is_running:
                    await daemon.stop()
            return town.verdicts()


def main() -> None:
    """Run, print the document, and end with 1 where anything was lost, repeated or out of order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=30.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    verdicts = asyncio.run(run(given.kills, given.rate, given.seed))
    total = Verdict(*(sum(getattr(each, name) for each in verdicts.values()) for name in Verdict.__struct_fields__))
    rows = [row(name, verdict) for name, verdict in verdicts.items()] + [row("**all**", total)]
    print(TEXT.format(rows="\n".join(rows), kills=given.kills, rate=f"{given.rate:g}", seed=given.seed), end="")  # noqa: T201
    raise SystemExit(0 if total.is_clean else 1)


main()
