"""How fast the relay is and what it costs, beside a script that only forwards.

    python -m benchmarks.relay [floor] [hung] [rules] [--pairs 5] [--folder DIR]

`floor` compares the daemon with the bare forwarder, `hung` the daemon with a target that hangs with the same without,
`rules` 10,000 rules with one; all three by default. Both sides run in turn. CPU is the process's with its threads,
latency is from the server's frame to the request's arrival, by the server's clock; the daemon's journal is synced as
always. Progress goes to standard output first, then one table.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import uvloop

from benchmarks.relay.run import Amount
from benchmarks.relay.scenarios import SCENARIOS
from benchmarks.relay.table import Row, table


async def run(names: list[str], amount: Amount, pairs: int) -> list[Row]:
    """All rows of the scenarios."""
    return [row for name in names for row in await SCENARIOS[name](amount, pairs)]


def machine() -> str:
    """What it runs on, in a line."""
    info = Path("/proc/cpuinfo").read_text()
    model = info.split("model name", 1)[1].split(":", 1)[1].split("\n", 1)[0].strip() if "model name" in info else ""
    return (
        f"{os.cpu_count()} CPUs {model}, Linux {platform.release()}, Python {platform.python_version()}, "
        f"load before the runs {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, []], help="all by default")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each side")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second of the paced part")
    parser.add_argument("--paced", type=int, default=1000, help="messages of the paced part")
    parser.add_argument("--saturating", type=int, default=8000, help="messages of the saturating part")
    parser.add_argument("--warming", type=int, default=300, help="messages before anything is measured")
    parser.add_argument("--folder", type=Path, default=None, help="where to make the state folders")
    options = parser.parse_args()
    amount = Amount(
        rate=options.rate,
        paced=options.paced,
        saturating=options.saturating,
        warming=options.warming,
        folder=options.folder,
    )
    on = machine()
    rows = uvloop.run(run(options.scenario or list(SCENARIOS), amount, options.pairs))
    print(f"\n{table(rows)}\n\n{on}. {options.pairs} pairs; a median (and from the least to the most).")


if __name__ == "__main__":
    main()
