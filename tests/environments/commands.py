"""The commands as an operator starts them, in an environment that something is wrong with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["SECRET", "Done", "nextbridge", "without_rights"]

SECRET = "hush-hush-7-hush"
"""What no output may show."""


class Done(NamedTuple):
    """How a command ended, and all that it printed."""

    status: int
    output: str


def nextbridge(
    *words: str | Path,
    environ: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    by: Sequence[str] = (),
    within: float = 60.0,
) -> Done:
    """Run a command to its end. `environ` changes the environment (None takes away), `by` is what starts it.

    Whatever is wrong, it ends with a sentence: never with a traceback, and never with a secret.
    """
    changed = {"PYTHONUNBUFFERED": "1", **(environ or {})}
    whole = {key: value for key, value in {**os.environ, **changed}.items() if value is not None}
    done = subprocess.run(
        [*by, sys.executable, "-m", "nextbridge", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=whole, cwd=cwd, timeout=within, check=False,
    )  # fmt: skip
    output = done.stdout.decode()
    assert "Traceback" not in output, output
    assert SECRET not in output, output
    return Done(done.returncode, output)


def without_rights(*rights: str) -> list[str]:
    """What starts a command that has none of root's `rights`: by default none to read and write what it may not.

    Nobody else has them, and needs nothing in front.
    """
    if os.geteuid() != 0:
        return []
    if (setpriv := shutil.which("setpriv")) is None:
        pytest.skip("taking rights from root needs setpriv")
    taken = ",".join(f"-{each}" for each in rights or ("dac_override", "dac_read_search"))
    return [setpriv, f"--bounding-set={taken}"]
