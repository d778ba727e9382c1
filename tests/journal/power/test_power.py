"""The journal after a loss of power, whatever the disk made of what was not synced."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.journal import NewDelivery, PlannedPart
from nextbridge.journal.schema import VERSION
from nextbridge.journal.sqlite import open_journal
from tests.journal.power.disk import Disk, Op, Synced, Written
from tests.journal.power.promises import NAMESPACE, Expected, Held, Waits
from tests.journal.power.trial import Trial, record_load, record_start, scratch
from tests.journal.power.vfs import Unreachable, listening
from tests.journal.test_versions import file_of

CLONE = Path(__file__).parents[3]
WAL = "journal.sqlite3-wal"
MM = InstanceId("mm_main")
TOWN = Channel(MM, ChannelKey("town"))
OPS = Channel(InstanceId("libera"), ChannelKey("#ops"))
LOBBY = Channel(InstanceId("chat"), ChannelKey("lobby"))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder where syncs cost nothing."""
    try:
        with scratch() as folder, listening(Path(folder), Disk(), []):
            pass
    except Unreachable as error:
        pytest.skip(str(error))
    with scratch() as folder:
        yield Path(folder)


@pytest.fixture
def trial(place: Path) -> Trial:
    return Trial(place / "after", Random(1))


def post(message: str) -> Posted:
    return Posted(channel=TOWN, message=MessageId(message), author=Author(UserId("u1"), "ada", "Ada"), at=1)


async def test_what_was_acknowledged_survives_a_loss_of_power(place: Path, trial: Trial) -> None:
    """After each single operation of a load, the power may go: what is left opens and holds what was acknowledged.

    Of what was not synced all may be lost, all kept, or any part of it there. What is in it then is what a run of the
    first calls comes to, with all that were acknowledged: nothing of those is missing, half there, or back again.
    """
    recording = await record_load(place / "state", Random(1), steps=30)
    await trial.cut_everywhere(recording, torn=1)
    assert trial.violations == []
    assert trial.points == len(recording.ops) + 1
    assert trial.opened["torn"] > 100
    assert trial.opened["all lost"] > 20


@pytest.mark.parametrize("killed", [True, False], ids=["after a kill", "after a loss of power"])
async def test_the_next_start_survives_a_loss_of_power(place: Path, trial: Trial, killed: bool) -> None:
    """While the journal is opened again the power may go (again). What the new daemon has seen is certain by then.

    After a kill nothing is lost at first, but not all of it is certain: the new daemon sees it and goes by it.
    """
    recording = await record_load(place / "state", Random(2), steps=12, restart_every=6)
    for point, disk in recording.disks():
        if trial.chance.random() < (0.25 if recording.is_before_sync(point) else 0.01):
            before = disk.copy() if killed else Disk(disk.torn(trial.chance))
            start = await record_start(place / "state", before, recording.expected(point))
            await trial.cut_everywhere(start, torn=1)
    assert trial.violations == []
    assert trial.points > 100


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_an_upgrade_survives_a_loss_of_power(place: Path, trial: Trial, version: int) -> None:
    """An earlier version's file has everything that was in it, in whatever part of the upgrade the power goes."""
    file_of(version, place / "earlier")
    file = place / "earlier" / "journal.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    plan = (PlannedPart("one"), PlannedPart("two", (0,)))
    held = Held(
        events={1: post("m1"), 4: post("m2"), 7: post("m3"), 10: post("m4"), 12: post("m5")},
        waiting={6: Waits(4, LOBBY, attempts=3), 9: Waits(7, LOBBY), 11: Waits(10, LOBBY)},
        dead={8: Waits(7, OPS, attempts=2, parts=1, plan=plan, reason="too long")},
        came={(1, OPS): (["t1"], True), (1, LOBBY): ([], True), (4, OPS): (["t2"], True), (7, OPS): (["t3"], False)},
        cursors={(MM, "posts"): "m5"},
        store={"me": "u9"},
    )
    expected = Expected([held], given=12, daemon_id="0123456789abcdef")
    start = await record_start(place / "state", Disk({file.name: file.read_bytes()}), expected)
    await trial.cut_everywhere(start, torn=3)
    assert trial.violations == []
    assert trial.points > 15


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
async def test_a_journal_that_does_not_wait_is_found_out(place: Path, trial: Trial, synchronous: str) -> None:
    """The same trial of a journal that is told not to sync each commit finds that what was acknowledged is lost."""
    recording = await record_load(place / "state", Random(3), steps=4, synchronous=synchronous)
    for point, disk in recording.disks():
        await trial.cut(point, disk, recording.expected(point), torn=1)
        if trial.violations:
            return
    pytest.fail("nothing was found")


def test_the_long_run_writes_its_table(place: Path) -> None:
    """The command that makes the document ends well and prints a row for all."""
    command = [sys.executable, "-m", "tests.journal.power", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=CLONE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| **all** |" in done.stdout


async def test_an_acknowledgement_follows_the_sync(place: Path) -> None:
    """Whatever the call, made alone: it is written to the log, then the log is synced, then it is acknowledged."""
    disk, ops = Disk(), list[Op]()
    target = NewDelivery(OPS, "ops", "{}")
    folder = place / "state"
    folder.mkdir()
    with listening(folder, disk, ops):
        journal = await open_journal(folder)
        (old,) = await journal.accept(post("m0"), [target]) or ()
        await journal.complete(old.id, 0, Receipt(MessageId("t0")))
        one, two = await journal.accept(post("m1"), [target, NewDelivery(LOBBY, "ops", "{}")]) or ()
        done = 0
        for call in (
            lambda: journal.accept(post("m2"), [target], (MM, Cursor("town", "m2"))),
            lambda: journal.move_cursor(MM, Cursor("town", "m3")),
            lambda: journal.plan(one.id, [PlannedPart("one"), PlannedPart("two")]),
            lambda: journal.part_done(one.id, 0, Receipt(MessageId("t1"))),
            lambda: journal.complete(one.id, 1, Receipt(MessageId("t2"))),
            lambda: journal.postpone(two.id, attempts=1, reason="503"),
            lambda: journal.bury(two.id, reason="refused"),
            lambda: journal.retry([two.id]),
            lambda: journal.write(NAMESPACE, "key", "value"),
            lambda: journal.rekey(TOWN, Channel(MM, ChannelKey("city"))),
            lambda: journal.purge(before=2**60),
        ):
            before = len(ops)
            await call()
            wal = [op for op in ops[before:] if isinstance(op, Written | Synced)]
            assert len(wal) >= 2
            assert all(isinstance(op, Written) for op in wal[:-1])
            assert isinstance(wal[-1], Synced)
            for op in ops[done:]:
                disk.do(op)
            done = len(ops)
            assert disk.unsynced(WAL) == 0
        await journal.close()


async def test_new_folders_are_certain(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a journal is open the name of each folder that was made for it is synced, and that of its own file."""
    synced: list[Path] = []
    sync = os.fsync

    def noting(descriptor: int) -> None:
        sync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", noting)
    await (await open_journal(place / "a" / "b" / "state")).close()
    assert {place, place / "a", place / "a/b", place / "a/b/state"} <= set(synced)
