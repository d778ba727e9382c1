"""The newcomer's script runs from end to end; how long it takes here is worth nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def test_a_newcomer_gets_from_nothing_to_a_message_across() -> None:
    """By what `init` asks and writes, with one mistake on the way."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "benchmarks/newcomer.py",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(90):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert "refuses the token" in said.decode()
    assert "to the first message across" in said.decode()
