"""Gaps: what was posted while nobody listened is relayed before what is new, within limits, and from when a rule began.

The platform's clock stands in another year than ours: nothing here can be right by comparing the two.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from nextbridge.driver import Cursor
from nextbridge.errors import Rejected, Retry
from tests.core.remembering import LONG_AGO, RememberingDriver, Server
from tests.core.script import Daemon, RunDaemon, ScriptDriver, post, rule

RULE = rule("r", "a/1", to=["b/1"])


@pytest.fixture
def server() -> Server:
    return Server("a")


def platforms(**general: Any) -> dict[str, Any]:
    return {"a": RememberingDriver, "b": ScriptDriver, **general}


async def listening(running: Daemon, runs: int = 1) -> RememberingDriver:
    """The reading driver, once it hears what is said."""
    driver = running["a"]
    assert isinstance(driver, RememberingDriver)
    await driver.connected(runs)
    return driver


async def shown(running: Daemon, *texts: str, within: float = 10.0) -> None:
    """Return once exactly these texts were shown, in this order."""
    driver = running["b"]
    await driver.until(lambda: bool(driver.texts) and driver.texts[-1] == texts[-1], within=within)
    assert driver.texts == list(texts)


async def test_the_first_start_relays_nothing_old(daemon: RunDaemon, server: Server) -> None:
    """What was in the channel before the rule's first start stays where it is, after a restart too."""
    await server.post("old 1", "old 2")
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("new")
        await shown(running, "new")
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("newer")
        await shown(running, "newer")


async def test_what_was_posted_while_the_daemon_was_stopped_comes_before_what_is_new(
    daemon: RunDaemon, server: Server
) -> None:
    """It arrives once and in order, although the new message is there first."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    missed = [f"missed {number}" for number in range(50)]
    await server.post(*missed)
    server.gate, server.before_gate = asyncio.Event(), 20
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("new")
        server.gate.set()
        await shown(running, *missed, "new")
        assert running.service.tally.count("skipped", reason="seen_before") == 0
    server.gate = None
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("last")
        await shown(running, "last")


async def test_what_was_posted_while_the_connection_was_down_comes_before_what_is_new(
    daemon: RunDaemon, server: Server
) -> None:
    """A connection that resumes nothing is a gap too, also when it breaks again while the gap is filled."""
    async with daemon(RULE, **platforms()) as running:
        driver = await listening(running)
        await server.post("before")
        await driver.cut()
        await server.post("missed 1", "missed 2", "missed 3")
        server.gate, server.before_gate = asyncio.Event(), 1
        driver.connects.set()
        await driver.connected(2)
        await server.post("held")
        await driver.cut()
        await server.post("missed 4")
        server.gate = None
        driver.connects.set()
        await driver.connected(3)
        await server.post("after")
        await shown(running, "before", "missed 1", "missed 2", "missed 3", "held", "missed 4", "after")


async def test_what_both_the_socket_and_the_history_bring_is_one_message(daemon: RunDaemon, server: Server) -> None:
    """A message that is held and stands in the history is relayed once, in its place."""
    async with daemon(RULE, **platforms()) as running:
        driver = await listening(running)
        await server.post("before")
        await driver.cut()
        await server.post("missed")
        server.refusals = [Retry("not yet", after=0.1)]
        driver.connects.set()
        await driver.connected(2)
        await server.post("in both")
        await driver.until(lambda: server.asked == 2)
        await server.post("after")
        await shown(running, "before", "missed", "in both", "after")


async def test_other_channels_do_not_wait_for_a_gap_to_be_filled(daemon: RunDaemon, server: Server) -> None:
    """While one channel's history hangs, another's messages pass."""
    rules = (RULE, rule("s", "a/2", to=["b/2"]))
    async with daemon(*rules, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("missed")
    server.gate = asyncio.Event()
    async with daemon(*rules, **platforms()) as running:
        await listening(running)
        await server.post("after")
        await server.post("elsewhere", channel="2")
        await shown(running, "elsewhere")
        server.gate.set()
        await shown(running, "elsewhere", "missed", "after")


async def test_what_is_more_than_the_limit_is_counted_and_told(daemon: RunDaemon, server: Server) -> None:
    """The newest are relayed; of the others the operator learns how many, and where."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post(*(f"missed {number}" for number in range(10)))
    with capture_logs() as logs:
        async with daemon(RULE, **platforms(backfill_messages=3)) as running:
            await shown(running, "missed 7", "missed 8", "missed 9")
            assert running.service.tally.count("skipped", reason="over_backfill") == 7
    (told,) = (each for each in logs if each["event"] == "messages_not_relayed")
    assert (told["log_level"], told["channel"], told["number"]) == ("warning", "1", 7)


async def test_what_is_older_than_the_limit_is_counted_and_told(daemon: RunDaemon, server: Server) -> None:
    """By the platform's clock: what was posted longer ago than `backfill` is not relayed any more."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("stale")
    await server.post("fresh", after=3600)
    await server.post("fresher", after=600)
    async with daemon(RULE, **platforms(backfill="15min")) as running:
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert [text.partition("] ")[2] or text for text in running["b"].texts] == ["fresh", "fresher"]
        assert running.service.tally.count("skipped", reason="over_backfill") == 1


async def test_backfill_can_be_turned_off(daemon: RunDaemon, server: Server) -> None:
    """With 0 no history is asked for; turned on again, what was left out is not made good."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("left out")
    async with daemon(RULE, **platforms(backfill=0)) as running:
        driver = await listening(running)
        await server.post("new")
        await shown(running, "new")
        await driver.cut()
        await server.post("left out too")
        driver.connects.set()
        await driver.connected(2)
        await server.post("newer")
        await shown(running, "new", "newer")
    assert server.asked == 0
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("newest")
        await shown(running, "newest")


async def test_the_time_that_a_rule_was_disabled_is_no_gap(daemon: RunDaemon, server: Server) -> None:
    """What was posted while it was disabled never reaches its channels; another rule of the same channel gets it."""
    off = rule("r", "a/1", to=["b/1"], enabled=False)
    other = rule("other", "a/1", to=["b/2"])
    async with daemon(RULE, other, **platforms()) as running:
        await listening(running)
        await server.post("for both")
        await running["b"].until(lambda: running["b"].texts == ["for both"] * 2)
    async with daemon(off, other, **platforms()) as running:
        await listening(running)
        await server.post("for the other")
        await shown(running, "for the other")
    await server.post("for the other as well")
    async with daemon(RULE, other, **platforms()) as running:
        await listening(running)
        await shown(running, "for the other as well")
        await server.post("for both again")
        await running["b"].until(lambda: len(running["b"].shown) == 3)
    await server.post("a gap of both")
    async with daemon(RULE, other, **platforms()) as running:
        await running["b"].until(lambda: running["b"].texts == ["a gap of both"] * 2)
        assert running.service.tally.count("skipped", reason="before_its_rule") == 0


async def test_a_rule_that_was_removed_for_a_while_begins_anew(daemon: RunDaemon, server: Server) -> None:
    """Where it was the channel's only rule, nothing of the time without it is asked for."""
    elsewhere = rule("elsewhere", "a/2", to=["b/2"])
    async with daemon(RULE, elsewhere, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    async with daemon(elsewhere, **platforms()) as running:
        await listening(running)
        await server.post("nobody's")
    asked = server.asked
    async with daemon(RULE, elsewhere, **platforms()) as running:
        await listening(running)
        await server.post("after")
        await shown(running, "after")
    assert server.asked - asked == 1, "the other channel's history alone is asked for"


async def test_the_next_rule_of_a_channel_has_what_the_first_is_too_young_for(
    daemon: RunDaemon, server: Server
) -> None:
    """Two rules lead to one target: what is too old for the first in the file goes by the second."""
    first, second = (
        rule("first", "a/1", to=["b/1"], msg={"msg_format": "first {msg}"}),
        rule("second", "a/1", to=["b/1"]),
    )
    async with daemon(second, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("missed")
    async with daemon(first, second, **platforms()) as running:
        await listening(running)
        await server.post("new")
        await shown(running, "missed", "first new")


async def test_a_history_that_cannot_be_had_yet_is_asked_for_again(daemon: RunDaemon, server: Server) -> None:
    """Until it can, what is new waits for what is old."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("missed")
    server.refusals = [Retry("the server is away"), Retry("the server is busy", after=0.2)]
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("new")
        await shown(running, "missed", "new")


@pytest.mark.parametrize(
    "refusals", [[Rejected("this server keeps none")], [ZeroDivisionError("a bug in the driver")] * 3]
)
async def test_a_history_that_can_never_be_had_does_not_silence_the_channel(
    daemon: RunDaemon, server: Server, refusals: list[Exception]
) -> None:
    """The operator is told that the gap is not filled, and what is new goes on."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("lost")
    server.refusals = list(refusals)
    with capture_logs() as logs:
        async with daemon(RULE, **platforms()) as running:
            await listening(running)
            await server.post("new")
            await shown(running, "new", within=20)
    assert [each["log_level"] for each in logs if each["event"] == "gap_not_filled"] == ["error"]


async def test_more_than_is_held_in_memory_is_taken_from_the_history(daemon: RunDaemon, server: Server) -> None:
    """However much is said while a gap is filled: it all arrives, in order."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("missed")
    server.gate = asyncio.Event()
    texts = [f"live {number}" for number in range(700)]
    async with daemon(RULE, **platforms()) as running:
        driver = await listening(running)
        await driver.until(lambda: server.asked == 1)
        await server.post(*texts, after=0.1)
        server.gate.set()
        await shown(running, "missed", *texts)
        await server.post("after")
        await shown(running, "missed", *texts, "after")
    assert server.asked == 2


async def test_a_stop_in_the_middle_of_a_gap_loses_and_repeats_nothing(daemon: RunDaemon, server: Server) -> None:
    """The cursor moves with each message, so the next start goes on where this one ended; what was held comes again."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    missed = [f"missed {number}" for number in range(10)]
    await server.post(*missed)
    server.gate, server.before_gate = asyncio.Event(), 4
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("held")
        await shown(running, *missed[:4])
    server.gate = None
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("new")
        await shown(running, *missed[4:], "held", "new")


async def test_what_is_no_message_moves_the_cursor_but_not_over_a_gap(daemon: RunDaemon, server: Server) -> None:
    """What is skipped live is not asked for again; what is skipped while a gap is filled hides nothing of it."""
    async with daemon(RULE, **platforms()) as running:
        driver = await listening(running)
        await server.post("before")
        await shown(running, "before")
        driver.host.skipped("system_post", cursor=Cursor("1", "2"))
    await server.post("passed over", "missed")
    server.gate = asyncio.Event()
    async with daemon(RULE, **platforms()) as running:
        driver = await listening(running)
        driver.host.skipped("system_post", cursor=Cursor("1", "9"))
    server.gate = None
    async with daemon(RULE, **platforms()) as running:
        await shown(running, "missed")


async def test_what_was_said_while_we_were_no_member_is_none_of_ours(daemon: RunDaemon, server: Server) -> None:
    """A gap that the driver says to forget is not asked for, then or later."""
    async with daemon(RULE, **platforms()) as running:
        driver = await listening(running)
        await server.post("before")
        driver.hears = False
        await server.post("among themselves")
        driver.host.gap(driver.channels[0].key, server.newest("1"), forget=True)
        driver.hears = True
        await server.post("after")
        await shown(running, "before", "after")
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("last")
        await shown(running, "last")


async def test_a_late_message_shows_when_it_was_said(daemon: RunDaemon, server: Server) -> None:
    """In brackets before it, unless the format shows the time; a few minutes are not worth a word."""
    timed = rule("r", "a/1", to=["b/1"], msg={"msg_format": "{time} {msg}"})
    plain = rule("p", "a/1", to=["b/2"], msg={"msg_format": "<{nickname}> {msg}"})
    async with daemon(timed, plain, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await running["b"].until(lambda: len(running["b"].shown) == 2)
    await server.post("late")
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime((LONG_AGO + 2000) / 1000))
    await server.post("not so late", after=3600)
    async with daemon(timed, plain, **platforms()) as running:
        await running["b"].until(lambda: len(running["b"].shown) == 4)
        to_timed, to_plain = ([each.text for each in running["b"].shown if each.channel == to] for to in ("1", "2"))
    assert to_plain == [f"[{at}] <Alice> late", "<Alice> not so late"]
    assert to_timed[0] == f"{at} late"


async def test_the_same_words_in_a_gap_are_no_loop(daemon: RunDaemon, server: Server) -> None:
    """Somebody who said one thing many times, with time between, is not taken for a relay when it comes at once."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post(*["yes"] * 10)
    async with daemon(RULE, **platforms()) as running:
        await running["b"].until(lambda: running["b"].texts == ["yes"] * 10)


async def test_a_held_event_that_cannot_be_taken_costs_itself(daemon: RunDaemon, server: Server) -> None:
    """What no driver should hand over is logged with its traceback, and what was held behind it follows."""
    async with daemon(RULE, **platforms()) as running:
        await listening(running)
        await server.post("before")
        await shown(running, "before")
    await server.post("missed")
    server.gate = asyncio.Event()
    with capture_logs() as logs:
        async with daemon(RULE, **platforms()) as running:
            driver = await listening(running)
            await driver.until(lambda: server.asked == 1)
            broken: Any = "no mark"
            await driver.host.accept(post("a", "broken", mark=broken))
            await server.post("after")
            server.gate.set()
            await shown(running, "missed", "after")
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["event_failed"]
