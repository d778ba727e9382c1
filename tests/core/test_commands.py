"""Commands: what is one, who is answered, and that nothing else is touched by it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nextbridge.commands.grammar import Command, parse, recognise
from nextbridge.driver import Outgoing, Receipt, Rejected
from nextbridge.envelope import Posted
from nextbridge.markup import Mention, RichText, Text
from tests.core.conversing import ConversingDriver, sides
from tests.core.script import RunDaemon, mark_of, post, rule
from tests.core.talking import ALICE, BOB, LonelyDriver, TalkingDriver, pair, rich, talking

BRIDGE = rule("r", "a/1", "b/1")
BOTH = {"a": TalkingDriver, "b": TalkingDriver}


def said(text: str | RichText, **fields: Any) -> Posted:
    event = post("a", "", **fields)
    return replace(event, text=RichText.plain(text) if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("", Command("help")),
        ("help", Command("help")),
        ("HELP", Command("help")),
        ("bind", Command("bind")),
        ("Bind Confirm ab-12", Command("confirm", "ab-12")),
        ("bind confirm AB 12", Command("confirm", "AB12")),
        ("bind accept 1234", Command("accept", "1234")),
        ("bind rm", Command("rm")),
        ("bind rm libera", Command("rm", "libera")),
        ("bind list", Command("list")),
        ("bind list all", Command("unknown")),
        ("bind confirm", Command("unknown")),
        ("bind accept", Command("unknown")),
        ("bind me", Command("unknown")),
        ("help me", Command("unknown")),
        ("binding", Command("unknown")),
        ("bind confirm " + "A" * 10_000, Command("unknown")),
    ],
)
def test_the_words_of_commands(words: str, command: Command) -> None:
    """In small or capital letters; what does not fit is no command that is known."""
    assert parse([words] if words else []) == command


@pytest.mark.parametrize("text", ["!nb help", "!NB  help", "!nb", "!nb\nhelp", "  !nb help"])
def test_the_prefix_begins_a_command(text: str) -> None:
    """As a word of its own, in small or capital letters."""
    assert recognise(said(text.strip()), "nb", "relay") == Command("help")


@pytest.mark.parametrize(
    "text",
    ["!nbsomething", "!nb: help", "nb help", "say !nb help", "! nb help", "!", "", "!nb.", "@relay", "relay: help"],
)
def test_what_only_looks_like_the_prefix_is_an_ordinary_message(text: str) -> None:
    """Other words, and a name that nobody was addressed by."""
    assert recognise(said(text), "nb", "relay") is None


def test_a_word_that_goes_on_in_another_node_is_not_the_prefix() -> None:
    """`!nb` and a mention glued to it are one word."""
    assert recognise(said(rich(Text("!nb"), Mention("alice"))), "nb", "relay") is None
    assert recognise(said(rich(Text("!nb "), Mention("alice"))), "nb", "relay") == Command("unknown")


@pytest.mark.parametrize("text", ["@relay bind list", "relay: bind list", "Relay, BIND list", "@Relay: bind list"])
def test_whoever_addresses_the_relay_in_the_words_of_a_command_gives_one(text: str) -> None:
    """With its name first, as people address each other."""
    assert recognise(said(text, addressed=True), "nb", "relay") == Command("list")


def test_a_mention_of_the_relay_counts_as_its_name() -> None:
    """On platforms that know mentions it is one."""
    event = said(rich(Mention("relay"), Text(" help")), addressed=True)
    assert recognise(event, "nb", "relay") == Command("help")


@pytest.mark.parametrize(
    "text",
    [
        "@relay hello, how are you?",
        "@relay",
        "@relay help me please",
        "@relay bind your shoes",
        "@alice help",
        "help @relay",
        "@relayed help",
        "relay's bind list",
    ],
)
def test_who_speaks_of_the_relay_or_in_other_words_gives_no_command(text: str) -> None:
    """It is relayed as usual."""
    assert recognise(said(text, addressed=True), "nb", "relay") is None


def test_a_mistyped_code_that_is_meant_for_the_relay_is_not_relayed() -> None:
    """Who says `bind confirm` to it may have a code in the rest."""
    assert recognise(said("@relay bind confirm", addressed=True), "nb", "relay") == Command("unknown")
    assert recognise(said("@relay bind list AB12", addressed=True), "nb", "relay") == Command("unknown")


def test_all_that_is_said_to_the_relay_alone_is_a_command() -> None:
    """With its name or without; but not what somebody does."""
    assert recognise(said("help", direct=True), "nb", "relay") == Command("help")
    assert recognise(said("relay: help", direct=True), "nb", "relay") == Command("help")
    assert recognise(said("good morning", direct=True), "nb", "relay") == Command("unknown")
    assert recognise(said("waves", direct=True, action=True), "nb", "relay") is None


def test_without_a_name_nobody_addresses_the_relay() -> None:
    """A driver that knows no name leaves the prefix."""
    assert recognise(said("@ help", addressed=True), "nb", "") is None


async def test_a_command_is_answered_and_not_relayed(daemon: RunDaemon) -> None:
    """Alone where the platform can; the next message passes, and so does a word that begins alike."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await a.says(ALICE, "!nb help")
        assert "!nb bind" in await a.answer_to(ALICE)
        await a.says(ALICE, "!nbsomething")
        await a.says(ALICE, "hello")
        await b.until(lambda: len(b.shown) == 2)
        assert b.texts == ["!nbsomething", "hello"]
        assert a.shown == []
        assert b.told == []
        assert running.service.tally.count("skipped", reason="command") == 1


async def test_where_nobody_can_be_told_alone_the_answer_stands_in_the_channel(daemon: RunDaemon) -> None:
    """To the one who asked, by name; and what we post there does not come to the other side."""
    async with daemon(BRIDGE, a=LonelyDriver, b=TalkingDriver) as running:
        a, b = running["a"], talking(running, "b")
        await a.post("!nb nonsense", author=ALICE)
        await a.until(lambda: len(a.shown) == 1)
        assert a.texts == ["alice: I do not know this command. For those that I know, say: !nb help"]
        assert a.shown[0].mark.delivery == a.shown[0].key
        assert not b.shown
        assert not b.told


async def test_a_command_by_name_and_a_sentence_by_name(daemon: RunDaemon) -> None:
    """`@relay bind list` is obeyed, `@relay nice work` is relayed."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await a.says(ALICE, "@relay bind list", addressed=True)
        assert "no other account" in await a.answer_to(ALICE)
        await a.says(ALICE, "@relay nice work", addressed=True)
        await b.until(lambda: b.texts == ["@relay nice work"])


async def test_commands_are_heard_in_bridged_channels_and_alone(daemon: RunDaemon) -> None:
    """Elsewhere the relay says nothing."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, _ = pair(running)
        await a.says(ALICE, "!nb help", channel="elsewhere")
        await a.says(ALICE, "@relay help", channel="elsewhere", addressed=True)
        await a.whispers(BOB, "bind list")
        await a.answer_to(BOB)
        assert a.told_to(ALICE) == []
        assert running.service.tally.count("skipped", reason="no_rule") == 2


async def test_who_is_alone_with_a_relay_that_cannot_tell_is_answered_there(daemon: RunDaemon) -> None:
    """The conversation is the two's."""
    async with daemon(BRIDGE, a=LonelyDriver, b=TalkingDriver) as running:
        a = running["a"]
        await a.post("bind", author=ALICE, channel="with-alice", direct=True)
        await a.until(lambda: len(a.shown) == 1)
        assert a.shown[0].channel == "with-alice"
        assert a.texts[0].startswith("Your code is ")


async def test_bots_and_other_relays_give_no_commands(daemon: RunDaemon) -> None:
    """What they say is relayed as ever."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await a.says(replace(ALICE, bot=True), "!nb help")
        await a.says(BOB, "!nb list", mark=mark_of("another"))
        await b.until(lambda: b.texts == ["!nb help", "!nb list"])
        assert a.told == []


async def test_a_command_is_obeyed_once_and_not_kept_with_its_words(daemon: RunDaemon, tmp_path: Path) -> None:
    """Platforms repeat themselves; and what lies in the journal tells no code."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, _ = pair(running)
        event = await a.says(ALICE, "!nb bind confirm SECRETWORD")
        await a.answer_to(ALICE)
        await (await a.host.accept(event))
    async with daemon(BRIDGE, **BOTH) as running:
        a, _ = pair(running)
        await (await a.host.accept(event))
        await a.whispers(BOB, "help")
        await a.answer_to(BOB)
        assert a.told_to(ALICE) == []
    files = [path.read_bytes() for path in (tmp_path / "state").glob("journal*")]
    assert files
    assert not any(b"SECRETWORD" in content for content in files)


async def test_a_command_that_comes_out_of_the_history_is_not_obeyed_any_more(daemon: RunDaemon) -> None:
    """Nobody waits for the answer to what was said long ago; nor is it relayed."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        await a.says(ALICE, "!nb bind", late=True)
        await a.says(ALICE, "hello")
        await b.until(lambda: b.texts == ["hello"])
        assert a.told == []
        assert running.service.tally.count("skipped", reason="command_too_late") == 1


async def test_nobody_makes_the_relay_flood(daemon: RunDaemon) -> None:
    """Of a hundred commands in a row a few are answered, and somebody else is answered then."""
    async with daemon(BRIDGE, clock=lambda: 0.0, **BOTH) as running:
        a, _ = pair(running)
        for _ in range(100):
            await a.says(ALICE, "!nb help")
        await a.says(BOB, "!nb help")
        await a.answer_to(BOB)
        assert len(a.told_to(ALICE)) == 6


async def test_two_programs_do_not_talk_to_each_other_for_ever(daemon: RunDaemon) -> None:
    """What is no command is answered twice, and then once a minute; commands are answered all the same."""
    now = [0.0]
    async with daemon(BRIDGE, clock=lambda: now[0], **BOTH) as running:
        a, _ = pair(running)
        for _ in range(4):
            await a.whispers(ALICE, "I do not know this command.")
        await a.whispers(ALICE, "bind list")
        await a.answer_to(ALICE, nth=3)
        now[0] = 60.0
        for _ in range(4):
            await a.whispers(ALICE, "I do not know this command.")
        await a.whispers(ALICE, "bind list")
        await a.answer_to(ALICE, nth=5)
        assert ["know this" in text for text in a.told_to(ALICE)] == [True, True, False, True, False]


async def test_many_together_are_answered_no_more_often_than_all_may(daemon: RunDaemon) -> None:
    """A crowd of new accounts gets thirty answers; time brings more."""
    now = [0.0]
    async with daemon(BRIDGE, clock=lambda: now[0], **BOTH) as running:
        a, _ = pair(running)
        for number in range(100):
            await a.says(replace(ALICE, id=f"crowd-{number}"), "!nb help")
        await a.until(lambda: len(a.told) == 30)
        await a.says(BOB, "!nb help")
        assert running.service.tally.count("skipped", reason="command_too_many") == 71
        now[0] = 1.0
        await a.says(BOB, "!nb help")
        await a.answer_to(BOB)
        assert len(a.told) == 31


async def test_an_answer_that_fails_disturbs_nothing(daemon: RunDaemon) -> None:
    """Neither a refusal nor a bug in the driver; messages pass before and after."""

    async def broken(message: Outgoing) -> Receipt:
        raise ZeroDivisionError if message.text.startswith("alice: ") else AssertionError(message.text)

    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        a.answer = broken
        a.refuses = Rejected("they take no messages")
        await a.says(ALICE, "!nb help")
        await a.until(lambda: len(a.sent) == 1)
        a.refuses = ZeroDivisionError()
        await a.says(ALICE, "!nb help")
        await a.says(ALICE, "hello")
        await b.until(lambda: b.texts == ["hello"])
        a.refuses, a.answer = None, a.deliver
        await a.says(ALICE, "!nb help")
        await a.answer_to(ALICE)


async def test_an_answer_that_hangs_holds_up_neither_messages_nor_the_end(daemon: RunDaemon) -> None:
    """The lanes know nothing of it, and a stop does not wait for it."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, b = pair(running)
        a.reads.clear()
        await a.says(ALICE, "!nb help")
        await a.says(ALICE, "hello")
        await b.until(lambda: b.texts == ["hello"])
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 5


async def test_a_long_answer_comes_in_parts_that_fit(daemon: RunDaemon) -> None:
    """Where a message is short."""
    async with daemon(BRIDGE, **BOTH) as running:
        a, _ = pair(running)
        a.text_limit = 60
        await a.whispers(ALICE, "help")
        await a.answer_to(ALICE, nth=3)
        await a.until(lambda: "INSTANCE" in " ".join(a.told_to(ALICE)))
        assert all(len(text) <= 60 for text in a.told_to(ALICE))


async def test_what_is_made_a_command_afterwards_stays_on_its_side(daemon: RunDaemon) -> None:
    """A mistyped one that its author puts right holds a code: it is neither shown nor quoted on the other side."""
    async with daemon(BRIDGE, a=ConversingDriver, b=ConversingDriver) as running:
        a, b = sides(running)
        command, message = await a.say("!nb bnid confirm AB12"), await a.say("nb bind confirm AB12")
        for event in (command, message):
            await a.edits(event, "!nb bind confirm CD34")
        await a.say("answer", reply_to=command.message)
        await a.say("end")
        await b.until(lambda: "end" in b.said)
        assert not any("CD34" in text for text in b.said)
