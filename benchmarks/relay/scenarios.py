"""What is compared, and with what goal. A scenario runs both sides in turn (A B A B …) and gives rows."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.relay.disk import syncs
from benchmarks.relay.run import Amount, Run, with_daemon, with_forwarder, with_rules, with_target_aside
from benchmarks.relay.table import Row, Series

__all__ = ["SCENARIOS", "Scenario"]

Scenario = Callable[[Amount, int], Awaitable[list[Row]]]
"""Is given how much to post and the number of pairs."""


async def floor(amount: Amount, pairs: int) -> list[Row]:
    """The daemon beside the bare forwarder."""
    disk: list[tuple[float, float]] = []
    floors: list[Run] = []
    relays: list[Run] = []
    for number in range(pairs):
        disk.append(await asyncio.to_thread(_disk, amount.folder))
        floors.append(await with_forwarder(amount))
        relays.append(await with_daemon(amount))
        _say(f"floor {number + 1}: CPU {floors[-1].saturated.cpu:.3f} {relays[-1].saturated.cpu:.3f} at saturation, ",
             f"{floors[-1].paced.cpu:.3f} {relays[-1].paced.cpu:.3f} paced")  # fmt: skip
    at_rate = f"at {amount.rate:.0f} messages a second"
    rows = [
        _cpu("at saturation", [run.saturated.cpu for run in floors], [run.saturated.cpu for run in relays], 1.5),
        _cpu(at_rate, [run.paced.cpu for run in floors], [run.paced.cpu for run in relays], 2.0),
    ]
    for name, share, place, goal in (("p50", 0.5, 0, 2.0), ("p99", 0.99, 1, 10.0)):
        bare = Series.of([run.paced.outcome.latency(share) for run in floors])
        relayed = Series.of([run.paced.outcome.latency(share) for run in relays])
        sync = Series.of([both[place] for both in disk])
        added = relayed.beyond(bare, sync)
        rows.append(
            Row(
                f"latency {at_rate}, {name}, ms",
                f"floor {bare.shown(2)}, the disk's sync {sync.shown(2)}",
                relayed.shown(2),
                f"{added.shown(2)} added over both",
                f"at most {goal:.0f}",
                reached=added.median <= goal,
            )
        )
    bare, relayed = (Series.of([run.saturated.outcome.rate for run in runs]) for runs in (floors, relays))
    rows.append(
        Row(
            "messages a second at saturation",
            f"floor {bare.shown(0)}",
            relayed.shown(0),
            f"{relayed.over(bare).shown(2)} times",
            "",
        )
    )
    memory = Series.of([run.memory for run in relays])
    rows.append(
        Row(
            "peak memory with four instances, MiB",
            f"floor {Series.of([run.memory for run in floors]).shown(0)}",
            memory.shown(0),
            "",
            "at most 90",
            reached=max(memory.values) <= 90,
        )
    )
    return rows


async def hung(amount: Amount, pairs: int) -> list[Row]:
    """One of four targets answers after 30 seconds, or at once; the three others are looked at."""
    without: list[Run] = []
    having: list[Run] = []
    for number in range(pairs):
        without.append(await with_target_aside(amount, hangs=False))
        having.append(await with_target_aside(amount, hangs=True))
        _say(f"hung {number + 1}: {without[-1].saturated.outcome.rate:.0f} {having[-1].saturated.outcome.rate:.0f} ",
             "messages a second")  # fmt: skip
    at_rate = f"{amount.rate:.0f} messages a second"
    measures: tuple[tuple[str, int, Callable[[Run], float]], ...] = (
        ("messages a second at saturation", 0, lambda run: run.saturated.outcome.rate),
        (f"latency at {at_rate}, p50, ms", 2, lambda run: run.paced.outcome.latency(0.5)),
        (f"latency at {at_rate}, p99, ms", 2, lambda run: run.paced.outcome.latency(0.99)),
    )
    return [
        _alike(f"one of four targets hangs, the three others: {name}", "no target hangs",
               [read(run) for run in without], [read(run) for run in having], digits, better=place == 0)
        for place, (name, digits, read) in enumerate(measures)
    ]  # fmt: skip


def many_rules(rules: int) -> Scenario:
    """So many rules, all of them used, or one."""

    async def compare(amount: Amount, pairs: int) -> list[Row]:
        one: list[Run] = []
        many: list[Run] = []
        for number in range(pairs):
            one.append(await with_rules(amount, 1))
            many.append(await with_rules(amount, rules))
            _say(f"rules {number + 1}: CPU {one[-1].paced.cpu:.3f} {many[-1].paced.cpu:.3f} paced, ",
                 f"{one[-1].saturated.cpu:.3f} {many[-1].saturated.cpu:.3f} at saturation, ",
                 f"ready after {many[-1].ready_after:.1f} s")  # fmt: skip
        ready = Series.of([run.ready_after for run in many])
        what = f"{rules:,} rules over {max(rules, 2):,} channels"
        return [
            _alike(f"{what}: CPU at {amount.rate:.0f} messages a second, s per 1,000", "one rule",
                   [run.paced.cpu for run in one], [run.paced.cpu for run in many], 3),
            _alike(f"{what}: CPU at saturation, s per 1,000", "one rule",
                   [run.saturated.cpu for run in one], [run.saturated.cpu for run in many], 3),
            Row(
                f"{what}: from the start until the file is validated and every instance is connected, s",
                f"one rule {Series.of([run.ready_after for run in one]).shown(1)}",
                ready.shown(1),
                "",
                "under 10",
                reached=max(ready.values) < 10,
            ),
        ]  # fmt: skip

    return compare


SCENARIOS: dict[str, Scenario] = {"floor": floor, "hung": hung, "rules": many_rules(10_000)}
"""By the name that the command takes."""


def _cpu(when: str, bare: list[float], relayed: list[float], goal: float) -> Row:
    ratio = Series.of(relayed).over(Series.of(bare))
    return Row(
        f"CPU {when}, s per 1,000 messages",
        f"floor {Series.of(bare).shown(3)}",
        Series.of(relayed).shown(3),
        f"{ratio.shown(2)} times the floor's",
        f"at most {goal} times",
        reached=ratio.median <= goal,
    )


def _alike(
    what: str, beside: str, without: list[float], having: list[float], digits: int, *, better: bool = False
) -> Row:
    """The median with the trouble has to lie within the spread without it, or on its good side."""
    usual, relay = Series.of(without), Series.of(having)
    beyond = relay.median > max(without) if better else relay.median < min(without)
    return Row(
        what,
        f"{beside} {usual.shown(digits)}",
        relay.shown(digits),
        f"{relay.over(usual).shown(2)} times",
        "within the spread without",
        reached=beyond or usual.holds(relay.median),
    )


def _disk(folder: Path | None) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        took = syncs(Path(made))
    return took[len(took) // 2], took[len(took) * 99 // 100]


def _say(*words: str) -> None:
    print(time.strftime("%H:%M:%S"), "".join(words), flush=True)
