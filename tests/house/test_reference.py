"""What is made of the program itself says what the program is now."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.reference import configuration, manual


def test_the_page_of_all_keys_is_up_to_date(clone: Path) -> None:
    """`python -m tests.house.reference` would change nothing of it."""
    assert (clone / "docs" / "configuration.md").read_text() == configuration()


def test_the_man_pages_are_up_to_date(clone: Path) -> None:
    """Nor of them; and there is none of a command that is no more."""
    assert {path.name: path.read_text() for path in (clone / "docs" / "man").glob("*.1")} == manual()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str) -> None:
    """By what docs/systemd.md has one put into one's shell's start-up file."""
    environment = {**os.environ, "_NEXTBRIDGE_COMPLETE": f"{shell}_source"}
    program = [sys.executable, "-c", "from nextbridge.cli import main; main(prog_name='nextbridge')"]
    source = subprocess.run(program, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "nextbridge" in source
    typed = {"COMP_WORDS": "nextbridge che", "COMP_CWORD": "che" if shell == "fish" else "1"}
    environment = {**os.environ, **typed, "_NEXTBRIDGE_COMPLETE": f"{shell}_complete"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "check" in done
    assert "convert" not in done
