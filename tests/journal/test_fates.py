"""What became of a message, and how edits, deletions and reactions change that: call by call, and over a restart."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from msgspec.structs import replace

from nextbridge.driver import Receipt
from nextbridge.envelope import (
    Author,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    InstanceId,
    MessageId,
    Posted,
    Reacted,
    UserId,
)
from nextbridge.journal import Delivery, Fate, NewDelivery, PlannedPart
from nextbridge.journal.sqlite import SqliteJournal, open_journal
from nextbridge.markup import RichText

TOWN = Channel(InstanceId("mm_main"), ChannelKey("town"))
OPS = NewDelivery(Channel(InstanceId("libera"), ChannelKey("#ops")), "ops", "{}")
LOBBY = NewDelivery(Channel(InstanceId("chat"), ChannelKey("lobby")), "lobby", "{}")
ADA = Author(UserId("u1"), "ada", "Ada")


def post(message: str, *, channel: Channel = TOWN, thread: str | None = None) -> Posted:
    return Posted(
        channel=channel,
        message=MessageId(message),
        author=ADA,
        at=1,
        text=RichText.plain(f"text of {message}"),
        thread=None if thread is None else MessageId(thread),
    )


def edit(message: str, text: str) -> Edited:
    return Edited(channel=TOWN, message=MessageId(message), author=ADA, at=2, version=text, text=RichText.plain(text))


async def accepted(
    journal: SqliteJournal, event: Posted | Edited | Deleted | Reacted, *targets: NewDelivery
) -> list[Delivery]:
    deliveries = await journal.accept(event, targets or (OPS,))
    assert deliveries is not None
    return list(deliveries)


async def arrived(journal: SqliteJournal, event: Posted, *ids: str, note: str | None = None) -> int:
    """Have the event arrive in OPS in so many parts; its id."""
    (delivery,) = await accepted(journal, event)
    for part, name in enumerate(ids[:-1]):
        await journal.part_done(delivery.id, part, Receipt(MessageId(name)))
    await journal.complete(delivery.id, len(ids) - 1, Receipt(MessageId(ids[-1])), note)
    return delivery.event_id


async def fate(journal: SqliteJournal, message: str, *, of: Channel = TOWN, at: Channel = OPS.target) -> Fate:
    found = await journal.fate(at, of, message)
    assert found is not None
    return found


async def test_a_message_is_found_from_every_side(folder: Path) -> None:
    """By its own id, by the id of any part of any copy, and looking from one copy to another; also after a restart."""
    journal = await open_journal(folder)
    event = post("m1")
    ops, lobby = await accepted(journal, event, OPS, LOBBY)
    await journal.part_done(ops.id, 0, Receipt(MessageId("t1")))
    await journal.complete(ops.id, 1, Receipt(MessageId("t2")), '{"0":"too large"}')
    await journal.complete(lobby.id, 0, Receipt())
    for _ in range(2):
        expected = Fate(event_id=ops.event_id, event=event, parts=("t1", "t2"), note='{"0":"too large"}')
        assert await fate(journal, "m1") == expected
        assert await fate(journal, "t2", of=OPS.target) == expected
        assert await fate(journal, "t1", of=OPS.target, at=LOBBY.target) == replace(expected, parts=(None,), note=None)
        home = await fate(journal, "t2", of=OPS.target, at=TOWN)
        assert (home.parts, home.is_at_home(TOWN)) == (("m1",), True)
        assert await journal.fate(OPS.target, TOWN, "unknown") is None
        await journal.close()
        journal = await open_journal(folder)
    await journal.close()


async def test_where_a_message_is_on_its_way(journal: SqliteJournal) -> None:
    """Waiting, dead, tried again: each is told, with its number."""
    (delivery,) = await accepted(journal, post("m1"))
    assert (await fate(journal, "m1")).waiting == delivery.id
    await journal.bury(delivery.id, reason="no")
    assert ((await fate(journal, "m1")).waiting, (await fate(journal, "m1")).dead) == (None, delivery.id)
    await journal.retry([delivery.id])
    (again,) = await journal.load(OPS.target)
    assert ((await fate(journal, "m1")).waiting, (await fate(journal, "m1")).dead) == (again.id, None)


async def test_a_message_says_what_it_was_last_edited_to(journal: SqliteJournal) -> None:
    """Whoever quotes it quotes that."""
    await arrived(journal, post("m1"), "t1")
    for text in ("one", "two"):
        await accepted(journal, edit("m1", text))
    assert (await fate(journal, "m1")).event.text == RichText.plain("two")
    assert (await fate(journal, "t1", of=OPS.target, at=TOWN)).event.text == RichText.plain("two")


async def test_a_message_says_what_it_said_before_an_edit(journal: SqliteJournal) -> None:
    """Whoever carries an edit sees what it changes."""
    await arrived(journal, post("m1"), "t1")
    edits = [(await accepted(journal, edit("m1", text)))[0].event_id for text in ("one", "two")]
    for event_id, before in zip(edits, ("text of m1", "one"), strict=True):
        found = await journal.fate(OPS.target, TOWN, "m1", before=event_id)
        assert found is not None
        assert found.event.text == RichText.plain(before)


async def test_a_corrected_copy_stands_for_what_it_corrects(journal: SqliteJournal) -> None:
    """Who answers the copy answers the message."""
    event_id = await arrived(journal, post("m1"), "t1")
    (copy,) = await accepted(journal, edit("m1", "new"))
    await journal.complete(copy.id, 0, Receipt(MessageId("t2")))
    assert (await fate(journal, "t2", of=OPS.target, at=TOWN)).event_id == event_id


async def test_an_edit_gives_a_message_other_parts(journal: SqliteJournal) -> None:
    """More, fewer, and none left behind; the edit's delivery is done."""
    event_id = await arrived(journal, post("m1"), "t1", "t2", note="n")
    for parts in (["t1", "t2", "t3"], ["t1"], ["t1", None]):
        (change,) = await accepted(journal, edit("m1", f"text {parts}"))
        await journal.revise(change.id, event_id, parts, "n")
        found = await fate(journal, "m1")
        assert (found.parts, found.note) == (tuple(parts), "n")
        assert await journal.load(OPS.target) == []
    assert await journal.fate(TOWN, OPS.target, "t3") is None


async def test_a_deletion_forgets_what_was_there(journal: SqliteJournal) -> None:
    """In its own target alone."""
    event = post("m1")
    ops, lobby = await accepted(journal, event, OPS, LOBBY)
    await journal.complete(ops.id, 0, Receipt(MessageId("t1")))
    await journal.complete(lobby.id, 0, Receipt(MessageId("l1")))
    (gone,) = await accepted(journal, Deleted(channel=TOWN, message=event.message, author=ADA, at=3))
    await journal.erase(gone.id, [ops.event_id])
    assert (await fate(journal, "m1")).parts == ()
    assert (await fate(journal, "m1", at=LOBBY.target)).parts == ("l1",)
    assert await journal.load(OPS.target) == []


async def test_what_waits_takes_the_text_of_the_edits_behind_it(folder: Path) -> None:
    """It is loaded with it, also after a restart, and as a dead letter, and when that is tried again."""
    journal = await open_journal(folder)
    (delivery,) = await accepted(journal, post("m1"))
    await journal.plan(delivery.id, [PlannedPart("old"), PlannedPart("text")])
    await accepted(journal, post("m2"))
    first, second = [*await accepted(journal, edit("m1", "one")), *await accepted(journal, edit("m1", "two"))]
    assert [each.id for each in await journal.changes(delivery)] == [first.id, second.id]
    assert [each.id for each in await journal.changes(delivery, limit=1)] == [first.id]
    assert [each.id for each in await journal.changes(delivery, after=first.id, limit=1)] == [second.id]
    await journal.supersede(delivery.id, [first, second])
    await journal.close()

    journal = await open_journal(folder)
    loaded, other = await journal.load(OPS.target)
    assert isinstance(loaded.event, Posted)
    assert (loaded.event.text, loaded.amended, loaded.plan) == (RichText.plain("two"), True, None)
    assert (other.event.message, other.amended) == ("m2", False)
    assert await journal.changes(loaded) == []
    await journal.bury(loaded.id, reason="no")
    (dead,) = await journal.dead_letters()
    assert isinstance(dead.event, Posted)
    assert dead.event.text == RichText.plain("two")
    (third,) = await accepted(journal, edit("m1", "three"))
    await journal.supersede(dead.id, [third])
    assert (await journal.purge(before=2**60)).events == 2  # the two edits whose text nobody shows
    await journal.retry([dead.id])
    again = (await journal.load(OPS.target))[-1]
    assert isinstance(again.event, Posted)
    assert (again.event.text, again.amended, again.key) == (RichText.plain("three"), True, dead.id)
    await journal.close()


async def test_what_is_taken_back_is_gone_wherever_it_is(journal: SqliteJournal) -> None:
    """Whether it waits or is dead."""
    (waits,) = await accepted(journal, post("m1"))
    (dies,) = await accepted(journal, post("m2"))
    await journal.bury(dies.id, reason="no")
    await journal.withdraw([waits.id, dies.id])
    assert await journal.load(OPS.target) == []
    assert await journal.dead_letters() == []


async def test_what_goes_behind_keeps_its_name(journal: SqliteJournal) -> None:
    """A delivery at the end of its lane again has a new id and its old key."""
    (first,) = await accepted(journal, edit("m1", "new"))
    (second,) = await accepted(journal, post("m2"))
    await journal.requeue(first.id)
    ahead, behind = await journal.load(OPS.target)
    assert ahead.id == second.id
    assert (behind.event, behind.key) == (first.event, first.id)
    (third,) = await accepted(journal, post("m3"))
    assert behind.id < third.id


async def test_answers_are_found_by_the_root_on_either_side(journal: SqliteJournal) -> None:
    """Those in the root's own channel, and those to one of its copies."""
    await arrived(journal, post("root"), "t1")
    await arrived(journal, post("answer", thread="root"), "t2")
    await arrived(journal, post("other", thread="another"), "t3")
    there = post("x1", channel=OPS.target, thread="t1")
    (back,) = await accepted(journal, there, NewDelivery(TOWN, "ops", "{}"))
    await journal.complete(back.id, 0, Receipt(MessageId("m9")))
    assert await journal.thread(TOWN, "root") == [(TOWN, "answer"), (OPS.target, "x1")]
    assert await journal.thread(OPS.target, "t1") == [(OPS.target, "x1")]


async def test_what_was_done_to_a_message_is_known(journal: SqliteJournal) -> None:
    """Its newest edit, and whether it was deleted where it was posted; not what was done to others, or to a copy."""
    await arrived(journal, post("m1"), "t1")
    there = Deleted(channel=OPS.target, message=MessageId("t1"), author=ADA, at=2)
    await accepted(journal, there, NewDelivery(TOWN, "ops", "{}"))
    await accepted(journal, edit("m2", "new"))
    found = await fate(journal, "m1")
    assert (found.edit, found.deleted) == (None, False)
    await accepted(journal, edit("m1", "one"))
    (second,) = await accepted(journal, edit("m1", "two"))
    assert (await fate(journal, "m1")).edit_waits
    journal.withdraw([second.id])
    await accepted(journal, replace(there, channel=TOWN, message=MessageId("m1")))
    found = await fate(journal, "m1")
    assert (found.edit, found.edit_waits, found.deleted) == (second.event_id, False, True)
    assert found.event.text == RichText.plain("two")


async def test_corrections_are_found_by_their_message(journal: SqliteJournal) -> None:
    """What its edits were posted as, in one target."""
    await arrived(journal, post("m1"), "t1")
    (first,) = await accepted(journal, edit("m1", "one"))
    await journal.part_done(first.id, 0, Receipt(MessageId("t2")))
    await journal.complete(first.id, 1, Receipt())
    (second,) = await accepted(journal, edit("m1", "two"), LOBBY)
    await journal.complete(second.id, 0, Receipt(MessageId("l1")))
    (other,) = await accepted(journal, edit("m2", "one"))
    await journal.complete(other.id, 0, Receipt(MessageId("t4")))
    assert await journal.corrections(OPS.target, TOWN, "m1") == {first.event_id: ("t2", None)}
    assert await journal.corrections(LOBBY.target, TOWN, "m1") == {second.event_id: ("l1",)}
    assert await journal.corrections(OPS.target, TOWN, "unknown") == {}


async def test_an_edit_supersedes_nothing_that_is_not_there_any_more(journal: SqliteJournal) -> None:
    """A dead letter that is tried again meanwhile: the edit stays, to go behind it."""
    (dead,) = await accepted(journal, post("m1"))
    await journal.bury(dead.id, reason="refused")
    (change,) = await accepted(journal, edit("m1", "new"))
    await journal.retry([dead.id])
    assert not await journal.supersede(dead.id, [change])
    assert [each.event.message for each in await journal.load(OPS.target)] == ["m1", "m1"]
    assert change.id in [each.id for each in await journal.load(OPS.target)]


async def test_reactions_are_counted_for_each_target(journal: SqliteJournal) -> None:
    """Who has reacted, until they take it back; purged with the message, moved with the channel."""
    event_id = await arrived(journal, post("m1"), "t1")

    numbers = count()

    async def reacts(reactor: str, *, added: bool) -> None:
        (delivery,) = await accepted(journal, edit("m1", f"{reactor} {added} {next(numbers)}"))
        await journal.react(delivery.id, event_id, "👍", reactor, added=added)

    await reacts("mm/u1", added=True)
    await reacts("mm/u1", added=True)
    await reacts("mm/u2", added=True)
    assert await journal.reactors(OPS.target, event_id, "👍") == {"mm/u1", "mm/u2"}
    await reacts("mm/u1", added=False)
    assert await journal.reactors(OPS.target, event_id, "👍") == {"mm/u2"}
    assert await journal.reactors(LOBBY.target, event_id, "👍") == frozenset()
    assert await journal.reactors(OPS.target, event_id, "👎") == frozenset()
    assert await journal.load(OPS.target) == []
    await journal.rekey(OPS.target, LOBBY.target)
    assert await journal.reactors(LOBBY.target, event_id, "👍") == {"mm/u2"}
    await journal.purge(before=2**60)
    assert await journal.reactors(LOBBY.target, event_id, "👍") == frozenset()
    assert await journal.fate(LOBBY.target, TOWN, "m1") is None


async def test_who_reacts_anew_is_known_by_name_and_reaction(journal: SqliteJournal) -> None:
    """Others, and other reactions and messages, do not count; nor what came before."""
    numbers = count()

    async def reacts(emoji: str = "👍", *, message: str = "m1", by: Author = ADA, added: bool = True) -> int:
        event = Reacted(
            channel=TOWN,
            message=MessageId(message),
            author=by,
            at=3,
            version=str(next(numbers)),
            emoji=emoji,
            added=added,
        )
        (delivery,) = await accepted(journal, event)
        return delivery.event_id

    await arrived(journal, post("m1"), "t1")
    first = await reacts()
    await reacts("👎")
    await reacts(message="m2")
    await reacts(by=replace(ADA, id=UserId("u2")))
    assert not await journal.reacted_again(first)
    again = await reacts(added=False)
    assert await journal.reacted_again(first)
    assert not await journal.reacted_again(again)
