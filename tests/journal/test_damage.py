"""What cannot be opened, and what breaks later: the operator is told where and what to do, and nothing goes on."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Posted
from nextbridge.errors import JournalError, JournalLocked
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import open_journal
from nextbridge.markup import RichText

Post = Callable[[str], Posted]


def opens(folder: Path) -> bool:
    """The folder's journal can be opened (and closed again)."""

    async def open_and_close() -> bool:
        await (await open_journal(folder)).close()
        return True

    return asyncio.run(open_and_close())


@pytest.fixture
def filled(folder: Path, post: Post, ops: NewDelivery) -> Path:
    """The file of a closed journal with some hundred kilobytes in it."""

    async def fill() -> None:
        journal = await open_journal(folder)
        await asyncio.gather(*(journal.accept(post(f"m{number}"), [ops]) for number in range(1_000)))
        await journal.close()

    asyncio.run(fill())
    return folder / "journal.sqlite3"


def test_the_folder_is_private(folder: Path) -> None:
    """The folder and all that is in it can be read by their owner alone, whatever the umask."""

    async def look() -> dict[str, int]:
        journal = await open_journal(folder)
        await journal.write("a", "b", "c")
        modes = await asyncio.to_thread(lambda: {path: path.stat().st_mode for path in (folder, *folder.iterdir())})
        await journal.close()
        return {path.name: stat.S_IMODE(mode) for path, mode in modes.items()}

    before = os.umask(0)
    try:
        modes = asyncio.run(look())
    finally:
        os.umask(before)
    assert modes.pop("state") == 0o700
    assert set(modes) >= {"lock", "journal.sqlite3", "journal.sqlite3-wal"}
    assert set(modes.values()) == {0o600}


async def test_a_second_daemon_is_refused(folder: Path) -> None:
    """A folder that a journal holds is refused, with the number of the process; after the close it is free."""
    journal = await open_journal(folder)
    with pytest.raises(JournalLocked, match=rf"{re.escape(str(folder))}.*process {os.getpid()}"):
        await open_journal(folder)
    await journal.close()
    await (await open_journal(folder)).close()


def test_a_second_process_is_refused(folder: Path) -> None:
    """Another process is refused too; once the holder was killed the folder is free, its old number notwithstanding."""
    hold = (
        "import asyncio, pathlib, sys\n"
        "from nextbridge.journal.sqlite import open_journal\n"
        "async def hold():\n"
        "    journal = await open_journal(pathlib.Path(sys.argv[1]))\n"
        "    print('held', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(hold())\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(JournalLocked, match=f"process {process.pid}"):
            opens(folder)
        process.kill()
    assert opens(folder)


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    """A path that is no folder, and one below a file, are refused with the path."""
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "state"):
        with pytest.raises(JournalError, match=re.escape(str(path))):
            opens(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Where nothing can be made, also by root, the operator is told whose the folder must be."""
    with pytest.raises(JournalError, match=r"cannot be used .* belong to the user that NextBridge runs as"):
        opens(Path("/proc/nextbridge-state"))
    (tmp_path / "journal.sqlite3").mkdir()
    with pytest.raises(JournalError, match=r"journal\.sqlite3 cannot be used"):
        opens(tmp_path)


def test_not_a_database(folder: Path) -> None:
    """A file that SQLite does not know is called damaged, and stays as it is."""
    folder.mkdir()
    file = folder / "journal.sqlite3"
    file.write_bytes(b"not a database, " * 1_000)
    with pytest.raises(JournalError, match=rf"{re.escape(str(file))}.*damaged.*restore the last backup"):
        opens(folder)
    assert file.read_bytes() == b"not a database, " * 1_000


def test_a_truncated_file(filled: Path) -> None:
    """A file that was cut short is noticed when it is opened, wherever it was cut."""
    whole = filled.read_bytes()
    for length in (len(whole) - 4096, len(whole) // 2, 4096 + 100, 4096):
        filled.write_bytes(whole[:length])
        with pytest.raises(JournalError, match="damaged"):
            opens(filled.parent)
    filled.write_bytes(whole)
    assert opens(filled.parent)


def test_a_large_file_that_was_cut_short(folder: Path, post: Post, ops: NewDelivery) -> None:
    """A file that is too large to be checked whole is still noticed to be short, if by a single page."""

    async def fill() -> None:
        journal = await open_journal(folder)
        large = RichText.plain("x" * 1_000_000)
        for number in range(20):
            await journal.accept(msgspec.structs.replace(post(f"m{number}"), text=large), [ops])
        await journal.close()

    asyncio.run(fill())
    file = folder / "journal.sqlite3"
    assert file.stat().st_size > 16 * 1024 * 1024
    assert opens(folder)
    os.truncate(file, file.stat().st_size - 4096)
    with pytest.raises(JournalError, match="damaged"):
        opens(folder)


def test_a_corrupt_page(filled: Path) -> None:
    """A page full of rubbish in a file of this size is noticed when it is opened, whichever page it is.

    The folder is let go after each refusal, so that the file can be put right and opened.
    """
    whole = filled.read_bytes()
    for page in range(0, len(whole) // 4096, 7):
        damaged = bytearray(whole)
        damaged[page * 4096 : page * 4096 + 4096] = b"\xa5" * 4096
        filled.write_bytes(damaged)
        with pytest.raises(JournalError, match="damaged"):
            opens(filled.parent)
    filled.write_bytes(whole)
    assert opens(filled.parent)


def test_a_newer_version(filled: Path) -> None:
    """A file of a later program is refused with both versions, and not touched."""
    connection = sqlite3.connect(filled)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = filled.read_bytes()
    with pytest.raises(JournalError, match=r"newer NextBridge .*99; this one knows \d+"):
        opens(filled.parent)
    assert filled.read_bytes() == before


def test_another_programs_database(folder: Path) -> None:
    """An SQLite file that is no journal is refused, and not written to."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "journal.sqlite3")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = (folder / "journal.sqlite3").read_bytes()
    with pytest.raises(JournalError, match="another program"):
        opens(folder)
    assert (folder / "journal.sqlite3").read_bytes() == before


async def test_a_full_disk(folder: Path, post: Post, ops: NewDelivery) -> None:
    """When the disk is full every caller is told, nothing is acknowledged from then on, and what was stays."""
    journal = await open_journal(folder, max_pages=60)
    kept: list[str] = []
    told: list[str] = []
    for number in range(1_000):
        large = msgspec.structs.replace(post(f"m{number}"), text=RichText.plain("x" * 1_000))
        neighbour = journal.move_cursor(ops.target.instance, Cursor("posts", str(number)))
        try:
            await journal.accept(large, [ops])
        except JournalError as error:
            told.append(str(error))
            break
        kept.append(large.message)
    assert re.search(r"disk is full.*Free some space", told[0])
    with pytest.raises(JournalError, match="disk is full"):
        await neighbour
    assert "disk is full" in str(await asyncio.wait_for(journal.failed, 5))
    for use in (
        journal.accept(post("later"), [ops]),
        journal.complete(1, 0, Receipt()),
        journal.bury(1, reason="refused"),
        journal.load(ops.target),
        journal.flush(),
    ):
        with pytest.raises(JournalError, match="disk is full"):
            await use
    await journal.close()

    journal = await open_journal(folder)
    assert len(kept) > 10
    assert [delivery.event.message for delivery in await journal.load(ops.target, limit=1_000)] == kept
    assert await journal.accept(post("later"), [ops])
    await journal.close()


@pytest.mark.parametrize(
    "damage", [lambda _: b"\0", lambda data: data.replace(b"text of", b"\xff\xff of  ")], ids=["no event", "no text"]
)
async def test_damage_that_a_read_finds(
    folder: Path, post: Post, ops: NewDelivery, damage: Callable[[bytes], bytes]
) -> None:
    """A row that cannot be read ends the journal as a failed write does."""
    journal = await open_journal(folder)
    await journal.accept(post("m1"), [ops])
    await journal.close()
    connection = sqlite3.connect(folder / "journal.sqlite3")
    (data,) = connection.execute("SELECT data FROM event").fetchone()
    connection.execute("UPDATE event SET data = ?", (damage(data),))
    connection.commit()
    connection.close()
    journal = await open_journal(folder)
    with pytest.raises(JournalError, match="damaged"):
        await journal.load(ops.target)
    assert journal.failed.done()
    with pytest.raises(JournalError, match="damaged"):
        await journal.accept(post("m2"), [ops])
    await journal.close()
