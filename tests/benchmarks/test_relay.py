"""The benchmark of the relay runs from end to end; what it measures here is worth nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LITTLE = ("--pairs", "1", "--rate", "50", "--paced", "20", "--saturating", "100", "--warming", "20")


async def test_the_daemon_and_the_floor_are_measured_side_by_side(tmp_path: Path) -> None:
    """Both relay every message, once and in order (the command fails otherwise), and the table names both."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.relay", "floor", *LITTLE, "--folder", str(tmp_path),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    rows = [line for line in said.decode().splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip().split(",")[0] for row in rows[2:]] == [
        "CPU at saturation",
        "CPU at 50 messages a second",
        "latency at 50 messages a second",
        "latency at 50 messages a second",
        "messages a second at saturation",
        "peak memory with four instances",
    ]
    assert all("floor" in row for row in rows[2:])
