"""Whether a journal that remembers millions of messages is as fast as an empty one: both in turn, in the same run.

    python benchmarks/journal_size.py [--receipts 10000000] [--pairs 5] [--messages 10000] [--folder DIR]

DIR is where the state folders are made for the run; ten million receipts take 10 GB there for a while. A pair is the
large journal and one that was just made, the first of the two in turn. Each accepts and completes the messages 64 at a
time, then a tenth of them one at a time. In the end the large one forgets some of its oldest messages. CPU seconds are
the whole process's, its threads included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop
from journal import SOURCE, TARGET, disk_sync, posts, relay

from nextbridge.driver import Receipt
from nextbridge.envelope import MessageId, encode
from nextbridge.journal.schema import SEEN_PERIOD
from nextbridge.journal.sqlite import open_journal

_AT_ONCE = 100_000
"""Rows of a transaction while the large journal is made."""
_AGE = 30 * 86_400_000
"""Milliseconds over which the large journal's messages are spread."""
_COLUMNS = ("CPU ms/1000", "p50 ms", "p99 ms", "p50 ms alone", "p99 ms alone")


async def begin(folder: Path) -> None:
    """Make the journal with one message in it, so that its channels have their numbers."""
    journal = await open_journal(folder)
    (delivery,) = await journal.accept(posts(1)[0], (TARGET,)) or ()
    await journal.complete(delivery.id, 0, Receipt(MessageId("first")))
    await journal.close()


def fill(folder: Path, receipts: int) -> None:
    """Put so many delivered messages into the journal, with ids in the random order in which platforms give them."""
    connection = sqlite3.connect(folder / "journal.sqlite3", isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -6000000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    names = dict(connection.execute("SELECT key, id FROM channel"))
    source, target = names[SOURCE.key], names[TARGET.target.key]
    post = posts(1)[0]
    before, after = encode(post).split(post.message.encode())
    first = connection.execute("SELECT reserved FROM journal").fetchone()[0]
    now = time.time_ns() // 1_000_000

    def messages(start: int, end: int) -> Iterator[tuple[int, str]]:
        for number in range(start, end):
            yield first + 2 * number, os.urandom(13).hex()

    for start in range(0, receipts, _AT_ONCE):
        end = min(receipts, start + _AT_ONCE)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO event VALUES (?, ?, ?, 1, '', ?, ?, NULL, ?)",
            (
                (event, source, message, at, before + message.encode() + after, at >> SEEN_PERIOD)
                for place, (event, message) in enumerate(messages(start, end), start)
                for at in (now - _AGE + _AGE * place // receipts,)
            ),
        )
        connection.executemany(
            "INSERT INTO receipt VALUES (?, ?, 0, 1, ?, NULL, 1, ?)",
            ((event, target, message, now) for event, message in messages(start, end)),
        )
        connection.execute("COMMIT")
    connection.execute("UPDATE journal SET reserved = ?", (first + 2 * receipts,))
    connection.close()


async def measure(folder: Path, count: int) -> tuple[float, ...]:
    """One journal's numbers, as `_COLUMNS` has them."""
    journal = await open_journal(folder)
    many: list[float] = []
    queue = iter(posts(count))
    cpu = time.process_time()
    await asyncio.gather(*(relay(journal, queue, many) for _ in range(64)))
    await journal.flush()
    cpu = time.process_time() - cpu
    alone: list[float] = []
    await relay(journal, iter(posts(count // 10)), alone)
    await journal.close()
    many.sort()
    alone.sort()
    return (
        cpu / count * 1e6,
        *(took[len(took) * percent // 100] * 1000 for took in (many, alone) for percent in (50, 99)),
    )


async def look_up(folder: Path, messages: list[str]) -> list[float]:
    """How long it took to find what these messages were made from, in milliseconds, the shortest first."""
    journal = await open_journal(folder)
    took = []
    for message in messages:
        started = time.perf_counter()
        assert await journal.fate(TARGET.target, TARGET.target, message) is not None
        took.append((time.perf_counter() - started) * 1000)
    await journal.close()
    return sorted(took)


def oldest(folder: Path, count: int) -> list[str]:
    """The ids that the oldest messages have at their target."""
    connection = sqlite3.connect(folder / "journal.sqlite3")
    rows = connection.execute("SELECT message FROM receipt ORDER BY event LIMIT ?", (count,)).fetchall()
    connection.close()
    return [message for (message,) in rows]


async def purge(folder: Path, steps: int) -> list[float]:
    """How long so many steps of forgetting took, in milliseconds, the shortest first."""
    journal = await open_journal(folder)
    before = time.time_ns() // 1_000_000 - _AGE // 2
    after, took = 1, []  # behind the message of `begin`, which is young
    for _ in range(steps):
        started = time.perf_counter()
        purged = await journal.purge(before=before, after=after)
        took.append((time.perf_counter() - started) * 1000)
        assert purged.events == 50
        after = purged.after
    await journal.close()
    return sorted(took)


def spread(values: list[float]) -> str:
    """The median, and between what the runs lay."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def percentiles(took: list[float]) -> str:
    """Of milliseconds, the shortest first."""
    return f"p50 {took[len(took) // 2]:.2f} ms, p99 {took[len(took) * 99 // 100]:.2f} ms"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=10_000_000, help="what the large journal remembers")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000, help="in each run, 64 at a time; a tenth of it alone")
    parser.add_argument("--folder", type=Path, default=None, help="where to make the state folders")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        print(f"a sync of 4 KiB on this disk: {disk_sync(folder):.2f} ms")
        large = folder / "large"
        asyncio.run(begin(large))
        started = time.monotonic()
        fill(large, options.receipts)
        size = (large / "journal.sqlite3").stat().st_size
        seconds = time.monotonic() - started
        print(f"{options.receipts} receipts: {size / 1e9:.2f} GB, made in {seconds:.0f} s\n", flush=True)
        runs: dict[str, list[tuple[float, ...]]] = {"empty": [], "large": []}
        for pair in range(options.pairs):
            for name in ("empty", "large") if pair % 2 else ("large", "empty"):
                where = large if name == "large" else folder / f"empty {pair}"
                runs[name].append(uvloop.run(measure(where, options.messages)))
        print(f"{'median (spread)':16}" + "".join(f"{name:>24}" for name in ("empty", "large", "large / empty")))
        for column, title in enumerate(_COLUMNS):
            empty, full = ([run[column] for run in runs[name]] for name in ("empty", "large"))
            ratios = [each / base for each, base in zip(full, empty, strict=True)]
            print(f"{title:16}" + "".join(f"{spread(values):>24}" for values in (empty, full, ratios)))
        steps = min(500, options.receipts // 200)
        took = uvloop.run(look_up(large, oldest(large, steps)))
        print(f"\nwhat the oldest messages were made from: {percentiles(took)}")
        print(f"a step of forgetting, 50 messages: {percentiles(uvloop.run(purge(large, steps)))}")


if __name__ == "__main__":
    main()
