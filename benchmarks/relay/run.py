"""One run: a server, a process between its channels, a load, and what was measured."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from benchmarks.relay.load import Load, Outcome, Way
from benchmarks.relay.server import Server
from benchmarks.relay.subject import Daemon, Forwarder, Subject

__all__ = ["Amount", "Run", "Stage", "with_daemon", "with_forwarder", "with_rules", "with_target_aside"]

_SETTLES = 0.3
"""Seconds after the last arrival in which receipts go to disk; their CPU counts."""
_HANGS = 30.0
_INSTANCES = 4


class Amount(Struct, frozen=True):
    """How much is posted in one run."""

    rate: float = 100.0
    """Messages a second of the paced part."""
    paced: int = 1000
    saturating: int = 8000
    window: int = 200
    """Messages on their way at once in the saturating part."""
    warming: int = 300
    folder: Path | None = None
    """Where the state folders are made."""


class Part(Struct, frozen=True):
    """What one part of a run measured."""

    cpu: float
    """Seconds of CPU for 1,000 messages."""
    outcome: Outcome


class Run(Struct, frozen=True):
    """What one run measured."""

    ready_after: float
    """Seconds."""
    paced: Part
    saturated: Part
    memory: float
    """MiB at most."""


class Stage:
    """A server with a ring of channels: what is posted in each arrives in the next."""

    def __init__(self, *, accounts: int, channels: int) -> None:
        self.server = Server()
        self.accounts = [self.server.account(f"mm_{number}") for number in range(accounts)]
        ids = [self.server.channel(self.accounts[number % accounts]) for number in range(channels)]
        self.ways = [Way(here, there) for here, there in zip(ids, [*ids[1:], ids[0]], strict=True)]
        self.aside: int | None = None
        """A way (by place) that is used at the paced rate only, and whose messages are not counted."""

    @property
    def counted(self) -> list[int]:
        """The other ways."""
        return [place for place in range(len(self.ways)) if place != self.aside]


async def with_forwarder(amount: Amount) -> Run:
    """The floor: one account in four channels."""
    stage = Stage(accounts=1, channels=_INSTANCES)
    return await _measured(stage, amount, lambda folder: Forwarder(folder, stage.server, stage.accounts[0], stage.ways))


async def with_daemon(amount: Amount) -> Run:
    """The daemon with four instances, a channel each."""
    stage = Stage(accounts=_INSTANCES, channels=_INSTANCES)
    return await _measured(stage, amount, lambda folder: Daemon(folder, stage.server, stage.ways))


async def with_target_aside(amount: Amount, *, hangs: bool) -> Run:
    """The daemon with four instances, of which three are counted, and the fourth answers a post at once or hangs."""
    stage = Stage(accounts=_INSTANCES, channels=_INSTANCES)
    stage.aside = _INSTANCES - 1
    delays = {stage.ways[stage.aside].target: _HANGS} if hangs else {}
    return await _measured(stage, amount, lambda folder: Daemon(folder, stage.server, stage.ways), delays)


async def with_rules(amount: Amount, number: int) -> Run:
    """The daemon with one account and so many rules, each from one channel to the next, all of them used in turn."""
    stage = Stage(accounts=1, channels=max(number, 2))
    stage.ways = stage.ways[:number]
    return await _measured(stage, amount, lambda folder: Daemon(folder, stage.server, stage.ways))


async def _measured(
    stage: Stage, amount: Amount, subject: Callable[[Path], Subject], delays: dict[str, float] | None = None
) -> Run:
    """Raises RuntimeError where a message was lost, repeated or out of order: then no number is worth anything."""
    await stage.server.start()
    with tempfile.TemporaryDirectory(dir=amount.folder) as made:
        running = subject(Path(made))
        try:
            await running.start()
            warm = Load(stage.server, stage.ways)
            await warm.pace(amount.rate * 2, amount.warming)
            await warm.finished()
            stage.server.delays.update(delays or {})
            paced = await _part(stage, running, amount, saturating=False)
            saturated = await _part(stage, running, amount, saturating=True)
            return Run(running.ready_after, paced, saturated, running.peak_memory())
        finally:
            await running.kill()
            stage.server.stop()


async def _part(stage: Stage, running: Subject, amount: Amount, *, saturating: bool) -> Part:
    load = Load(stage.server, stage.ways)
    used = running.cpu()
    beside: asyncio.Task[None] | None = None
    if saturating:
        if stage.aside is not None:
            share = amount.rate / len(stage.ways)
            beside = asyncio.create_task(load.pace(share, amount.saturating, [stage.aside]))
        load.saturate(amount.saturating, stage.counted, window=amount.window)
    else:
        await load.pace(amount.rate, amount.paced)
    await load.finished(stage.counted)
    if beside is not None:
        beside.cancel()
    await asyncio.sleep(_SETTLES)
    used = running.cpu() - used
    outcome = load.outcome(stage.counted)
    if not outcome.is_clean:
        raise RuntimeError(
            f"{outcome.lost} messages lost, {outcome.repeated} repeated, {outcome.disordered} out of order"
        )
    return Part(used / outcome.arrived * 1000, outcome)
