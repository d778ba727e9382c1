"""A channel gets another key: everything that was under the old one is under the new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Channel, ChannelKey, InstanceId, MessageId, Posted
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal

Post = Callable[[str], Posted]


@pytest.fixture
def old(ops: NewDelivery) -> NewDelivery:
    return msgspec.structs.replace(ops, target=Channel(InstanceId("libera"), ChannelKey("team/ops")))


async def test_the_lane_moves(journal: SqliteJournal, post: Post, old: NewDelivery, ops: NewDelivery) -> None:
    """What waited for the old key waits for the new one, before what is accepted for it later."""
    for message in ("m1", "m2"):
        await journal.accept(post(message), [old])
    await journal.rekey(old.target, ops.target)
    await journal.accept(post("m3"), [ops])
    assert await journal.load(old.target) == []
    lane = await journal.load(ops.target)
    assert [delivery.event.message for delivery in lane] == ["m1", "m2", "m3"]
    assert {delivery.target for delivery in lane} == {ops.target}


async def test_lanes_merge_in_order(journal: SqliteJournal, post: Post, old: NewDelivery, ops: NewDelivery) -> None:
    """Two lanes that become one are in the order of acceptance."""
    for number in range(6):
        await journal.accept(post(f"m{number}"), [old if number % 2 else ops])
    await journal.rekey(old.target, ops.target)
    assert [delivery.event.message for delivery in await journal.load(ops.target)] == [f"m{n}" for n in range(6)]
    assert [lane.target for lane in await journal.waiting()] == [ops.target]


async def test_one_event_in_both_lanes_stays_once(
    journal: SqliteJournal, post: Post, old: NewDelivery, ops: NewDelivery
) -> None:
    """An event that waits for both keys, or has arrived under the new one, is not delivered twice."""
    await journal.accept(post("both wait"), [old, ops])
    arrived = await journal.accept(post("one arrived"), [old, ops])
    assert arrived is not None
    await journal.complete(arrived[1].id, 0, Receipt(MessageId("t1")))
    await journal.rekey(old.target, ops.target)
    assert [delivery.event.message for delivery in await journal.load(ops.target)] == ["both wait"]
    assert await journal.delivered_ids(arrived[0].event_id) == {ops.target: ("t1",)}


async def test_receipts_and_dead_letters_move(
    journal: SqliteJournal, post: Post, old: NewDelivery, ops: NewDelivery
) -> None:
    """What arrived and what was buried under the old key is found under the new one."""
    await journal.accept(post("m0"), [ops])
    first, second = [await journal.accept(post(message), [old]) for message in ("m1", "m2")]
    assert first
    assert second
    await journal.complete(first[0].id, 0, Receipt(MessageId("t1")))
    await journal.bury(second[0].id, reason="refused")
    await journal.rekey(old.target, ops.target)
    assert await journal.delivered_ids(first[0].event_id) == {ops.target: ("t1",)}
    assert [dead.target for dead in await journal.dead_letters()] == [ops.target]


@pytest.mark.parametrize("known", [False, True])
async def test_events_move(
    journal: SqliteJournal, post: Post, ops: NewDelivery, town: Channel, lobby: NewDelivery, known: bool
) -> None:
    """An event of the old key is not accepted again under the new one, and is delivered as one of the new."""
    if known:
        await journal.accept(msgspec.structs.replace(post("m0"), channel=lobby.target), [ops])
    await journal.accept(post("m1"), [ops])
    await journal.rekey(town, lobby.target)
    assert await journal.accept(msgspec.structs.replace(post("m1"), channel=lobby.target), [ops]) is None
    assert {delivery.event.channel for delivery in await journal.load(ops.target)} == {lobby.target}


async def test_an_event_reported_under_both_keys(
    journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery, town: Channel
) -> None:
    """Two channels that become one and both had reported a message lose none of their deliveries."""
    await journal.accept(post("m1"), [ops])
    await journal.accept(msgspec.structs.replace(post("m1"), channel=lobby.target), [ops])
    await journal.rekey(town, lobby.target)
    assert len(await journal.load(ops.target)) == 2


async def test_the_cursor_moves(folder: Path, town: Channel) -> None:
    """The cursor that is named by the key moves; where both keys have one, the new key keeps its own."""
    journal = await open_journal(folder)
    new = Channel(town.instance, ChannelKey("id of town"))
    await journal.move_cursor(town.instance, Cursor(town.key, "17"))
    await journal.rekey(town, new)
    assert await journal.cursor(town.instance, new.key) == Cursor(new.key, "17")
    assert await journal.cursor(town.instance, town.key) is None
    await journal.move_cursor(town.instance, Cursor(town.key, "3"))
    await journal.rekey(town, new)
    await journal.close()
    journal = await open_journal(folder)
    assert await journal.cursor(town.instance, new.key) == Cursor(new.key, "17")
    assert await journal.cursor(town.instance, town.key) is None
    await journal.close()


async def test_rekey_sees_what_shares_its_commit(
    journal: SqliteJournal, post: Post, old: NewDelivery, ops: NewDelivery
) -> None:
    """What is asked for before and after a rekey is done before and after it."""
    before = journal.accept(post("m1"), [old])
    await journal.rekey(old.target, ops.target)
    after = journal.accept(post("m2"), [old])
    assert await before
    assert await after
    assert [delivery.event.message for delivery in await journal.load(ops.target)] == ["m1"]
    assert [delivery.event.message for delivery in await journal.load(old.target)] == ["m2"]


async def test_a_key_that_stays(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A rekey to the same key, or of a channel that the journal never met, changes nothing."""
    await journal.accept(post("m1"), [ops])
    await journal.move_cursor(ops.target.instance, Cursor(ops.target.key, "1"))
    await journal.rekey(ops.target, ops.target)
    await journal.rekey(Channel(ops.target.instance, ChannelKey("never met")), ops.target)
    assert len(await journal.load(ops.target)) == 1
    assert await journal.cursor(ops.target.instance, ops.target.key) == Cursor(ops.target.key, "1")


async def test_what_has_arrived_wins_over_what_had_begun(
    journal: SqliteJournal, post: Post, old: NewDelivery, ops: NewDelivery
) -> None:
    """Of an event that arrived under the old key, and of which a part arrived under the new, the whole one stays."""
    deliveries = await journal.accept(post("m1"), [old, ops])
    assert deliveries is not None
    await journal.part_done(deliveries[1].id, 0, Receipt(MessageId("part")))
    await journal.complete(deliveries[0].id, 0, Receipt(MessageId("whole")))
    await journal.rekey(old.target, ops.target)
    assert await journal.load(ops.target) == []
    assert await journal.delivered_ids(deliveries[0].event_id) == {ops.target: ("whole",)}
