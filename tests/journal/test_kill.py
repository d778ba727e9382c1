"""A killed daemon's journal holds everything that was said to be in it."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from nextbridge.driver import Cursor
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.journal import NewDelivery
from nextbridge.journal.schema import connect_reader, open_file
from nextbridge.journal.sqlite import open_journal

ROUNDS = 20
ACCEPTING = Path(__file__).parent / "accepting.py"


def kept_until_killed(folder: Path, name: str, lines: int) -> list[str]:
    """Start the process, kill it after so many lines, and return every whole line that it wrote."""
    command = [sys.executable, str(ACCEPTING), str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        written = b"".join(process.stdout.readline() for _ in range(lines))
        process.kill()
        written += process.stdout.read()
    return written[: written.rfind(b"\n")].decode().split("\n")


async def test_nothing_kept_is_lost(folder: Path) -> None:
    """Killed twenty times in the middle of a load, on one state folder, the journal has every event that it kept.

    It has each once, in the order of its source, whole, with its delivery or its receipt, and the cursor that moved
    with it; and no id was given twice.
    """
    chance = random.Random(20)
    said: list[str] = []
    for number in range(ROUNDS):
        said += kept_until_killed(folder, f"{number:02}", chance.randrange(1, 400))

    open_file(folder / "journal.sqlite3").close()
    with closing(connect_reader(folder / "journal.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT id, message FROM event ORDER BY id").fetchall()
        kept = [message for _, message in rows]
        assert len(set(kept)) == len(kept)
        assert set(said) <= set(kept)
        for source in {message[:4] for message in kept}:
            of_source = [message for message in kept if message.startswith(source)]
            assert of_source == [f"{source} {number:06}" for number in range(len(of_source))]
        delivered = connection.execute("SELECT event FROM receipt").fetchall()
        waiting = connection.execute("SELECT event FROM waiting").fetchall()
        assert sorted(delivered + waiting) == [(event,) for event, _ in rows]

    journal = await open_journal(folder)
    for source in {message[:4] for message in kept}:
        last = max(message for message in kept if message.startswith(source))
        assert await journal.cursor(InstanceId("mm_main"), source) == Cursor(source, last)
    target = NewDelivery(Channel(InstanceId("libera"), ChannelKey("#ops")), "ops", "{}")
    lane = await journal.load(target.target, limit=1_000_000)
    assert len(lane) == len(waiting)
    new = Posted(
        channel=Channel(InstanceId("mm_main"), ChannelKey("town")),
        message=MessageId("new"),
        author=Author(UserId("u1"), "ada", "Ada"),
        at=1,
    )
    deliveries = await journal.accept(new, [target])
    assert deliveries is not None
    assert deliveries[0].event_id > max(rows)[0]
    await journal.close()
