"""Mentions: whom a message calls on the other side, and whom it never does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from nextbridge.envelope import Author, Edited, UserId
from nextbridge.markup import Code, Mention, MentionKind, Paragraph, Quote, RichText, Source, Text
from tests.core.conversing import ConversingDriver, conversing
from tests.core.script import Daemon, RunDaemon, ScriptDriver, post, rule
from tests.core.talking import ALICE, BOB, MALLORY, LonelyDriver, PassingDriver, TalkingDriver, pair, rich
from tests.core.test_binding import ALLY, bind

BRIDGE = rule("r", "a/1", "b/1")
BOTH = {"a": TalkingDriver, "b": TalkingDriver}


async def say(a: ScriptDriver, text: str | RichText, **fields: Any) -> None:
    """Bob says it."""
    tree = RichText.plain(text) if isinstance(text, str) else text
    await (await a.host.accept(replace(post(a.host.instance, "", author=BOB, **fields), text=tree)))


async def shown(running: Daemon, text: str | RichText) -> str:
    """What `b` shows of what Bob says on `a`."""
    b = running["b"]
    before = len(b.shown)
    await say(running["a"], text)
    await b.until(lambda: len(b.shown) > before)
    return b.texts[-1]


async def test_a_bound_account_is_called_by_its_name_there(daemon: RunDaemon) -> None:
    """Both ways, by the id where the platform gives one, else by who has the name there; after a restart, too."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await bind(a, ALICE, b, ALLY)
        a.join(ALICE)
        assert await shown(running, "ask @alice, not @al") == "ask @<call ally u9>, not @al"
        await b.says(BOB, "@ally?")
        await a.until(lambda: a.texts == ["@<call alice u1>?"])
    async with daemon(BRIDGE, **BOTH) as running:
        assert await shown(running, rich(Mention("whatever", user="u1"))) == "@<call ally u9>"
        assert await shown(running, "@ALICE") == "@<call ally u9>", "the handle is known from the binding"


async def test_the_binding_comes_before_the_name(daemon: RunDaemon) -> None:
    """Another who has the same name on the other side is not called."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await bind(a, ALICE, b, ALLY)
        a.join(ALICE)
        b.join(ALLY, replace(MALLORY, username="alice", name="alice"))
        assert await shown(running, "@alice") == "@<call ally u9>"


async def test_who_only_has_the_name_of_somebody_bound_is_not_them(daemon: RunDaemon) -> None:
    """The one in the source's channel is who is meant, whoever was bound under that name before."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await bind(a, ALICE, b, ALLY)
        a.join(replace(MALLORY, username="alice", name="alice"))
        b.join(ALLY)
        assert await shown(running, "@alice") == "@alice"


async def test_a_name_that_is_anothers_by_now_is_not_called(daemon: RunDaemon) -> None:
    """The bound account was renamed, and somebody took its old name: the text stays text."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await bind(a, ALICE, b, ALLY)
        a.join(ALICE)
        b.join(replace(MALLORY, username="ally", name="ally"))
        assert await shown(running, "@alice") == "@alice"
        await b.says(replace(ALLY, username="ally2"), "I am new")
        b.members.clear()
        assert await shown(running, "again @alice") == "again @<call ally2 u9>"


async def test_without_a_binding_a_name_in_the_channel_is_called(daemon: RunDaemon) -> None:
    """By the handle or the shown name, and only where it is one person's."""
    async with daemon(BRIDGE, **BOTH) as running:
        _, b = pair(running)
        b.join(ALICE, Author(id=UserId("d1"), username="dora1", name="Dora"))
        b.join(
            Author(id=UserId("e1"), username="eve1", name="Eve"), Author(id=UserId("e2"), username="eve2", name="Eve")
        )
        assert await shown(running, "@Alice and @dora.") == "@<call alice u1> and @<call dora1 d1>."
        assert await shown(running, "@eve, @Al, @Alicia") == "@eve, @Al, @Alicia"
        assert await shown(running, "mail alice@example.com") == "mail alice@example.com"
        assert await shown(running, rich(Mention("nobody"))) == "@nobody"


async def test_the_relay_itself_is_not_called(daemon: RunDaemon) -> None:
    """Its account on the other side is nobody's to call."""
    async with daemon(BRIDGE, **BOTH) as running:
        _, b = pair(running)
        b.join(Author(id=UserId("bot-b"), username="relay", name="relay"))
        assert await shown(running, "@relay hello") == "@relay hello"


async def test_a_name_in_front_calls_where_it_does(daemon: RunDaemon) -> None:
    """`alice: hi` of a platform where people are called so."""
    async with daemon(BRIDGE, a=PassingDriver, b=TalkingDriver) as running:
        a, b = pair(running)
        a.join(ALICE)
        b.join(ALICE)
        assert await shown(running, "alice: hi") == "@<call alice u1>: hi"
        await b.says(BOB, "alice: hi")
        await a.until(lambda: a.texts == ["alice: hi"])


@pytest.mark.parametrize("word", ["all", "channel", "here", "everyone", "room", "ALL"])
async def test_everybody_is_called_only_where_the_rule_lets_it(daemon: RunDaemon, word: str) -> None:
    """As text and as a mention, even where somebody bears that name."""
    kind = MentionKind.HERE if word == "here" else MentionKind.CHANNEL
    async with daemon(BRIDGE, **BOTH) as running:
        _, b = pair(running)
        b.join(replace(ALICE, username=word.casefold()))
        assert await shown(running, f"@{word}!") == f"@{word}!"
        assert await shown(running, rich(Mention(word, kind))) == f"@{word}"
        assert b.asked == []
    async with daemon(rule("r", "a/1", "b/1", allow_mass_mentions=True), **BOTH) as running:
        assert await shown(running, f"@{word}!") == f"@<call-{kind.value} {word}>!"
        assert await shown(running, rich(Mention(word, kind))) == f"@<call-{kind.value} {word}>"


async def test_what_is_not_the_authors_own_word_calls_nobody(daemon: RunDaemon) -> None:
    """A display name, a channel's name, a quote and code."""
    async with daemon(rule("r", "a/1", "b/1", msg={"msg_format": "{nickname} {from}: {msg}"}), **BOTH) as running:
        a, b = pair(running)
        b.join(ALICE)
        text = RichText(
            (Quote((Paragraph((Mention("alice", user="u1"),)),)), Paragraph((Code("@alice"),))),
            Source("calling", "> @alice"),
        )
        a.join(ALICE)
        await say(a, text, channel_name="@alice")
        await a.says(replace(BOB, name="@alice"), "hi")
        await b.until(lambda: len(b.shown) == 2)
        assert "call" not in " ".join(b.texts)
        assert b.asked == []


async def test_between_two_of_one_dialect_a_quote_calls_nobody(daemon: RunDaemon) -> None:
    """It does not pass as it was written: there it would be read as a mention."""
    quoted = (Quote((Paragraph((Mention("alice"),)),)),)
    async with daemon(BRIDGE, **BOTH) as running:
        _, b = pair(running)
        b.join(ALICE)
        await say(running["a"], RichText(quoted, Source("calling", "*quoted* @alice")))
        await b.until(lambda: b.texts == ["> @alice"])


async def test_lines_that_the_relay_makes_call_nobody(daemon: RunDaemon) -> None:
    """A topic and a reaction are told of, with whatever they quote."""
    bridge = rule("r", "a/1", "b/1", topics=True, on_reaction="line")
    async with daemon(bridge, a=ConversingDriver, b=TalkingDriver) as running:
        a = conversing(running, "a")
        b = running["b"]
        assert isinstance(b, TalkingDriver)
        b.join(ALICE)
        await a.changes_topic("ask @alice")
        posted = await a.say("@alice")
        await a.reacts(posted, "👍")
        await b.until(lambda: len(b.shown) == 3)
        assert ["call" in text for text in b.texts] == [False, True, False]


async def test_an_edit_calls_as_the_post_did(daemon: RunDaemon) -> None:
    """In place, and in a corrected copy."""
    async with daemon(BRIDGE, a=PassingDriver, b=TalkingDriver) as running:
        a, b = pair(running)
        b.join(ALICE)
        event = await a.says(BOB, "alice: hi")
        await b.until(lambda: len(b.shown) == 1)
        edit = Edited(
            channel=event.channel,
            message=event.message,
            author=BOB,
            at=event.at,
            version="2",
            text=RichText.plain("alice: ho"),
        )
        await (await a.host.accept(edit))
        await b.until(lambda: len(b.shown) == 2)
        assert b.texts == ["@<call alice u1>: hi", "(edited) @<call alice u1>: ho"]


async def test_between_two_of_one_dialect_a_mention_is_looked_at_too(daemon: RunDaemon) -> None:
    """What passes as it was written passes only where it calls the same name."""

    def said(name: str) -> RichText:
        return RichText((Paragraph((Text("*hi* "), Mention(name))),), Source("calling", f"**hi** @{name}"))

    async with daemon(BRIDGE, **BOTH) as running:
        _, b = pair(running)
        b.join(ALICE)
        assert await shown(running, said("alice")) == "**hi** @alice"
        assert await shown(running, said("stranger")) == "*hi* @stranger"
        assert await shown(running, said("all")) == "*hi* @all"


async def test_who_hangs_or_fails_costs_the_call_and_not_the_message(daemon: RunDaemon) -> None:
    """The message passes with the name as text, and the next ones do not wait for that again, whomever they name."""
    now = [0.0]

    async def hang() -> None:
        await asyncio.Event().wait()

    async def fail() -> None:
        raise ZeroDivisionError

    async with daemon(BRIDGE, clock=lambda: now[0], **BOTH) as running:
        _, b = pair(running)
        b.join(ALICE)
        b.look_up = hang
        assert await shown(running, "@alice") == "@alice"
        assert await shown(running, "and @alice") == "and @alice"
        assert await shown(running, "and @carol") == "and @carol"
        assert b.asked == ["alice"]
        now[0] = 31.0
        b.look_up = fail
        assert await shown(running, "@bob") == "@bob"
        assert b.asked == ["alice", "bob"]


async def test_a_look_up_is_remembered_for_a_while(daemon: RunDaemon) -> None:
    """For a minute where somebody was found, for less where not."""
    now = [0.0]
    async with daemon(BRIDGE, clock=lambda: now[0], **BOTH) as running:
        _, b = pair(running)
        b.join(ALICE)
        for moment, asked in ((0.0, 2), (14.0, 2), (16.0, 3), (59.0, 4), (61.0, 5)):
            now[0] = moment
            await shown(running, "@alice @nobody")
            assert len(b.asked) == asked, moment


async def test_a_message_calls_no_crowd(daemon: RunDaemon) -> None:
    """Of a hundred names the first twenty are looked up."""
    async with daemon(BRIDGE, **BOTH) as running:
        _, b = pair(running)
        b.text_limit = 10_000
        b.join(*(Author(id=UserId(f"c{number}"), username=f"c{number}", name="") for number in range(100)))
        text = await shown(running, " ".join(f"@c{number}" for number in range(100)))
        assert text.count("call") == 20
        assert len(b.asked) == 20


async def test_without_a_call_nobody_is_asked(daemon: RunDaemon) -> None:
    """An ordinary message costs no look-up, and where names cannot be looked up they are text."""
    async with daemon(BRIDGE, a=LonelyDriver, b=ScriptDriver) as running:
        a = running["a"]
        assert isinstance(a, LonelyDriver)
        assert await shown(running, "hello alice, mail me@example.com") == "hello alice, mail me@example.com"
        assert await shown(running, "hello @alice") == "hello @alice"
        assert a.asked == []
