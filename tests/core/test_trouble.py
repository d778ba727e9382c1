"""Edits and deletions in trouble: what fails, ends or is tried again in the middle of a change is made good."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace

from nextbridge.driver import Gone, Outgoing, Receipt, Rejected, Retry
from nextbridge.envelope import Attachment, Author, UserId
from tests.core.conversing import (
    BOTH,
    ConversingDriver,
    FixedDriver,
    conversing,
    holding,
    refuse,
    refusing,
    retry_all,
    sides,
    taking,
)
from tests.core.script import FilingDriver, RunDaemon, ScriptDriver, rule

WORDS = "one two three four five six seven eight nine ten eleven twelve"
"""Three parts where 30 characters are the limit."""
CAROL = Author(id=UserId("u3"), username="carol", name="Carol")


async def test_a_dead_letter_that_an_edit_made_shorter_than_what_had_arrived_comes_to_its_end(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """Nothing is left to be sent of it: were it left waiting, what is done to it later would circle for ever."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        b.answer = taking(b, 2)
        posted = await a.say(WORDS)
        await b.until(lambda: len(b.sent) == 3)
        b.answer = b.deliver
        await a.edits(posted, "short")
        await a.say("end")
        await b.until(lambda: b.said == ["short", "end"])
        await retry_all(tmp_path / "state")
        await a.edits(posted, "shorter", "2")
        await b.until(lambda: b.said == ["shorter", "end"])
        await a.deletes(posted)
        await b.until(lambda: b.said == ["end"])


async def test_a_part_that_an_edit_adds_is_known_to_have_been_tried(daemon: RunDaemon) -> None:
    """An attempt that failed may have arrived: the platform is told so, and looks for it."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        posted = await a.say("short")
        await b.until(lambda: b.said == ["short"])
        tried: list[Outgoing] = []

        async def lost(message: Outgoing) -> Receipt:
            tried.append(message)
            if len(tried) == 1:
                raise Retry("no answer", after=0.01)
            return await b.deliver(message)

        b.answer = lost
        await a.edits(posted, WORDS)
        await b.until(lambda: len(b.board) == 3)
        first, again, other = tried
        assert first.key == again.key
        assert [message.attempted is not None for message in (first, again, other)] == [False, True, False]


@pytest.mark.parametrize("error", [Rejected("too old to be edited"), Gone("it is not there")])
async def test_what_an_earlier_attempt_made_counts_though_it_cannot_be_edited(
    daemon: RunDaemon, error: Exception
) -> None:
    """A message that was edited before it was sent has arrived, whatever becomes of making sure that it says so."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        in_flight, go_on = asyncio.Event(), asyncio.Event()
        lost = [Retry("no answer", after=0.01)]

        async def answer(message: Outgoing) -> Receipt:
            if message.text == "first":
                in_flight.set()
                await go_on.wait()
            elif lost:
                raise lost.pop()
            return await b.deliver(message)

        b.answer, b.trouble = answer, refusing(error)
        await a.say("first")
        await in_flight.wait()
        posted = await a.say("teh cat")
        await a.edits(posted, "the cat")
        go_on.set()
        await a.say("end")
        await b.until(lambda: b.said == ["first", "the cat", "end"])
        assert running.service.tally.count("buried") == 0
        await a.deletes(posted)
        await b.until(lambda: b.said == ["first", "end"])


async def test_a_dead_letter_that_is_retried_while_its_edit_is_made_loses_no_edit(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """The first part had arrived; the edit of it is on its way when the rest is tried again."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        b.answer = taking(b, 1)
        posted = await a.say(WORDS)
        await b.until(lambda: len(b.sent) == 2)
        b.answer = b.deliver
        editing, go_on = asyncio.Event(), asyncio.Event()

        async def hold(what: str) -> None:
            editing.set()
            await go_on.wait()

        b.trouble = hold
        await a.edits(posted, WORDS.upper())
        await editing.wait()
        await retry_all(tmp_path / "state")
        go_on.set()
        await b.until(lambda: "".join(b.said).replace(" ", "") == WORDS.upper().replace(" ", ""))


async def test_a_retried_edit_does_not_undo_a_newer_one(daemon: RunDaemon, tmp_path: Path) -> None:
    """The older of two edits was given up; when it is tried again, the message says what it said last."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("one")
        await b.until(lambda: b.said == ["one"])
        b.trouble, b.answer = refusing(Rejected("too old to be edited")), refuse
        await a.edits(posted, "two", "1")
        await b.until(lambda: len(b.sent) == 2)  # the corrected copy, which is refused, too
        b.answer = b.deliver
        await a.edits(posted, "three", "2")
        await b.until(lambda: b.said == ["three"])
        assert running.service.tally.count("buried") == 1
        await retry_all(tmp_path / "state")
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        assert b.said == ["three", "end"]


async def test_what_one_part_is_gone_of_can_still_be_taken_back(daemon: RunDaemon) -> None:
    """A moderator removed one part of our copy: an edit changes the others, and a deletion takes them back."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        posted = await a.say(WORDS)
        await b.until(lambda: len(b.board) == 3)
        del b.board[list(b.board)[1]]
        await a.edits(posted, WORDS.upper())
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        await a.deletes(posted)
        await b.until(lambda: b.said == ["end"])


async def test_a_dead_letter_that_is_retried_while_its_deletion_is_made_is_not_sent(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """Its author has taken it back: what had arrived goes, and the rest does not come."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        b.answer = taking(b, 1)
        posted = await a.say(WORDS)
        await b.until(lambda: len(b.sent) == 2)
        b.answer = b.deliver
        deleting, go_on = asyncio.Event(), asyncio.Event()

        async def hold(what: str) -> None:
            deleting.set()
            await go_on.wait()

        b.trouble = hold
        await a.deletes(posted)
        await deleting.wait()
        await retry_all(tmp_path / "state")
        go_on.set()
        await a.say("end")
        await b.until(lambda: b.said == ["end"] and "end" in b.texts)
        await a.say("end of all")
        await b.until(lambda: b.said[-1:] == ["end of all"])
        assert b.said == ["end", "end of all"]


async def test_what_answers_a_root_goes_with_it_before_it_was_sent(daemon: RunDaemon) -> None:
    """A whole thread was deleted before any of it went out: none of it does."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        in_flight, go_on = asyncio.Event(), asyncio.Event()

        async def answer(message: Outgoing) -> Receipt:
            in_flight.set()
            await go_on.wait()
            return await b.deliver(message)

        b.answer = answer
        await a.say("first")
        await in_flight.wait()
        root = await a.say("root")
        await a.say("answer", reply_to=root.message, thread=root.message)
        await a.deletes(root, with_thread=True)
        go_on.set()
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        assert b.texts == ["first", "end"]


async def test_what_answers_a_root_goes_with_it_where_the_root_never_came(daemon: RunDaemon) -> None:
    """The root is a dead letter; its answers were shown, and are taken back when the thread is deleted."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        root = await a.say("root")
        await b.until(lambda: len(b.sent) == 1)
        b.answer = b.deliver
        await a.say("answer", reply_to=root.message, thread=root.message)
        await a.deletes(root, with_thread=True)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])


async def test_a_deletion_takes_corrected_copies_along(daemon: RunDaemon) -> None:
    """What a message was corrected to by hand goes with it."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("teh cat")
        await b.until(lambda: b.said == ["teh cat"])
        b.trouble = refusing(Rejected("too old to be edited"))
        await a.edits(posted, "the cat")
        await b.until(lambda: b.said == ["teh cat", "(edited) the cat"])
        await a.deletes(posted)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])


async def test_a_long_thread_is_taken_back_though_the_platform_wants_it_slow(daemon: RunDaemon) -> None:
    """A limit in the middle: what is gone is not asked for again, or it would never come to an end."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        root = await a.say("root")
        for number in range(4):
            await a.say(f"answer {number}", reply_to=root.message, thread=root.message)
        await b.until(lambda: len(b.board) == 5)
        limit = itertools.cycle([None, None, Retry("too fast", after=0.01)])

        async def slow(what: str) -> None:
            if (error := next(limit)) is not None:
                raise error

        b.trouble = slow
        await a.deletes(root, with_thread=True)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
        assert len({message for _, message in b.changes}) == 5
        assert len(b.changes) <= 7


async def test_what_was_said_below_a_copy_goes_with_the_copy(daemon: RunDaemon) -> None:
    """A moderator deleted our copy and what people had answered to it there: the original stays, and its answers."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        root = await a.say("root")
        await b.until(lambda: b.said == ["root"])
        copy = b.id_of("root")
        await a.say("from a", reply_to=root.message, thread=root.message)
        await b.say("from b", reply_to=copy, thread=copy)
        await a.until(lambda: a.said == ["root", "from a", "from b"])
        await b.deletes(replace(root, channel=b.home, message=copy), with_thread=True)
        await b.say("end")
        await a.until(lambda: a.said == ["root", "from a", "end"])


async def test_a_part_that_cannot_be_deleted_is_left_empty(daemon: RunDaemon) -> None:
    """A shorter text where parts cannot be taken away: it is not posted once more."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        posted = await a.say(WORDS)
        await b.until(lambda: len(b.board) == 3)

        async def no_deletions(what: str) -> None:
            if what == "delete":
                raise Rejected("only moderators may")

        b.trouble = no_deletions
        await a.edits(posted, "short")
        await b.until(lambda: b.said == ["short", "…", "…"])


async def test_an_edit_under_a_filter_that_takes_files_away_is_made(daemon: RunDaemon) -> None:
    """The file was a label when the message crossed; since then the rule relays no files."""
    two = {"a": ConversingDriver, "b": ConversingDriver}
    async with daemon(rule("r", "a/1", "b/1"), **two) as running:
        a, b = sides(running)
        posted = await a.say("teh cat", attachments=(Attachment(id="f", name="cat.png"),))
        await b.until(lambda: len(b.board) == 1)
        assert "cat.png" in b.said[0]
    async with daemon(rule("r", "a/1", "b/1", filter={"files": "strip"}), **two) as running:
        a, b = sides(running)
        await a.edits(posted, "the cat")
        await b.until(lambda: b.said == ["the cat"])


async def test_what_was_deleted_is_not_quoted(daemon: RunDaemon) -> None:
    """Nor is it said again by an edit of it that is tried again."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("secret plan")
        await b.until(lambda: b.said == ["secret plan"])
        await a.deletes(posted)
        await a.say("what was that?", reply_to=posted.message)
        await b.until(lambda: len(b.shown) == 2 and len(b.board) == 1)
        assert b.said == ["what was that?"]


async def test_a_deleted_message_is_not_corrected_by_an_edit_that_is_tried_again(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """Where it could be neither edited nor taken back, an edit of it may still be a dead letter."""
    one_way = rule("r", "a/1", to=["b/1"])
    async with daemon(one_way, a=ConversingDriver, b=FixedDriver) as running:
        a, b = conversing(running, "a"), running["b"]
        posted = await a.say("teh cat")
        await b.until(lambda: b.texts == ["teh cat"])
        b.answer = refuse
        await a.edits(posted, "the secret cat")
        await b.until(lambda: len(b.sent) == 2)
        b.answer = b.deliver
        await a.deletes(posted)
        await a.say("middle")
        await b.until(lambda: b.texts == ["teh cat", "middle"])
        await retry_all(tmp_path / "state")
        await a.say("end")
        await b.until(lambda: b.texts[-1] == "end")
        assert b.texts == ["teh cat", "middle", "end"]


async def test_a_reaction_goes_behind_a_message_that_is_tried_again(daemon: RunDaemon, tmp_path: Path) -> None:
    """It was accepted before its dead message was put at the end of the lane."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        posted = await a.say("ugly")
        await b.until(lambda: len(b.sent) == 1)
        b.answer, held = holding(b)
        await a.say("first")
        await b.until(lambda: len(b.sent) == 2)
        await a.reacts(posted, "👍")
        await retry_all(tmp_path / "state")
        held.set()
        await b.until(lambda: b.said == ["first", "ugly"] and b.board[b.id_of("ugly")].reactions == ("👍",))


@pytest.mark.parametrize("added", [True, False])
async def test_a_retried_reaction_does_not_undo_a_newer_one(daemon: RunDaemon, tmp_path: Path, added: bool) -> None:
    """It was given up, and its author took it back since; or put it anew, where taking it back was given up."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("cake?")
        if not added:
            await a.reacts(posted, "👍")
        await a.say("middle")
        await b.until(lambda: b.said == ["cake?", "middle"])
        b.trouble = refusing(*(ValueError("a bug") for _ in range(3)))
        await a.reacts(posted, "👍", added=added)
        await a.say("it was given up")
        await b.until(lambda: "it was given up" in b.said, within=30)
        assert running.service.tally.count("buried") == 1
        await a.reacts(posted, "👍", added=not added)
        await retry_all(tmp_path / "state")
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        assert b.board[b.id_of("cake?")].reactions == (() if added else ("👍",))
        assert running.service.tally.count("skipped", reason="changed_again") == 1


async def test_a_retried_reaction_that_its_author_did_not_take_back_is_put(daemon: RunDaemon, tmp_path: Path) -> None:
    """Others have reacted so since, and its author otherwise."""
    async with daemon(rule("r", "a/1", "b/1", on_reaction="line"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("cake?")
        await b.until(lambda: b.said == ["cake?"])
        b.trouble, b.answer = refusing(Rejected("not now")), refuse
        await a.reacts(posted, "👍")
        await b.until(lambda: len(b.sent) == 2)  # the line in its place, which is refused, too
        b.answer = b.deliver
        for added in (True, False):
            await a.reacts(posted, "👍", by=CAROL, added=added)
            await a.reacts(posted, "👎", added=added)
        await a.say("middle")
        await b.until(lambda: "middle" in b.said)
        assert b.board[b.id_of("cake?")].reactions == ()
        await retry_all(tmp_path / "state")
        await b.until(lambda: b.board[b.id_of("cake?")].reactions == ("👍",))


async def test_a_reaction_that_went_behind_its_message_undoes_no_newer_one(daemon: RunDaemon, tmp_path: Path) -> None:
    """Put before the message was tried again, taken back after: the first stands behind the second then."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        posted = await a.say("cake?")
        await b.until(lambda: len(b.sent) == 1)
        b.answer, held = holding(b)
        await a.say("first")
        await b.until(lambda: len(b.sent) == 2)
        await a.reacts(posted, "👍")
        await retry_all(tmp_path / "state")
        await a.reacts(posted, "👍", added=False)
        held.set()
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        await a.say("very end")
        await b.until(lambda: "very end" in b.said)
        assert b.board[b.id_of("cake?")].reactions == ()


@pytest.mark.parametrize("platform", [ConversingDriver, FixedDriver])
async def test_of_many_edits_that_wait_the_last_is_shown(daemon: RunDaemon, platform: type[ScriptDriver]) -> None:
    """Whoever edits a message again and again does not make a slow lane show each of its texts."""
    async with daemon(rule("r", "a/1", to=["b/1"]), a=ConversingDriver, b=platform) as running:
        a, b = conversing(running, "a"), running["b"]
        posted = await a.say("one")
        await b.until(lambda: b.texts == ["one"])
        in_flight, go_on = asyncio.Event(), asyncio.Event()

        async def answer(message: Outgoing) -> Receipt:
            in_flight.set()
            await go_on.wait()
            return await b.deliver(message)

        b.answer = answer
        await a.say("first")
        await in_flight.wait()
        for number in range(150):
            await a.edits(posted, f"edited {number}", str(number))
        go_on.set()
        await a.say("end")
        await b.until(lambda: b.texts[-1] == "end")
        if isinstance(b, ConversingDriver):
            assert b.said == ["edited 149", "first", "end"]
            assert [what for what, _ in b.changes] == ["edit"]
        else:
            assert b.texts == ["one", "first", "(edited) edited 149", "end"]
        assert running.service.tally.count("skipped", reason="changed_again") == 149


async def test_an_edit_that_was_cut_short_goes_on_after_the_restart(daemon: RunDaemon) -> None:
    """Some parts are changed, one is on its way: the next run sends it under the same name, and the rest."""
    names: list[tuple[str, bool]] = []
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        posted = await a.say("short")
        await b.until(lambda: b.said == ["short"])

        async def lost(message: Outgoing) -> Receipt:
            names.append((message.key, message.attempted is not None))
            raise Retry("no answer", after=30)

        b.answer = lost
        await a.edits(posted, WORDS)
        await b.until(lambda: len(names) == 1)
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        await b.until(lambda: len(b.board) == 3)
        assert (b.sent[0].key, b.sent[0].attempted is not None) == (names[0][0], True)
        await a.deletes(posted)
        await b.until(lambda: not b.board)


class FilingConversing(FilingDriver, ConversingDriver):
    """A platform of both kinds."""

    platform = "filing_conversing"


async def test_a_file_of_a_dead_letter_arrives_though_all_of_its_text_is_there(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """The part with the file had failed, and an edit made the text so short that no part is left for it."""
    both = {"a": FilingConversing, "b": FilingConversing}
    async with daemon(rule("r", "a/1", "b/1"), **both) as running:
        a, b = sides(running)
        filing = running.filing("b")
        running.filing("a").contents["f"] = [b"a cat"]
        b.text_limit = 30
        b.answer = taking(b, 2)
        posted = await a.say(WORDS, attachments=(Attachment(id="f", name="cat.png"),))
        await b.until(lambda: len(b.sent) == 3)
        b.answer = b.deliver
        await a.edits(posted, "short")
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        await retry_all(tmp_path / "state")
        await b.until(lambda: filing.received[-1:] == [{"cat.png": b"a cat"}])
        assert b.said.count("short") == 1
        await a.deletes(posted)
        await b.until(lambda: b.said == ["end"])


async def test_an_edit_that_went_behind_its_message_undoes_no_newer_one(daemon: RunDaemon, tmp_path: Path) -> None:
    """One edit before the message was tried again, one after: the first stands behind the second then."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        posted = await a.say("one")
        await b.until(lambda: len(b.sent) == 1)
        b.answer, held = holding(b)
        await a.say("first")
        await b.until(lambda: len(b.sent) == 2)
        await a.edits(posted, "two", "1")
        await retry_all(tmp_path / "state")
        await a.edits(posted, "three", "2")
        held.set()
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        await a.say("very end")
        await b.until(lambda: "very end" in b.said)
        assert b.said == ["first", "three", "end", "very end"]


async def test_what_an_edit_had_added_is_taken_back_though_it_failed(daemon: RunDaemon) -> None:
    """One further part was sent, the next is refused: the edit is a dead letter, and the part is known."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.text_limit = 30
        posted = await a.say("short")
        await b.until(lambda: b.said == ["short"])
        b.answer = taking(b, 2)
        await a.edits(posted, WORDS)
        await b.until(lambda: len(b.sent) == 3)
        b.answer = b.deliver
        await a.deletes(posted)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
