"""An instance that cannot connect, as an operator sees it: told once, and since when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from structlog.testing import capture_logs

from nextbridge.driver import ConfiguredChannel, Host, Outgoing, Receipt
from nextbridge.envelope import InstanceId, UserId
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.instance import State
from tests.core.script import RunDaemon, ScriptChannel, ScriptDriver, ScriptSettings, rule

RULES = (rule("r", "a/1", "b/1"),)


class CutDriver(ScriptDriver):
    """Connected until `cut` says what ends it; then as its `connections` say."""

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.cut: asyncio.Queue[Exception] = asyncio.Queue()

    async def run(self) -> None:
        self.runs += 1
        await self.nudge()
        if self.connections and (error := self.connections.pop(0)) is not None:
            raise error
        await self.host.connected(UserId(f"bot-{self.host.instance}"), realm=self.realm)
        await self.nudge()
        raise await self.cut.get()


def told(lines: Sequence[Mapping[str, Any]], instance: str) -> list[tuple[str, str, str]]:
    """The lines on its connection, without those that it was made."""
    events = {"connection_ended", "still_not_connected", "instance_paused", "driver_failed"}
    return [
        (line["event"], line["log_level"], line["reason"])
        for line in lines
        if line["event"] in events and line["instance"] == instance
    ]


async def test_a_trouble_that_stays_is_told_once_and_another_one_anew(daemon: RunDaemon) -> None:
    """The same is told again once there has been a connection; attempts in between are steps, for debugging."""
    with capture_logs() as lines:
        async with daemon(*RULES, a=ScriptDriver, b=CutDriver) as running:
            b = running["b"]
            assert isinstance(b, CutDriver)
            b.connections = [Retry("away"), Retry("away"), Rejected("another's"), ValueError("x"), ValueError("y")]
            b.cut.put_nowait(Retry("away"))
            await b.until(lambda: b.runs == 7)
            b.cut.put_nowait(Retry("away"))
            await b.until(lambda: b.runs == 8)
    assert told(lines, "b") == [
        ("connection_ended", "warning", "away"),
        ("still_not_connected", "debug", "away"),
        ("still_not_connected", "debug", "away"),
        ("connection_ended", "error", "another's"),
        ("driver_failed", "error", "the driver failed: ValueError"),
        ("still_not_connected", "debug", "the driver failed: ValueError"),
        ("connection_ended", "warning", "away"),
    ]


async def test_what_a_send_found_out_is_not_told_again_when_the_connection_ends_for_it(daemon: RunDaemon) -> None:
    """A token that is revoked ends both."""

    async def refuse(message: Outgoing) -> Receipt:
        raise Paused("the token is refused", scope="instance")

    with capture_logs() as lines:
        async with daemon(*RULES, a=ScriptDriver, b=CutDriver) as running:
            b = running["b"]
            assert isinstance(b, CutDriver)
            b.answer = refuse
            await b.until(lambda: running.service.instances[InstanceId("b")].state is State.CONNECTED)
            await running["a"].post("hello")
            await b.until(lambda: len(b.sent) == 1)
            b.cut.put_nowait(Paused("the token is refused", scope="instance"))
            async with asyncio.timeout(10):
                while len(told(lines, "b")) < 2:  # noqa: ASYNC110 - a log tells nobody
                    await asyncio.sleep(0.01)
    assert told(lines, "b") == [
        ("instance_paused", "error", "the token is refused"),
        ("still_not_connected", "debug", "the token is refused"),
    ]


async def test_it_is_down_since_the_connection_ended_and_not_since_the_last_attempt(daemon: RunDaemon) -> None:
    """What an operator is shown is how long it has lasted."""
    async with daemon(*RULES, a=ScriptDriver, b=CutDriver) as running:
        b, instance = running["b"], running.service.instances[InstanceId("b")]
        assert isinstance(b, CutDriver)
        await b.until(lambda: instance.state is State.CONNECTED)
        b.connections = [Retry("away")] * 20
        b.cut.put_nowait(Retry("away"))
        await b.until(lambda: b.runs == 2)
        down = instance.since
        await b.until(lambda: b.runs == 5)
        assert instance.since == down
