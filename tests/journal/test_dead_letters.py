"""Dead letters: found, tried again at the end of their lanes, and forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from nextbridge.driver import Receipt
from nextbridge.envelope import Channel, ChannelKey, InstanceId, MessageId, Posted
from nextbridge.journal import NewDelivery, PlannedPart
from nextbridge.journal.sqlite import SqliteJournal, open_journal

Post = Callable[[str], Posted]


async def bury(journal: SqliteJournal, event: Posted, target: NewDelivery) -> int:
    """Accept it and give it up; the dead letter's id."""
    deliveries = await journal.accept(event, [target])
    assert deliveries is not None
    await journal.bury(deliveries[0].id, reason="refused", detail="a traceback")
    return deliveries[0].id


async def test_one_is_found_by_its_id(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A dead letter is found by its id as the list shows it; nothing is found by another id."""
    number = await bury(journal, post("m1"), ops)
    assert [await journal.dead_letter(number)] == await journal.dead_letters()
    assert await journal.dead_letter(number + 1) is None


async def test_all_are_found_in_steps(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """The ids come in the order of acceptance, a step after the other."""
    ids = [await bury(journal, post(f"m{number}"), ops) for number in range(5)]
    assert await journal.dead_ids() == ids
    assert await journal.dead_ids(after=ids[1], limit=2) == ids[2:4]


async def test_a_retried_one_goes_to_the_end_of_its_lane(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """It stands behind everything that was accepted before, under a new id, and before everything that comes after."""
    first, second = [await bury(journal, post(f"dead{number}"), ops) for number in range(2)]
    await journal.accept(post("before"), [ops])
    asked = journal.retry([second, first])
    await journal.accept(post("after"), [ops])
    assert await asked == {first: ops.target, second: ops.target}
    lane = await journal.load(ops.target)
    assert [each.event.message for each in lane] == ["before", "dead0", "dead1", "after"]
    assert [each.id for each in lane] == sorted({each.id for each in lane})
    assert await journal.dead_letters() == []


async def test_a_retried_one_is_as_it_was_accepted(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """Its event, rule, settings and time are those it was accepted under; its failures are counted anew."""
    (accepted,) = await journal.accept(post("m1"), [ops]) or ()
    await journal.postpone(accepted.id, attempts=7, reason="503")
    await journal.bury(accepted.id, reason="too old")
    await journal.retry([accepted.id])
    (again,) = await journal.load(ops.target)
    assert (again.event, again.event_id) == (accepted.event, accepted.event_id)
    assert (again.rule, again.settings, again.accepted_at) == (accepted.rule, accepted.settings, accepted.accepted_at)
    assert again.attempts == 0
    assert again.retried_at is not None
    assert again.accepted_at <= again.retried_at <= time.time_ns() // 1_000_000
    (lane,) = await journal.waiting()
    assert (lane.oldest_at, lane.attempts, lane.reason) == (again.retried_at, 0, "")


async def test_a_retried_one_keeps_its_names(folder: Path, post: Post, ops: NewDelivery) -> None:
    """Its parts are named as before, however often it dies and over a restart, and it may have been sent."""
    journal = await open_journal(folder)
    first = await bury(journal, post("m1"), ops)
    await journal.retry([first])
    (again,) = await journal.load(ops.target)
    assert (again.key, again.attempted) == (first, again.accepted_at)
    await journal.bury(again.id, reason="refused")
    await journal.close()

    journal = await open_journal(folder)
    await journal.retry([again.id])
    (third,) = await journal.load(ops.target)
    assert third.id > again.id > first
    assert third.key == first
    await journal.close()


async def test_what_had_arrived_of_a_retried_one_is_not_sent_again(
    journal: SqliteJournal, post: Post, ops: NewDelivery
) -> None:
    """It goes on after its last part that arrived, and has all its ids in the end."""
    (delivery,) = await journal.accept(post("m1"), [ops]) or ()
    parts = (PlannedPart("one"), PlannedPart("two"))
    await journal.plan(delivery.id, parts)
    await journal.part_done(delivery.id, 0, Receipt(MessageId("t1")))
    await journal.bury(delivery.id, reason="refused")
    await journal.retry([delivery.id])
    (again,) = await journal.load(ops.target)
    assert (again.plan, again.parts_done) == (parts, 1)
    await journal.complete(again.id, 1, Receipt(MessageId("t2")))
    assert await journal.delivered_ids(delivery.event_id) == {ops.target: ("t1", "t2")}


async def test_a_retried_one_goes_where_its_channel_is_now(
    journal: SqliteJournal, post: Post, ops: NewDelivery
) -> None:
    """A channel that got another key after the burial is the lane of the retry."""
    number = await bury(journal, post("m1"), ops)
    new = Channel(InstanceId("libera"), ChannelKey("#renamed"))
    await journal.rekey(ops.target, new)
    assert await journal.retry([number]) == {number: new}
    assert len(await journal.load(new)) == 1


async def test_a_dropped_one_is_forgotten(
    journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery
) -> None:
    """Nothing needs it any more, no other goes with it, and its event is not accepted a second time."""
    number, other = await bury(journal, post("m1"), ops), await bury(journal, post("m2"), lobby)
    assert await journal.drop([number, number, 10_000]) == [number]
    assert [dead.id for dead in await journal.dead_letters()] == [other]
    assert len(await journal.undelivered_events()) == 1
    assert await journal.accept(post("m1"), [ops]) is None


async def test_what_is_no_dead_letter_is_left_alone(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A delivery that waits is neither retried nor dropped, nor is an id that nobody knows."""
    (delivery,) = await journal.accept(post("m1"), [ops]) or ()
    assert await journal.retry([delivery.id, 10_000]) == {}
    assert await journal.drop([delivery.id, 10_000]) == []
    assert [each.id for each in await journal.load(ops.target)] == [delivery.id]


async def test_a_lane_tells_its_last_trouble(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """The overview shows how often the first of a lane has failed, and why; not what became of those behind it."""
    first, second = [(await journal.accept(post(f"m{number}"), [ops]) or ())[0] for number in range(2)]
    await asyncio.gather(
        journal.postpone(second.id, attempts=9, reason="other"),
        journal.postpone(first.id, attempts=1, reason="502"),
        journal.postpone(first.id, attempts=2, reason="503"),
    )
    (lane,) = await journal.waiting()
    assert (lane.depth, lane.attempts, lane.reason) == (2, 2, "503")
