"""Edits and deletions: what a message became is changed or taken back, wherever the message is on its way."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from nextbridge.driver import Outgoing, Receipt, Rejected, Retry
from nextbridge.journal.sqlite import open_journal
from tests.core.conversing import (
    BOTH,
    ConversingDriver,
    FixedDriver,
    holding,
    refuse,
    refusing,
    retry_all,
    sides,
)
from tests.core.script import LateDriver, RunDaemon, rule


async def test_an_edit_changes_what_the_message_became(daemon: RunDaemon) -> None:
    """The same message, with the new text; nothing is posted."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("teh cat")
        await a.edits(posted, "the cat")
        await b.until(lambda: b.said == ["the cat"])
        assert [what for what, _ in b.changes] == ["edit"]
        assert len(b.shown) == 1


async def test_an_edit_finds_what_crossed_before_a_restart(daemon: RunDaemon) -> None:
    """The journal remembers what a message became."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("teh cat")
        await b.until(lambda: b.said == ["teh cat"])
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        await a.edits(posted, "the cat")
        await b.until(lambda: b.said == ["the cat"])
        await a.deletes(posted)
        await b.until(lambda: b.said == [])


async def test_an_edit_is_made_once_however_often_it_is_reported(daemon: RunDaemon) -> None:
    """Its version tells it from others."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("one")
        for version in ("1", "1", "2", "1"):
            await a.edits(posted, f"edit {version}", version=version)
        await a.say("end")
        await b.until(lambda: b.said == ["edit 2", "end"])
        assert running.service.tally.count("skipped", reason="seen_before") == 2


async def test_a_longer_text_gets_a_further_part_and_a_shorter_one_loses_parts(daemon: RunDaemon) -> None:
    """Messages in parts: the parts that there are say the new text, further ones follow, what is over goes."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        words = "one two three four five six seven eight nine ten eleven twelve"
        posted = await a.say("short")
        await b.until(lambda: b.said == ["short"])
        await a.edits(posted, words, "1")
        await b.until(lambda: len(b.board) == 3 and "".join(b.said).replace(" ", "") == words.replace(" ", ""))
        first = next(iter(b.board))
        await a.edits(posted, "short again", "2")
        await b.until(lambda: b.said == ["short again"])
        assert list(b.board) == [first]
        await a.edits(posted, words, "3")
        await b.until(lambda: len(b.board) == 3)
        await a.deletes(posted)
        await b.until(lambda: not b.board)


async def test_an_edit_while_the_first_part_fails_to_go_out_is_made_when_it_can_be(daemon: RunDaemon) -> None:
    """A lost connection in the middle of an edit: it is made again from its beginning, and posts nothing twice."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("one")
        await b.until(lambda: b.said == ["one"])
        b.trouble = refusing(Retry("lost", after=0.01), Retry("lost again", after=0.01))
        await a.edits(posted, "two")
        await a.say("three")
        await b.until(lambda: b.said == ["two", "three"])


async def test_where_a_platform_cannot_edit_a_corrected_copy_is_posted(daemon: RunDaemon) -> None:
    """on_edit: copy, which is the default; marked as a correction, under the author's name."""
    msg = {"msg_format": "<{nickname}> {msg}"}
    async with daemon(rule("r", "a/1", to=["b/1"], msg=msg), a=ConversingDriver, b=FixedDriver) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        posted = await a.say("teh cat")
        await a.edits(posted, "the cat")
        await b.until(lambda: len(b.shown) == 2)
        assert b.texts == ["<Alice> teh cat", "<Alice> (edited) the cat"]


async def test_an_edit_that_changes_nothing_is_no_correction(daemon: RunDaemon) -> None:
    """A message may have been read as it was after its edit, before the edit was reported; it is counted."""
    async with daemon(rule("r", "a/1", to=["b/1"]), a=ConversingDriver, b=FixedDriver) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        posted = await a.say("the cat")
        await b.until(lambda: b.texts == ["the cat"])
        for version, text in enumerate(("the cat", "the dog", "the dog", "the cat")):
            await a.edits(posted, text, str(version))
            await a.say("next")  # what waits together is shown as the last of it
            await b.until(lambda version=version: b.texts.count("next") == version + 1)  # type: ignore[misc]
        assert [text for text in b.texts if text != "next"] == ["the cat", "(edited) the dog", "(edited) the cat"]
        assert running.service.tally.count("skipped", reason="edit_changes_nothing") == 2


async def test_a_rule_may_say_that_edits_are_nothing_there(daemon: RunDaemon) -> None:
    """on_edit: nothing; it is counted."""
    one_way = rule("r", "a/1", to=["b/1"], on_edit="nothing")
    async with daemon(one_way, a=ConversingDriver, b=FixedDriver) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        posted = await a.say("teh cat")
        await a.edits(posted, "the cat")
        await a.say("end")
        await b.until(lambda: b.texts == ["teh cat", "end"])
        assert running.service.tally.count("skipped", reason="cannot_be_edited") == 1


async def test_where_a_platform_will_not_edit_any_more_a_corrected_copy_is_posted(daemon: RunDaemon) -> None:
    """A time limit that is over: the copy answers what it corrects."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("teh cat")
        await b.until(lambda: b.said == ["teh cat"])
        b.trouble = refusing(Rejected("too old to be edited"))
        await a.edits(posted, "the cat")
        await b.until(lambda: b.said == ["teh cat", "(edited) the cat"])
        assert b.board[b.id_of("(edited) the cat")].answers == b.id_of("teh cat")


async def test_an_edit_of_what_was_never_relayed_is_counted(daemon: RunDaemon) -> None:
    """It changes nothing and is no error."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("elsewhere", channel="2")
        own = await a.say("here")
        await a.edits(replace(posted, channel=own.channel), "new")
        await a.deletes(replace(posted, channel=own.channel))
        await a.say("end")
        await b.until(lambda: b.said == ["here", "end"])
        assert running.service.tally.count("skipped", reason="not_relayed") == 2


async def test_what_was_edited_before_it_was_sent_is_sent_as_it_is_now(daemon: RunDaemon) -> None:
    """Never attempted: the message goes out with the newest text, and the edits are done with it."""
    late = {"a": ConversingDriver, "b": LateDriver}
    async with daemon(rule("r", "a/1", "b/1"), **late) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        one, two = await a.say("one"), await a.say("two")
        await a.edits(two, "two, edited", "1")
        await a.edits(one, "one, edited", "1")
        await a.edits(two, "two, edited twice", "2")
        b.connects.set()
        await a.say("three")
        await b.until(lambda: len(b.shown) == 3)
        assert b.texts == ["one, edited", "two, edited twice", "three"]
        assert running.service.tally.count("skipped", reason="edited_before_sent") == 3


async def test_what_was_deleted_before_it_was_sent_is_never_sent(daemon: RunDaemon) -> None:
    """Never attempted: it is withdrawn, counted, and what follows goes out."""
    late = {"a": ConversingDriver, "b": LateDriver}
    async with daemon(rule("r", "a/1", "b/1"), **late) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        one = await a.say("one")
        await a.edits(one, "one, edited")
        await a.deletes(one)
        await a.say("two")
        b.connects.set()
        await b.until(lambda: b.texts == ["two"])
        assert running.service.tally.count("skipped", reason="deleted_before_sent") == 1


async def test_more_than_a_lane_holds_in_memory_is_changed_in_place_too(daemon: RunDaemon) -> None:
    """The edits of a long queue are found on disk."""
    late = {"a": ConversingDriver, "b": LateDriver}
    async with daemon(rule("r", "a/1", "b/1"), **late) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        posts = [await a.say(f"message {number}") for number in range(250)]
        for number in (3, 120, 249):
            await a.edits(posts[number], f"edited {number}")
        b.connects.set()
        await b.until(lambda: len(b.shown) >= 250)
        await a.say("end")
        await b.until(lambda: b.texts[-1] == "end")
        assert b.texts[:-1] == [
            f"edited {number}" if number in {3, 120, 249} else f"message {number}" for number in range(250)
        ]


async def test_one_message_is_edited_in_place_however_often(daemon: RunDaemon) -> None:
    """More edits than are held in memory at once, and a deletion behind as many."""
    late = {"a": ConversingDriver, "b": LateDriver}
    async with daemon(rule("r", "a/1", "b/1"), **late) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        one, two = await a.say("one"), await a.say("two")
        for number in range(250):
            await a.edits(one, f"one, edited {number}", str(number))
            await a.edits(two, f"two, edited {number}", str(number))
        await a.deletes(two)
        b.connects.set()
        await a.say("end")
        await b.until(lambda: len(b.shown) >= 2)
        assert b.texts == ["one, edited 249", "end"]
        tally = running.service.tally
        assert tally.count("skipped", reason="edited_before_sent") == 250
        assert tally.count("skipped", reason="deleted_before_sent") == 1


async def test_once_attempted_a_message_stays_as_it_is_and_the_edit_follows(daemon: RunDaemon) -> None:
    """In flight: what may have arrived keeps its text under its key; the edit is made after it."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        in_flight, go_on = asyncio.Event(), asyncio.Event()

        async def answer(message: Outgoing) -> Receipt:
            in_flight.set()
            await go_on.wait()
            return await b.deliver(message)

        b.answer = answer
        posted = await a.say("one")
        await in_flight.wait()
        await a.edits(posted, "two")
        go_on.set()
        await b.until(lambda: b.said == ["two"])
        assert [message.text for message in b.sent] == ["one"]
        assert [what for what, _ in b.changes] == ["edit"]


async def test_a_failed_attempt_counts_as_one(daemon: RunDaemon) -> None:
    """After a Retry the message is not changed any more: it may have arrived."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        edited = asyncio.Event()

        async def answer(message: Outgoing) -> Receipt:
            if not edited.is_set():
                raise Retry("busy", after=0.01)
            return await b.deliver(message)

        b.answer = answer
        posted = await a.say("one")
        await b.until(lambda: len(b.sent) > 1)
        await a.edits(posted, "two")
        edited.set()
        await b.until(lambda: b.said == ["two"])
        assert {message.text for message in b.sent} == {"one"}


async def test_an_edit_of_a_dead_letter_edits_the_dead_letter(daemon: RunDaemon, tmp_path: Path) -> None:
    """It is not shown; when it is tried again it says the new text."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        posted = await a.say("ugly")
        await b.until(lambda: len(b.sent) == 1)
        b.answer = b.deliver
        await a.edits(posted, "fine")
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
    journal = await open_journal(tmp_path / "state")
    (dead,) = await journal.dead_letters()
    await journal.retry([dead.id])
    await journal.close()
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        await b.until(lambda: b.said == ["end", "fine"])
        await a.deletes(posted)
        await b.until(lambda: b.said == ["end"])


async def test_a_deleted_dead_letter_is_dropped(daemon: RunDaemon, tmp_path: Path) -> None:
    """Nobody can try again what its author has taken back."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        posted = await a.say("ugly")
        await b.until(lambda: len(b.sent) == 1)
        b.answer = b.deliver
        await a.deletes(posted)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
        assert running.service.tally.count("skipped", reason="dead_letter_deleted") == 1
    journal = await open_journal(tmp_path / "state")
    assert await journal.dead_letters() == []
    await journal.close()


async def test_an_edit_before_its_retried_message_goes_behind_it(daemon: RunDaemon, tmp_path: Path) -> None:
    """The message is at the end of its lane again; the edit waits for it, and is not lost."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        posted = await a.say("ugly")
        await b.until(lambda: len(b.sent) == 1)
        b.answer, held = holding(b)
        await a.say("first")
        await b.until(lambda: len(b.sent) == 2)
        await a.edits(posted, "fine")
        await retry_all(tmp_path / "state")
        held.set()
        await b.until(lambda: b.said == ["first", "fine"])


async def test_a_deletion_takes_back_what_the_message_became(daemon: RunDaemon) -> None:
    """Gone on one side, gone on the other; that it is gone there already is as good."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        one, two = await a.say("one"), await a.say("two")
        await b.until(lambda: b.said == ["one", "two"])
        await a.deletes(one)
        await b.until(lambda: b.said == ["two"])
        b.board.clear()
        await a.deletes(two)
        await a.say("three")
        await b.until(lambda: b.said == ["three"])
        assert running.service.tally.count("buried") == 0


async def test_a_deleted_root_takes_along_what_its_answers_became(daemon: RunDaemon) -> None:
    """A platform that deletes a whole thread says so of the root alone; each copy of an answer goes too."""
    three = {"a": ConversingDriver, "b": ConversingDriver, "c": ConversingDriver}
    async with daemon(rule("r", "a/1", "b/1", "c/1"), **three) as running:
        a, b = sides(running)
        c = running["c"]
        assert isinstance(c, ConversingDriver)
        root = await a.say("root")
        await b.until(lambda: b.said == ["root"])
        await c.until(lambda: c.said == ["root"])
        await a.say("answer", reply_to=root.message, thread=root.message)
        copy = b.id_of("root")
        await b.say("from b", reply_to=copy, thread=copy)
        await a.say("other")
        await c.until(lambda: len(c.said) == 4)
        await a.deletes(root, with_thread=True)
        await c.until(lambda: c.said == ["other"])
        await b.until(lambda: sorted(b.said) == ["from b", "other"])


async def test_where_a_platform_cannot_delete_the_rule_says_what_is_shown(daemon: RunDaemon) -> None:
    """on_delete: nothing by default, counted; notice says that it was deleted, not what it said."""
    for setting, shown in (("nothing", 1), ("notice", 2)):
        one_way = rule("r", "a/1", to=["b/1"], on_delete=setting)
        async with daemon(one_way, a=ConversingDriver, b=FixedDriver, state=setting) as running:
            a, b = running["a"], running["b"]
            assert isinstance(a, ConversingDriver)
            posted = await a.say("secret plan")
            await a.deletes(posted)
            await a.say("end")
            await b.until(lambda b=b: b.texts[-1:] == ["end"])  # type: ignore[misc]
            assert len(b.texts) == shown + 1
            assert sum("secret plan" in text for text in b.texts) == 1
            if setting == "notice":
                assert "deleted a message of " in b.texts[1]


async def test_a_change_to_our_copy_is_not_carried_back(daemon: RunDaemon) -> None:
    """A moderator who deletes the copy deletes the copy alone."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        await a.say("one")
        await b.until(lambda: b.said == ["one"])
        copy = replace(await b.say("x", channel="other"), channel=b.home, message=b.id_of("one"))
        await b.deletes(copy)
        await b.say("end")
        await a.until(lambda: a.said == ["one", "end"])
        assert running.service.tally.count("skipped", reason="copy_changed") == 1


async def test_a_platform_that_gives_no_ids_is_treated_as_one_that_cannot_edit(daemon: RunDaemon) -> None:
    """What has no id cannot be named to be changed."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)

        async def nameless(message: Outgoing) -> Receipt:
            await b.deliver(message)
            return Receipt()

        b.answer = nameless
        posted = await a.say("teh cat")
        await a.edits(posted, "the cat")
        await b.until(lambda: b.said == ["teh cat", "(edited) the cat"])


async def test_edits_and_deletions_keep_their_place(daemon: RunDaemon) -> None:
    """Edits, deletions and messages of one lane are carried in the order of acceptance."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posts = []
        for number in range(20):
            posts.append(await a.say(f"message {number}"))
            if number >= 5:
                await a.edits(posts[number - 5], f"edited {number - 5}")
            if number >= 10:
                await a.deletes(posts[number - 10])
        await b.until(
            lambda: b.said == [*(f"edited {n}" for n in range(10, 15)), *(f"message {n}" for n in range(15, 20))]
        )
