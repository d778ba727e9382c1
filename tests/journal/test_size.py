"""The benchmark of large journals runs, so that its numbers can be had again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

COMMAND = Path(__file__).parents[2] / "benchmarks" / "journal_size.py"


def test_the_benchmark_of_large_journals_prints_its_table(tmp_path: Path) -> None:
    """With few messages it takes seconds; every number of the documented table is there."""
    run = subprocess.run(
        [sys.executable, COMMAND, "--receipts", "2000", "--pairs", "1", "--messages", "200", "--folder", tmp_path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    for title in ("CPU ms/1000", "p50 ms", "p99 ms", "p50 ms alone", "p99 ms alone"):
        assert re.search(rf"^{title} +(\d+\.\d\d \([\d.]+-[\d.]+\) *){{3}}$", run.stdout, re.MULTILINE), run.stdout
    assert "a step of forgetting, 50 messages: p50" in run.stdout
    assert list(tmp_path.iterdir()) == []
