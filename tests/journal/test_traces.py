"""Everything that is known of a message, by an id that some channel has for it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from msgspec.structs import replace

from nextbridge.driver import Receipt
from nextbridge.envelope import ChannelKey, MessageId
from nextbridge.journal import Attempt, PlannedPart, Traced
from nextbridge.journal.sqlite import open_journal
from tests.journal.test_fates import LOBBY, OPS, accepted, edit, post


def timeless(way: Traced) -> Traced:
    """Without when each attempt was, which is now."""
    now = time.time() * 1000
    assert all(now - 60_000 < each.at <= now for each in way.tried)
    return replace(way, tried=tuple(replace(each, at=0) for each in way.tried))


def outcomes(way: Traced) -> list[tuple[str, str]]:
    return [(each.outcome, each.reason) for each in way.tried]


async def test_each_way_shows_how_far_it_is(folder: Path) -> None:
    """Delivered in two parts, waiting after a failure, and dead with one part there; also after a restart."""
    journal = await open_journal(folder)
    ops, lobby = await accepted(journal, post("m1"), OPS, LOBBY)
    await journal.part_done(ops.id, 0, Receipt(MessageId("t1")))
    await journal.complete(ops.id, 1, Receipt())
    await journal.postpone(lobby.id, attempts=3, reason="it is down")
    (other,) = await accepted(journal, post("m2"), LOBBY)
    await journal.plan(other.id, [PlannedPart(text="one"), PlannedPart(text="two")])
    await journal.part_done(other.id, 0, Receipt(MessageId("t3")))
    await journal.bury(other.id, reason="too ugly")
    for _ in range(2):
        (trace,) = await journal.trace("m1")
        assert trace.event == post("m1")
        assert {timeless(way) for way in trace.ways} == {
            Traced(
                target=OPS.target,
                state="delivered",
                rule="ops",
                settings="{}",
                tried=(Attempt(0, "delivered"),),
                messages=("t1", None),
            ),
            Traced(
                target=LOBBY.target,
                state="waiting",
                rule="lobby",
                settings="{}",
                attempts=3,
                reason="it is down",
                tried=(Attempt(0, "postponed", "it is down"),),
            ),
        }
        (trace,) = await journal.trace("m2")
        assert tuple(map(timeless, trace.ways)) == (
            Traced(
                target=LOBBY.target,
                state="dead",
                rule="lobby",
                settings="{}",
                reason="too ugly",
                tried=(Attempt(0, "buried", "too ugly"),),
                dead=other.id,
                messages=("t3",),
            ),
        )
        await journal.close()
        journal = await open_journal(folder)
    await journal.close()


async def test_a_copy_leads_to_the_message_and_to_all_that_was_done_to_it(folder: Path) -> None:
    """In its order; whatever else bears the same id is shown, too."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"), OPS)
    await journal.complete(delivery.id, 0, Receipt(MessageId("t1")))
    await accepted(journal, edit("m1", "second"), OPS)
    await accepted(journal, edit("m1", "third"), OPS)
    await accepted(journal, post("t1", channel=LOBBY.target), OPS)
    kinds = [(each.event.key.kind, each.event.message) for each in await journal.trace("t1")]
    assert kinds == [("posted", "m1"), ("edited", "m1"), ("edited", "m1"), ("posted", "t1")]
    assert [each.event.key.kind for each in await journal.trace("m1", limit=2)] == ["edited", "edited"]
    assert await journal.trace("m9") == []
    assert await journal.trace("\ud800") == []
    await journal.close()


async def test_each_attempt_is_kept_and_of_many_the_first_and_the_newest(folder: Path) -> None:
    """In order, up to the receipt; of a hundred failures the first 5 and the newest 15, each cut to 500 characters."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"), OPS)
    for number in range(1, 101):
        journal.postpone(delivery.id, attempts=number, reason=f"{number} " + "x" * 1000)
    await journal.complete(delivery.id, 0, Receipt(MessageId("t1")))
    ((way,),) = [each.ways for each in await journal.trace("m1")]
    assert [reason.split()[0] for outcome, reason in outcomes(way) if outcome == "postponed"] == [
        *map(str, range(1, 6)),
        *map(str, range(86, 101)),
    ]
    assert {len(each.reason) for each in way.tried[:-1]} == {500}
    assert (way.state, way.tried[-1].outcome, way.reason) == ("delivered", "delivered", "")
    await journal.close()


async def test_what_left_no_receipt_is_known_by_its_end(folder: Path) -> None:
    """An edit that was shown, one that had nothing to show, a message that was taken back, a letter dropped."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"), OPS)
    await journal.complete(delivery.id, 0, Receipt(MessageId("t1")))
    for version, outcome in (("second", "delivered"), ("third", "skipped")):
        (change,) = await accepted(journal, edit("m1", version), OPS)
        if outcome == "delivered":
            journal.revise(change.id, delivery.event_id, ["t1"])
            await journal.ended(change.event_id, OPS, "delivered")
        else:
            journal.withdraw([change.id])
            await journal.ended(change.event_id, OPS, "skipped", "edit_changes_nothing")
    said, second, third = [each.ways for each in await journal.trace("m1")]
    assert [outcomes(way) for way in said] == [[("delivered", "")]]
    assert [(way.state, way.rule) for way in second] == [("delivered", "ops")]
    assert [(way.state, way.reason) for way in third] == [("skipped", "edit_changes_nothing")]
    (gone,) = await accepted(journal, edit("m1", "a deletion"), OPS)
    await journal.erase(gone.id, [delivery.event_id])
    assert [(way.state, way.rule, way.messages) for way in (await journal.trace("m1"))[0].ways] == [
        ("deleted", "ops", ())
    ]
    (letter,) = await accepted(journal, post("m2"), OPS)
    await journal.bury(letter.id, reason="too ugly")
    await journal.retry([letter.id])
    (again,) = await journal.load(OPS.target)
    await journal.bury(again.id, reason="still too ugly")
    await journal.drop([again.id])
    ((way,),) = [each.ways for each in await journal.trace("m2")]
    assert (way.state, outcomes(way)) == ("dropped", [("buried", "too ugly"), ("buried", "still too ugly")])
    await journal.close()


async def test_attempts_go_with_their_event_and_with_their_person(folder: Path) -> None:
    """Purging and forgetting leave none; a channel that gets another key takes them along."""
    journal = await open_journal(folder)
    for name in ("m1", "m2"):
        (delivery,) = await accepted(journal, post(name), OPS)
        await journal.postpone(delivery.id, attempts=1, reason="it is down")
        await journal.complete(delivery.id, 0, Receipt(MessageId(f"t-{name}")))
    moved = replace(OPS.target, key=ChannelKey("#moved"))
    await journal.rekey(OPS.target, moved)
    ((way,),) = [each.ways for each in await journal.trace("m1")]
    assert (way.target, [each.outcome for each in way.tried]) == (moved, ["postponed", "delivered"])
    first, _ = (await journal.authored(post("m1").author.id)).events
    await journal.forget([first.event], [])
    ((way,),) = [each.ways for each in await journal.trace("m1")]
    assert [each.outcome for each in way.tried] == ["delivered"]
    await journal.purge(before=2**60)
    await journal.close()
    with sqlite3.connect(folder / "journal.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM attempt").fetchone() == (0,)
    connection.close()
