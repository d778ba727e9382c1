"""Everything that is known of a message, by an id that some channel has for it."""

from __future__ import annotations

from pathlib import Path

from nextbridge.driver import Receipt
from nextbridge.envelope import MessageId
from nextbridge.journal import NewDelivery, PlannedPart, Traced
from nextbridge.journal.sqlite import open_journal
from tests.journal.test_fates import LOBBY, OPS, accepted, edit, post

DEN = NewDelivery(OPS.target, "den", "{}")


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
        assert set(trace.ways) == {
            Traced(target=OPS.target, state="delivered", messages=("t1", None)),
            Traced(target=LOBBY.target, state="waiting", rule="lobby", attempts=3, reason="it is down"),
        }
        (trace,) = await journal.trace("m2")
        assert trace.ways == (
            Traced(
                target=LOBBY.target,
                state="dead",
                rule="lobby",
                reason="too ugly",
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
