"""What is fetched of a time without a connection: threads, edits, what is too much or too old, and limits."""

from __future__ import annotations

from msgspec import Struct

from drivers.slack import SlackDriver
from nextbridge.driver import Cursor
from nextbridge.envelope import Edited, Event, Posted
from nextbridge.errors import Paused, Retry
from nextbridge.sandbox.contract.supervised import Supervised, error_of, said
from tests.contract.slack_bench import SlackBench


class Got(Struct):
    """What the history gave."""

    events: list[Event]
    cursors: list[str]
    end: str
    over: int
    counted: bool

    @property
    def texts(self) -> list[str]:
        return [said(each) for each in self.events if isinstance(each, Posted | Edited)]


async def missed(relay: Supervised, cursor: Cursor, *, age: float = 3600, most: int = 1000) -> Got:
    driver = relay.driver
    assert isinstance(driver, SlackDriver)
    async with driver.history(relay.room(0), cursor, age=age, most=most) as past:
        told = [(event, moved.value) async for event, moved in past.events]
        return Got([each for each, _ in told], [each for _, each in told], past.end.value, past.over, past.counted)


async def heard(bench: SlackBench) -> tuple[Supervised, Cursor]:
    """A driver that heard something, and stopped."""
    relay = await bench.relay()
    await bench.say("heard")
    await relay.received("heard")
    await relay.stop()
    return relay, Cursor(relay.room(0), relay.host.cursors[relay.room(0)])


async def test_messages_answers_and_edits_come_in_the_order_of_their_times(bench: SlackBench) -> None:
    """Answers of old and new threads, one of them sent to the channel too; each once, with growing cursors."""
    relay, cursor = await heard(bench)
    town, sandbox = bench.channels[0], bench.sandbox
    old = next(iter(sandbox.messages(town)))
    new = sandbox.post_as(bench.alice, town, "one")
    sandbox.post_as(bench.alice, town, "two, in the old thread", thread=old.ts)
    sandbox.edit_as(bench.alice, town, old, "three, an edit")
    sandbox.post_as(bench.alice, town, "four, to all", thread=new.ts, subtype="thread_broadcast")
    sandbox.post_as(bench.alice, town, "five, in the new thread", thread=new.ts)
    got = await missed(relay, cursor)
    # what was heard a moment before is given back again, which costs nothing
    events = [each for each in got.events if not (isinstance(each, Posted) and each.message == old.ts)]
    assert [(type(each), said(each)) for each in events if isinstance(each, Posted | Edited)] == [
        (Posted, "one"),
        (Posted, "two, in the old thread"),
        (Edited, "three, an edit"),
        (Posted, "four, to all"),
        (Posted, "five, in the new thread"),
    ]
    assert [each.reply_to for each in events if isinstance(each, Posted)] == [None, old.ts, new.ts, new.ts]
    assert got.cursors == sorted(got.cursors)
    assert got.end >= got.cursors[-1]
    again = await missed(relay, Cursor(cursor.name, got.end))
    assert {each.key for each in again.events} <= {each.key for each in got.events}


async def test_what_is_told_by_both_ways_is_one_event(bench: SlackBench) -> None:
    """A message and its edit have the same keys from the socket and out of the history."""
    relay = await bench.relay()
    await bench.say("first")
    await relay.received("first")
    cursor = Cursor(relay.room(0), relay.host.cursors[relay.room(0)])
    await bench.revise("second")
    live = await relay.happened(Edited)
    got = await missed(relay, cursor)
    assert live.key in {each.key for each in got.events}


async def test_our_own_messages_and_slacks_notices_are_none_of_it(bench: SlackBench) -> None:
    """They are neither given back nor counted."""
    relay, cursor = await heard(bench)
    await relay.send("ours")
    bench.sandbox.join(bench.newcomer, bench.channels[0])
    got = await missed(relay, cursor)
    assert [text for text in got.texts if text != "heard"] == []
    assert got.over == 0


async def test_what_is_too_much_is_counted_over_pages(bench: SlackBench) -> None:
    """The newest are given; the cursor says what was left out on purpose."""
    relay, cursor = await heard(bench)
    for number in range(450):
        await bench.say(f"missed {number}")
    got = await missed(relay, cursor, most=20)
    assert got.texts == [f"missed {number}" for number in range(430, 450)]
    assert (got.over, got.counted) == (430, True)
    again = await missed(relay, Cursor(cursor.name, got.end), most=1000)
    assert set(again.texts) <= set(got.texts)
    assert again.over == 0


async def test_what_is_too_old_is_counted(bench: SlackBench) -> None:
    """By Slack's own clock."""
    relay, cursor = await heard(bench)
    await bench.say("missed")
    got = await missed(relay, cursor, age=-60)
    assert (got.texts, got.over) == ([], 1)


async def test_an_empty_channel_has_a_place_too(bench: SlackBench) -> None:
    """A rule that begins there begins with its first message."""
    relay = await bench.relay()
    newest = dict(relay.host.gaps)[relay.room(1)]
    assert newest is not None
    assert newest.at == 0
    assert (await missed(relay, Cursor(relay.room(0), newest.cursor.value))).texts == []


async def test_a_history_that_cannot_be_read_now_is_tried_later(bench: SlackBench) -> None:
    """A limit of a minute and a channel that we were taken out of are no reason to give up."""
    relay, cursor = await heard(bench)
    bench.sandbox.faults.limit(60, method="conversations.history")
    error = await error_of(missed(relay, cursor))
    assert isinstance(error, Retry)
    assert error.after == 60
    other = bench.make(store=relay.host.store)
    await bench.connect(other)
    bench.sandbox.faults.refuse("not_in_channel", method="conversations.history")
    assert isinstance(await error_of(missed(other, cursor)), Paused)


async def test_what_cannot_be_read_costs_itself_alone(bench: SlackBench) -> None:
    """A message of another shape among others."""
    relay, cursor = await heard(bench)
    broken = bench.sandbox.post_as(bench.alice, bench.channels[0], "broken")
    broken.more = {"text": {"no": "text"}}
    await bench.say("whole")
    assert [text for text in (await missed(relay, cursor)).texts if text != "heard"] == ["whole"]
