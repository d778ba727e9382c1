"""`nextbridge trace`: what became of a message, beside the running daemon and on its files."""

from __future__ import annotations

import json
from pathlib import Path

from nextbridge.driver import Outgoing, Paused, Receipt, Rejected, Retry
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.redaction import redaction
from tests.core.conversing import BOTH, FixedDriver, holding, sides
from tests.core.script import IdentityDriver, LateDriver, RunDaemon, ScriptDriver, rule
from tests.core.test_operators import _quiet, command, said, state

__all__ = ["_quiet", "state"]

RULES = (rule("r", "a/1", "b/1", "c/1"),)
PLATFORMS = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}


async def test_an_operator_sees_where_a_message_is(daemon: RunDaemon, state: Path) -> None:
    """By its link, its id, the log's event_id and the id of a copy; without its text, unless it is asked for."""
    async with daemon(*RULES, **PLATFORMS) as running:

        async def refuse(message: Outgoing) -> Receipt:
            raise Rejected("too ugly\x1b[2J")

        running["c"].answer = refuse
        event = await running["a"].post("a riddle\x1b[2J")
        await running["b"].until(lambda: running["b"].texts != [])
        await running["c"].until(lambda: running["c"].sent != [])

        async def shown(*words: str) -> str:
            return await command(state, "trace", *words)

        output = await shown(event.message)
        assert output.startswith("posted in a/1 by Alice (alice), ")
        assert "-> b/1: delivered, as m1, rule r\n" in output
        assert "riddle" not in output
        assert "a riddle\\x1b[2J" in await shown("--text", event.message)
        for name in (f"https://chat.example/main/pl/{event.message}", f"a/1/{event.message}", "m1"):
            assert await shown(name) == output
    output = await command(state, "trace", event.message)
    assert "-> c/1: dead, rule r, nextbridge dead show " in output
    assert "too ugly\\x1b[2J" in output
    (traced,) = json.loads(await command(state, "trace", event.message, "--json"))["events"]
    assert [way["state"] for way in traced["ways"]] == ["dead", "delivered"]


async def test_what_the_journal_does_not_know_is_said(daemon: RunDaemon, state: Path) -> None:
    """With what may have become of it, and a status of its own."""
    async with daemon(*RULES, **PLATFORMS):
        shown = await command(state, "trace", "m404", status=66)
        assert "was never accepted" in shown
        assert "The daemon remembers all that it did not relay since 20" in shown
    assert "No daemon runs here" in await command(state, "trace", "m404", status=66)
    for name in (" / ", "", "\udc80"):
        await command(state, "trace", name, status=66)


async def test_each_attempt_is_shown_with_its_answer(daemon: RunDaemon, state: Path) -> None:
    """When it was, what the driver said of it, and the receipt that ended it; masked, also without the daemon."""
    async with daemon(*RULES, **PLATFORMS) as running:
        redaction.add("hunter2-secret")
        answers = iter([Retry("it answered 503\x1b[2J", after=0.0), Retry("429 for hunter2-secret", after=0.0)])

        async def later(message: Outgoing) -> Receipt:
            error = next(answers, None)
            if error is not None:
                raise error
            return await running["b"].deliver(message)

        running["b"].answer = later
        event = await running["a"].post("a riddle")
        await running["b"].until(lambda: running["b"].texts != [])
        (traced,) = (await said(state, "trace", event.message))["events"]
    (way,) = [each for each in traced["ways"] if each["target"] == "b/1"]
    assert [each["outcome"] for each in way["tried"]] == ["postponed", "postponed", "delivered"]
    assert [each["reason"] for each in way["tried"]] == ["it answered 503\x1b[2J", "429 for ***", ""]
    assert sorted(each["at"] for each in way["tried"]) == [each["at"] for each in way["tried"]]
    assert way["attempts"] == 2
    shown = await command(state, "trace", event.message)
    assert "postponed: it answered 503\\x1b[2J\n" in shown
    assert "riddle" not in shown


async def test_what_holds_up_a_message_is_shown(daemon: RunDaemon, state: Path) -> None:
    """Its instance is not connected, or its channel refuses us; also where it was never tried."""
    async with daemon(rule("r", "a/1", "b/1", "late/1"), a=ScriptDriver, b=ScriptDriver, late=LateDriver) as running:

        async def closed(message: Outgoing) -> Receipt:
            raise Paused("the relay is no member", scope="channel")

        async def busy(message: Outgoing) -> Receipt:
            raise Retry("it is busy", after=600)

        running["b"].answer = closed
        event = await running["a"].post("a riddle")
        await running["b"].until(lambda: running["b"].sent != [])
        shown = await command(state, "trace", event.message)
        assert "-> late/1: waiting, rule r\n     its lane is waiting: it has not connected yet\n" in shown
        assert "     its lane is paused: the relay is no member\n" in shown
        running["b"].answer = busy
        running["b"].host.available(ChannelKey("1"))
        await running["b"].until(lambda: len(running["b"].sent) == 2)
        behind = await running["a"].post("behind it")
        assert "its lane is retrying: it is busy\n" in await command(state, "trace", behind.message)
    (traced,) = (await said(state, "trace", event.message))["events"]
    assert {way["lane"] for way in traced["ways"]} == {""}


MALLORY = Author(id=UserId("u9"), username="mallory", name="Mallory")
BOT = Author(id=UserId("bot-a"), username="relay", name="relay")
FILTERED = (
    rule("polite", "a/1", "b/1", filter={"deny": ["mallory"]}),
    rule("tidy", "a/1", "c/1", filter={"ignore_text": ["^!"]}),
    rule("off", "a/1", "c/2", enabled=False),
    rule("back", "b/1", to=["a/1"]),
    rule("again", "a/1", to=["c/1"]),
    rule("elsewhere", "a/2", "c/2"),
)


async def test_what_each_rule_says_is_shown(daemon: RunDaemon, state: Path) -> None:
    """Each that names the channel: that it relays the message, or why not; and what its filter said at the time."""
    async with daemon(*FILTERED, **PLATFORMS) as running:
        event = await running["a"].post("hello", author=MALLORY)
        await running["c"].until(lambda: running["c"].texts == ["hello"])
        found = await said(state, "trace", event.message)
        (traced,) = found["events"]
        assert {each["rule"]: each["reason"] for each in traced["rules"]} == {
            "polite": "its filter drops it: filter_user (its author is on deny of the rule's filter)",
            "tidy": "",
            "off": "it is disabled",
            "back": "it takes no messages from there",
            "again": "the earlier rule tidy leads there",
        }
        assert [way["target"] for way in traced["ways"]] == ["c/1"]
        assert [(each["reason"], each["rule"]) for each in found["skipped"]] == [("filter_user", "polite")]
        shown = await command(state, "trace", event.message)
        assert "  rule tidy: relays it\n" in shown
        assert "  filter_user: its author is on deny of the rule's filter\n  by rule polite\n" in shown
    (traced,) = (await said(state, "trace", event.message))["events"]
    assert traced["rules"] is None


async def test_why_a_message_was_skipped_is_shown(daemon: RunDaemon, state: Path) -> None:
    """No rule, the relay's own post, a filter of each rule, and what is no message to its driver: by id and by link."""
    async with daemon(*FILTERED, **PLATFORMS) as running:
        a = running["a"]
        unruled = await a.post("hello", channel="7")
        own = await a.post("hello", author=BOT)
        dropped = await a.post("!hello", author=MALLORY)
        a.host.skipped("system_post", message=(ChannelKey("1"), MessageId("sys1")))
        for event, lines in (
            (unruled, ["no_rule: no enabled rule takes messages from that channel"]),
            (own, ["own_post: the relay's own account wrote it"]),
            (dropped, ["by rule polite", "by rule tidy", "filter_user: ", "filter_text: "]),
        ):
            shown = await command(state, "trace", f"https://chat.example/main/pl/{event.message}")
            assert f"not relayed: posted in {event.channel} by {event.author.username}, 20" in shown
            assert all(f"  {line}" in shown for line in lines), shown
            assert "hello" not in shown
        a.host.skipped("system_post", message=(ChannelKey("1"), MessageId("1355517523.000008")))
        slack = await command(state, "trace", "https://x.slack.com/archives/C1/p1355517523000008?thread_ts=1")
        assert "message: 1355517523.000008" in slack
        shown = await command(state, "trace", "sys1")
        assert shown.startswith("not relayed: message in a/1, 20")
        assert "system_post: the platform wrote it, and nobody" in shown
        assert (await said(state, "trace", "sys1"))["skips_since"] > 1_700_000_000_000
    await command(state, "trace", "sys1", status=66)


async def test_what_each_target_was_given_is_shown_with_the_text(daemon: RunDaemon, state: Path) -> None:
    """In its notation and under the name that it bears there, without secrets; as the file was when it was accepted."""
    named = rule("r", "a/1", "b/1", "n/1", msg={"msg_format": "<{nickname}> {msg}", "name_format": "{nickname} (a)"})
    async with daemon(named, a=ScriptDriver, b=ScriptDriver, n=IdentityDriver) as running:
        redaction.add("hunter2-secret")
        event = await running["a"].post("a riddle of hunter2-secret")
        await running["n"].until(lambda: running["n"].texts != [])
        await running["b"].until(lambda: running["b"].texts != [])
        await running.reload(rule("r", "a/1", "b/1", "n/1"))
        (traced,) = (await said(state, "trace", event.message, "--text"))["events"]
        ways = {way["target"]: way for way in traced["ways"]}
        assert (ways["b/1"]["texts"], ways["b/1"]["name"]) == (["<Alice> a riddle of ***"], None)
        assert (ways["n/1"]["texts"], ways["n/1"]["name"]) == (["<Alice> a riddle of ***"], "Alice (a)")
        shown = await command(state, "trace", event.message, "--text")
        assert "     given under the name Alice (a):\n       <Alice> a riddle of ***" in shown
        assert "riddle" not in await command(state, "trace", event.message)


async def test_what_was_done_to_a_message_has_an_end_too(daemon: RunDaemon, state: Path) -> None:
    """An edit and a reaction that were shown, a deletion that took it back; and where there was nothing to show."""
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        event = await a.say("hello")
        await b.until(lambda: b.said == ["hello"])
        await a.edits(event, "hallo")
        await a.reacts(event, "x")
        await a.deletes(event)
        await b.until(lambda: b.said == [])
        await a.say("last")
        await b.until(lambda: b.said == ["last"])
        found = (await said(state, "trace", event.message))["events"]
    assert [(each["kind"], *(way["state"] for way in each["ways"])) for each in found] == [
        ("posted", "deleted"), ("edited", "delivered"), ("reacted", "delivered"), ("deleted", "delivered"),
    ]  # fmt: skip
    assert [way["rule"] for each in found for way in each["ways"]] == ["r"] * 4


async def test_a_change_that_could_not_be_shown_says_why(daemon: RunDaemon, state: Path) -> None:
    """A reaction where there are none, an edit that came before its message went out."""
    async with daemon(rule("r", "a/1", "f/1"), a=BOTH["a"], f=FixedDriver) as running:
        a, fixed = running["a"], running["f"]
        assert isinstance(a, BOTH["a"])
        fixed.answer, go_on = holding(fixed)
        first = await a.say("first")
        await fixed.until(lambda: len(fixed.sent) == 1)
        event = await a.say("hello")
        await a.edits(event, "hallo")
        await a.reacts(first, "x")
        go_on.set()
        await a.say("last")
        await fixed.until(lambda: "last" in fixed.texts)
        edited = (await said(state, "trace", event.message))["events"][1]
        reacted = (await said(state, "trace", first.message))["events"][1]
        shown = await command(state, "trace", first.message)
    assert [(way["state"], way["reason"]) for way in edited["ways"]] == [("skipped", "edited_before_sent")]
    assert [(way["state"], way["reason"]) for way in reacted["ways"]] == [("skipped", "reaction_not_shown")]
    assert "-> f/1: skipped, rule r: reaction_not_shown" in shown


async def test_what_is_skipped_is_forgotten_with_its_person(daemon: RunDaemon, state: Path) -> None:
    """By `nextbridge forget`; what others did stays."""
    async with daemon(*FILTERED, **PLATFORMS) as running:
        gone = await running["a"].post("hello", channel="7", author=MALLORY)
        stays = await running["a"].post("hello", channel="7")
        assert "remembers for trace: 1." in await command(state, "forget", "u9", "--instance", "a")
        assert "no_rule" in await command(state, "trace", gone.message)
        assert (await said(state, "forget", "mallory", "--yes"))["skipped"] == 1
        await command(state, "trace", gone.message, status=66)
        assert "no_rule" in await command(state, "trace", stays.message)
