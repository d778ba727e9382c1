"""When things are on disk: commits are shared, what may wait does not wait long, and nobody's trouble is another's."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import MessageId, Posted
from nextbridge.errors import EntryRefused, JournalError
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal

Post = Callable[[str], Posted]


async def test_a_burst_shares_commits(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A thousand accepts at a time need a few commits, and come back in the order of the calls."""

    async def accept(number: int) -> int:
        deliveries = await journal.accept(post(f"m{number}"), [ops])
        assert deliveries is not None
        return deliveries[0].id

    ids = await asyncio.gather(*(accept(number) for number in range(1_000)))
    assert ids == sorted(ids)
    assert journal.commits < 50
    lane = await journal.load(ops.target, limit=2_000)
    assert [delivery.event.message for delivery in lane] == [f"m{number}" for number in range(1_000)]


async def test_order_with_many_sources(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """Sources that wait for each of their events get them into the lane in their own order, each event once."""

    async def source(name: str) -> None:
        for number in range(50):
            await journal.accept(post(f"{name} {number:02}"), [ops])

    await asyncio.gather(*(source(name) for name in "abcdefgh"))
    lane = [str(delivery.event.message) for delivery in await journal.load(ops.target, limit=1_000)]
    for name in "abcdefgh":
        assert [message for message in lane if message[0] == name] == [f"{name} {number:02}" for number in range(50)]


async def test_receipts_ride_with_the_next_commit(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A receipt needs no commit of its own where something urgent follows."""
    deliveries = await journal.accept(post("m1"), [ops])
    assert deliveries is not None
    before = journal.commits
    receipt = journal.complete(deliveries[0].id, 0, Receipt())
    await journal.accept(post("m2"), [ops])
    await receipt
    assert journal.commits == before + 1


async def test_receipts_come_to_disk_by_themselves(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """What may wait is written soon although nothing else is asked for, all of it in one commit."""
    loop = asyncio.get_running_loop()
    deliveries = [await journal.accept(post(f"m{number}"), [ops]) for number in range(4)]
    for _ in range(2):
        before, started = journal.commits, loop.time()
        soon = [journal.move_cursor(ops.target.instance, Cursor("posts", "1"))]
        for delivery in deliveries:
            assert delivery is not None
            soon.append(journal.complete(delivery[0].id, 0, Receipt()))
            soon.append(journal.postpone(delivery[0].id, attempts=1, reason="503"))
        await asyncio.gather(*soon)
        assert journal.commits == before + 1
        assert loop.time() - started < 1  # 0.05, and room for a machine that is busy


async def test_a_receipt_may_be_asked_for_at_once(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """It is written without waiting for company, of which there is none; what came before it goes with it."""
    deliveries = await journal.accept(post("m1"), [ops])
    assert deliveries is not None
    earlier = journal.move_cursor(ops.target.instance, Cursor("posts", "1"))
    await journal.complete(deliveries[0].id, 0, Receipt(), at_once=True)
    assert earlier.done()


async def test_what_follows_an_early_commit(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """What may wait is written by itself too where the one before it was taken along by something urgent."""
    first = journal.move_cursor(ops.target.instance, Cursor("posts", "1"))
    await journal.accept(post("m1"), [ops])
    assert first.done()
    await asyncio.wait_for(journal.move_cursor(ops.target.instance, Cursor("posts", "2")), 5)


async def test_a_receipt_while_a_commit_is_under_way(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """What may wait and is asked for during a commit is written too, although nothing follows."""
    deliveries = await journal.accept(post("m1"), [ops])
    assert deliveries is not None
    accepted = journal.accept(post("m2"), [ops])
    await asyncio.sleep(0)  # a turn of the loop: the batch has gone to the writer
    await asyncio.wait_for(journal.complete(deliveries[0].id, 0, Receipt()), 5)
    assert accepted.done()


async def test_flush(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """After a flush everything that was asked for is on disk; one with nothing to write costs no commit."""
    deliveries = await journal.accept(post("m1"), [ops])
    assert deliveries is not None
    receipt = journal.complete(deliveries[0].id, 0, Receipt())
    await journal.flush()
    assert receipt.done()
    before = journal.commits
    await journal.flush()
    assert journal.commits == before


async def test_a_cancelled_caller(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """A caller that is cancelled while it waits disturbs no other, and what it asked for is done."""
    futures = [journal.accept(post(f"m{number}"), [ops]) for number in range(3)]
    burying = asyncio.ensure_future(journal.bury(1_000_000, reason="no such delivery"))
    await asyncio.sleep(0)
    futures[1].cancel()
    burying.cancel()
    assert await futures[0]
    assert await futures[2]
    assert [delivery.event.message for delivery in await journal.load(ops.target)] == ["m0", "m1", "m2"]


async def test_one_bad_entry_fails_alone(journal: SqliteJournal, post: Post, ops: NewDelivery) -> None:
    """An entry that cannot be kept is refused by itself: its neighbours in the commit are kept, and it leaves nothing.

    The text of the error does not repeat what the entry says.
    """
    bad_event = msgspec.structs.replace(post("m2"), version="half a character: \ud83d")
    bad_target = msgspec.structs.replace(ops, rule="half a character: \ud83d")
    good = [journal.accept(post("m1"), [ops], (ops.target.instance, Cursor("posts", "1")))]
    bad = [
        journal.accept(bad_event, [ops], (ops.target.instance, Cursor("posts", "2"))),
        journal.accept(post("m3"), [ops, bad_target], (ops.target.instance, Cursor("posts", "3"))),
    ]
    good.append(journal.accept(post("m4"), [ops]))
    for number, future in enumerate(good):
        deliveries = await future
        assert deliveries is not None, number
    for future in bad:
        with pytest.raises(EntryRefused) as refused:
            await future
        assert "half a character" not in str(refused.value)
    assert [delivery.event.message for delivery in await journal.load(ops.target)] == ["m1", "m4"]
    assert await journal.cursor(ops.target.instance, "posts") == Cursor("posts", "1")
    assert await journal.accept(post("m3"), [ops]) is not None
    assert not journal.failed.done()


async def test_close_writes_what_waits(folder: Path, post: Post, ops: NewDelivery) -> None:
    """What was asked for before the close is on disk after it, the log is folded in, and the thread has ended."""
    journal = await open_journal(folder)
    accepted = journal.accept(post("m1"), [ops])
    moved = journal.move_cursor(ops.target.instance, Cursor("posts", "1"))
    await journal.close()
    assert accepted.done()
    assert moved.done()
    assert sorted(await asyncio.to_thread(os.listdir, folder)) == ["journal.sqlite3", "lock"]
    assert "journal-writer" not in {thread.name for thread in threading.enumerate()}
    await journal.close()
    for use in (journal.accept(post("m2"), [ops]), journal.flush(), journal.load(ops.target)):
        with pytest.raises(JournalError, match="is closed"):
            await use
    assert not journal.failed.done()

    journal = await open_journal(folder)
    assert [delivery.event.message for delivery in await journal.load(ops.target)] == ["m1"]
    await journal.close()


def test_a_loop_that_ends_without_close(folder: Path, post: Post, ops: NewDelivery) -> None:
    """Where the loop is closed and the journal is not, the thread ends by itself and lets go of the folder."""

    async def forget_to_close() -> None:
        journal = await open_journal(folder)
        await journal.accept(post("m1"), [ops])
        journal.accept(post("m2"), [ops])

    async def reopen() -> list[MessageId]:
        journal = await open_journal(folder)
        lane = await journal.load(ops.target)
        await journal.close()
        return [delivery.event.message for delivery in lane]

    asyncio.run(forget_to_close())
    for thread in threading.enumerate():
        if thread.name == "journal-writer":
            thread.join(10)
            assert not thread.is_alive()
    assert asyncio.run(reopen())[0] == "m1"
