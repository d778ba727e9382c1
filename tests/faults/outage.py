"""One of three targets is away for long while people talk: what the others feel of it, and what it gets after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost
from tests.faults.ledger import Ledger, Shown, Verdict
from tests.process import Daemon

__all__ = ["HEALTHY", "LOST", "Load", "Outcome", "Square"]

SOURCE = "source"
HEALTHY = ("one", "two")
LOST = "three"
"""The target that goes away."""
_NAMES = (SOURCE, *HEALTHY, LOST)
_LOOKS = 0.5
"""Seconds between two looks: at the daemon's memory, and at what has arrived."""


class Load(Struct, frozen=True):
    """What is said, evenly."""

    messages: int
    per_second: float
    warming: int
    """Messages before those that count, while nobody is away: until then the daemon's caches are being filled."""
    words: int = 6
    """Of each message; a word has some 15 characters."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What one run gave."""

    verdicts: dict[str, Verdict]
    """Of each target."""
    latencies: tuple[int, ...]
    """Milliseconds from a post's creation to that of its copy, on the targets that stayed, sorted."""
    memory: tuple[float, ...]
    """The daemon's memory (RSS) in MiB, from the beginning of the outage to its end, looked at in even steps."""
    behind: int
    """Messages that the lost target lacked when it came back."""
    caught_up_after: float | None
    """Seconds from its return until it had everything; None where it did not get it in time."""

    def latency(self, share: float) -> int:
        """A percentile; `share` is 0 to 1."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]

    def at(self, moments: int) -> list[float]:
        """The memory at so many moments, evenly from the beginning to the end."""
        last = len(self.memory) - 1
        return [self.memory[round(last * each / (moments - 1))] for each in range(moments)]

    @property
    def growth(self) -> float:
        """By how many MiB the memory is larger at the end of the outage than at its beginning."""
        return self.memory[-1] - self.memory[0]


class Square:
    """Four Mattermost stand-ins in this process, a channel each, that one rule joins; people talk in the first."""

    def __init__(self, daemon: Daemon, servers: dict[str, SandboxMattermost]) -> None:
        self.daemon = daemon
        self._servers = servers
        self._ledger = Ledger()
        self._posted: dict[str, int] = {}
        """When each text was posted, in milliseconds."""
        self._relays: dict[str, Account] = {}
        self._channels: dict[str, Channel] = {}
        for name, server in servers.items():
            team = server.add_team("main")
            self._relays[name] = server.add_bot("relay", team=team)
            person = server.add_user("erner", team=team)
            self._channels[name] = server.add_channel(team, "square", members=[self._relays[name], person])
            if name == SOURCE:
                self._person = person

    @classmethod
    @asynccontextmanager
    async def standing(cls, folder: Path) -> AsyncIterator[Square]:
        """All servers running, and the daemon connected to each."""
        daemon = Daemon(folder)
        began = time.time() - time.monotonic()

        def clock() -> float:
            """One clock for all four, which nobody sets."""
            return began + time.monotonic()

        async with AsyncExitStack() as stack:
            servers = {name: await stack.enter_async_context(SandboxMattermost(clock=clock)) for name in _NAMES}
            square = cls(daemon, servers)
            try:
                await daemon.start(square.file)
                yield square
            finally:
                if daemon.is_running:
                    await daemon.kill()

    @property
    def file(self) -> dict[str, object]:
        """The daemon's file."""
        return {
            "global": {"http": {"port": 0}},
            "mattermost": {
                name: {"server_url": server.url, "token": self._relays[name].token, "reconnect_delay": 0.2}
                for name, server in self._servers.items()
            },
            "rules": [
                {
                    "id": "square",
                    "type": "connect",
                    "channels": {name: {"channel_id": channel.id} for name, channel in self._channels.items()},
                }
            ],
        }

    async def run(self, load: Load, *, with_outage: bool, within: float) -> Outcome:
        """Have people talk while one target is away, or is not; then it has `within` seconds to get everything."""
        await self._say(load, load.warming)
        await self._has_everything(*HEALTHY, LOST, within=within)
        if with_outage:
            await self._servers[LOST].stop()
        measured_from = len(self._posted)
        memory: list[float] = []
        looking = asyncio.create_task(self._look_at_memory(memory))
        await self._say(load, load.messages)
        await self._has_everything(*HEALTHY, within=within)
        looking.cancel()
        memory.append(self._memory())
        behind = len(self._posted) - self._count(LOST)
        if with_outage:
            await self._servers[LOST].start()
        returned = time.monotonic()
        is_complete = await self._has_everything(LOST, within=within)
        return Outcome(
            verdicts={name: self._verdict(name) for name in (*HEALTHY, LOST)},
            latencies=self._latencies(measured_from),
            memory=tuple(memory),
            behind=behind,
            caught_up_after=time.monotonic() - returned if is_complete else None,
        )

    async def _say(self, load: Load, count: int) -> None:
        server, channel = self._servers[SOURCE], self._channels[SOURCE]
        began = time.monotonic()
        for number in range(count):
            wait = began + number / load.per_second - time.monotonic()
            await asyncio.sleep(max(wait, 0.0))
            text = self._ledger.entry(SOURCE, load.words).text
            self._posted[text] = server.post_as(self._person, channel, text).create_at

    async def _has_everything(self, *names: str, within: float) -> bool:
        """Whether these targets have as many messages as were said, once they have or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while any(self._count(name) < len(self._posted) for name in names):  # noqa: ASYNC110 - of several servers
                    await asyncio.sleep(_LOOKS)
                return True
        return False

    def _count(self, name: str) -> int:
        return len(self._servers[name].messages(self._channels[name]))

    def _verdict(self, name: str) -> Verdict:
        shown = [Shown(text) for text in self._servers[name].messages(self._channels[name])]
        return self._ledger.verdict(shown, [SOURCE])

    def _latencies(self, measured_from: int) -> tuple[int, ...]:
        measured = dict(list(self._posted.items())[measured_from:])
        copies = [post for name in HEALTHY for post in self._servers[name].posts(self._channels[name])]
        return tuple(sorted(post.create_at - measured[post.message] for post in copies if post.message in measured))

    async def _look_at_memory(self, found: list[float]) -> None:
        """Append what the daemon has in memory, until cancelled."""
        while True:
            found.append(self._memory())
            await asyncio.sleep(_LOOKS)

    def _memory(self) -> float:
        status = Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024
