"""Records what the journal does to its disk, cuts the power at each point of it, and opens what is left."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from msgspec import Struct

from nextbridge.driver import Cursor
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.errors import JournalError
from nextbridge.journal import NewDelivery
from nextbridge.journal.schema import connect_reader
from nextbridge.journal.sqlite import open_journal
from tests.journal.power.disk import Disk, Op, State, Synced
from tests.journal.power.load import Load
from tests.journal.power.promises import Expected, Promises, look
from tests.journal.power.vfs import listening

__all__ = ["Recording", "Trial", "record_load", "record_start", "scratch"]

_NEW = NewDelivery(Channel(InstanceId("chat"), ChannelKey("new")), "new", "{}")


class Recording(Struct, frozen=True):
    """What was done to a folder, and what is promised at each point of it."""

    start: Disk
    ops: Sequence[Op]
    expected: Callable[[int], Expected]
    """By the number of operations that were done."""

    def disks(self) -> Iterator[tuple[int, Disk]]:
        """The disk at each point. It is the same object, which goes on."""
        disk = self.start.copy()
        yield 0, disk
        for number, op in enumerate(self.ops, 1):
            disk.do(op)
            yield number, disk

    def is_before_sync(self, point: int) -> bool:
        """Most is uncertain here, and a program that is started again sees it all."""
        return point < len(self.ops) and isinstance(self.ops[point], Synced)


async def record_load(
    folder: Path, chance: Random, *, steps: int, restart_every: int = 15, fold_after: int = 4, synchronous: str = "FULL"
) -> Recording:
    """A new journal under load (see Load). Raises Unreachable."""
    fresh(folder)
    disk, ops = Disk(), list[Op]()
    promises = Promises(ops)
    with listening(folder, disk, ops):
        await Load(folder, promises, chance).run(
            steps, restart_every=restart_every, fold_after=fold_after, synchronous=synchronous
        )
    recording = Recording(disk, ops, promises.expectations().at)
    _check_complete(recording, folder)
    return recording


async def record_start(folder: Path, before: Disk, expected: Expected) -> Recording:
    """The next start on a disk that holds one of these, to the end of it: the power may go then, too.

    Where something on that disk is not certain yet, only the program was killed. What the new one has seen must stay.
    """
    fresh(folder, before.kept())
    ops = list[Op]()
    with listening(folder, before, ops):
        journal = await open_journal(folder)
        opened = len(ops)
        sight = await look(journal, expected.held)
        await journal.close()
    fitting = [held for held in expected.held if held.seen() == sight]
    assert fitting, f"it was none that it may be: {expected.held[0].seen().unlike(sight)}"
    seen = Expected(fitting, expected.given, journal.daemon_id)
    recording = Recording(before.copy(), ops, lambda point: seen if point >= opened else expected)
    _check_complete(recording, folder)
    return recording


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, where there is one: what is certain is told by the record, not by a disk of this machine."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def fresh(folder: Path, state: State | None = None) -> None:
    """Put these files, and nothing else, into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in (state or {}).items():
        (folder / name).write_bytes(content)


def _check_complete(recording: Recording, folder: Path) -> None:
    """Nothing was done to the files that was not noted."""
    *_, (_, disk) = recording.disks()
    assert disk.kept() == {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


@dataclass
class Trial:
    """Opens one state after the other, each once, and keeps count."""

    folder: Path
    chance: Random
    opened: Counter[str] = field(default_factory=Counter)
    """States that were opened, by how they came about."""
    points: int = 0
    violations: list[str] = field(default_factory=list)
    _tried: defaultdict[bytes, list[set[int]]] = field(default_factory=lambda: defaultdict(list), repr=False)
    """By what was opened: the numbers of calls, one of which it had to come to."""

    async def cut_everywhere(self, recording: Recording, *, torn: int) -> None:
        """Cut the power after every operation: with all of the uncertain lost, all kept, and `torn` times torn."""
        for point, disk in recording.disks():
            await self.cut(point, disk, recording.expected(point), torn=torn)

    async def cut(self, point: int, disk: Disk, expected: Expected, *, torn: int) -> None:
        """Cut the power here."""
        self.points += 1
        await self._open("all lost", disk.lost(), point, expected)
        await self._open("all kept", disk.kept(), point, expected)
        for _ in range(torn):
            await self._open("torn", disk.torn(self.chance), point, expected)

    async def _open(self, how: str, state: State, point: int, expected: Expected) -> None:
        digest = hashlib.blake2b(repr((expected.given, expected.daemon_id)).encode())
        for name, content in sorted(state.items()):
            digest.update(b"%s %d " % (name.encode(), len(content)) + content)
        tried, calls = self._tried[digest.digest()], {held.calls for held in expected.held}
        if any(earlier <= calls for earlier in tried):
            return  # what was asked of it was no less
        tried.append(calls)
        self.opened[how] += 1
        fresh(self.folder, state)
        violation = await violated(self.folder, expected)
        if violation:
            self.violations.append(f"after {point} operations, {how}: {violation}")


async def violated(folder: Path, expected: Expected) -> str:
    """Open what is there as the daemon does, and tell which promise is broken; empty if none is."""
    try:
        journal = await open_journal(folder)
    except JournalError as error:
        return f"it does not open: {error}"
    try:
        sight = await look(journal, expected.held)
        fitting = [held for held in expected.held if held.seen() == sight]
        if not fitting:
            return f"of {len(expected.held)} that it may be it is none: {expected.held[0].seen().unlike(sight)}"
        if expected.daemon_id not in (None, journal.daemon_id):
            return "it has another id of its own"
        events = {of.key: of for held in expected.held for of in held.events.values()}
        again = await asyncio.gather(*(journal.accept(event, []) for event in events.values()))
        known = {key for key, result in zip(events, again, strict=True) if result is None}
        if all({of.key for of in held.events.values()} != known for held in fitting):
            return "it takes an event for new that it has had, or does not take one that it never had"
        (new,) = await journal.accept(_new_event(), [_NEW], (_NEW.target.instance, Cursor("new", "1"))) or ()
        if new.event_id <= expected.given:
            return f"the id {new.event_id} is given twice"
    except JournalError as error:
        return f"it does not work: {error}"
    finally:
        await journal.close()
    with closing(connect_reader(folder / "journal.sqlite3")) as connection:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return "" if found == "ok" else f"it is damaged: {found}"


def _new_event() -> Posted:
    return Posted(channel=_NEW.target, message=MessageId("new"), author=Author(UserId("u"), "u", "U"), at=0)
