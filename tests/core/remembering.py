"""A script platform that keeps a history: a server that outlives the daemon, with a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from nextbridge.driver import ConfiguredChannel, Cursor, Host, Past, Position
from nextbridge.envelope import ChannelKey, Event, InstanceId, Posted, UserId
from nextbridge.errors import Retry
from tests.core.script import ScriptChannel, ScriptDriver, ScriptSettings, post

LONG_AGO = 1_000_000_000
"""Milliseconds: in January 1970 by the server's clock, so that nothing can be right by comparing it with ours."""


class Server:
    """What was posted where, for one instance. Cursors are places in a channel's list, which nothing else knows."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.now = LONG_AGO
        self.log: dict[str, list[Posted]] = {}
        self.refusals: list[Exception] = []
        """What the next askers of a history get instead."""
        self.asked = 0
        self.gate: asyncio.Event | None = None
        """Where set, the history of channel 1 stops after `before_gate` messages until it is opened."""
        self.before_gate = 0
        RememberingDriver.servers[InstanceId(instance)] = self

    async def post(self, *texts: str, channel: str = "1", after: float = 1) -> None:
        """Somebody posts, so many seconds after the last one; heard at once where the driver is connected."""
        for text in texts:
            self.now += int(after * 1000)
            said = post(self.instance, text, channel=channel)
            event = Posted(channel=said.channel, message=said.message, author=said.author, at=self.now, text=said.text)
            self.log.setdefault(channel, []).append(event)
            driver = ScriptDriver.made.get(InstanceId(self.instance))
            if isinstance(driver, RememberingDriver) and driver.hears:
                await driver.host.accept(event, cursor=self.cursor(channel))

    def cursor(self, channel: str) -> Cursor:
        """Where the channel stands now."""
        return Cursor(channel, str(len(self.log.get(channel, ()))))

    def newest(self, channel: str) -> Position:
        log = self.log.get(channel)
        return Position(self.cursor(channel), log[-1].at if log else 0)


class RememberingDriver(ScriptDriver):
    """Connected until `cut`; each connection begins anew and tells of a gap in each channel."""

    platform: ClassVar[str] = "remembering"
    servers: ClassVar[dict[InstanceId, Server]] = {}

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.server = self.servers[host.instance]
        self.hears = False
        self._cut = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        await self.nudge()
        await self.connects.wait()
        await self.host.connected(UserId(f"bot-{self.host.instance}"), realm="here")
        for channel in self.channels:
            self.host.gap(channel.key, self.server.newest(channel.key))
        self.hears = True
        await self.nudge()
        try:
            await self._cut.wait()
        finally:
            self.hears = False
            await self.nudge()
        self._cut.clear()
        raise Retry("the cable was cut")

    async def connected(self, runs: int = 1) -> None:
        await self.until(lambda: self.hears and self.runs >= runs)

    async def cut(self) -> None:
        """Break the connection; it is not made again before `connects` is set."""
        self.connects.clear()
        self._cut.set()
        await self.until(lambda: not self.hears)

    @asynccontextmanager
    async def history(self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int) -> AsyncIterator[Past]:
        server = self.server
        server.asked += 1
        await self.nudge()
        if server.refusals:
            raise server.refusals.pop(0)
        after = int(cursor.value)
        missed = list(enumerate(server.log.get(channel, ())[after:], start=after + 1))
        chosen = [(place, event) for place, event in missed if server.now - event.at <= age * 1000][-most:]
        end = server.cursor(channel)
        yield Past(events=self._tell_of(channel, chosen), end=end, now=server.now, over=len(missed) - len(chosen))

    async def _tell_of(self, channel: str, chosen: list[tuple[int, Posted]]) -> AsyncIterator[tuple[Event, Cursor]]:
        for number, (place, event) in enumerate(chosen):
            if self.server.gate is not None and channel == "1" and number == self.server.before_gate:
                await self.server.gate.wait()
            yield event, Cursor(channel, str(place))
