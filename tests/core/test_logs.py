"""The log as somebody at a terminal reads it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = r"""
import structlog
from nextbridge import logs
logs.configure()
log = structlog.get_logger()
log.warning("attachment_missing", file="cat\x1b]0;owned\x07\x1b[2J\u202egpj.png", reason="wei\u00df ich nicht")
try:
    raise ValueError("said \x1b[2J")
except ValueError:
    log.exception("driver_failed")
"""


def at_a_terminal(program: str) -> str:
    """What a program writes to standard error where that is a terminal."""
    try:
        ours, terminal = pty.openpty()
    except OSError as error:
        pytest.skip(f"needs a terminal: {error}")
    try:
        subprocess.run([sys.executable, "-c", program], stderr=terminal, check=True, timeout=30)
        os.set_blocking(ours, False)
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(terminal)


def test_nothing_that_a_chat_user_wrote_steers_the_operators_terminal() -> None:
    """Control characters and direction overrides in a file's name, or in an error, are shown as their escapes."""
    shown = at_a_terminal(PROGRAM)
    assert r"cat\x1b]0;owned\x07\x1b[2J\u202egpj.png" in shown
    assert "ValueError: said \\x1b[2J" in shown
    assert "weiß ich nicht" in shown
    for sign in ("\x1b]", "\x1b[2J", "\x07", "\u202e"):
        assert sign not in shown
