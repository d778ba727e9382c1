"""Lanes: order, retries, pauses, giving up, and that one lane's trouble is its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nextbridge.driver import Outgoing, Paused, Receipt, Rejected, Retry
from nextbridge.envelope import InstanceId
from nextbridge.errors import JournalError, JournalLocked
from nextbridge.journal.sqlite import open_journal
from tests.core.script import ForgetfulDriver, LateDriver, RunDaemon, ScriptDriver, rule

Answer = Callable[[Outgoing], Awaitable[Receipt]]


def failing(driver: ScriptDriver, *errors: Exception) -> Answer:
    """Raises each error once, in order, then delivers."""
    left = list(errors)

    async def answer(message: Outgoing) -> Receipt:
        if left:
            raise left.pop(0)
        return await driver.deliver(message)

    return answer


async def test_a_retried_message_keeps_its_key_and_its_place(daemon: RunDaemon) -> None:
    """After Retry the same part is sent again under the same key, says that it was attempted, and nothing passes it."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.answer = failing(driver, Retry("busy"))
        await running["a"].post("one")
        await running["a"].post("two")
        await driver.until(lambda: len(driver.shown) == 2)
        assert [message.text for message in driver.sent] == ["one", "one", "two"]
        first, again, second = driver.sent
        assert first.key == again.key != second.key
        assert first.attempted is None
        assert again.attempted is not None
        assert second.attempted is None


async def test_a_rejected_message_is_buried_with_its_reason_and_the_lane_goes_on(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """Rejected makes a dead letter at once."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.answer = failing(driver, Rejected("it is too ugly"))
        ugly = await running["a"].post("ugly")
        await running["a"].post("fine")
        await driver.until(lambda: driver.texts == ["fine"])
        assert running.service.tally.count("buried") == 1
    journal = await open_journal(tmp_path / "state")
    (dead,) = await journal.dead_letters()
    await journal.close()
    assert (dead.reason, dead.event.message) == ("it is too ugly", ugly.message)


async def test_a_bug_in_a_driver_is_tried_again_a_few_times_then_buried_with_its_traceback(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """Anything but the contract's errors is a bug: three attempts, then a dead letter that shows where."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.answer = failing(driver, *(ZeroDivisionError("oops") for _ in range(3)))
        await running["a"].post("poison")
        await running["a"].post("fine")
        await driver.until(lambda: driver.texts == ["fine"])
        assert len(driver.sent) == 4
    journal = await open_journal(tmp_path / "state")
    (dead,) = await journal.dead_letters()
    await journal.close()
    assert "ZeroDivisionError: oops" in dead.detail


async def test_a_paused_channel_waits_until_the_driver_says_that_it_is_available(daemon: RunDaemon) -> None:
    """Paused keeps the message; `available` sends it at once instead of after the long wait."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.answer = failing(driver, Paused("not a member", scope="channel"))
        await running["a"].post("patient")
        await driver.until(lambda: len(driver.sent) == 1)
        instance = running.service.instances[driver.host.instance]
        async with asyncio.timeout(5):
            while not instance.closed_channels:  # noqa: ASYNC110 - it is set right after the send has raised
                await asyncio.sleep(0)
        assert instance.closed_channels == {"1": "not a member"}
        driver.host.available(driver.sent[0].channel)
        await driver.until(lambda: driver.texts == ["patient"])
        assert instance.closed_channels == {}


async def test_a_hanging_target_delays_no_other_lane(daemon: RunDaemon) -> None:
    """While one channel's send hangs, another channel of the same instance and other instances go on."""
    async with daemon(rule("r", "a/1", "b/1", "b/2", "c/1"), a=ScriptDriver, b=ScriptDriver, c=ScriptDriver) as running:
        driver = running["b"]
        release = asyncio.Event()

        async def answer(message: Outgoing) -> Receipt:
            if message.channel == "1":
                await release.wait()
            return await driver.deliver(message)

        driver.answer = answer
        for number in range(5):
            await running["a"].post(str(number))
        await running["c"].until(lambda: len(running["c"].shown) == 5)
        await driver.until(lambda: len(driver.shown) == 5)
        assert {message.channel for message in driver.shown} == {"2"}
        release.set()
        await driver.until(lambda: len(driver.shown) == 10)


async def test_an_instance_that_cannot_connect_holds_up_nothing_and_gets_everything_later(daemon: RunDaemon) -> None:
    """What is posted while a target is not connected waits on disk and goes out in order once it is."""
    async with daemon(rule("r", "a/1", "b/1", "c/1"), a=ScriptDriver, b=LateDriver, c=ScriptDriver) as running:
        driver = running["b"]
        for number in range(250):
            await running["a"].post(str(number))
        await running["c"].until(lambda: len(running["c"].shown) == 250)
        driver.connects.set()
        await driver.until(lambda: len(driver.shown) == 250)
        assert driver.texts == [str(number) for number in range(250)]


async def test_what_waits_at_the_end_goes_out_after_the_next_start(daemon: RunDaemon) -> None:
    """A restart continues every lane where it stood, and says that a message may have been attempted."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]

        async def never(message: Outgoing) -> Receipt:
            raise Retry("down", after=1000.0)

        driver.answer = never
        await running["a"].post("one")
        await running["a"].post("two")
        await driver.until(lambda: len(driver.sent) == 1)
        key = driver.sent[0].key
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        await running["a"].post("three")
        await driver.until(lambda: len(driver.shown) == 3)
        assert driver.texts == ["one", "two", "three"]
        assert driver.shown[0].key == key
        assert driver.shown[0].attempted is not None


async def test_a_long_text_is_cut_into_parts_and_each_has_its_own_key(daemon: RunDaemon) -> None:
    """Nothing of a text over the target's limit is lost; a failed part is sent again, those before it are not."""
    async with daemon(
        rule("r", "a/1", "b/1", msg={"msg_format": "{nickname}: {msg}"}), a=ScriptDriver, b=ScriptDriver
    ) as (running):
        driver = running["b"]
        driver.text_limit = 50
        sends = 0

        async def answer(message: Outgoing) -> Receipt:
            nonlocal sends
            sends += 1
            if sends == 2:
                raise Retry("once")
            return await driver.deliver(message)

        driver.answer = answer
        words = [f"word{number}" for number in range(30)]
        await running["a"].post(" ".join(words))
        await running["a"].post("end")
        await driver.until(lambda: bool(driver.texts) and driver.texts[-1] == "Alice: end")
        parts = driver.texts[:-1]
        assert all(part.startswith("Alice: ") and len(part) <= 50 for part in parts)
        assert " ".join(part.removeprefix("Alice: ") for part in parts).split() == words
        assert len({message.key for message in driver.shown}) == len(driver.shown)


async def test_parts_already_shown_are_not_sent_again_after_a_restart(daemon: RunDaemon) -> None:
    """The parts of a planned delivery stay as they are, and it resumes after the last one that was recorded."""
    rules = (rule("r", "a/1", "b/1"),)
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.text_limit = 20

        async def two_then_down(message: Outgoing) -> Receipt:
            if len(driver.shown) == 2:
                raise Retry("down", after=1000.0)
            return await driver.deliver(message)

        driver.answer = two_then_down
        await running["a"].post("alpha beta gamma delta epsilon zeta eta theta iota kappa")
        await driver.until(lambda: len(driver.sent) == 3)
        before = driver.texts
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.text_limit = 1000  # another limit does not change what was planned
        await driver.until(lambda: bool(driver.texts) and driver.texts[-1].endswith("kappa"))
        assert " ".join([*before, *driver.texts]).split() == [
            "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
        ]  # fmt: skip


async def test_nothing_is_sent_before_the_last_receipt_is_on_disk_where_a_repetition_is_not_recognised(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """What is on disk while a message is being sent says that all before it were: a crash repeats that one alone."""
    rules = (rule("r", "a/1", "b/1"),)
    texts = ["one", "two", "three"]

    def shows_the_last(driver: ScriptDriver) -> bool:
        return driver.texts[-1:] == texts[-1:]

    async with daemon(*rules, a=ScriptDriver, b=ForgetfulDriver) as running:
        driver, posted = running["b"], asyncio.Event()

        async def keep_what_is_on_disk(message: Outgoing) -> Receipt:
            await posted.wait()
            kept = tmp_path / message.text
            kept.mkdir()
            for file in (tmp_path / "state").glob("journal.sqlite3*"):
                shutil.copy(file, kept)
            return await driver.deliver(message)

        driver.answer = keep_what_is_on_disk
        for text in texts:
            await running["a"].post(text)
        posted.set()
        await driver.until(lambda: driver.texts == texts)
    for number, text in enumerate(texts):
        async with daemon(*rules, state=text, a=ScriptDriver, b=ForgetfulDriver) as crashed:
            driver = crashed["b"]
            await driver.until(partial(shows_the_last, driver))
            assert driver.texts == texts[number:]


async def test_a_crashing_driver_is_run_again_and_others_do_not_notice(daemon: RunDaemon) -> None:
    """An instance whose `run` fails with a bug, an error or a close is run again after its delay."""

    class Crashing(ScriptDriver):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.connections = [ZeroDivisionError("bug"), Retry("refused"), None]

    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=Crashing) as running:
        driver = running["b"]
        await running["a"].post("hello")
        await driver.until(lambda: driver.texts == ["hello"])
        assert driver.runs == 3


async def test_a_refused_token_pauses_its_instance_only(daemon: RunDaemon) -> None:
    """Paused from `run`: it is not tried again soon, and readiness names it with the reason."""

    class Refused(ScriptDriver):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.connections = [Paused("the token is refused", scope="instance")]

    async with daemon(rule("r", "a/1", "b/1", "c/1"), a=ScriptDriver, b=Refused, c=ScriptDriver) as running:
        await running["a"].post("hello")
        await running["c"].until(lambda: running["c"].texts == ["hello"])
        await running.service.instances[InstanceId("b")].reported.wait()
        assert running.service.instances.not_ready() == {"b": "paused: the token is refused"}
        assert running["b"].sent == []
        assert running["b"].runs == 1


async def test_a_second_daemon_on_one_state_folder_is_refused(daemon: RunDaemon) -> None:
    """Two daemons on one journal would deliver everything twice."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver):
        with pytest.raises(JournalLocked):
            async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver):
                pass


async def test_stopping_waits_for_the_message_that_is_being_sent(daemon: RunDaemon) -> None:
    """SIGTERM lets a send finish and records it: it is not sent again."""
    entered = asyncio.Event()
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]

        async def slow(message: Outgoing) -> Receipt:
            entered.set()
            await asyncio.sleep(0.1)
            return await driver.deliver(message)

        driver.answer = slow
        await running["a"].post("in flight")
        await entered.wait()
    assert driver.texts == ["in flight"]
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("next")
        await running["b"].until(lambda: len(running["b"].shown) >= 1)
        assert running["b"].texts == ["next"]


async def test_the_daemon_ends_when_the_journal_fails(tmp_path: Path, daemon: RunDaemon) -> None:
    """There is no silent going on in memory: the journal's error is the daemon's end."""
    with pytest.raises(JournalError):
        async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
            journal = running["a"].host.store._journal  # type: ignore[attr-defined]
            journal.failed.set_result(JournalError("the disk is full"))
            await asyncio.sleep(0)
