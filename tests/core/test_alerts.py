"""`global.ops_channel`: what operators are told, and what they are not."""

from __future__ import annotations

from time import monotonic

from nextbridge.config.model import Endpoint, OpsChannel
from nextbridge.driver import Outgoing, Receipt, Rejected, Retry
from nextbridge.envelope import ChannelKey, InstanceId
from nextbridge.redaction import redaction
from tests.core.script import LateDriver, RunDaemon, ScriptChannel, ScriptDriver, rule

RULES = (rule("r", "a/1", "b/1"),)
OPS = OpsChannel(
    endpoint=Endpoint(instance=InstanceId("mm"), key=ChannelKey("9"), settings=ScriptChannel(key="9")), after=1
)
DOWN = "⚠ the instance b is not connected: it has not connected yet"
NEXT_MINUTE = 61.0


class Clock:
    """Monotonic seconds that a test can let pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return monotonic() + self.ahead


async def test_an_instance_that_is_down_is_told_once_and_when_it_is_over(daemon: RunDaemon) -> None:
    """In the operators' channel, which no rule names; with the reason, and not again while it lasts."""
    clock = Clock()
    async with daemon(*RULES, ops=OPS, clock=clock, a=ScriptDriver, b=LateDriver, mm=ScriptDriver) as running:
        ops = running["mm"]
        await ops.until(lambda: ops.texts == [DOWN])
        assert ops.shown[0].channel == "9"
        clock.ahead += NEXT_MINUTE
        running["b"].connects.set()
        await ops.until(lambda: len(ops.shown) == 2)
        assert ops.texts[1] == "✓ It is over: the instance b is not connected"


async def test_dead_letters_are_told_together_once_a_minute(daemon: RunDaemon) -> None:
    """With their number, rule and newest reason, and no secret in it."""
    clock = Clock()
    redaction.add("hunter2-secret")

    async def refuse(message: Outgoing) -> Receipt:
        raise Rejected(f"{message.text} is ugly, hunter2-secret")

    async with daemon(*RULES, ops=OPS, clock=clock, a=ScriptDriver, b=ScriptDriver, mm=ScriptDriver) as running:
        running["b"].answer = refuse
        ops = running["mm"]
        await running["a"].post("one")
        await ops.until(lambda: len(ops.shown) == 1)
        for text in ("two", "three", "four"):
            await running["a"].post(text)
        await running["b"].until(lambda: len(running["b"].sent) == 4)
        assert len(ops.shown) == 1
        clock.ahead += NEXT_MINUTE
        await ops.until(lambda: len(ops.shown) == 2)
        if "3 dead" not in ops.texts[1]:  # the last was not buried yet
            clock.ahead += NEXT_MINUTE
            await ops.until(lambda: len(ops.shown) == 3)
    hint = "nextbridge dead list shows them."
    assert ops.texts[0] == f"✗ 1 dead letter to b by the rule r: one is ugly, ***\n{hint}"
    assert ops.texts[-1].endswith(f" to b by the rule r: four is ugly, ***\n{hint}")
    assert sum(int(text.split()[1]) for text in ops.texts) == 4


async def test_a_lane_that_is_stuck_is_told_and_when_it_is_over(daemon: RunDaemon) -> None:
    """Its instance is connected, and its first message waits."""
    clock = Clock()

    async def tired(message: Outgoing) -> Receipt:
        raise Retry("the server is tired", after=300.0)

    async with daemon(*RULES, ops=OPS, clock=clock, a=ScriptDriver, b=ScriptDriver, mm=ScriptDriver) as running:
        running["b"].answer = tired
        ops = running["mm"]
        await running["a"].post("one")
        await ops.until(lambda: ops.texts == ["⚠ messages to b/1 are stuck: the server is tired"])
        clock.ahead += NEXT_MINUTE
        running["b"].answer = running["b"].deliver
        running["b"].host.available(ChannelKey("1"))
        await ops.until(lambda: len(ops.shown) == 2)
        assert ops.texts[1] == "✓ It is over: messages to b/1 are stuck"


async def test_nothing_is_told_of_the_instance_that_would_have_to_tell_it(daemon: RunDaemon) -> None:
    """What else is so when it connects is told then."""
    clock = Clock()
    async with daemon(*RULES, ops=OPS, clock=clock, a=ScriptDriver, b=LateDriver, mm=LateDriver) as running:
        ops = running["mm"]
        clock.ahead += NEXT_MINUTE
        ops.connects.set()
        await ops.until(lambda: ops.texts == [DOWN])


async def test_a_reload_begins_and_ends_it(daemon: RunDaemon) -> None:
    """What was buried before is not told afterwards."""
    clock = Clock()

    async def refuse(message: Outgoing) -> Receipt:
        if message.text == "fine":
            return await running["b"].deliver(message)
        raise Rejected("too ugly")

    async with daemon(*RULES, clock=clock, a=ScriptDriver, b=ScriptDriver, c=LateDriver, mm=ScriptDriver) as running:
        running["b"].answer = refuse
        await running["a"].post("one")
        await running["a"].post("fine")  # whose turn comes once the other is buried
        await running["b"].until(lambda: running["b"].shown != [])
        await running.reload(*RULES, ops=OPS)
        ops = running["mm"]
        await ops.until(lambda: len(ops.shown) == 1)
        assert ops.texts == [DOWN.replace("instance b", "instance c")]
        await running.reload(*RULES)
        clock.ahead += NEXT_MINUTE
        running["c"].connects.set()
        await running.reload(*RULES, ops=OPS)
        await running["a"].post("two")
        ops = running["mm"]
        await ops.until(lambda: ops.shown != [])
        assert ops.texts[0].startswith("✗ 1 dead letter to b by the rule r: too ugly")


async def test_many_troubles_at_once_are_one_message_of_bounded_length(daemon: RunDaemon) -> None:
    """Ten by their names, and how many more there are; and again so when all are over."""
    clock = Clock()
    many: dict[str, type[ScriptDriver]] = {f"b{number:02}": LateDriver for number in range(30)}
    async with daemon(*RULES, ops=OPS, clock=clock, a=ScriptDriver, b=ScriptDriver, mm=ScriptDriver, **many) as running:
        ops = running["mm"]
        await ops.until(lambda: len(ops.shown) == 1)
        lines = ops.texts[0].splitlines()
        assert [line[:16] for line in lines[:10]] == ["⚠ the instance b"] * 10
        assert lines[10:] == ["… and 20 more"]
        for each in many:
            running[each].connects.set()
        clock.ahead += NEXT_MINUTE
        await ops.until(lambda: len(ops.shown) == 2)
        assert ops.texts[1].splitlines()[10:] == ["… and 20 more"]


async def test_what_cannot_be_told_is_tried_once_a_minute_and_makes_no_trouble_of_its_own(daemon: RunDaemon) -> None:
    """No dead letter and no stuck lane come of it, which would be the next thing to tell."""
    clock = Clock()

    async def refuse(message: Outgoing) -> Receipt:
        raise Rejected("the channel is archived")

    async with daemon(*RULES, ops=OPS, clock=clock, a=ScriptDriver, b=LateDriver, mm=ScriptDriver) as running:
        ops = running["mm"]
        ops.answer = refuse
        await ops.until(lambda: len(ops.sent) == 1)
        clock.ahead += NEXT_MINUTE
        await ops.until(lambda: len(ops.sent) == 2)
        ops.answer = ops.deliver
        clock.ahead += NEXT_MINUTE
        await ops.until(lambda: len(ops.sent) == 3)
        assert ops.texts == [DOWN]
        assert {outcome.kind for outcome, _ in running.service.tally.lines()} <= {"skipped"}
