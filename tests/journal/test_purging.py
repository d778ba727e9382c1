"""What was delivered is kept for a while and then forgotten, in small steps; what is still needed is never."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from nextbridge.driver import Receipt
from nextbridge.envelope import MessageId, Posted
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal

Post = Callable[[str], Posted]
FOREVER = 2**60


async def deliver(journal: SqliteJournal, event: Posted, *targets: NewDelivery) -> int:
    """Accept it and deliver it everywhere; the event's id."""
    deliveries = await journal.accept(event, targets)
    assert deliveries
    for delivery in deliveries:
        await journal.complete(delivery.id, 0, Receipt(MessageId(f"t {event.message}")))
    return deliveries[0].event_id


async def test_what_is_old_is_forgotten(
    journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery
) -> None:
    """An event that is old enough goes with all its receipts; its message would be a new one if it came again."""
    event = await deliver(journal, post("m1"), ops, lobby)
    await journal.accept(post("m2"), [])
    purged = await journal.purge(before=FOREVER)
    assert (purged.events, purged.done) == (2, True)
    assert await journal.delivered_ids(event) == {}
    assert await journal.accept(post("m1"), [ops]) is not None
    assert await journal.accept(post("m2"), []) is not None


async def test_what_is_younger_stays(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """Of two events the one that was accepted before the moment goes."""
    old = await deliver(journal, post("m1"), ops)
    await asyncio.sleep(0.01)
    moment = time.time_ns() // 1_000_000
    young = await deliver(journal, post("m2"), ops)
    assert (await journal.purge(before=moment)).events == 1
    assert await journal.delivered_ids(old) == {}
    assert await journal.delivered_ids(young) == {ops.target: ("t m2",)}


async def test_what_is_needed_stays_however_old(
    journal: SqliteJournal, post: Post, ops: NewDelivery, lobby: NewDelivery
) -> None:
    """What waits, what is dead and what is tried again keep their events, and what these became elsewhere."""
    events = []
    for number in range(3):
        elsewhere, here = await journal.accept(post(f"m{number}"), [lobby, ops]) or ()
        await journal.complete(elsewhere.id, 0, Receipt(MessageId(f"t{number}")))
        events.append(here)
    await deliver(journal, post("done"), ops)
    _waiting, dead, retried = events
    await journal.bury(dead.id, reason="refused")
    await journal.bury(retried.id, reason="refused")
    await journal.retry([retried.id])
    assert (await journal.purge(before=FOREVER)).events == 1
    assert [each.event.message for each in await journal.load(ops.target)] == ["m0", "m2"]
    assert len(await journal.dead_letters()) == 1
    for number, each in enumerate(events):
        assert await journal.delivered_ids(each.event_id) == {lobby.target: (f"t{number}",)}


async def test_a_walk_goes_in_steps_and_may_end_anywhere(folder: Path, post: Post, ops: NewDelivery) -> None:
    """A step looks at no more events than it may, says where to go on, and a restart goes on with what is left."""
    journal = await open_journal(folder)
    for number in range(10):
        await deliver(journal, post(f"m{number}"), ops)
    kept, *_ = await journal.accept(post("waits"), [ops]) or ()
    for number in range(10, 15):
        await deliver(journal, post(f"m{number}"), ops)
    purged = await journal.purge(before=FOREVER, limit=4)
    assert (purged.events, purged.done) == (4, False)
    purged = await journal.purge(before=FOREVER, after=purged.after, limit=4)
    assert purged.events == 4
    await journal.close()

    journal = await open_journal(folder)
    gone, after, done = 0, 0, False
    while not done:
        purged = await journal.purge(before=FOREVER, after=after, limit=4)
        gone, after, done = gone + purged.events, purged.after, purged.done
    assert gone == 7
    assert [each.id for each in await journal.load(ops.target)] == [kept.id]
    await journal.close()


async def test_freed_room_is_used_again(folder: Path, post: Post, ops: NewDelivery) -> None:
    """A file does not grow while as much is forgotten as is accepted."""

    async def month() -> int:
        journal = await open_journal(folder)
        await asyncio.gather(*(deliver(journal, post(f"m{number}"), ops) for number in range(500)))
        while not (await journal.purge(before=FOREVER)).done:
            pass
        await journal.close()
        return (await asyncio.to_thread((folder / "journal.sqlite3").stat)).st_size

    first, *later = [await month() for _ in range(4)]
    assert first > 100_000
    assert max(later) <= first * 1.1
