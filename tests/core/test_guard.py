"""No secret of the operator's file leaves in anything that a platform is given to show; what is masked is told."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from drivers.mattermost.markdown import MARKDOWN
from nextbridge.driver import Excerpt
from nextbridge.envelope import Attachment, Author, MessageId, UserId
from nextbridge.guard import Guard, counts
from nextbridge.markup import RichText
from nextbridge.redaction import Redaction, redaction
from nextbridge.tally import Tally
from tests.core.conversing import BOTH, ConversingDriver, FixedDriver, sides
from tests.core.script import FilingDriver, IdentityDriver, RunDaemon, ScriptDriver, post, rule
from tests.core.test_render import MarkdownDriver
from tests.markup.strategies import any_text

SECRET = "qz7_gUard*Token_4kX"
"""Of the file that the daemons here were started with; with signs that Markdown takes for its own."""
PLAIN_SECRET = "w4ylk1dgphn8tq6x0vz5rj3mbs"
"""One as Mattermost gives it."""


@pytest.fixture(autouse=True)
def _configured() -> None:
    """What loading a file does for each of its secrets."""
    redaction.add(SECRET)
    redaction.add(PLAIN_SECRET)


def guarding(*secrets: str) -> Guard:
    known = Redaction()
    for each in secrets:
        known.add(each)
    return Guard(Tally(), known)


def nobody() -> Mapping[str, object]:
    return {}


def masked(text: str, *secrets: str) -> str:
    """A text as it would be shown."""
    shown = guarding(*(secrets or (SECRET, PLAIN_SECRET))).event(post("a", text), nobody)
    return MARKDOWN.write(shown.text.blocks).replace("\\*\\*\\*", "***")


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        html.escape(SECRET),
        "\u200b".join(SECRET),
        "\u2060".join(PLAIN_SECRET),
        PLAIN_SECRET[:9] + "**" + PLAIN_SECRET[9:],
        PLAIN_SECRET[:9] + "\x02\x0304,12" + PLAIN_SECRET[9:],
        SECRET.replace("_", "\\_").replace("*", "\\*"),
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    """In an address, in JSON, in HTML, escaped, with formatting or characters of no width inside."""
    assert masked(f"the token ({written}) is mine") == "the token (***) is mine"


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_secret_is_found_in_base64(before: bytes, after: bytes) -> None:
    """As HTTP sends a name and a password."""
    told = masked(base64.b64encode(before + PLAIN_SECRET.encode() + after).decode(), PLAIN_SECRET)
    assert "***" in told


@given(any_text, any_text)
def test_nothing_of_a_secret_is_left_in_any_text(before: str, after: str) -> None:
    """Whatever stands around it; and what holds none is the same object."""
    guard = guarding(SECRET, PLAIN_SECRET)
    shown = guard.event(post("a", f"{before}{PLAIN_SECRET}{after}{SECRET}"), nobody)
    told = MARKDOWN.write(shown.text.blocks)
    assert PLAIN_SECRET not in told
    assert SECRET not in told.replace("\\", "")
    innocent = post("a", before + after)
    assert guard.event(innocent, nobody) is innocent


@given(st.lists(st.text("ab1", min_size=9, max_size=12), min_size=1, max_size=3), st.text("ab1", max_size=60))
def test_two_secrets_that_overlap_are_both_gone(secrets: list[str], text: str) -> None:
    """Neither a piece that could be completed nor a secret inside of another stays."""
    known = [each for each in secrets if counts(each)]
    told = masked(text, *secrets)
    assert not any(each in told for each in known)


@pytest.mark.parametrize(
    "word", ["ab", "test", "dragon", "Password", "PASSWORD", "letmein", "hunter2", "12345678", "Open Sesame now"]
)
def test_a_value_that_could_be_a_word_blocks_no_sentence(word: str) -> None:
    """It is short, or of one kind of characters: masked, it would tell whoever guesses words that it is the secret."""
    assert not counts(word)
    assert masked(f"about {word} and the rest", word) == f"about {word} and the rest"


@pytest.mark.parametrize(
    "secret", [SECRET, PLAIN_SECRET, "passw0rd", "letmein-2024", "geHeimnis", "correcthorsebatterystaple", "1" * 20]
)
def test_a_value_that_is_no_word_counts(secret: str) -> None:
    """Eight characters of two kinds, or twenty."""
    assert counts(secret)


def test_a_secret_that_becomes_known_later_counts_from_then_on() -> None:
    """The automaton is made anew, and a text in which there was none is looked through again."""
    known = Redaction()
    known.add(SECRET)
    guard = Guard(Tally(), known)
    event = post("a", PLAIN_SECRET)
    assert guard.event(event, nobody) is event
    known.add(PLAIN_SECRET)
    assert guard.event(event, nobody).text == RichText.plain("***")


def test_a_secret_of_several_words_is_found() -> None:
    """Also where no word of a message is long, and beside one that is a single word."""
    assert masked("it is six 7 ox 8 fig so", "six 7 ox 8 fig", PLAIN_SECRET) == "it is *** so"
    assert masked(f"it is {PLAIN_SECRET} so", PLAIN_SECRET, "*".join("fourteen 14")) == "it is *** so"


def test_a_message_without_secrets_costs_next_to_nothing() -> None:
    """With a thousand secrets configured as with one: a single pass of an automaton."""
    guard = guarding(*(f"secret-number-{n}-of-many" for n in range(1000)))
    few = guarding("secret-number-0-of-many")
    words = "secret-number- and other innocent words, over and over. " * 20
    events = [post("a", f"{number} {words}") for number in range(1000)]

    def cost(of: Guard) -> float:
        begun = time.perf_counter()
        for event in events:  # more than what is remembered
            of.event(event, nobody)
        return time.perf_counter() - begun

    for each in (guard, few):
        cost(each)
    assert min(cost(guard) for _ in range(5)) < 10 * min(cost(few) for _ in range(5))


@pytest.mark.parametrize(
    "unit", [PLAIN_SECRET, f"{PLAIN_SECRET} ", "*".join(PLAIN_SECRET), f"{PLAIN_SECRET[:-1]}\u200b", "é*"]
)
def test_no_text_makes_the_guard_slow(unit: str) -> None:
    """100 kB of a secret, of one in pieces, and of what is nearly one."""
    event = post("a", (unit * 100_000)[:100_000])
    begun = time.thread_time()
    masked(event.text.blocks[0].children[0].text)  # type: ignore[union-attr]
    assert time.thread_time() - begun < 2.0


def test_halves_of_surrogate_pairs_do_not_disturb_it() -> None:
    """A driver may pass them on from a server."""
    shown = guarding(PLAIN_SECRET).event(post("a", f"\ud800{PLAIN_SECRET}\udfff"), nobody)
    assert shown.text == RichText.plain("\ud800***\udfff")


# --- in a daemon ---


def told(logs: list[Any]) -> list[tuple[str, str]]:
    """By rule, where secrets were masked, each once; and that no line holds one."""
    assert not any(SECRET in repr(each) or PLAIN_SECRET in repr(each) for each in logs)
    found = [(each["rule"], each["where"]) for each in logs if each["event"] == "secret_masked"]
    return sorted(set(found))


async def test_a_secret_in_a_message_is_masked_and_the_operator_is_told(daemon: RunDaemon) -> None:
    """The rest of the message arrives; the log and the tally name the rule and the place."""
    with capture_logs() as logs:
        async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=MarkdownDriver) as running:
            await running["a"].post(f"use {SECRET} or {PLAIN_SECRET}, and be careful")
            await running["a"].post("nothing about it")
            await running["b"].until(lambda: len(running["b"].shown) == 2)
            assert running["b"].texts == [r"use \*\*\* or \*\*\*, and be careful", "nothing about it"]
            assert running.service.tally.count("masked") == 1
    assert told(logs) == [("r", "text")]
    (line,) = [each for each in logs if each["event"] == "secret_masked"]
    assert (line["instance"], line["channel"], line["log_level"]) == ("b", "1", "error")


async def test_a_secret_that_formatting_goes_through_is_masked(daemon: RunDaemon) -> None:
    """Between platforms of one dialect too, where a text goes as it was written."""
    async with daemon(rule("r", "a/1", "b/1"), a=MarkdownDriver, b=MarkdownDriver) as running:
        event = post("a", "")
        for text in (f"so {PLAIN_SECRET[:5]}**{PLAIN_SECRET[5:]}** it is", f"*{PLAIN_SECRET}*"):
            await (
                await running["a"].host.accept(replace(event, text=MARKDOWN.read(text), message=MessageId(text[:3])))
            )
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        first, second = running["b"].texts
        assert (first.startswith("so \\*\\*\\*"), first.endswith(" it is")) == (True, True)
        assert PLAIN_SECRET[:5] not in first
        assert PLAIN_SECRET[5:] not in first
        assert second == r"_\*\*\*_"


async def test_a_secret_does_not_leave_in_pieces(daemon: RunDaemon) -> None:
    """One that is longer than a message of the target is masked before the text is cut."""
    secret = "k3y-" * 60
    redaction.add(secret)
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        running["b"].text_limit = 100
        await running["a"].post(f"{'word ' * 30}{secret}{' word' * 30}")
        await running["a"].post("end")
        await running["b"].until(lambda: bool(running["b"].shown) and running["b"].texts[-1] == "end")
        assert "k3y" not in "".join(running["b"].texts)
        assert sum(each.count("***") for each in running["b"].texts) == 1


async def test_a_secret_in_a_name_or_a_file_name_is_masked(daemon: RunDaemon) -> None:
    """In the name that a message is shown under, in a header, in the picture's address and in the names of files."""
    author = Author(
        id=UserId("u"), username=SECRET, name=f"me {PLAIN_SECRET}", avatar=f"https://x.org/?t={PLAIN_SECRET}"
    )
    file = Attachment(id="f1", name=f"{PLAIN_SECRET}.txt", media_type="text/plain", size=3)
    rules = (
        rule("named", "a/1", to=["b/1"], msg={"name_format": "{nickname}"}),
        rule(
            "headed", "a/1", to=["c/1"], msg={"msg_format": '<richheader title="{nickname}" content="{user_id}"/>{msg}'}
        ),
    )
    with capture_logs() as logs:
        async with daemon(*rules, a=FilingDriver, b=IdentityDriver, c=FilingDriver) as running:
            running.filing("a").contents = {"f1": [b"txt"]}
            await running["a"].post("hi", author=author, attachments=(file,))
            await running["b"].until(lambda: len(running["b"].shown) == 1)
            await running["c"].until(lambda: len(running["c"].shown) == 1)
            named, headed = running["b"].shown[0], running["c"].shown[0]
            assert (named.name, named.avatar, named.text) == ("me ***", None, "hi\n[File: ***.txt]")
            assert (headed.text, [each.name for each in headed.files]) == ("me *** · u\nhi", ["***.txt"])
            for each in (named, headed):
                for field in each.__struct_fields__:
                    shown = repr(getattr(each, field))
                    assert not any(secret in shown for secret in (SECRET, PLAIN_SECRET)), field
    found = told(logs)
    assert ("named", "author") in found
    assert ("headed", "file name") in found


async def test_a_secret_in_an_edit_a_topic_or_a_quote_is_masked(daemon: RunDaemon) -> None:
    """Whatever a platform is given to show."""
    with capture_logs() as logs:
        async with daemon(rule("r", "a/1", "b/1", sync_topic=True, joins=True), **BOTH, c=FixedDriver) as running:
            a, b = sides(running)
            posted = await a.say("harmless")
            await a.edits(posted, f"now {PLAIN_SECRET}")
            await a.changes_topic(f"about {PLAIN_SECRET}")
            await a.leaves(reason=PLAIN_SECRET)
            a.recalled["old"] = Excerpt("Carol", f"it was {PLAIN_SECRET}")
            await a.say("answer", reply_to=MessageId("old"))
            await b.until(lambda: len(b.board) == 3)
            assert b.said == ["now ***", "left (***)", "> Carol: it was ***\nanswer"]
            assert b.topics == ["about ***"]
    assert told(logs) == [("r", "quote"), ("r", "reason"), ("r", "text"), ("r", "topic")]


async def test_a_secret_is_not_cut_into_a_quote(daemon: RunDaemon) -> None:
    """A quote shows the beginning of what was said: of a secret that stands where it ends, nothing."""
    async with daemon(rule("r", "a/1", "b/1"), a=ConversingDriver, b=FixedDriver) as running:
        parent = await running["a"].post("x" * 70 + " " + PLAIN_SECRET)
        await running["a"].post("answer", reply_to=parent.message)
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert PLAIN_SECRET[:4] not in running["b"].texts[1]


async def test_who_is_typing_is_told_without_a_secret(daemon: RunDaemon) -> None:
    """A name is what its bearer makes it."""
    async with daemon(rule("r", "a/1", "b/1", typing=True), **BOTH) as running:
        a, b = sides(running)
        await a.say("start")
        await b.until(lambda: b.said == ["start"])  # both are connected
        a.host.typing(a.home.key, Author(id=UserId("u"), username="x", name=PLAIN_SECRET))
        await b.until(lambda: bool(b.typists))
        assert b.typists == ["***"]
