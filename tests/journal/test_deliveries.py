"""What the journal keeps of an event and of its deliveries, call by call, and over a restart."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import (
    Author,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    Event,
    InstanceId,
    MessageId,
    Posted,
    Reacted,
)
from nextbridge.journal import Delivery, NewDelivery, PlannedPart
from nextbridge.journal.sqlite import SqliteJournal, open_journal

Post = Callable[[str], Posted]
MM = InstanceId("mm_main")


async def accepted(journal: SqliteJournal, event: Posted, *targets: NewDelivery) -> tuple[Delivery, ...]:
    deliveries = await journal.accept(event, targets)
    assert deliveries is not None
    return deliveries


async def event_of(journal: SqliteJournal, channel: Channel, message: str) -> int | None:
    fate = await journal.fate(channel, channel, message)
    return None if fate is None else fate.event_id


async def test_accept_gives_the_deliveries(
    journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery
) -> None:
    """An accepted event comes back as one delivery for each target, in the order asked for."""
    before = time.time_ns() // 1_000_000
    first, second = await accepted(journal, post("m1"), ops, lobby)
    assert (first.target, first.rule, first.settings) == (ops.target, ops.rule, ops.settings)
    assert second.target == lobby.target
    assert first.event == second.event == post("m1")
    assert first.event_id == second.event_id
    assert first.id < second.id
    assert before <= first.accepted_at <= time.time_ns() // 1_000_000
    assert first.attempted is None


async def test_load_gives_what_accept_gave(
    journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery
) -> None:
    """A lane read from disk holds the same deliveries that accept gave, and no other lane's."""
    given = [(await accepted(journal, post(f"m{n}"), ops, lobby))[0] for n in range(5)]
    assert await journal.load(ops.target) == given
    assert await journal.load(ops.target, after=given[1].id, limit=2) == given[2:4]
    assert await journal.load(Channel(MM, ChannelKey("nobody knows it"))) == []


async def test_an_event_is_accepted_once(folder: Path, post: Post, ops: NewDelivery) -> None:
    """An event that was accepted before is not accepted again, also after a restart, and its cursor moves."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"), ops)
    assert await journal.accept(post("m1"), [ops]) is None
    await journal.complete(delivery.id, 0, Receipt(MessageId("t1")))
    await journal.close()

    journal = await open_journal(folder)
    assert await journal.accept(post("m1"), [ops], (MM, Cursor("posts", "m1"))) is None
    assert await journal.load(ops.target) == []
    assert await journal.cursor(MM, "posts") == Cursor("posts", "m1")
    await journal.close()


async def test_reports_of_one_event_in_one_batch(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """Of two reports of one event that share a commit, the first is accepted."""
    first, second = journal.accept(post("m1"), [ops]), journal.accept(post("m1"), [ops])
    assert await first is not None
    assert await second is None
    assert len(await journal.load(ops.target)) == 1


async def test_kinds_and_versions_are_events_of_their_own(
    journal: SqliteJournal, post: Post, ops: NewDelivery, town: Channel, lobby: NewDelivery
) -> None:
    """An edit, a deletion and a reaction are not taken for the post, nor one edit for another, nor channels."""
    posted = post("m1")
    message, author = posted.message, Author(posted.author.id, "ada", "Ada")
    events: list[Event] = [
        posted,
        Edited(channel=town, message=message, author=author, at=2, version="1", text=posted.text),
        Edited(channel=town, message=message, author=author, at=3, version="2", text=posted.text),
        Deleted(channel=town, message=message, author=author, at=4),
        Reacted(channel=town, message=message, author=author, at=5, version="+1 ada", emoji="+1"),
        msgspec.structs.replace(posted, channel=lobby.target),
    ]
    for event in events:
        assert await journal.accept(event, [ops]) is not None
        assert await journal.accept(event, [ops]) is None
    assert [delivery.event for delivery in await journal.load(ops.target)] == events


async def test_an_event_for_nobody_is_remembered(journal: SqliteJournal, post: Post) -> None:
    """An event without targets is kept as seen."""
    assert await journal.accept(post("m1"), []) == ()
    assert await journal.accept(post("m1"), []) is None


async def test_complete(journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery) -> None:
    """What arrived is not handed out again, and its event knows what it became, where it has arrived."""
    first, second = await accepted(journal, post("m1"), ops, lobby)
    await journal.complete(first.id, 0, Receipt(MessageId("t1")))
    assert await journal.load(ops.target) == []
    assert await journal.load(lobby.target) == [second]
    assert await journal.delivered_ids(first.event_id) == {ops.target: ("t1",)}
    await journal.complete(second.id, 0, Receipt())
    assert await journal.delivered_ids(first.event_id) == {ops.target: ("t1",), lobby.target: ()}


async def test_what_a_message_was_made_from(folder: Path, post: Post, ops: NewDelivery, lobby: NewDelivery) -> None:
    """A message of a target is known by its id there as what became of an event, however many came after it."""
    journal = await open_journal(folder)
    first, _ = await accepted(journal, post("m1"), ops, lobby)
    await journal.complete(first.id, 0, Receipt(MessageId("t1")))
    await journal.close()
    connection = sqlite3.connect(folder / "journal.sqlite3", isolation_level=None)
    connection.execute("UPDATE journal SET reserved = 1000000")
    connection.close()

    journal = await open_journal(folder)
    later, there = await accepted(journal, post("m2"), ops, lobby)
    assert later.event_id >= 1_000_000
    await journal.complete(later.id, 0, Receipt(MessageId("t2")))
    await journal.complete(there.id, 0, Receipt(MessageId("t1")))
    assert await event_of(journal, ops.target, "t1") == first.event_id
    assert await event_of(journal, ops.target, "t2") == later.event_id
    assert await event_of(journal, lobby.target, "t1") == later.event_id
    assert await event_of(journal, lobby.target, "t2") is None
    assert await event_of(journal, Channel(MM, ChannelKey("unknown")), "t1") is None
    await journal.close()


async def test_complete_twice(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A second receipt for what was delivered changes nothing."""
    (delivery,) = await accepted(journal, post("m1"), ops)
    await journal.complete(delivery.id, 0, Receipt(MessageId("t1")))
    await journal.complete(delivery.id, 0, Receipt(MessageId("t2")))
    assert await journal.delivered_ids(delivery.event_id) == {ops.target: ("t1",)}


async def test_load_does_not_wait_for_receipts(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A delivery that was completed, but whose receipt is not on disk yet, is not handed out again."""
    first, second = [(await accepted(journal, post(message), ops))[0] for message in ("m1", "m2")]
    receipt = journal.complete(first.id, 0, Receipt(MessageId("t1")))
    assert not receipt.done()
    assert await journal.load(ops.target) == [second]


async def test_parts(folder: Path, post: Post, ops: NewDelivery) -> None:
    """A planned delivery goes on after its last part that arrived, over a restart, and counts when it is whole."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"), ops)
    parts = (PlannedPart("one"), PlannedPart("two", (0, 2)), PlannedPart("three"))
    await journal.plan(delivery.id, parts)
    await journal.part_done(delivery.id, 0, Receipt(MessageId("t1")))
    await journal.part_done(delivery.id, 1, Receipt(MessageId("t2")))
    assert await journal.delivered_ids(delivery.event_id) == {}
    await journal.close()

    journal = await open_journal(folder)
    (again,) = await journal.load(ops.target)
    assert (again.plan, again.parts_done) == (parts, 2)
    await journal.complete(delivery.id, 2, Receipt(MessageId("t3")))
    assert await journal.delivered_ids(delivery.event_id) == {ops.target: ("t1", "t2", "t3")}
    await journal.close()


async def test_postpone(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A postponed delivery stays first in its lane, and is known to have been attempted."""
    deliveries = [(await accepted(journal, post(f"m{n}"), ops))[0] for n in range(2)]
    await journal.postpone(deliveries[0].id, attempts=3, reason="503")
    first, second = await journal.load(ops.target)
    assert (first.id, first.attempts, first.attempted) == (deliveries[0].id, 3, first.accepted_at)
    assert second == deliveries[1]


async def test_what_a_restart_finds_may_have_been_sent(folder: Path, post: Post, ops: NewDelivery) -> None:
    """A delivery accepted before the restart bears the time it was accepted as that of its attempt; a new one none."""
    journal = await open_journal(folder)
    await accepted(journal, post("m1"), ops)
    await journal.close()
    journal = await open_journal(folder)
    await accepted(journal, post("m2"), ops)
    old, new = await journal.load(ops.target)
    assert old.attempted == old.accepted_at
    assert new.attempted is None
    await journal.close()


async def test_bury(folder: Path, post: Post, ops: NewDelivery) -> None:
    """A buried delivery leaves its lane, and is a dead letter with its event and reason, over a restart."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"), ops)
    await journal.postpone(delivery.id, attempts=2, reason="503")
    await journal.bury(delivery.id, reason="too long", detail="a traceback")
    assert await journal.load(ops.target) == []
    await journal.close()

    journal = await open_journal(folder)
    (dead,) = await journal.dead_letters()
    assert (dead.id, dead.event, dead.target, dead.rule) == (delivery.id, post("m1"), ops.target, "ops")
    assert (dead.reason, dead.detail, dead.attempts) == ("too long", "a traceback", 2)
    assert delivery.accepted_at <= dead.buried_at <= time.time_ns() // 1_000_000
    assert await journal.delivered_ids(delivery.event_id) == {}
    await journal.close()


async def test_dead_letters_are_newest_first(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """The dead letters come newest first, as many as asked for."""
    ids = [(await accepted(journal, post(f"m{n}"), ops))[0].id for n in range(3)]
    for delivery in ids:
        await journal.bury(delivery, reason="refused")
    assert [dead.id for dead in await journal.dead_letters(limit=2)] == [ids[2], ids[1]]


async def test_waiting(journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery) -> None:
    """Every lane that waits is told, the oldest first, with its depth; an empty one is not."""
    await accepted(journal, post("m1"), lobby)
    first, _ = await accepted(journal, post("m2"), ops, lobby)
    await accepted(journal, post("m3"), lobby)
    assert [(lane.target, lane.depth) for lane in await journal.waiting()] == [(lobby.target, 3), (ops.target, 1)]
    assert (await journal.waiting())[1].oldest_at == first.accepted_at
    await journal.complete(first.id, 0, Receipt())
    assert [lane.target for lane in await journal.waiting()] == [lobby.target]


async def test_undelivered_events(journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery) -> None:
    """An event is needed as long as one of its deliveries waits or is dead, and no longer."""
    waiting = await accepted(journal, post("m1"), ops, lobby)
    dead = await accepted(journal, post("m2"), ops)
    done = await accepted(journal, post("m3"), ops)
    await journal.complete(waiting[0].id, 0, Receipt())
    await journal.bury(dead[0].id, reason="refused")
    await journal.complete(done[0].id, 0, Receipt())
    assert await journal.undelivered_events() == {waiting[0].event_id, dead[0].event_id}


async def test_cursors(folder: Path, post: Post, town: Channel) -> None:
    """A cursor is as it was last moved, by an event or without one, over a restart."""
    journal = await open_journal(folder)
    assert await journal.cursor(MM, "posts") is None
    await journal.accept(post("m1"), [], (MM, Cursor("posts", "1")))
    moved = [journal.move_cursor(MM, Cursor("posts", str(n))) for n in range(2, 5)]
    assert await journal.cursor(MM, "posts") == Cursor("posts", "4")
    assert all(future.done() for future in moved)
    await journal.move_cursor(InstanceId("other"), Cursor("posts", "x"))
    await journal.close()
    journal = await open_journal(folder)
    assert await journal.cursor(MM, "posts") == Cursor("posts", "4")
    await journal.close()


async def test_the_store(folder: Path) -> None:
    """A value of the small store is as last written; None removes it; namespaces do not mix."""
    journal = await open_journal(folder)
    await journal.write("mm", "me", "u1")
    await journal.write("mm", "me", "u2")
    await journal.write("mm", "team", "t1")
    await journal.write("irc", "me", "nick")
    await journal.write("mm", "team", None)
    await journal.close()
    journal = await open_journal(folder)
    assert await journal.read_all("mm") == {"me": "u2"}
    assert await journal.read("irc", "me") == "nick"
    assert await journal.read("mm", "team") is None
    await journal.close()


async def test_ids_are_never_given_twice(folder: Path, post: Post, ops: NewDelivery) -> None:
    """Ids grow over restarts, also when nothing is left of the deliveries that had them."""
    seen: list[int] = []
    for message in ("m1", "m2", "m3"):
        journal = await open_journal(folder)
        (delivery,) = await accepted(journal, post(message), ops)
        await journal.complete(delivery.id, 0, Receipt())
        await journal.close()
        seen += [delivery.event_id, delivery.id]
    assert seen == sorted(set(seen))


async def test_the_daemon_id_stays(folder: Path, tmp_path: Path) -> None:
    """A state folder has an id of its own for as long as it exists."""
    ids = []
    for path in (folder, folder, tmp_path / "other"):
        journal = await open_journal(path)
        ids.append(journal.daemon_id)
        await journal.close()
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 16


async def test_many_receipts_at_once_keep_ids_as_they_are(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """Whatever a platform gives as an id, alone or among others: none, with quotes, with a zero in it."""
    for ids in (["one"], [None, 'a"b\\', "é🎉", "1"], ["a\0b", "c"]):
        kept = [(await accepted(journal, post(f"{ids} {n}"), ops))[0] for n in range(len(ids))]
        for delivery, message in zip(kept, ids, strict=True):
            journal.complete(delivery.id, 0, Receipt(None if message is None else MessageId(message)))
        assert await journal.load(ops.target) == []
        for delivery, message in zip(kept, ids, strict=True):
            assert await journal.delivered_ids(delivery.event_id) == {ops.target: () if message is None else (message,)}
