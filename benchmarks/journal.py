"""How fast the journal is, and what it costs: an accept, then its receipt, for each message.

    python benchmarks/journal.py [--messages 20000] [--folder DIR]

DIR is made for the run and removed after it; put it on the disk in question. The first line is that disk's own sync.
CPU seconds are the whole process's, its threads included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal
from nextbridge.markup import RichText

MM = InstanceId("mm_main")
SOURCE = Channel(MM, ChannelKey("4xp9fdt77pncbef59f4k1qe83o"))
TARGET = NewDelivery(
    Channel(InstanceId("libera"), ChannelKey("#operations")), "ops", '{"msg_format":"<{nickname}> {msg}"}'
)


def disk_sync(folder: Path) -> float:
    """The median of 50 syncs of 4 KiB appended to a file, in milliseconds."""
    took = []
    descriptor = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT, 0o600)
    for _ in range(50):
        os.write(descriptor, os.urandom(4096))
        started = time.perf_counter()
        os.fdatasync(descriptor)
        took.append(time.perf_counter() - started)
    os.close(descriptor)
    return statistics.median(took) * 1000


def posts(count: int) -> list[Posted]:
    """Posts of 120 characters with ids in the random order that Mattermost gives them."""
    text = RichText.plain("The quick brown fox jumps over the lazy dog. " * 3)
    author = Author(UserId("u" * 26), "ada", "Ada Lovelace", "https://mm.example.com/api/v4/users/u/image")
    now = time.time_ns() // 1_000_000
    return [
        Posted(channel=SOURCE, message=MessageId(os.urandom(13).hex()), author=author, at=now + n, text=text)
        for n in range(count)
    ]


async def relay(journal: SqliteJournal, queue: Iterator[Posted], took: list[float]) -> None:
    """One message after the other, as a source that waits for each to be kept."""
    for post in queue:
        started = time.perf_counter()
        deliveries = await journal.accept(post, (TARGET,), (MM, Cursor("posts", post.message)))
        took.append(time.perf_counter() - started)
        for delivery in deliveries or ():
            journal.complete(delivery.id, 0, Receipt(post.message))


async def measure(folder: Path, concurrency: int, messages: list[Posted]) -> str:
    """Relay the messages with so many at a time; the table's line."""
    journal = await open_journal(folder)
    took: list[float] = []
    queue = iter(messages)
    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(relay(journal, queue, took) for _ in range(concurrency)))
    await journal.flush()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    commits = journal.commits
    await journal.close()
    took.sort()
    return (
        f"{concurrency:>11} {len(took) / seconds:>10.0f} {cpu / len(took) * 1e6:>11.1f} "
        f"{took[len(took) // 2] * 1000:>8.2f} {took[len(took) * 99 // 100] * 1000:>8.2f} {len(took) / commits:>13.1f}"
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="messages at concurrency 64; a tenth of it at 1")
    parser.add_argument("--folder", type=Path, default=None, help="where to make the state folders")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        print(f"a sync of 4 KiB on this disk: {disk_sync(folder):.2f} ms\n")
        print("concurrency messages/s ms CPU/1000   p50 ms   p99 ms messages/sync")
        for concurrency, count in ((1, options.messages // 10), (64, options.messages)):
            print(uvloop.run(measure(folder / str(concurrency), concurrency, posts(count))))
    print(f"\npeak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
