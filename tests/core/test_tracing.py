"""`nextbridge trace`: what became of a message, beside the running daemon and on its files."""

from __future__ import annotations

import json
from pathlib import Path

from nextbridge.driver import Outgoing, Receipt, Rejected
from tests.core.script import RunDaemon, ScriptDriver, rule
from tests.core.test_operators import _quiet, command, state

__all__ = ["_quiet", "state"]

RULES = (rule("r", "a/1", "b/1", "c/1"),)
PLATFORMS = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}


async def test_an_operator_sees_where_a_message_is(daemon: RunDaemon, state: Path) -> None:
    """By its link, its id, the log's event_id and the id of a copy; without its text, unless it is asked for."""
    async with daemon(*RULES, **PLATFORMS) as running:

        async def refuse(message: Outgoing) -> Receipt:
            raise Rejected("too ugly\x1b[2J")

        running["c"].answer = refuse
        said = await running["a"].post("a riddle\x1b[2J")
        await running["b"].until(lambda: running["b"].texts != [])
        await running["c"].until(lambda: running["c"].sent != [])

        async def shown(*words: str) -> str:
            return await command(state, "trace", *words)

        output = await shown(said.message)
        assert output.startswith("posted in a/1 by Alice (alice), ")
        assert "-> b/1: delivered, as m1" in output
        assert "riddle" not in output
        assert "a riddle\\x1b[2J" in await shown("--text", said.message)
        for name in (f"https://chat.example/main/pl/{said.message}", f"a/1/{said.message}", "m1"):
            assert await shown(name) == output
    output = await command(state, "trace", said.message)
    assert "-> c/1: dead, rule r, nextbridge dead show " in output
    assert "too ugly\\x1b[2J" in output
    (event,) = json.loads(await command(state, "trace", said.message, "--json"))["events"]
    assert [way["state"] for way in event["ways"]] == ["dead", "delivered"]


async def test_what_the_journal_does_not_know_is_said(daemon: RunDaemon, state: Path) -> None:
    """With what may have become of it, and a status of its own."""
    async with daemon(*RULES, **PLATFORMS):
        assert "was never accepted" in await command(state, "trace", "m404", status=66)
    for name in (" / ", "", "\udc80"):
        await command(state, "trace", name, status=66)
