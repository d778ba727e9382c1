"""Answers: a message lands under what it answers, on whichever side that was said, or quotes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nextbridge.driver import Excerpt
from nextbridge.envelope import ChannelKey, MessageId
from nextbridge.markup import RichText
from tests.core.conversing import (
    BOB,
    BOTH,
    ConversingDriver,
    FixedDriver,
    HalfSeenDriver,
    LackingDriver,
    RootsDriver,
    conversing,
    refuse,
    sides,
)
from tests.core.script import RunDaemon, rule


async def test_an_answer_lands_under_what_its_parent_became(daemon: RunDaemon) -> None:
    """From the side where the parent was said, and from the other side."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        parent = await a.say("parent")
        await a.say("from a", reply_to=parent.message)
        await b.until(lambda: len(b.board) == 2)
        copy = b.id_of("parent")
        assert b.board[b.id_of("from a")].answers == copy
        await b.say("from b", reply_to=copy)
        await a.until(lambda: len(a.board) == 3)
        assert a.board[a.id_of("from b")].answers == parent.message


async def test_an_answer_finds_its_parent_after_a_restart(daemon: RunDaemon) -> None:
    """On both sides."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        parent = await a.say("parent")
        await b.until(lambda: len(b.board) == 1)
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        await a.say("from a", reply_to=parent.message)
        await b.until(lambda: len(b.board) == 2)
        assert b.board[b.id_of("from a")].answers == b.id_of("parent")
        await b.say("from b", reply_to=b.id_of("parent"))
        await a.until(lambda: len(a.board) == 3)
        assert a.board[a.id_of("from b")].answers == parent.message


async def test_an_answer_crosses_any_number_of_platforms(daemon: RunDaemon) -> None:
    """Said on one, answered on the second, shown under the right message on the third."""
    three = {**BOTH, "c": ConversingDriver}
    async with daemon(rule("r", "a/1", "b/1", "c/1"), **three) as running:
        a, b = sides(running)
        c = conversing(running, "c")
        await a.say("parent")
        await b.until(lambda: len(b.board) == 1)
        await b.say("answer", reply_to=b.id_of("parent"))
        await c.until(lambda: len(c.board) == 2)
        assert c.board[c.id_of("answer")].answers == c.id_of("parent")


async def test_where_only_roots_can_be_answered_the_answer_goes_to_the_root(daemon: RunDaemon) -> None:
    """An answer to an answer, from either side and through both, never names anything but a root."""
    async with daemon(rule("r", "a/1", "b/1"), a=ConversingDriver, b=RootsDriver) as running:
        a, b = sides(running)
        root = await a.say("root")
        first = await a.say("first", reply_to=root.message)
        await a.say("second", reply_to=first.message)
        await b.until(lambda: len(b.board) == 3)
        copy = b.id_of("root")
        assert [each.answers for each in b.board.values()] == [None, copy, copy]
        in_b = await b.say("in b", reply_to=copy, thread=copy)
        await a.until(lambda: len(a.board) == 4)
        assert a.board[a.id_of("in b")].answers == root.message
        await a.say("to b", reply_to=a.id_of("in b"))
        await b.until(lambda: len(b.board) == 5)
        assert b.board[b.id_of("to b")].answers == copy
        own = await b.say("own root")
        answer = await b.say("own answer", reply_to=own.message, thread=own.message)
        await a.until(lambda: len(a.board) == 7)
        await a.say("to own", reply_to=a.id_of("own answer"))
        await b.until(lambda: len(b.board) == 8)
        assert b.board[b.id_of("to own")].answers == own.message
        assert in_b.message != answer.message
        assert running.service.tally.count("buried") == 0


async def test_each_part_of_a_long_answer_stands_in_the_thread_where_it_has_to(daemon: RunDaemon) -> None:
    """A thread holds every part; where any message can be answered the first part says it for all."""
    words = "one two three four five six seven eight"
    for driver, answering in ((RootsDriver, 2), (ConversingDriver, 1)):
        state = driver.platform
        async with daemon(rule("r", "a/1", "b/1"), a=ConversingDriver, b=driver, state=state) as running:
            a, b = sides(running)
            a.board.clear()
            b.board.clear()
            b.text_limit = 25
            parent = await a.say("parent")
            await a.say(words, reply_to=parent.message)
            await b.until(lambda b=b: len(b.board) == 3)  # type: ignore[misc]
            assert sum(each.answers is not None for each in b.board.values()) == answering


async def test_where_nothing_can_be_answered_the_parent_is_quoted(daemon: RunDaemon) -> None:
    """A short line with its author and beginning, above the answer; whoever said it, and on whichever side."""
    async with daemon(rule("r", "a/1", "b/1", msg={"msg_format": "<{nickname}> {msg}"}), a=ConversingDriver,
                      b=FixedDriver) as running:  # fmt: skip
        a, b = conversing(running, "a"), running["b"]
        parent = await a.say("what do you think of this? " + "x" * 200)
        await a.say("a lot", reply_to=parent.message, author=BOB)
        await b.until(lambda: len(b.shown) == 2)
        name, quote, answer = b.texts[1].split("\n")
        assert (name, answer) == ("<Bob> ", "a lot")
        assert quote.startswith("> Alice: what do you think of this? xxx")
        assert len(quote) < 120
        assert b.shown[1].reply_to is None


async def test_where_the_server_has_no_answers_it_is_as_if_the_platform_had_none(daemon: RunDaemon) -> None:
    """The class can show answers and this server cannot: the parent is quoted."""
    async with daemon(rule("r", "a/1", "b/1"), a=ConversingDriver, b=LackingDriver) as running:
        a, b = sides(running)
        parent = await a.say("parent")
        await a.say("answer", reply_to=parent.message)
        await b.until(lambda: b.said == ["parent", "> Alice: parent\nanswer"])
        assert [each.answers for each in b.board.values()] == [None, None]


async def test_where_few_see_what_is_answered_it_is_quoted_too(daemon: RunDaemon) -> None:
    """Both: the answer names its parent, and the parent's words stand above it."""
    async with daemon(rule("r", "a/1", "b/1"), a=ConversingDriver, b=HalfSeenDriver) as running:
        a, b = sides(running)
        parent = await a.say("parent")
        await a.say("answer", reply_to=parent.message)
        await b.until(lambda: b.said == ["parent", "> Alice: parent\nanswer"])
        assert [each.answers for each in b.board.values()] == [None, b.id_of("parent")]


async def test_a_parent_that_was_never_relayed_is_quoted_as_its_platform_remembers_it(daemon: RunDaemon) -> None:
    """Recall; where nobody knows what it said the answer goes without."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        a.recalled["old"] = Excerpt("Carol", "said long ago")
        await a.say("answer", reply_to=MessageId("old"))
        await a.say("another", reply_to=MessageId("older"))
        await b.until(lambda: len(b.board) == 2)
        assert b.said == ["> Carol: said long ago\nanswer", "another"]
        assert [each.answers for each in b.board.values()] == [None, None]


async def test_a_platform_that_hangs_makes_one_answer_wait_and_not_each(daemon: RunDaemon) -> None:
    """What it cannot tell the answers go without: its trouble is not that of the channels that they go to."""
    asked: list[str] = []

    class Hanging(ConversingDriver):
        async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
            asked.append(message)
            await asyncio.Event().wait()
            return None

    async with daemon(rule("r", "a/1", "b/1"), a=Hanging, b=ConversingDriver) as running:
        a, b = sides(running)
        for number in range(5):
            await a.say(f"answer {number}", reply_to=MessageId(f"old {number}"))
        await b.until(lambda: len(b.board) == 5, within=15.0)
        assert asked == ["old 0"]


async def test_an_answer_to_a_dead_letter_quotes_it(daemon: RunDaemon) -> None:
    """What did not arrive cannot be answered there."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        ugly = await a.say("ugly")
        await b.until(lambda: len(b.sent) == 1)
        b.answer = b.deliver
        await a.say("not that bad", reply_to=ugly.message)
        await b.until(lambda: b.said == ["> Alice: ugly\nnot that bad"])


async def test_a_parent_that_is_gone_in_the_target_is_quoted(daemon: RunDaemon) -> None:
    """The platform says Gone to an answer: it is sent again, with a quote, and not lost."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        parent = await a.say("parent")
        await b.until(lambda: b.said == ["parent"])
        b.board.clear()
        await a.say("answer", reply_to=parent.message)
        await b.until(lambda: b.said == ["> Alice: parent\nanswer"])
        assert running.service.tally.count("buried") == 0


async def test_a_quote_is_data(daemon: RunDaemon) -> None:
    """What was said before cannot break out of its line, nor call anybody."""
    async with daemon(rule("r", "a/1", "b/1"), a=ConversingDriver, b=FixedDriver) as running:
        a, b = conversing(running, "a"), running["b"]
        parent = await a.say("line\nbreak \u202e override", author=BOB)
        await a.say("answer", reply_to=parent.message)
        await b.until(lambda: len(b.shown) == 2)
        assert b.texts[1] == "> Bob: line break override\nanswer"


async def test_an_edited_answer_keeps_its_quote(daemon: RunDaemon, tmp_path: Path) -> None:
    """Where the quote stands in the text an edit must not take it away."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        a.recalled["old"] = Excerpt("Carol", "said long ago")
        answer = await a.say("answr", reply_to=MessageId("old"))
        await a.edits(answer, "answer")
        await b.until(lambda: b.said == ["> Carol: said long ago\nanswer"])


def test_an_excerpt_of_a_post_without_text_is_its_file() -> None:
    """A picture is quoted by its label."""
    from nextbridge.envelope import Attachment
    from nextbridge.render import excerpt
    from tests.core.script import post

    picture = post("a", "", attachments=(Attachment("f", "cat.png", "image/png"),))
    assert excerpt(picture) == "[Image: cat.png]"
    assert RichText.plain("").blocks == ()
