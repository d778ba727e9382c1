"""What a rule's filter keeps away, what it changes, and what is said of it."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from drivers.mattermost.markdown import MARKDOWN
from nextbridge.config.model import FilterSettings, RuleSettings, Terms
from nextbridge.driver import Excerpt, Outgoing, Receipt, Retry
from nextbridge.envelope import (
    Attachment,
    Author,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    Event,
    InstanceId,
    Joined,
    Left,
    MessageId,
    Posted,
    Reacted,
    TopicChanged,
    UserId,
)
from nextbridge.filters import Filter, filter_of
from nextbridge.markup import RichText
from nextbridge.tally import Outcome
from tests.core.conversing import BOB, BOTH, ConversingDriver, FixedDriver, sides
from tests.core.script import FilingDriver, RunDaemon, ScriptDriver, post, rule
from tests.core.test_render import MarkdownDriver
from tests.markup.strategies import marked_up

ALICE = Author(id=UserId("U1"), username="alice", name="Alice Liddell")
CAT = Attachment(id="f1", name="cat.png", media_type="image/png", size=3)


def made(**settings: object) -> Filter:
    return Filter(msgspec.convert(settings, FilterSettings))


def reason(event: Event, **settings: object) -> str | None:
    return made(**settings).reason(event)


def happened(kind: type[Any], *, author: Author = ALICE, instance: str = "a", **fields: object) -> Any:
    return kind(
        channel=Channel(InstanceId(instance), ChannelKey("1")), message=MessageId("m"), author=author, at=1, **fields
    )


@pytest.mark.parametrize(
    "user", ["alice", "ALICE", "@alice", "u1", "alice liddell", {"user": "Alice", "instance": "a"}]
)
def test_a_user_is_denied_by_id_handle_or_name(user: object) -> None:
    """Exactly, whatever the capitals; the sign before a handle does not matter."""
    assert reason(post("a", "hi", author=ALICE), deny=[user]) == "filter_user"


@pytest.mark.parametrize("user", ["alic", "alice l", "bob", "@", {"user": "alice", "instance": "b"}])
def test_another_user_is_not(user: object) -> None:
    """Nor one of the same name on another instance."""
    assert reason(post("a", "hi", author=ALICE), deny=[user]) is None


def test_only_those_who_are_allowed_pass_and_not_those_who_call_themselves_so() -> None:
    """A shown name can be anybody's."""
    impostor = Author(id=UserId("u9"), username="mallory", name="alice")
    assert reason(post("a", "hi", author=ALICE), allow=["alice"]) is None
    assert reason(post("a", "hi", author=ALICE), allow=["U1"]) is None
    assert reason(post("a", "hi", author=impostor), allow=["alice"]) == "filter_not_allowed"
    assert reason(post("b", "hi", author=ALICE), allow=[{"user": "alice", "instance": "a"}]) == "filter_not_allowed"


def test_bots_and_names() -> None:
    """By the platform's flag; by a pattern in the handle or the shown name."""
    bot = Author(id=UserId("b"), username="feed", name="News feed", bot=True)
    assert reason(post("a", "hi", author=bot), ignore_bots=True) == "filter_bot"
    assert reason(post("a", "hi", author=ALICE), ignore_bots=True) is None
    assert reason(post("a", "hi", author=bot), ignore_names=["^News"]) == "filter_name"
    assert reason(post("a", "hi", author=bot), ignore_names=["eed$"]) == "filter_name"
    assert reason(post("a", "hi", author=ALICE), ignore_names=["^News", "eed$"]) is None


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("!roll 6", "^!"),
        ("so **BUY** now", "(?i)buy now"),
        ("[innocent](http://spam.example/x)", r"spam\.example"),
        ("one\n\ntwo", r"one\s+two"),
        ("`code`", "^code$"),
    ],
)
def test_a_text_is_looked_at_as_people_see_it(text: str, pattern: str) -> None:
    """Without its notation, with the addresses of its links."""
    assert reason(happened(Posted, text=MARKDOWN.read(text)), ignore_text=["nothing", pattern]) == "filter_text"
    assert reason(happened(Posted, text=MARKDOWN.read("harmless")), ignore_text=[pattern]) is None


def test_what_is_no_message_is_filtered_too() -> None:
    """Who comes, goes and sets a topic: by the person, and by what is said there."""
    for kind in (Joined, Left):
        assert reason(happened(kind), deny=["alice"]) == "filter_user"
    assert reason(happened(Reacted, emoji="x"), deny=["alice"]) == "filter_user"
    assert reason(happened(TopicChanged, topic="Buy now"), ignore_text=["Buy"]) == "filter_text"
    assert reason(happened(Left, reason="Buy now"), ignore_text=["Buy"]) == "filter_text"
    assert shown(
        happened(TopicChanged, topic="foo 1"), settings(replace=[{"pattern": "foo", "with": "bar"}])
    ).topic == ("bar 1")
    assert reason(happened(TopicChanged, topic=""), replace=[{"pattern": "x"}]) is None


def test_an_edit_is_looked_at_as_the_message_was_and_a_deletion_not_at_all() -> None:
    """A moderator who is denied takes back what was relayed."""
    edit = happened(Edited, text=RichText.plain("buy now"))
    assert reason(edit, deny=["alice"]) == "filter_user"
    assert reason(edit, ignore_text=["buy"]) == "filter_text"
    assert reason(edit, replace=[{"pattern": ".+"}]) == "filter_emptied"
    assert reason(happened(Deleted), deny=["alice"], ignore_text=["."]) is None


def test_files() -> None:
    """Left out, or wanted with words only; a message of which nothing would be left is not relayed."""
    bare, told = post("a", "", attachments=(CAT,)), post("a", "look", attachments=(CAT,))
    assert reason(bare, files="strip") == reason(bare, files="with_text") == "filter_files"
    assert reason(told, files="strip") is reason(told, files="with_text") is reason(bare) is None
    assert made(files="strip").applied(told).attachments == ()
    assert made(files="with_text").applied(told) is told
    assert not made(files="strip").takes_files


def shown(event: Any, says: str) -> Any:
    found = filter_of(says)
    return event if found is None else found.applied(event)


def settings(**says: object) -> str:
    terms = Terms(rule=RuleSettings(filter=msgspec.convert(says, FilterSettings)))
    return msgspec.json.encode(terms, order="sorted").decode()


def test_what_a_delivery_was_accepted_under_says_all_of_it() -> None:
    """The filter goes through the journal and comes out the same."""
    says = settings(deny=["bob", {"user": "x", "instance": "a"}], replace=[{"pattern": "a", "with": "b"}])
    assert '"with":"b"' in says
    found = filter_of(says)
    assert found is not None
    assert found.applied(post("a", "aha")).text == RichText.plain("bhb")
    assert filter_of(settings()) is filter_of("{}") is None


def test_a_text_that_nothing_is_found_in_stays_as_it_was_written() -> None:
    """It is the same event, with the source that a target of its dialect shows unchanged."""
    event = happened(Posted, text=MARKDOWN.read("a **b** c\n\n* d"))
    assert shown(event, settings(replace=[{"pattern": "x", "with": "y"}])) is event
    assert shown(event, "{}") is event
    changed = shown(event, settings(replace=[{"pattern": "b", "with": "*y*"}]))
    assert changed.text.source is None
    assert MARKDOWN.write(changed.text.blocks) == "a **\\*y\\*** c\n\n- d"


@given(
    st.one_of(marked_up, st.text(st.characters(), max_size=60)),
    st.sampled_from(["(a+)+$", r"\S+", ".", "b|", "[*_]", r"(?s).*", r"\bword\b"]),
    st.sampled_from(["", r"\0\0", "**", "\n", "@all", "`"]),
)
def test_a_filter_never_fails_and_what_is_left_can_be_written(text: str, pattern: str, put: str) -> None:
    """Whatever a user wrote and an operator replaces."""
    given = happened(Posted, text=MARKDOWN.read(text))
    rules = made(
        ignore_text=["(x+x+)+y"], replace=[{"pattern": pattern, "with": put}], formatting="strip", files="strip"
    )
    if rules.reason(given) is None:
        MARKDOWN.write(rules.applied(given).text.blocks)


@pytest.mark.parametrize("unit", ["a", "ab ", "**a** ", "`a` ", "é", "a\n", "[a](b) "])
def test_no_message_makes_a_filter_slow(unit: str) -> None:
    """100 kB of anything: it is relayed or dropped for a reason, in bounded time."""
    event = happened(Posted, text=MARKDOWN.read((unit * 100_000)[:100_000]))
    rules = made(
        ignore_text=["(z+)+$", "(.|b)*c$"],
        ignore_names=["(z+)+$"],
        replace=[{"pattern": "a.*c|a", "with": r"\0x"}, {"pattern": "(x+)+$", "with": "y"}],
        formatting="strip",
    )
    begun = time.thread_time()
    assert rules.reason(event) in {None, "filter_too_much"}
    assert time.thread_time() - begun < 3.0


# --- in a daemon ---


def skips(running: Any) -> dict[tuple[str, str], int]:
    """By rule and reason, what filters dropped."""
    return {
        (outcome.rule, outcome.reason): number
        for outcome, number in running.service.tally.lines()
        if outcome.kind == "skipped" and outcome.reason.startswith("filter_")
    }


async def test_what_a_filter_drops_is_counted_with_its_rule_and_told(daemon: RunDaemon) -> None:
    """A rule's filter drops that rule's way alone, once a message however many targets it has."""
    rules = (
        rule("quiet", "a/1", to=["b/1", "b/2"], filter={"deny": ["bob"], "ignore_text": ["^!"]}),
        rule("loud", "a/1", to=["b/3"]),
    )
    bob = Author(id=UserId("u2"), username="bob", name="Bob")
    with capture_logs() as logs:
        async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
            await running["a"].post("from bob", author=bob)
            await running["a"].post("!roll")
            await running["a"].post("hello")
            await running["b"].until(lambda: len(running["b"].shown) == 5)
            told = sorted((each.channel, each.text) for each in running["b"].shown)
            assert told == [("1", "hello"), ("2", "hello"), ("3", "!roll"), ("3", "from bob"), ("3", "hello")]
            assert skips(running) == {("quiet", "filter_user"): 1, ("quiet", "filter_text"): 1}
    dropped = [each for each in logs if each["event"] == "message_skipped" and each.get("rule") == "quiet"]
    assert [each["reason"] for each in dropped] == ["filter_user", "filter_text"]
    assert all(each["log_level"] == "debug" and "roll" not in str(each) for each in dropped)


async def test_what_every_rule_drops_is_gone_and_the_next_message_goes_on(daemon: RunDaemon) -> None:
    """It takes no place in the journal, and is counted once for each rule."""
    rules = (
        rule("r", "a/1", "b/1", filter={"ignore_bots": True}),
        rule("s", "a/1", to=["b/2"], filter={"allow": ["carol"]}),
    )
    bot = Author(id=UserId("u3"), username="feed", name="Feed", bot=True)
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("news", author=bot)
        await running["a"].post("hello")
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running["b"].texts == ["hello"]
        assert skips(running) == {("r", "filter_bot"): 1, ("s", "filter_not_allowed"): 2}
        assert running.service.tally.count("accepted") == 1


async def test_a_later_rule_takes_what_the_first_to_a_target_drops(daemon: RunDaemon) -> None:
    """Each target gets a message once, by the first rule that relays it."""
    rules = (
        rule("staff", "a/1", to=["b/1"], msg={"msg_format": "[staff] {msg}"}, filter={"allow": ["alice"]}),
        rule("rest", "a/1", to=["b/1"], msg={"msg_format": "[rest] {msg}"}),
        rule("never", "a/1", to=["b/1"], msg={"msg_format": "[never] {msg}"}),
    )
    bob = Author(id=UserId("u2"), username="bob", name="Bob")
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("one")
        await running["a"].post("two", author=bob)
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert running["b"].texts == ["[staff] one", "[rest] two"]
        shadowed = [
            (outcome.rule, number)
            for outcome, number in running.service.tally.lines()
            if outcome == Outcome("skipped", InstanceId("a"), outcome.rule, "target_of_an_earlier_rule")
        ]
        assert shadowed == [("never", 2), ("rest", 1)]


async def test_words_are_replaced_between_platforms_of_one_dialect_too(daemon: RunDaemon) -> None:
    """What passes there unchanged otherwise does not pass by the filter."""
    says = {"replace": [{"pattern": "CASE-([0-9]+)", "with": r"https://t.example/\1"}]}
    async with daemon(
        rule("r", "a/1", "b/1", filter=says),
        rule("s", "a/1", "c/1"),
        a=MarkdownDriver,
        b=MarkdownDriver,
        c=MarkdownDriver,
    ) as running:
        event = post("a", "")
        text = MARKDOWN.read("see **CASE-12** and `CASE-3`\n* item")
        await (await running["a"].host.accept(msgspec.structs.replace(event, text=text)))
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        await running["c"].until(lambda: len(running["c"].shown) == 1)
        assert running["b"].texts == ["see **https://t.example/12** and `https://t.example/3`\n\n- item"]
        assert running["c"].texts == ["see **CASE-12** and `CASE-3`\n* item"]


async def test_a_text_of_which_nothing_is_left_is_not_relayed(daemon: RunDaemon) -> None:
    """With a file the file is."""
    says = {"replace": [{"pattern": "spam"}]}
    async with daemon(rule("r", "a/1", "b/1", filter=says), a=FilingDriver, b=FilingDriver) as running:
        running.filing("a").contents = {"f1": [b"cat"]}
        await running["a"].post("spam")
        await running["a"].post("spam", attachments=(CAT,))
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running.filing("b").received == [{"cat.png": b"cat"}]
        assert running["b"].texts == [""]
        assert skips(running) == {("r", "filter_emptied"): 1}


async def test_files_that_a_rule_strips_are_not_fetched(daemon: RunDaemon) -> None:
    """No label stands for them, and another rule shows them."""
    rules = (rule("r", "a/1", to=["b/1"], filter={"files": "strip"}), rule("s", "a/2", to=["b/2"]))
    async with daemon(*rules, a=FilingDriver, b=FilingDriver) as running:
        running.filing("a").contents = {"f1": [b"cat"]}
        await running["a"].post("look", attachments=(CAT,))
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running.filing("a").opened == []
        await running["a"].post("look", channel="2", attachments=(CAT,))
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert [(each.text, len(each.files)) for each in running["b"].shown] == [("look", 0), ("look", 1)]


async def test_what_was_accepted_keeps_its_filter(daemon: RunDaemon) -> None:
    """A message that waits over a restart is shown as its rule said when it came, whatever the file says now."""
    channels = ("a/1", "b/1")
    before = rule("r", *channels, filter={"replace": [{"pattern": "red", "with": "blue"}]})
    async with daemon(before, a=ScriptDriver, b=ScriptDriver) as running:

        async def away(_message: Outgoing) -> Receipt:
            raise Retry("not now")

        running["b"].answer = away
        await running["a"].post("red")
        await running["b"].until(lambda: len(running["b"].sent) == 1)
    async with daemon(rule("r", *channels), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("red")
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert running["b"].texts == ["blue", "red"]


@pytest.mark.parametrize("seed", range(3))
async def test_each_rule_relays_just_what_it_says(daemon: RunDaemon, seed: int) -> None:
    """Random people and words through several rules at once: each target shows what its rule lets through, in order."""
    chance = random.Random(seed)
    filters: list[dict[str, object]] = [
        {"deny": ["bob"]},
        {"allow": ["bob", "carol"]},
        {"ignore_text": ["[02468]$"]},
        {"ignore_names": ["^c"]},
        {},
    ]
    rules = [rule(f"r{n}", "a/1", to=[f"b/{n}"], filter=each) for n, each in enumerate(filters)]
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        said = []
        for number in range(50):
            name = chance.choice(["alice", "bob", "carol"])
            said.append((name, str(number)))
            author = Author(id=UserId(name), username=name, name=name)
            await running["a"].post(str(number), author=author)
        wanted = {
            "0": [text for name, text in said if name != "bob"],
            "1": [text for name, text in said if name in {"bob", "carol"}],
            "2": [text for name, text in said if int(text) % 2],
            "3": [text for name, text in said if name != "carol"],
            "4": [text for _, text in said],
        }
        total = sum(map(len, wanted.values()))
        await running["b"].until(lambda: len(running["b"].shown) == total)
        for channel, texts in wanted.items():
            assert [each.text for each in running["b"].shown if each.channel == channel] == texts


async def test_an_edit_is_filtered_like_a_message(daemon: RunDaemon) -> None:
    """What a filter would drop is not shown and counted; what it changes is changed; stripped files do not count."""
    says = {"ignore_text": ["spam"], "replace": [{"pattern": "red", "with": "blue"}], "files": "strip"}
    async with daemon(rule("r", "a/1", "b/1", filter=says), **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("red", attachments=(CAT,))
        await b.until(lambda: b.said == ["blue"])
        await a.edits(posted, "now spam", version="1")
        await a.edits(posted, "now red", version="2")
        await b.until(lambda: b.said == ["now blue"])
        assert skips(running) == {("r", "filter_text"): 1}
        await a.deletes(posted)
        await b.until(lambda: b.said == [])


async def test_a_quote_shows_nothing_that_the_filter_keeps_away(daemon: RunDaemon) -> None:
    """Neither what a denied person said, nor a text that is ignored, nor a word before it was replaced."""
    says = {"deny": ["bob"], "ignore_text": ["spam"], "replace": [{"pattern": "red", "with": "blue"}]}
    async with daemon(rule("r", "a/1", "b/1", filter=says), a=ConversingDriver, b=FixedDriver) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, ConversingDriver)
        a.recalled = {"bob": Excerpt("Bob", "hi"), "spam": Excerpt("Carol", "spam"), "red": Excerpt("Carol", "so red")}
        for parent in a.recalled:
            await a.say("answer", reply_to=MessageId(parent))
        await b.until(lambda: len(b.shown) == 3)
        assert b.texts == ["answer", "> Carol\nanswer", "> Carol: so blue\nanswer"]


async def test_the_typing_of_somebody_who_is_denied_is_not_shown(daemon: RunDaemon) -> None:
    """A sign that they are there would say what the filter keeps away."""
    async with daemon(rule("r", "a/1", "b/1", typing=True, filter={"deny": ["bob"]}), **BOTH) as running:
        a, b = sides(running)
        await a.say("start")
        await b.until(lambda: b.said == ["start"])
        a.host.typing(a.home.key, BOB)
        a.host.typing(a.home.key, ALICE)
        await b.until(lambda: b.typists == ["Alice Liddell"])
