"""A journal that an earlier version wrote becomes one of this version, with everything in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Attachment, Channel, ChannelKey, InstanceId, MessageId, Posted
from nextbridge.journal import PlannedPart
from nextbridge.journal.schema import VERSION
from nextbridge.journal.sqlite import open_journal
from nextbridge.markup import RichText

VERSIONS = Path(__file__).parent / "versions"
MM = InstanceId("mm_main")
TOWN = Channel(MM, ChannelKey("town"))
OPS = Channel(InstanceId("libera"), ChannelKey("#ops"))
LOBBY = Channel(InstanceId("chat"), ChannelKey("lobby"))


def file_of(version: int, folder: Path) -> None:
    """Make the file that this version wrote."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "journal.sqlite3")
    connection.executescript((VERSIONS / f"{version}.sql").read_text())
    connection.close()


def layout(path: Path) -> set[tuple[str, str]]:
    """The tables' columns, and the indexes, in no order."""
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = {
        (table, str(column[1:])) for table in tables for column in connection.execute(f"PRAGMA table_info({table})")
    }
    indexes = set(connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE type = 'index'"))
    connection.close()
    return columns | indexes


def test_every_earlier_version_has_its_file() -> None:
    """Whoever changes the layout keeps a file of the version before: then the tests below open it."""
    assert sorted(int(path.stem) for path in VERSIONS.glob("*.sql")) == list(range(1, VERSION))


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_an_earlier_file_gets_the_layout_of_a_new_one(folder: Path, tmp_path: Path, version: int) -> None:
    """The same tables, columns and indexes, however it came to them; opened again, nothing changes any more."""
    await (await open_journal(tmp_path / "new")).close()
    file_of(version, folder)
    for _ in range(2):
        await (await open_journal(folder)).close()
        assert layout(folder / "journal.sqlite3") == layout(tmp_path / "new" / "journal.sqlite3")


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_everything_is_found_in_an_earlier_file(folder: Path, version: int) -> None:
    """Its own id, what waits, what is dead, what arrived, cursors and the small store: all as it was, and of use."""
    file_of(version, folder)
    journal = await open_journal(folder)
    assert journal.daemon_id == "0123456789abcdef"

    lane = await journal.load(LOBBY)
    assert [each.event.message for each in lane] == ["m2", "m3", "m4"]
    first = lane[0]
    assert (first.event.channel, first.rule, first.settings) == (TOWN, "lobby", '{"msg":{}}')
    assert (first.attempts, first.attempted, first.accepted_at) == (3, 1_700_000_000_004, 1_700_000_000_004)
    assert isinstance(first.event, Posted)
    assert first.event.text == RichText.plain("text of m2")
    assert isinstance(lane[1].event, Posted)
    assert lane[1].event.attachments == (Attachment("f1", "a.png"),)
    (overview,) = await journal.waiting()
    assert (overview.target, overview.depth, overview.reason) == (LOBBY, 3, "503")

    (dead,) = await journal.dead_letters()
    assert (dead.event.message, dead.target, dead.rule) == ("m3", OPS, "ops")
    assert (dead.reason, dead.detail, dead.attempts, dead.buried_at) == (
        "too long",
        "a traceback",
        2,
        1_700_000_001_000,
    )
    assert await journal.delivered_ids(1) == {OPS: ("t1",), LOBBY: ()}
    assert await journal.cursor(MM, "posts") == Cursor("posts", "m5")
    assert await journal.read("driver/mm_main", "me") == "u9"

    assert await journal.accept(first.event, []) is None
    await journal.retry([dead.id])
    (again,) = await journal.load(OPS)
    assert (again.key, again.parts_done) == (dead.id, 1)
    assert again.plan == (PlannedPart("one"), PlannedPart("two", (0,)))
    await journal.complete(again.id, 1, Receipt(MessageId("t4")))
    assert await journal.delivered_ids(again.event_id) == {OPS: ("t3", "t4")}
    assert (await journal.purge(before=2**60)).events == 2
    await journal.close()
