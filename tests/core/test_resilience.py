"""What a driver, a caller or a disk does at the wrong moment: no lane stops, nothing is lost or sent twice."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from nextbridge.circuit import Circuit
from nextbridge.driver import Outgoing, Paused, Receipt, Rejected, Retry
from nextbridge.envelope import Attachment, Channel, ChannelKey, InstanceId, MessageId, UserId
from nextbridge.errors import JournalError
from nextbridge.journal.sqlite import open_journal
from tests.core.script import FilingDriver, RunDaemon, ScriptDriver, post, rule

R = rule("r", "a/1", "b/1")


async def cancelled_inside() -> None:
    """What a driver meets when it awaits something of its own that was cancelled."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def waiting(tmp_path: Path) -> int:
    """How many messages an ended daemon left on disk."""
    journal = await open_journal(tmp_path / "state")
    left = await journal.waiting()
    await journal.close()
    return sum(each.depth for each in left)


async def test_a_send_that_is_cancelled_inside_its_driver_is_tried_again(daemon: RunDaemon) -> None:
    """The lane neither ends nor skips the message."""
    async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]

        async def answer(message: Outgoing) -> Receipt:
            if len(driver.sent) == 1:
                await cancelled_inside()
            return await driver.deliver(message)

        driver.answer = answer
        await running["a"].post("one")
        await running["a"].post("two")
        await driver.until(lambda: driver.texts == ["one", "two"])


async def test_a_run_that_is_cancelled_inside_its_driver_is_run_again(daemon: RunDaemon) -> None:
    """The instance does not end for ever, unseen."""

    class Cancelled(ScriptDriver):
        async def run(self) -> None:
            if self.runs == 0:
                self.runs = 1
                await cancelled_inside()
            await super().run()

    async with daemon(R, a=ScriptDriver, b=Cancelled) as running:
        await running["b"].until(lambda: running["b"].runs == 2)


async def test_who_gives_up_waiting_for_the_disk_takes_nothing_back(daemon: RunDaemon) -> None:
    """A driver whose wait for the commit is cancelled: the message is relayed, in its place."""
    async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
        source, target = running["a"], running["b"]

        async def receive() -> None:
            await (await source.host.accept(post("a", "one")))

        receiving = asyncio.create_task(receive())
        await asyncio.sleep(0)
        receiving.cancel()
        await asyncio.wait({receiving})
        await source.post("two")
        await target.until(lambda: target.texts == ["one", "two"])


async def test_what_no_journal_can_write_stops_no_lane(daemon: RunDaemon, tmp_path: Path) -> None:
    """Half a surrogate pair in a refusal's reason or a message id: one is buried, the other not sent again."""
    async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]

        async def answer(message: Outgoing) -> Receipt:
            if message.text == "bad":
                raise Rejected("the server says \ud800")
            await driver.deliver(message)
            return Receipt(MessageId("\ud800"))

        driver.answer = answer
        for text in ("bad", "one", "two"):
            await running["a"].post(text)
        await driver.until(lambda: driver.texts == ["one", "two"])
        assert running.service.tally.count("buried") == 1
    assert await waiting(tmp_path) == 0


async def test_the_connection_lives_until_what_is_being_sent_is_acknowledged(daemon: RunDaemon, tmp_path: Path) -> None:
    """At SIGTERM the runs end after the sends: else a message would be shown, not recorded, and sent again."""

    class Acknowledging(ScriptDriver):
        async def run(self) -> None:
            self.unacknowledged: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
            await self.host.connected(UserId("x"), realm="here")
            while True:
                sent = await self.unacknowledged.get()
                try:
                    await asyncio.sleep(0.1)
                    sent.set_result(None)
                finally:
                    if not sent.done():
                        sent.set_exception(Retry("the connection was given up"))

        async def send(self, message: Outgoing) -> Receipt:
            sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            await self.unacknowledged.put(sent)
            await self.deliver(message)
            await sent
            return Receipt()

    async with daemon(R, a=ScriptDriver, b=Acknowledging) as running:
        await running["a"].post("one")
        await running["b"].until(lambda: running["b"].texts == ["one"])
    assert await waiting(tmp_path) == 0


async def test_a_driver_that_does_not_end_delays_the_end_by_a_bound_only(daemon: RunDaemon) -> None:
    """SIGTERM is obeyed whatever a driver does when its run is cancelled."""

    class Endless(ScriptDriver):
        async def run(self) -> None:
            try:
                await super().run()
            finally:
                await asyncio.sleep(60)

    start = time.monotonic()
    async with daemon(R, a=ScriptDriver, b=Endless) as running:
        await running["a"].post("x")
        await running["b"].until(lambda: running["b"].texts == ["x"])
    assert time.monotonic() - start < 20


async def test_nothing_is_sent_once_the_journal_has_failed(daemon: RunDaemon) -> None:
    """It could not be recorded, and would be sent again; also where a driver takes its time to end."""
    after: list[str] = []

    class Slow(ScriptDriver):
        async def run(self) -> None:
            try:
                await super().run()
            finally:
                await asyncio.sleep(0.5)

    async def run() -> None:
        async with daemon(R, a=Slow, b=ScriptDriver) as running:
            driver, has_failed = running["b"], False

            async def answer(message: Outgoing) -> Receipt:
                if has_failed:
                    after.append(message.text)
                await asyncio.sleep(0.02)
                return await driver.deliver(message)

            driver.answer = answer
            await asyncio.gather(*(running["a"].post(str(number)) for number in range(40)))
            await driver.until(lambda: len(driver.shown) >= 2)
            has_failed = True
            running["a"].host.store._journal._break(sqlite3.OperationalError("disk I/O error"))  # type: ignore[attr-defined]
            await asyncio.sleep(0.6)

    with pytest.raises(JournalError):
        await run()
    assert len(after) <= 1


async def test_a_journal_that_fails_while_the_daemon_ends_is_told(daemon: RunDaemon) -> None:
    """The end is no success then."""

    async def run() -> None:
        async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
            driver = running["b"]
            journal: Any = running["a"].host.store._journal  # type: ignore[attr-defined]
            entered = asyncio.Event()

            async def answer(message: Outgoing) -> Receipt:
                entered.set()
                await asyncio.sleep(0.1)
                journal._break(sqlite3.OperationalError("disk I/O error"))
                return await driver.deliver(message)

            driver.answer = answer
            await running["a"].post("x")
            await entered.wait()

    with pytest.raises(JournalError):
        await run()


class Gated(FilingDriver):
    """Its files come when `gate` is opened."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.gate, self.entered = asyncio.Event(), asyncio.Event()

    async def before_contents(self) -> None:
        self.entered.set()
        await self.gate.wait()


def file(name: str) -> Attachment:
    return Attachment(id=name, name=name, media_type="image/png")


async def test_a_fetch_is_everybodys_and_no_lanes_own(daemon: RunDaemon) -> None:
    """A target whose lane is stopped while it waits for a file does not take the file from the others."""
    async with daemon(rule("r", "a/1", "b/name:x", "c/1"), a=Gated, b=FilingDriver, c=FilingDriver) as running:
        source = running["a"]
        assert isinstance(source, Gated)
        source.contents["f"] = [b"1"]
        await source.post("one", attachments=(file("f"),))
        await source.entered.wait()
        configured = next(each for each in running["b"].channels if each.key == "name:x")
        resolving = asyncio.create_task(running["b"].host.resolved(configured, ChannelKey("id1"), "x"))
        await asyncio.wait({resolving}, timeout=6)  # the lane is cut short after five seconds
        source.gate.set()
        await source.post("two")
        for target in ("b", "c"):
            await running[target].until(lambda target=target: running[target].texts == ["one", "two"])  # type: ignore[misc]


async def test_a_bug_in_fetching_costs_the_file_and_not_the_message(daemon: RunDaemon) -> None:
    """Its label stands in its place at once."""
    async with daemon(R, a=FilingDriver, b=FilingDriver) as running:
        running.filing("a").contents["f"] = [b"1", ValueError("a bug")]
        await running["a"].post("look", attachments=(file("f"),))
        await running["b"].until(lambda: running["b"].texts == ["look\n[Image: f]"])


async def test_files_are_fetched_while_their_target_is_away(daemon: RunDaemon) -> None:
    """Addresses of files expire: they are fetched right after acceptance."""

    class Away(FilingDriver):
        async def run(self) -> None:
            await asyncio.Event().wait()

    async with daemon(R, a=FilingDriver, b=Away) as running:
        running.filing("a").contents["f"] = [b"1"]
        await running["a"].post("look", attachments=(file("f"),))
        async with asyncio.timeout(5):
            while not running.filing("a").opened:  # noqa: ASYNC110 - opening tells nobody
                await asyncio.sleep(0.01)


async def test_what_is_overdue_at_the_start_is_tried_before_it_is_given_up(daemon: RunDaemon, tmp_path: Path) -> None:
    """A daemon that was off for longer than `give_up_after` delivers what waits if it can."""
    async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
        running["b"].answer = _down
        await running["a"].post("old")
        await running["b"].until(lambda: len(running["b"].sent) == 1)
    with sqlite3.connect(tmp_path / "state" / "journal.sqlite3") as file_:
        file_.execute("UPDATE event SET accepted_at = accepted_at - 100 * 3600 * 1000")
    file_.close()
    async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
        await running["b"].until(lambda: running["b"].texts == ["old"])


async def _down(message: Outgoing) -> Receipt:
    raise Retry("down", after=1000)


async def test_a_refusal_of_the_whole_instance_pauses_it_once(daemon: RunDaemon) -> None:
    """Twenty lanes do not each try a refused token; readiness says so, and a reconnection goes on with all."""
    rules = [rule(f"r{number}", f"a/{number}", f"b/{number}") for number in range(20)]
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]

        async def refuse(message: Outgoing) -> Receipt:
            raise Paused("the token is refused", scope="instance")

        driver.answer = refuse
        await running["a"].post("first", channel="0")
        async with asyncio.timeout(5):
            while "b" not in running.service.instances.not_ready():  # noqa: ASYNC110 - a state tells nobody
                await asyncio.sleep(0)
        for number in range(1, 20):
            await running["a"].post("x", channel=str(number))
        assert running.service.instances.not_ready() == {"b": "paused: the token is refused"}
        assert len(driver.sent) == 1
        driver.answer = driver.deliver
        await driver.host.connected(UserId("bot-b"), realm="here")
        await driver.until(lambda: len(driver.shown) == 20)


async def test_a_message_that_passes_after_a_refusal_ends_the_pause(daemon: RunDaemon) -> None:
    """One lane is refused while another's send is on its way: when that one passes, all lanes go on."""
    rules = [rule(f"r{number}", f"a/{number}", f"b/{number}") for number in range(3)]
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        driver, slow = running["b"], asyncio.Event()

        async def answer(message: Outgoing) -> Receipt:
            if message.channel == "0":
                await slow.wait()
            elif not slow.is_set():
                raise Paused("the token is refused", scope="instance")
            return await driver.deliver(message)

        driver.answer = answer
        await running["a"].post("slow", channel="0")
        await driver.until(lambda: len(driver.sent) == 1)
        await running["a"].post("refused", channel="1")
        async with asyncio.timeout(5):
            while "b" not in running.service.instances.not_ready():  # noqa: ASYNC110 - a state tells nobody
                await asyncio.sleep(0)
        await running["a"].post("later", channel="2")
        slow.set()
        await driver.until(lambda: sorted(driver.texts) == ["later", "refused", "slow"])
        assert running.service.instances.not_ready() == {}


async def test_a_channel_that_works_again_is_not_closed(daemon: RunDaemon) -> None:
    """A message that got through opens the channel, whoever said that it was closed."""
    async with daemon(R, a=ScriptDriver, b=ScriptDriver) as running:
        driver, instance = running["b"], running.service.instances[InstanceId("b")]

        async def refuse_once(message: Outgoing) -> Receipt:
            if len(driver.sent) == 1:
                raise Paused("not a member", scope="channel")
            return await driver.deliver(message)

        driver.answer = refuse_once
        await running["a"].post("one")
        async with asyncio.timeout(5):
            while not instance.closed_channels:  # noqa: ASYNC110 - a state tells nobody
                await asyncio.sleep(0)
        instance.wake_lanes()  # as the end of the wait does
        await driver.until(lambda: driver.texts == ["one"])
        await running["a"].post("two")
        await driver.until(lambda: driver.texts == ["one", "two"])
        assert instance.closed_channels == {}


def test_a_lane_that_went_away_keeps_no_other_from_trying() -> None:
    """A channel that waited for the circuit and asks no more is forgotten."""
    one, other = (Channel(InstanceId("b"), ChannelKey(key)) for key in "xy")
    now = 0.0
    circuit = Circuit(clock=lambda: now)
    circuit.failed(one)
    circuit.failed(other)
    now += 100
    assert circuit.wait(one) == 0
    circuit.failed(one)
    assert circuit.wait(other) > 0
    for _ in range(100):
        now += 10
        if circuit.wait(one) == 0:
            return
    pytest.fail("it is never tried again")
