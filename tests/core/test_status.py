"""`nextbridge status`: beside the running daemon, and where none runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nextbridge.driver import Outgoing, Paused, Receipt, Rejected
from tests.core.script import LateDriver, RunDaemon, ScriptDriver, rule
from tests.core.test_operators import _quiet, command, state

__all__ = ["_quiet", "state"]


async def test_an_operator_sees_how_each_instance_stands(daemon: RunDaemon, state: Path) -> None:
    """With its reason and since when; what waits and what is dead is counted."""
    async with daemon(
        rule("r", "a/1", "b/1"), rule("s", "a/2", "c/1"), a=ScriptDriver, b=ScriptDriver, c=LateDriver
    ) as running:

        async def refuse(message: Outgoing) -> Receipt:
            raise Rejected("too ugly")

        running["b"].answer = refuse
        await running["a"].post("ugly")
        await running["b"].until(lambda: running["b"].sent != [])
        await running["a"].post("later", channel="2")
        output = await command(state, "status", status=1)
        assert re.search(r"^NextBridge \S+ runs since 20.* \(process \d+\)\.$", output, re.MULTILINE)
        assert re.search(r"^a +script +connected +\d+ s$", output, re.MULTILINE)
        assert re.search(r"^c +script +connecting +\d+ s +it has not connected yet$", output, re.MULTILINE)
        assert "1 wait for 1 channels, the first for 0 s: see queue. 1 dead letters: see dead list." in output
        running["c"].connects.set()
        await running["c"].until(lambda: running["c"].texts == ["later"])
        assert "Nothing waits." in await command(state, "status")
        await running.reload(rule("r", "a/1", "b/1"), rule("s", "a/2", "c/1"))
        assert ", read again 20" in await command(state, "status")
        found = json.loads(await command(state, "status", "--json"))
        assert [each["state"] for each in found["daemon"]["instances"]] == ["connected"] * 3
        assert (found["waiting"], found["dead"]) == (0, 1)

        async def pause(message: Outgoing) -> Receipt:
            raise Paused("the token is refused\x1b[2J", scope="instance")

        running["b"].answer = pause
        await running["a"].post("more")
        await running["b"].until(lambda: len(running["b"].sent) == 2)
        assert r"the token is refused\x1b[2J" in await command(state, "status", status=1)
    output = await command(state, "status", status=3)
    assert (
        output == "No daemon runs on this state folder.\n1 wait for 1 channels, the first for 0 s: see queue. "
        "1 dead letters: see dead list.\n"
    )
