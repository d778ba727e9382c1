"""Reactions: one of ours stands for all of the other side, and goes with the last."""

from __future__ import annotations

from typing import ClassVar

from nextbridge.driver import Rejected, Retry
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from tests.core.conversing import BOB, BOTH, ConversingDriver, FixedDriver, conversing, refuse, sides
from tests.core.script import RunDaemon, rule

CAROL = Author(id=UserId("u3"), username="carol", name="Carol")


async def test_one_reaction_stands_for_all_and_goes_with_the_last(daemon: RunDaemon) -> None:
    """Two people react alike: one is put; the first to take it back changes nothing, the second takes it off."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("cake?")
        await a.reacts(posted, "👍")
        await a.reacts(posted, "👍", by=CAROL)
        await a.reacts(posted, "party_parrot", by=CAROL)
        await b.until(lambda: len(b.changes) == 2)
        shown = b.board[b.id_of("cake?")]
        assert sorted(shown.reactions) == ["party_parrot", "👍"]
        await a.reacts(posted, "👍", added=False)
        await a.reacts(posted, "party_parrot", by=CAROL, added=False)
        await b.until(lambda: len(b.changes) == 3)
        assert shown.reactions == ("👍",)
        await a.reacts(posted, "👍", by=CAROL, added=False)
        await b.until(lambda: len(b.changes) == 4)
        assert not shown.reactions


class TheirOwnDriver(ConversingDriver):
    """Where people from elsewhere have accounts of their own."""

    platform: ClassVar[str] = "their_own"

    async def react_for(
        self, channel: ChannelKey, message: MessageId, emoji: str, author: Author, home: str, *, add: bool
    ) -> bool:
        await self._change(f"{home} {author.name} {add}", message)
        return True


async def test_each_person_reacts_as_themselves_where_they_have_accounts(daemon: RunDaemon) -> None:
    """And takes back their own, whoever else reacted alike; nobody is asked twice for one reaction."""
    async with daemon(rule("r", "a/1", "b/1"), **{**BOTH, "b": TheirOwnDriver}) as running:
        a, b = sides(running)
        posted = await a.say("cake?")
        await a.reacts(posted, "👍")
        await a.reacts(posted, "👍", by=CAROL)
        await a.reacts(posted, "👍", added=False)
        await a.reacts(posted, "👍", by=CAROL, added=False)
        await b.until(lambda: len(b.changes) == 4)
        done = [what for what, _ in b.changes]
        assert [what.partition(" ")[2] for what in done] == ["Bob True", "Carol True", "Bob False", "Carol False"]
        assert len({what.partition(" ")[0] for what in done}) == 1


async def test_a_reaction_to_a_copy_reaches_the_original_and_every_other_copy(daemon: RunDaemon) -> None:
    """From the other side, before and after a restart."""
    three = {**BOTH, "c": ConversingDriver}
    rules = rule("r", "a/1", "b/1", "c/1")
    async with daemon(rules, **three) as running:
        a, b = sides(running)
        c = conversing(running, "c")
        posted = await a.say("cake?")
        await b.until(lambda: b.said == ["cake?"])
        await c.until(lambda: c.said == ["cake?"])
        await b.reacts(b.id_of("cake?"), "👍")
        await a.until(lambda: a.board[posted.message].reactions == ("👍",))
        await c.until(lambda: c.board[c.id_of("cake?")].reactions == ("👍",))
    async with daemon(rules, **three) as running:
        a, b = sides(running)
        c = conversing(running, "c")
        await b.reacts(b.id_of("cake?"), "👍", added=False)
        await a.until(lambda: a.board[posted.message].reactions == ())
        await c.until(lambda: c.board[c.id_of("cake?")].reactions == ())


async def test_a_reaction_that_the_platform_does_not_have_is_counted_and_buries_nothing(daemon: RunDaemon) -> None:
    """Its own emoji, unknown elsewhere."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("cake?")

        async def unknown(what: str) -> None:
            raise Rejected("there is no such emoji here")

        await b.until(lambda: b.said == ["cake?"])
        b.trouble = unknown
        await a.reacts(posted, "our_logo")
        await a.reacts(posted, "our_logo", added=False)
        await a.say("end")
        await b.until(lambda: b.said == ["cake?", "end"])
        assert running.service.tally.count("skipped", reason="reaction_not_shown") == 2
        assert running.service.tally.count("buried") == 0


async def test_a_reaction_that_meets_trouble_is_put_later(daemon: RunDaemon) -> None:
    """Retry keeps its place in the lane."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("cake?")
        await b.until(lambda: b.said == ["cake?"])
        errors = [Retry("busy", after=0.01)]

        async def busy(what: str) -> None:
            if errors:
                raise errors.pop()

        b.trouble = busy
        await a.reacts(posted, "👍")
        await a.say("end")
        await b.until(lambda: b.said == ["cake?", "end"])
        assert b.board[b.id_of("cake?")].reactions == ("👍",)


async def test_where_there_are_no_reactions_the_rule_says_what_is_shown(daemon: RunDaemon) -> None:
    """Nothing by default; with on_reaction: line, a line that says who reacted to what, and how."""
    for setting, shown in (("nothing", 2), ("line", 4)):
        msg = {"msg_format": "<{nickname}> {msg}"}
        one_way = rule("r", "a/1", to=["b/1"], on_reaction=setting, msg=msg)
        async with daemon(one_way, a=ConversingDriver, b=FixedDriver, state=setting) as running:
            a, b = conversing(running, "a"), running["b"]
            posted = await a.say("cake?")
            await a.reacts(posted, "👍")
            await a.reacts(posted, "party_parrot")
            await a.reacts(posted, "👍", added=False)
            await a.say("end")
            await b.until(lambda b=b: b.texts[-1:] == ["<Alice> end"])  # type: ignore[misc]
            assert len(b.texts) == shown
            if setting == "line":
                assert b.texts[1] == "<Bob> reacted with 👍 to Alice: cake?"
                assert b.texts[2] == "<Bob> reacted with :party_parrot: to Alice: cake?"


async def test_a_reaction_to_what_is_not_there_is_counted(daemon: RunDaemon) -> None:
    """A dead letter, and what was never relayed."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        b.answer = refuse
        ugly = await a.say("ugly")
        await b.until(lambda: len(b.sent) == 1)
        b.answer = b.deliver
        await a.reacts(ugly, "👍")
        await a.reacts(b.id_of("x") if "x" in b.said else ugly, "👎", by=BOB)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
        assert running.service.tally.count("skipped", reason="not_relayed") == 2
        assert b.changes == []


async def test_our_own_reaction_never_comes_back(daemon: RunDaemon) -> None:
    """The platform tells us of what we did ourselves."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("cake?")
        await b.until(lambda: b.said == ["cake?"])
        await b.reacts(b.id_of("cake?"), "👍", by=Author(UserId("bot-b"), "relay", "Relay"))
        await b.say("end")
        await a.until(lambda: a.said == ["cake?", "end"])
        assert a.board[posted.message].reactions == ()
