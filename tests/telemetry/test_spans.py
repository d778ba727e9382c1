"""Traces of messages, as a collector gets them from a daemon that runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from nextbridge.config.model import OtelSettings
from nextbridge.config.types import Secret
from nextbridge.delivery import Came
from nextbridge.driver import Outgoing, Receipt, Rejected, Retry
from nextbridge.envelope import Author, UserId
from nextbridge.journal import Delivery
from nextbridge.telemetry import Telemetry
from nextbridge.telemetry.pipeline import Pipeline
from tests.core.conftest import daemon
from tests.core.script import LateDriver, RunDaemon, ScriptDriver, post, rule
from tests.core.test_operators import said
from tests.telemetry.collector import Collector, collecting

__all__ = ["daemon"]

RULES = (rule("r", "a/1", "b/1", "c/1"),)
PLATFORMS = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}
EVE = Author(id=UserId("u-eve"), username="eve.green", name="Eve Green")


def to(collector: Collector, **more: object) -> OtelSettings:
    return OtelSettings(endpoint=collector.endpoint, **more)  # type: ignore[arg-type]


async def test_a_message_is_one_trace(daemon: RunDaemon) -> None:
    """From when it is on disk to each target, with each attempt; under W3C ids, and with nobody's words, name or id."""
    async with collecting() as collector:
        secret = to(collector, headers={"Authorization": Secret("Bearer hunter2-hunter2")}, service_name="bridge")
        async with daemon(*RULES, otel=secret, **PLATFORMS) as running:
            answers = [Retry("busy with Eve Green", after=0.0)]

            async def later(message: Outgoing) -> Receipt:
                if answers:
                    raise answers.pop()
                return await running["c"].deliver(message)

            running["c"].answer = later
            event = await running["a"].post("a riddle", author=EVE)
            await running["b"].until(lambda: running["b"].texts != [])
            await running["c"].until(lambda: running["c"].texts != [])
        (accept,) = collector.named("accept posted")
        delivers = {each.about["nextbridge.target.instance"]: each for each in collector.named("deliver posted")}
        attempts = collector.named("attempt")
        assert (len(accept.trace), len(accept.id), accept.parent) == (32, 16, "")
        assert {each.trace for each in collector.spans} == {accept.trace}
        assert {each.parent for each in delivers.values()} == {accept.id}
        assert len({each.id for each in collector.spans}) == len(collector.spans) == 6
        of_c = [each for each in attempts if each.parent == delivers["c"].id]
        assert [(each.about["nextbridge.outcome"], each.failed) for each in of_c] == [
            ("postponed", True), ("delivered", False),
        ]  # fmt: skip
        assert [each.about.get("nextbridge.reason") for each in attempts if each.failed] == ["limit"]
        assert [each.about["nextbridge.outcome"] for each in attempts if each.parent == delivers["b"].id] == [
            "delivered"
        ]
        assert delivers["c"].about == {
            "nextbridge.source.instance": "a", "nextbridge.target.instance": "c", "nextbridge.rule": "r",
            "nextbridge.outcome": "delivered",
        }  # fmt: skip
        assert all(accept.start <= each.start <= each.end for each in collector.spans)
        assert accept.resource["service.name"] == "bridge"
        assert {each["Authorization"] for each in collector.headers} == {"Bearer hunter2-hunter2"}
        whole = b"".join(collector.bodies)
        for word in ("riddle", "Eve Green", "eve.green", "u-eve", "hunter2", event.message):
            assert word.encode() not in whole


async def test_an_operator_goes_from_a_message_to_its_trace(daemon: RunDaemon, tmp_path: Path) -> None:
    """`nextbridge trace` names it, while traces are made."""
    async with collecting() as collector:
        async with daemon(*RULES, otel=to(collector), **PLATFORMS) as running:
            event = await running["a"].post("a riddle")
            await running["b"].until(lambda: running["b"].texts != [])
            (traced,) = (await said(tmp_path / "state", "trace", event.message))["events"]
        assert {each.trace for each in collector.spans} == {traced["trace_id"]}
    async with daemon(*RULES, **PLATFORMS):
        (traced,) = (await said(tmp_path / "state", "trace", event.message))["events"]
    assert traced["trace_id"] is None


async def test_a_collector_that_does_not_answer_holds_up_nobody(daemon: RunDaemon) -> None:
    """Neither messages nor the daemon's end, beyond a few seconds; what it did not take is lost."""
    async with collecting() as collector:
        collector.open.clear()
        async with daemon(rule("r", "a/1", "b/1"), otel=to(collector), a=ScriptDriver, b=ScriptDriver) as running:
            for number in range(600):
                await running["a"].post(f"{number}")
            await running["b"].until(lambda: len(running["b"].texts) == 600)
            started = time.monotonic()
        assert time.monotonic() - started < 10
        assert collector.spans == []


async def test_a_message_that_waited_for_a_restart_has_one_trace(daemon: RunDaemon) -> None:
    """Its ids are made of what is on disk."""
    async with collecting() as collector:
        async with daemon(rule("r", "a/1", "b/1"), otel=to(collector), a=ScriptDriver, b=LateDriver) as running:
            await running["a"].post("a riddle")
        async with daemon(rule("r", "a/1", "b/1"), otel=to(collector), a=ScriptDriver, b=ScriptDriver) as running:
            await running["b"].until(lambda: running["b"].texts != [])
        (accept,), (deliver,) = collector.named("accept posted"), collector.named("deliver posted")
        assert (deliver.trace, deliver.parent) == (accept.trace, accept.id)
        assert deliver.end > accept.end


async def test_what_is_given_up_is_an_error(daemon: RunDaemon) -> None:
    """A dead letter is, with its attempt."""
    async with collecting() as collector:
        async with daemon(*RULES, otel=to(collector), **PLATFORMS) as running:

            async def refuse(message: Outgoing) -> Receipt:
                raise Rejected("too ugly")

            running["c"].answer = refuse
            await running["a"].post("a riddle")
            await running["b"].until(lambda: running["b"].texts != [])
            await running["c"].until(lambda: running["c"].sent != [])
        failed = [(each.name, each.about["nextbridge.outcome"]) for each in collector.spans if each.failed]
        assert sorted(failed) == [("attempt", "buried"), ("deliver posted", "buried")]


async def test_a_reload_turns_it_on_and_off_and_sends_it_elsewhere(daemon: RunDaemon) -> None:
    """What was made before goes where it was to go."""

    async def crosses(text: str) -> None:
        await running["a"].post(text)
        await running["b"].until(lambda: text in running["b"].texts)

    async def traced(collector: Collector) -> None:
        """The library is imported first, which takes a while."""
        while not collector.spans:
            await crosses("one more")
            with suppress(TimeoutError):
                async with asyncio.timeout(1.5):
                    await collector.until(lambda: bool(collector.spans))

    async with collecting() as first, collecting() as second:
        async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
            rules = (rule("r", "a/1", "b/1"),)
            await crosses("untraced")
            await running.reload(*rules, general={"otel": to(first)})
            await traced(first)
            await running.reload(*rules, general={"otel": to(second)})
            await traced(second)
            came = len(first.spans)
            done = await running.reload(*rules, general={"otel": None})
            assert done.needs_restart == ()
            await crosses("untraced again")
        assert len(first.spans) == came
        assert {each.trace for each in first.spans}.isdisjoint({each.trace for each in second.spans})


async def test_a_collector_that_is_down_costs_spans_and_nothing_else(daemon: RunDaemon) -> None:
    """They are counted, told once with the reason and without the secret, and once more when they are taken again."""
    async with collecting() as collector:
        collector.status = 400
        settings = to(collector, headers={"x-key": Secret("hunter2-hunter2")})
        with structlog.testing.capture_logs() as logs:
            async with daemon(rule("r", "a/1", "b/1"), otel=settings, a=ScriptDriver, b=ScriptDriver) as running:
                for number in range(2):
                    await running["a"].post("a riddle")
                    await running["b"].until(lambda: len(running["b"].texts) == number + 1)  # noqa: B023
                    await collector.until(lambda: len(collector.headers) == number + 1)  # noqa: B023
                collector.status = 200
                await running["a"].post("a riddle")
                await collector.until(lambda: bool(collector.spans))
        told = {each["event"]: each for each in logs if each["event"].startswith("spans_")}
        assert [each["event"] for each in logs if each["event"].startswith("spans_")] == [
            "spans_not_sent", "spans_sent_again",
        ]  # fmt: skip
        assert "400" in told["spans_not_sent"]["reason"]
        assert told["spans_sent_again"]["lost"] == 6
        assert "hunter2" not in str(logs)


def a_delivery(number: int) -> Delivery:
    event = post("a", "hello")
    target = event.channel
    return Delivery(id=number, event_id=number, event=event, target=target, rule="r", settings="{}", accepted_at=1)


async def test_what_the_queue_has_no_room_for_is_counted() -> None:
    """It is bounded, and whoever makes spans waits for nobody."""
    counted: Counter[str] = Counter()
    pipeline = Pipeline(OtelSettings(endpoint="http://127.0.0.1:9/v1/traces"), "d", counted)
    for number in range(9_000):
        pipeline.accepted([a_delivery(number)])
    assert counted == {"queue_full": 9_000 - 8_192}
    await pipeline.close()
    assert counted == {"queue_full": 9_000 - 8_192, "not_taken": 8_192}


@pytest.mark.parametrize(("sample", "least", "most"), [(0.0, 0, 0), (0.25, 200, 300), (1.0, 1_000, 1_000)])
async def test_of_so_many_messages_a_trace_is_made(sample: float, least: int, most: int) -> None:
    """Of each whole or not at all: by its id, so that it is the same after a restart."""
    counted: Counter[str] = Counter()
    settings = OtelSettings(endpoint="http://127.0.0.1:9/v1/traces", sample=sample)
    pipeline = Pipeline(settings, "d", counted)
    for number in range(1_000):
        pipeline.accepted([a_delivery(number)])
    for number in range(1_000):
        pipeline.came(Came(a_delivery(number), "delivered"))
    await pipeline.close()
    assert 2 * least <= counted["not_taken"] <= 2 * most
    assert counted["not_taken"] % 2 == 0


def test_the_daemon_imports_the_libraries_only_where_they_are_wanted() -> None:
    """It runs where they are not installed."""
    script = "import sys, nextbridge.service; print([each for each in sys.modules if each.startswith('opentelemetry')])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[]\n"


async def test_without_settings_nothing_is_made() -> None:
    """And nothing is counted."""
    telemetry = Telemetry("d", lambda: None)
    await telemetry.start()
    telemetry.accepted([a_delivery(1)])
    telemetry.came(Came(a_delivery(1), "delivered", began=1.0))
    await telemetry.stop()
    assert telemetry.spans == {}
