"""`nextbridge tail` beside a daemon, and the feed that it shows."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nextbridge.control.protocol import (
    Answer,
    Crossed,
    FollowCrossings,
    Following,
    ShowQueue,
    read_answer,
    write_question,
)
from nextbridge.control.server import ControlServer
from nextbridge.crossings import Crossings, FellBehind, TooManyListeners
from nextbridge.delivery import Came
from nextbridge.driver import Outgoing, Receipt, Rejected, Retry
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, UserId
from nextbridge.journal import Delivery
from nextbridge.redaction import redaction
from tests.core.script import RunDaemon, ScriptDriver, post, rule
from tests.core.test_operators import _quiet, command, state

__all__ = ["_quiet", "state"]

RULES = (rule("r", "a/1", "b/1"), rule("s", "a/2", "c/1"))
PLATFORMS = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}
MALLORY = Author(id=UserId("u3"), username="mallory", name="Mallory\x1b[2J")


@asynccontextmanager
async def tailing(state: Path, *words: str) -> AsyncIterator[Process]:
    """The command as a process that listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nextbridge", "tail", "--state", str(state), *words, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(60):
            assert process.stderr is not None
            assert await process.stderr.readline() == b"Listening; Ctrl-C ends it.\n"
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


async def test_an_operator_sees_what_crosses(daemon: RunDaemon, state: Path) -> None:
    """Delivered, to be tried again and given up, with who, from where, to where and how late; never the text."""
    async with daemon(*RULES, **PLATFORMS) as running:
        redaction.add("hunter2-secret")
        answers = iter([Retry("come again, hunter2-secret", after=0.0), Rejected("too ugly\x1b[2J")])

        async def trouble(message: Outgoing) -> Receipt:
            if "ugly" in message.text:
                raise next(answers)
            return await running["b"].deliver(message)

        running["b"].answer = trouble
        async with tailing(state) as people, tailing(state, "--json") as programs:
            await running["a"].post("a riddle", author=MALLORY)
            await running["a"].post("ugly riddle")
            lines = [await line(people) for _ in range(3)]
            objects: list[dict[str, Any]] = [json.loads(await line(programs)) for _ in range(3)]
        first, second, third = lines
        assert re.fullmatch(r"20\S+ \S+  delivered  a/1 -> b/1  posted by Mallory\\x1b\[2J, \d.* late, rule r\n", first)
        assert "  postponed  a/1 -> b/1  posted by Alice, " in second
        assert second.endswith(", again in 1 s: come again, ***\n")
        assert third.endswith("rule r: too ugly\\x1b[2J\n")
        assert [each["outcome"] for each in objects] == ["delivered", "postponed", "buried"]
        assert "riddle" not in json.dumps(objects) + "".join(lines)


async def test_only_what_is_asked_for_is_shown(daemon: RunDaemon, state: Path) -> None:
    """By an instance on either end, or by a rule; an instance that there is not is a mistake that is told."""
    async with daemon(*RULES, **PLATFORMS) as running:
        async with tailing(state, "--instance", "c") as process, tailing(state, "--rule", "r") as other:
            await running["a"].post("one")
            await running["a"].post("two", channel="2")
            assert "-> c/1" in await line(process)
            assert "-> b/1" in await line(other)
        assert (
            await command(state, "tail", "--instance", "x", status=69)
            == "There is no instance x. There are: a, b, c.\n"
        )


async def test_the_end_of_the_daemon_ends_it(daemon: RunDaemon, state: Path) -> None:
    """With a sentence and a status; and where none runs there is nothing to see."""
    async with daemon(*RULES, **PLATFORMS) as running, tailing(state) as process:
        running.service.stop()
        _, said = await process.communicate()
        assert process.returncode == 69
        assert b"has ended" in said
    assert "nothing crosses" in await command(state, "tail", status=69)


async def test_who_reads_too_slowly_is_dropped_and_told(tmp_path: Path) -> None:
    """It costs the daemon nothing more, and others are answered meanwhile."""
    crossed = Crossed(
        at=1, outcome="delivered", kind="posted", author="Alice", source="a/1", message="m1", target="b/1", rule="r",
        late_ms=5, reason="x" * 500,
    )  # fmt: skip
    ended = asyncio.Event()

    async def answer(question: object) -> Answer:
        return Following()

    async def flood(question: FollowCrossings) -> AsyncGenerator[Answer]:
        try:
            while True:
                yield crossed
        finally:
            ended.set()

    server = ControlServer(tmp_path, answer, flood, patience=0.5)
    await server.start()
    try:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control.sock", limit=2**16)
        other, asking = await asyncio.open_unix_connection(tmp_path / "control.sock")
        writer.write(write_question(FollowCrossings()))
        asking.write(write_question(ShowQueue()))
        async with asyncio.timeout(30):
            assert read_answer(await other.readline()) == Following()
            await ended.wait()
            last = b""
            while found := await reader.readline():
                last = found
            assert b"read too slowly" in last
        writer.close()
        asking.close()
    finally:
        await server.stop()


def a_delivery(number: int) -> Delivery:
    target = Channel(InstanceId("b"), ChannelKey("1"))
    event = post("a", "hello")
    return Delivery(id=number, event_id=number, event=event, target=target, rule="r", settings="{}", accepted_at=0)


async def test_a_listener_that_reads_nothing_is_bounded() -> None:
    """What it has heard can still be read, then it is told that it fell behind; others hear on."""
    crossings = Crossings()
    slow, quick = crossings.listen(), crossings.listen()
    for number in range(1500):
        delivery = a_delivery(number)
        crossings.came(Came(delivery, "delivered"))
        assert (await anext(quick)).message == delivery.event.message
    for _ in range(1000):
        await anext(slow)
    with pytest.raises(FellBehind):
        await anext(slow)


async def test_no_more_than_a_few_may_listen() -> None:
    """Who closes makes room."""
    crossings = Crossings()
    listeners = [crossings.listen() for _ in range(16)]
    with pytest.raises(TooManyListeners):
        crossings.listen()
    listeners[0].close()
    crossings.listen()
