"""A driver's life: connected, cut off, refused, cancelled, closed, and looked at by `probe`."""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

from nextbridge.driver import Outgoing, RetryRecognition, Unlisted
from nextbridge.errors import Paused, Retry
from nextbridge.sandbox.contract.bench import Bench, Situation
from nextbridge.sandbox.contract.needs import needs
from nextbridge.sandbox.contract.sending import heard_until, refused
from nextbridge.sandbox.contract.supervised import Supervised, again, error_of

__all__ = ["Connects"]

_PROMPT = 5.0
"""Seconds in which a cancelled run has to end, and all of it to be gone once it is closed."""


class Connects:
    """Tests of `run` as a whole, `probe` and `close`."""

    async def test_its_channels_are_listed_as_a_rule_has_them(self, bench: Bench) -> None:
        """Beside a driver that runs, which that does not disturb; where they cannot be listed, it says what helps."""
        relay = await bench.relay()
        looking = bench.make().driver
        found = await looking.directory()
        if isinstance(found, Unlisted):
            assert found.because.strip()
            assert found.instead.strip()
        else:
            blocks = [bench.convert(looking.channel_type, each.keys) for each in found.channels]
            assert {relay.room(0), relay.room(1)} <= {looking.channel_key(block) for block in blocks}
            assert all(each.name.strip() for each in found.channels)
        await bench.say("still here")
        await relay.received("still here")
        assert (relay.ends, relay.host.is_connected, relay.host.connections) == ([], True, 1)

    @needs(Situation.LOST_CONNECTION)
    async def test_after_a_lost_connection_everything_goes_on(self, bench: Bench) -> None:
        """The driver says that it lost the connection, is run again, and receives and sends as before."""
        relay = await bench.relay()
        await bench.say("before")
        await relay.received("before")
        await bench.cut()
        await relay.lost()
        await bench.mend()
        await relay.connected()
        await bench.meet(relay)
        await bench.say("after")
        await relay.received("after")
        await relay.send("and back")
        assert await heard_until("and back", bench) == []
        assert relay.texts == ["before", "after"]
        assert len({event.key for event in relay.posted}) == 2

    @needs(Situation.LOST_CONNECTION)
    async def test_a_send_without_a_connection_is_told_to_wait(self, bench: Bench) -> None:
        """It ends in time, with an error of the contract, and shows no message later."""
        relay = await bench.relay()
        await bench.cut()
        await relay.lost()
        error = await refused(relay, relay.outgoing("into the void"), Retry, Paused)
        assert error.reason.strip()
        await bench.mend()
        await relay.connected()
        await bench.meet(relay)
        await relay.send("end")
        assert await heard_until("end", bench) == []

    @needs(Situation.LOST_RECEIVING)
    async def test_sending_goes_on_without_receiving_as_is_declared(self, bench: Bench) -> None:
        """While messages cannot come, they can be sent where the guarantees say so, and are told to wait elsewhere."""
        relay = await bench.relay()
        await bench.cut_receiving()
        await relay.lost()
        error = await error_of(relay.send("one way"))
        if relay.driver.guarantees.sends_while_reconnecting:
            assert error is None
            assert (await bench.hear()).text == "one way"
        else:
            assert isinstance(error, Retry | Paused)
        await bench.mend()
        await relay.connected()
        await bench.meet(relay)
        await bench.say("and the other")
        await relay.received("and the other")

    @needs(Situation.LOST_CONNECTION)
    async def test_what_was_under_way_when_the_connection_broke_arrives(self, bench: Bench) -> None:
        """Sent again after the loss, each message is there: once where the platform recognises it."""
        relay = await bench.relay()
        messages = [relay.outgoing(relay.written(f"line {number}")) for number in range(20)]
        sending = asyncio.create_task(self._send_all(relay, messages))
        heard = [(await bench.hear()).text for _ in range(3)]
        await bench.cut()
        undone = await sending
        assert undone, "the connection was cut too late for this test to mean anything"
        await bench.mend()
        await relay.connected()
        await bench.meet(relay)
        for message in undone:
            await relay.send(again(message))
        await relay.send("end")
        heard += await heard_until("end", bench)
        most = 2 if relay.driver.guarantees.retry_recognised_by is RetryRecognition.NONE else 1
        counts = [heard.count(f"line {number}") for number in range(20)]
        assert all(1 <= count <= most for count in counts), counts

    @needs(Situation.LOST_CONNECTION)
    async def test_a_message_whose_answer_was_lost_shows_as_often_as_is_declared(self, bench: Bench) -> None:
        """It arrived, and we cannot know: sent again it shows once where the platform recognises it, else twice."""
        relay = await bench.relay()
        message = relay.outgoing(relay.written("once"))
        await bench.lose_answers()
        sending = asyncio.create_task(error_of(relay.send(message)))
        assert (await bench.hear()).text == "once"
        assert not sending.done()
        await bench.cut()
        assert isinstance(await sending, Retry | Paused)
        await bench.mend()
        await relay.connected()
        await bench.meet(relay)
        await relay.send(again(message))
        await relay.send("end")
        recognised = relay.driver.guarantees.retry_recognised_by is not RetryRecognition.NONE
        assert await heard_until("end", bench) == ([] if recognised else ["once"])

    @needs(Situation.LOST_CONNECTION)
    async def test_it_keeps_trying_while_nobody_is_there(self, bench: Bench) -> None:
        """A server that cannot be reached at the start is no reason to give up: `run` says Retry until it can be."""
        await bench.cut()
        relay = bench.make()
        relay.start()
        await relay.until(lambda: len(relay.ends) >= 2)
        assert all(isinstance(end, Retry) for end in relay.ends)
        assert relay.host.connections == 0
        await bench.mend()
        await relay.connected()

    @needs(Situation.REFUSED_LOGIN)
    async def test_a_refused_login_pauses_the_instance(self, bench: Bench) -> None:
        """The operator is told what to look at, without the secret, and the server is not hammered."""
        settings, secret = bench.refused()
        relay = bench.make(settings=settings)
        relay.start()
        await relay.until(lambda: bool(relay.ends))
        end = relay.ends[0]
        assert isinstance(end, Paused)
        assert end.scope == "instance"
        assert end.reason.strip()
        assert secret not in end.reason
        assert relay.host.connections == 0

    @needs(Situation.CLOSED_CHANNEL)
    async def test_a_channel_that_is_closed_to_us_waits_alone(self, bench: Bench) -> None:
        """The operator is told about that channel; it takes nothing, and the others go on."""
        open_room, other = bench.rooms()
        closed = await bench.closed_room()
        relay = await bench.relay(rooms=(open_room, other, closed))
        await relay.until(lambda: bool(relay.host.unavailable_channels))
        ((channel, reason),) = relay.host.unavailable_channels.items()
        assert channel == relay.room(2)
        assert reason.strip()
        error = await refused(relay, relay.outgoing("to nobody", 2), Paused)
        assert isinstance(error, Paused)
        assert error.scope == "channel"
        await relay.send("end")
        assert (await bench.hear()).text == "end"

    async def test_a_cancelled_run_ends_at_once_and_can_begin_again(self, bench: Bench) -> None:
        """The daemon stops within its bound, and a reload runs the same object again."""
        relay = await bench.relay()
        await relay.stop(within=_PROMPT)
        await bench.connect(relay)
        await bench.say("after")
        await relay.received("after")
        await relay.send("and back")
        assert (await bench.hear()).text == "and back"

    @needs(Situation.LOST_CONNECTION)
    async def test_a_run_that_is_still_connecting_can_be_cancelled(self, bench: Bench) -> None:
        """Whatever it waits for, it lets go."""
        for steps in range(0, 40, 4):
            relay = bench.make()
            relay.start()
            for _ in range(steps):
                await asyncio.sleep(0)
            await relay.stop(within=_PROMPT)
            await relay.close()

    async def test_nothing_is_left_behind(self, bench: Bench) -> None:
        """Once it is stopped and closed there is no task and no socket of it, and nothing that was not closed."""
        await (await bench.relay()).close()  # all that the bench itself needs is there
        await bench.leave()
        tasks, sockets = asyncio.all_tasks(), _sockets()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            relay = bench.make()
            await bench.connect(relay)
            await relay.send("hello")
            assert (await bench.hear()).text == "hello"
            await relay.driver.probe()
            await bench.leave()
            await relay.close()
            async with asyncio.timeout(_PROMPT):
                # a server needs a moment to see that we are gone, and tells nobody when it has
                while asyncio.all_tasks() - tasks or _sockets() - sockets:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            bench.forget(relay)
            del relay
            gc.collect()
        assert [str(each.message) for each in told if issubclass(each.category, ResourceWarning)] == []

    async def test_it_can_be_closed_twice_and_without_a_run(self, bench: Bench) -> None:
        """Closing is always right."""
        never = bench.make()
        await never.driver.close()
        await never.driver.close()
        relay = await bench.relay()
        await relay.close()
        await relay.driver.close()

    async def test_a_probe_finds_all_well_and_posts_nothing(self, bench: Bench) -> None:
        """`check --online` says what it looked at; nobody in the room notices, and a running driver goes on."""
        relay = await bench.relay()
        looking = bench.make()
        for driver in (looking.driver, relay.driver):
            findings = await driver.probe()
            assert findings
            assert [finding.text for finding in findings if not finding.ok] == []
            assert all(finding.subject.strip() and finding.text.strip() for finding in findings)
        await looking.close()
        await relay.send("end")
        assert await heard_until("end", bench) == []
        await bench.say("and we go on")
        await relay.received("and we go on")
        assert relay.texts == ["and we go on"]

    @needs(Situation.REFUSED_LOGIN)
    async def test_a_probe_finds_a_refused_login(self, bench: Bench) -> None:
        """It says what is wrong and what to do, without the secret, and raises nothing."""
        settings, secret = bench.refused()
        relay = bench.make(settings=settings)
        wrong = [finding for finding in await relay.driver.probe() if not finding.ok]
        assert wrong
        assert all(finding.text.strip() and secret not in f"{finding}" for finding in wrong)

    @needs(Situation.CLOSED_CHANNEL)
    async def test_a_probe_finds_a_closed_channel(self, bench: Bench) -> None:
        """Of three channels it names the one that is not open, and no other."""
        relay = bench.make(rooms=(*bench.rooms(), await bench.closed_room()))
        wrong = [finding for finding in await relay.driver.probe() if not finding.ok]
        assert len(wrong) == 1
        assert wrong[0].text.strip()

    @needs(Situation.LOST_CONNECTION)
    async def test_a_probe_finds_that_nobody_is_there(self, bench: Bench) -> None:
        """A server that cannot be reached is a finding, not an exception."""
        await bench.cut()
        relay = bench.make()
        assert any(not finding.ok for finding in await relay.driver.probe())

    @staticmethod
    async def _send_all(relay: Supervised, messages: list[Outgoing]) -> list[Outgoing]:
        """Send one after the other; those that were not acknowledged come back."""
        undone = []
        for message in messages:
            error = await error_of(relay.send(message))
            if error is not None:
                assert isinstance(error, Retry | Paused), error
                undone.append(message)
        return undone


def _sockets() -> set[str]:
    """The sockets of this process, by what the system calls them. Empty where the system does not say."""
    found = set()
    for descriptor in Path("/proc/self/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found
