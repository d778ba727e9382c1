"""The log as somebody at a terminal reads it, and what it does not hold."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from nextbridge.config.model import LogSettings
from tests.core.script import RunDaemon, ScriptDriver, rule

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


LEVELS = r"""
import structlog
from nextbridge import logs
logs.configure(level="warning")
unbound, bound = structlog.get_logger(), structlog.get_logger().bind(instance="mm_main")
for level in ("warning", "debug", "error"):
    logs.set_level(level)
    for log in (unbound, bound):
        log.debug(f"{level} debug")
        log.warning(f"{level} warning")
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


def test_another_level_is_that_of_loggers_that_are_in_use_already() -> None:
    """Of those that an instance or a part has bound its values to, too."""
    shown = at_a_terminal(LEVELS)
    told = ("warning warning", "debug debug", "debug warning")
    assert {each: shown.count(each) for each in (*told, "warning debug", "error debug", "error warning")} == {
        **dict.fromkeys(told, 2),
        **dict.fromkeys(("warning debug", "error debug", "error warning"), 0),
    }


@pytest.mark.parametrize("content", [False, True])
async def test_what_is_said_is_in_the_log_only_where_the_operator_wants_it(daemon: RunDaemon, content: bool) -> None:
    """With `log.content` the accepted message's line has its text and its author's name, else no line has."""
    with capture_logs() as lines:
        async with daemon(
            rule("r", "a/1", "b/1"), log=LogSettings(content=content), a=ScriptDriver, b=ScriptDriver
        ) as running:
            await running["a"].post("meet me at noon")
            await running["b"].until(lambda: running["b"].texts == ["meet me at noon"])
    told = [line for line in lines if "noon" in str(line)]
    assert [(line["event"], line["text"]) for line in told] == [("message_accepted", "meet me at noon")] * content
    assert "message_accepted" in {line["event"] for line in lines}
    assert all("author" in line for line in told)
