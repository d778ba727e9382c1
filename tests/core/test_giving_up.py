"""A target that is down, and what is done about a message that will not go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nextbridge.driver import Outgoing, Receipt, Retry
from nextbridge.journal import DeadLetter
from nextbridge.journal.sqlite import open_journal
from tests.core.script import Daemon, LateDriver, RunDaemon, ScriptDriver, rule


async def dead_letters(tmp_path: Path) -> list[DeadLetter]:
    journal = await open_journal(tmp_path / "state")
    found = await journal.dead_letters()
    await journal.close()
    return found


async def until_buried(running: Daemon, number: int) -> None:
    async with asyncio.timeout(10):
        while running.service.tally.count("buried") < number:  # noqa: ASYNC110 - a count tells nobody
            await asyncio.sleep(0.02)


async def test_what_waits_too_long_for_an_instance_becomes_a_dead_letter(daemon: RunDaemon, tmp_path: Path) -> None:
    """After `give_up_after` a message for an instance that never connects is buried with what it waited for."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=LateDriver, give_up_after="1s") as running:
        await running["a"].post("one")
        await running["a"].post("two")
        await until_buried(running, 2)
    newest, oldest = await dead_letters(tmp_path)
    assert "given up after" in oldest.reason
    assert "it has not connected yet" in oldest.reason
    assert newest.id > oldest.id


async def test_what_keeps_failing_too_long_is_buried_with_its_last_error(daemon: RunDaemon, tmp_path: Path) -> None:
    """A message that is tried and tried is given up with what the platform said last; the lane goes on."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver, give_up_after="1s") as running:
        driver = running["b"]

        async def refuse(message: Outgoing) -> Receipt:
            if message.text == "old":
                raise Retry("502 Bad Gateway", after=0.1)
            return await driver.deliver(message)

        driver.answer = refuse
        await running["a"].post("old")
        await until_buried(running, 1)
        await running["a"].post("new")
        await driver.until(lambda: driver.texts == ["new"])
    (dead,) = await dead_letters(tmp_path)
    assert "502 Bad Gateway" in dead.reason


async def test_what_waits_for_an_instance_that_left_the_file_is_given_up(daemon: RunDaemon, tmp_path: Path) -> None:
    """Messages for an instance that the operator removed do not wait for ever."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=LateDriver) as running:
        await running["a"].post("for nobody")
    async with daemon(rule("r", "a/1", "c/1"), a=ScriptDriver, c=ScriptDriver, give_up_after="1s") as running:
        await until_buried(running, 1)
    (dead,) = await dead_letters(tmp_path)
    assert "not in the file any more" in dead.reason


async def test_a_message_that_alone_keeps_failing_is_buried_after_a_quarter_of_an_hour(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """While its instance takes others, 15 minutes of server errors are the message's own fault."""
    now = 0.0
    async with daemon(
        rule("r", "a/1", "b/1"), rule("s", "a/2", "b/2"), a=ScriptDriver, b=ScriptDriver, clock=lambda: now
    ) as running:
        driver = running["b"]

        async def refuse(message: Outgoing) -> Receipt:
            if message.text == "cursed":
                raise Retry("500 Internal Server Error")
            return await driver.deliver(message)

        driver.answer = refuse
        await running["a"].post("cursed")
        await driver.until(lambda: len(driver.sent) == 1)
        now += 1000.0
        driver.host.available(driver.sent[0].channel)
        await driver.until(lambda: len(driver.sent) == 2)
        assert running.service.tally.count("buried") == 0, "no other message has shown that the instance works"
        await running["a"].post("fine", channel="2")
        await driver.until(lambda: driver.texts == ["fine"])
        driver.host.available(driver.sent[0].channel)
        await until_buried(running, 1)
        await running["a"].post("after it")
        await driver.until(lambda: driver.texts == ["fine", "after it"])
    (dead,) = await dead_letters(tmp_path)
    assert dead.reason == "it alone keeps failing while others pass: 500 Internal Server Error"


@pytest.mark.parametrize("channels", [10])
async def test_a_server_that_is_down_is_not_asked_by_every_lane(daemon: RunDaemon, channels: int) -> None:
    """With ten lanes on a dead server few sends are tried; once it answers everything arrives, in order."""
    rules = [rule(f"r{number}", f"a/{number}", f"b/{number}") for number in range(channels)]
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        is_up = False

        async def answer(message: Outgoing) -> Receipt:
            if not is_up:
                raise Retry("connection refused")
            return await driver.deliver(message)

        driver.answer = answer
        for number in range(channels):
            for text in "xyz":
                await running["a"].post(text, channel=str(number))
        instance = running.service.instances[driver.host.instance]
        await driver.until(lambda: instance.circuit.is_open)
        tried = len(driver.sent)
        await driver.until(lambda: len(driver.sent) > tried + 1)
        assert len(driver.sent) <= channels + 3
        is_up = True
        await driver.until(lambda: len(driver.shown) == 3 * channels, within=20)
        assert not instance.circuit.is_open
        for number in range(channels):
            assert [each.text for each in driver.shown if each.channel == str(number)] == ["x", "y", "z"]
