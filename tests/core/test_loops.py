"""Two relays that join the same channels: by their marks, and where there are none, by what comes back."""

from __future__ import annotations

import asyncio

import pytest

from nextbridge.driver import Outgoing, Receipt
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, UserId
from nextbridge.loops import LoopBreaker
from tests.core.script import Daemon, RunDaemon, ScriptDriver, post, rule

TOWN, OPS = (Channel(InstanceId(name), ChannelKey("1")) for name in ("a", "b"))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shared(one: ScriptDriver, other: ScriptDriver, *, marked: bool) -> None:
    """Both stand in one channel: what one sends, the other receives as somebody's message."""
    tasks: set[asyncio.Task[object]] = set()

    def joined(sender: ScriptDriver, receiver: ScriptDriver) -> None:
        async def answer(message: Outgoing) -> Receipt:
            bot = Author(id=UserId(f"bot of {sender.host.instance}"), username="relay", name="Relay")
            mark = message.mark if marked else None
            heard = receiver.post(message.text, channel=message.channel, author=bot, mark=mark)
            task: asyncio.Task[object] = asyncio.create_task(heard)
            tasks.add(task)
            return await sender.deliver(message)

        sender.answer = answer

    joined(one, other)
    joined(other, one)


async def settled(*daemons: Daemon) -> None:
    """Return once nothing is accepted any more for a while."""
    before = -1
    async with asyncio.timeout(20):
        while (now := sum(each.service.tally.count("accepted") for each in daemons)) != before:
            before = now
            await asyncio.sleep(0.3)  # longer than a round of the loop takes


async def test_marks_keep_two_relays_of_the_same_channels_from_echoing(daemon: RunDaemon) -> None:
    """Both relays hand a post on once, and neither brings the other's copy back to where it came from."""
    text = {"msg_format": "<{nickname}> {msg}"}
    async with (
        daemon(rule("r", "a/1", "b/2", msg=text), a=ScriptDriver, b=ScriptDriver, state="one") as one,
        daemon(rule("s", "c/1", "d/2", msg=text), c=ScriptDriver, d=ScriptDriver, state="two") as two,
    ):
        shared(one["a"], two["c"], marked=True)
        shared(one["b"], two["d"], marked=True)
        await one["a"].post("hello")
        await one["b"].until(lambda: one["b"].texts == ["<Alice> hello"])
        await settled(one, two)
        assert two.service.tally.count("skipped", reason="came_from_there") == 1
        assert one["a"].texts == two["c"].texts == two["d"].texts == []


async def test_without_marks_a_loop_of_two_relays_ends_by_itself_and_is_told(daemon: RunDaemon) -> None:
    """On a platform without marks the message comes back a few times; then it is stopped, counted and told."""
    text = {"msg_format": "<{nickname}> {msg}"}
    async with (
        daemon(rule("r", "a/1", "b/2", msg=text), a=ScriptDriver, b=ScriptDriver, state="one") as one,
        daemon(rule("s", "c/1", "d/2", msg=text), c=ScriptDriver, d=ScriptDriver, state="two") as two,
    ):
        shared(one["a"], two["c"], marked=False)
        shared(one["b"], two["d"], marked=False)
        await one["a"].post("hello")
        await settled(one, two)
        loops = [each.service.tally.count("skipped", reason="loop") for each in (one, two)]
        assert sum(loops) >= 1
        assert sum(each.service.tally.count("accepted") for each in (one, two)) < 12
        # what people say goes on
        await one["a"].post("something else")
        await one["b"].until(lambda: "<Alice> something else" in one["b"].texts)


@pytest.mark.parametrize("text", ["ok", "good morning", ".", "+1", "<Alice> hello"])
def test_people_who_say_the_same_are_no_loop(text: str) -> None:
    """Ten times the same, by one person or by many, on both sides of a bridge, is a conversation."""
    breaker = LoopBreaker(clock=Clock())
    for number in range(10):
        here, there = ("a", OPS) if number % 2 == 0 else ("b", TOWN)
        event = post(here, text)
        returns = breaker.returns(event)
        assert not breaker.is_loop(returns)
        breaker.relayed(event, [there], returns)


def test_laughter_that_grows_is_no_loop() -> None:
    """What is added stands apart where a relay adds it."""
    breaker = LoopBreaker(clock=Clock())
    for number in range(2, 20):
        event = post("a", "ha" * number)
        returns = breaker.returns(event)
        assert returns == 0
        breaker.relayed(event, [OPS], returns)


def test_a_text_that_comes_back_without_a_word_added_is_a_loop_in_the_end() -> None:
    """Relays that put no name before it repeat it as it is: twenty times in five seconds is no conversation."""
    breaker = LoopBreaker(clock=Clock())
    for _ in range(20):
        event = post("a", "hello")
        returns = breaker.returns(event)
        assert not breaker.is_loop(returns)
        breaker.relayed(event, [OPS], returns)
    assert breaker.is_loop(breaker.returns(post("a", "hello")))


def test_what_comes_back_much_later_is_no_loop() -> None:
    """Each of these comes a minute after the other."""
    clock = Clock()
    breaker = LoopBreaker(clock=clock)
    for number in range(20):
        here, there = ("a", OPS) if number % 2 == 0 else ("b", TOWN)
        event = post(here, "good morning")
        assert breaker.returns(event) == 0
        breaker.relayed(event, [there], 0)
        clock.now += 60


def test_what_it_remembers_is_bounded() -> None:
    """Neither many channels nor many texts fill memory."""
    breaker = LoopBreaker(clock=Clock())
    event = post("a", "x")
    for number in range(10_050):
        breaker.relayed(event, [Channel(InstanceId("b"), ChannelKey(str(number)))], 0)
    for _ in range(200):
        breaker.relayed(event, [OPS], 0)
    assert len(breaker._texts) == 10_000
    assert len(breaker._texts[OPS]) == 50


def test_topics_may_be_changed_again_once_it_is_quiet() -> None:
    """Ten changes within a minute are a loop, in that channel alone; ten in an afternoon are people."""
    clock = Clock()
    loops = LoopBreaker(clock=clock)
    assert [loops.topic_goes_round(TOWN) for _ in range(12)] == [False] * 10 + [True] * 2
    assert not loops.topic_goes_round(OPS)
    clock.now = 61.0
    assert not loops.topic_goes_round(TOWN)
    for minute in range(2, 20):
        clock.now = 60.0 * minute
        assert not loops.topic_goes_round(OPS)
