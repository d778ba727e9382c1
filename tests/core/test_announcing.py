"""Joins, leaves, topics and typing: each off by default, each a switch of its rule."""

from __future__ import annotations

from nextbridge.driver import Rejected
from nextbridge.envelope import Author, UserId
from tests.core.conversing import BOB, BOTH, ConversingDriver, FixedDriver, conversing, sides
from tests.core.script import RunDaemon, rule


async def test_who_comes_and_goes_is_told_where_the_rule_says_so(daemon: RunDaemon) -> None:
    """As what the person did, with their words where they left some."""
    one_way = rule("r", "a/1", to=["b/1"], msg={"msg_format": "<{nickname}> {msg}"}, joins=True)
    async with daemon(one_way, a=ConversingDriver, b=FixedDriver) as running:
        a, b = conversing(running, "a"), running["b"]
        await a.joins()
        await a.leaves(reason="see\nyou")
        await a.leaves()
        await a.changes_topic("cakes")
        await a.say("end")
        await b.until(lambda: b.texts[-1:] == ["<Alice> end"])
        assert b.texts[:-1] == ["<Bob> joined", "<Bob> left (see you)", "<Bob> left"]
        assert running.service.tally.count("skipped", reason="topic_off") == 1


async def test_a_topic_is_told_or_set_or_both_as_the_rule_says(daemon: RunDaemon) -> None:
    """topics tells; sync_topic sets it where the platform has topics, and is then told of by the platform itself."""
    async with daemon(rule("r", "a/1", "b/1", sync_topic=True), **BOTH) as running:
        a, b = sides(running)
        await a.changes_topic("cakes")
        await b.until(lambda: b.topics == ["cakes"])
        await b.changes_topic("cakes", author=Author(UserId("bot-b"), "relay", "Relay"))
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
        assert a.topics == []

        async def refuse(what: str) -> None:
            raise Rejected("we may not")

        b.trouble = refuse
        await a.changes_topic("pies")
        await a.say("end 2")
        await b.until(lambda: b.said == ["end", "end 2"])
        assert running.service.tally.count("skipped", reason="topic_not_shown") == 1
    async with daemon(rule("r", "a/1", "b/1", topics=True, sync_topic=True), state="two", **BOTH) as running:
        a, b = sides(running)
        b.board.clear()
        b.trouble = refuse
        await a.changes_topic("pies")
        await b.until(lambda: len(b.said) == 1)
        assert b.said == ["changed the topic to: pies"]
        b.trouble = None
        await a.changes_topic("")
        await b.until(lambda: b.topics == [""])


async def test_typing_is_shown_where_the_rule_says_so_and_not_too_often(daemon: RunDaemon) -> None:
    """Our own typing is not; nothing is kept of it."""
    async with daemon(rule("r", "a/1", "b/1", typing=True), **BOTH) as running:
        a, b = sides(running)
        await a.say("start")
        await b.until(lambda: b.said == ["start"])
        a.host.typing(a.home.key, Author(UserId("bot-a"), "relay", "Relay"))
        for _ in range(20):
            a.host.typing(a.home.key, BOB)
        await b.until(lambda: b.typists == ["Bob"])
        await a.say("end")
        await b.until(lambda: b.said == ["start", "end"])
        assert b.typists == ["Bob"]
    async with daemon(rule("r", "a/1", "b/1"), **BOTH) as running:
        a, b = sides(running)
        a.host.typing(a.home.key, BOB)
        await a.say("end")
        await b.until(lambda: b.said == ["start", "end", "end"])
        assert b.typists == []
        assert running.service.tally.count("skipped", reason="typing_off") == 1


async def test_two_relays_that_exchange_topics_come_to_an_end(daemon: RunDaemon) -> None:
    """Each gives a channel what the other has just replaced."""
    stranger = Author(UserId("other"), "other-relay", "Other relay")
    async with daemon(rule("r", "a/1", "b/1", sync_topic=True), **BOTH) as running:
        a, b = sides(running)
        for number in range(30):
            await a.changes_topic(("cakes", "pies")[number % 2], stranger)
        await a.say("end")
        await b.until(lambda: b.said == ["end"])
        assert len(b.topics) == 10
        assert running.service.tally.count("skipped", reason="loop") == 20
