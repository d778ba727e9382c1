"""The journal's file: its tables, how an older file becomes a newer one, and how it is opened.

Layout, with ten million receipts in mind. Channels and what a delivery was accepted under (its rule and settings) are
written once and referred to by small numbers. What waits lies in a table of its own, which stays small however much was
delivered; a delivery that arrived leaves one short row in `receipt`. Events and receipts grow at their end. Each page
that a commit touches is written twice, so what is written in random places costs most: platforms' message ids are
random. So no index has them in their order but within a short period, and is written at its end. For receipts that is a
period of so many events. For events, each of which has to be looked up to see whether it was reported before, it is a
period of their own time, which is the same at each report, or nearly so: the one before and the one after are looked at
too. Who has an id alone tries one period after the other, the newest first.

Old rows are found by walking `event` in the order of its ids, which is the order of `accepted_at` too, so that they can
be deleted in small steps without an index for it. What still waits of an event is found without one as well: an event's
deliveries have the ids between its own and the next event's. Only the few that were dead letters have others.

The pages that purging frees are used again for what comes, so a file grows to what its longest `remember` needed and
stays there. It is not vacuumed: that would write every page once more, to free room that is needed again tomorrow.
"""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

from nextbridge.envelope import Deleted, Edited, Event, Joined, Left, Posted, Reacted, TopicChanged, decode
from nextbridge.errors import JournalError
from nextbridge.journal.faults import explained

__all__ = ["KINDS", "LATER", "PERIOD", "SEEN_PERIOD", "VERSION", "connect_reader", "open_file"]

KINDS: dict[type[Event], int] = {
    Posted: 1,
    Edited: 2,
    Deleted: 3,
    Reacted: 4,
    Joined: 5,
    Left: 6,
    TopicChanged: 7,
}
"""An event's kind as the file has it. Numbers are never given anew."""

_APPLICATION_ID = 0x4E42_4A4C  # "NBJL": tells our file from any other SQLite database
_CHECKED_WHOLE = 16 * 1024 * 1024
"""A file up to this size (bytes) is checked whole when it is opened, in some tens of milliseconds."""

_VERSION_1 = """
-- One row. `reserved` is above every id that was ever given out (see Writer), also those of rows long gone.
CREATE TABLE journal (daemon_id TEXT NOT NULL, reserved INTEGER NOT NULL);
CREATE TABLE channel (
    id INTEGER PRIMARY KEY, instance TEXT NOT NULL, key TEXT NOT NULL,
    UNIQUE (instance, key)
);
CREATE TABLE terms (
    id INTEGER PRIMARY KEY, rule TEXT NOT NULL, settings TEXT NOT NULL,
    UNIQUE (rule, settings)
);
CREATE TABLE event (
    id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, message TEXT NOT NULL, kind INTEGER NOT NULL,
    version TEXT NOT NULL, accepted_at INTEGER NOT NULL, data BLOB NOT NULL,
    UNIQUE (channel, message, kind, version)
);
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY, target INTEGER NOT NULL, event INTEGER NOT NULL, terms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, parts_done INTEGER NOT NULL DEFAULT 0, reason TEXT, plan BLOB
);
-- Each of its entries ends with the id: a lane, in its order.
CREATE INDEX lane ON waiting (target);
-- `last` is 1 on the last part's row only: a target without such a row has not got the whole message.
CREATE TABLE receipt (
    event INTEGER NOT NULL, target INTEGER NOT NULL, part INTEGER NOT NULL, last INTEGER NOT NULL, message TEXT,
    PRIMARY KEY (event, target, part)
) WITHOUT ROWID;
CREATE INDEX became ON receipt (target, message);
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY, target INTEGER NOT NULL, event INTEGER NOT NULL, terms INTEGER NOT NULL,
    attempts INTEGER NOT NULL, parts_done INTEGER NOT NULL, plan BLOB, reason TEXT NOT NULL, detail TEXT NOT NULL,
    buried_at INTEGER NOT NULL
);
CREATE INDEX buried ON dead_letter (buried_at);
CREATE TABLE cursor (
    instance TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (instance, name)
) WITHOUT ROWID;
CREATE TABLE store (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (namespace, key)
) WITHOUT ROWID;
"""
PERIOD = 14
"""A receipt's period is its event's id without so many bits: about 8,000 messages."""

_VERSION_2 = f"""
-- The id that the delivery's parts are named by, where that is not its own (see Delivery.key).
ALTER TABLE waiting ADD COLUMN key INTEGER;
ALTER TABLE waiting ADD COLUMN retried_at INTEGER;
ALTER TABLE dead_letter ADD COLUMN key INTEGER;
CREATE INDEX retried ON waiting (event) WHERE key IS NOT NULL;
CREATE INDEX dead ON dead_letter (event);
DROP INDEX became;
CREATE INDEX became ON receipt (target, event >> {PERIOD}, message);
"""
SEEN_PERIOD = 20
"""An event's period is its own time (milliseconds since 1970) without so many bits: 17 minutes."""
LATER = """
    WITH RECURSIVE later (number) AS (
        SELECT min(period) FROM event WHERE period >= :period - 1
        UNION ALL SELECT (SELECT min(period) FROM event WHERE period > number) FROM later WHERE number IS NOT NULL
    )
"""
"""Names the periods in which what was done to an event of `:period` may lie."""

_VERSION_3 = f"""
-- `root` is the root of the thread that a message stands in: a deleted root takes along what answers it.
CREATE TABLE renewed (
    id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, message TEXT NOT NULL, kind INTEGER NOT NULL,
    version TEXT NOT NULL, accepted_at INTEGER NOT NULL, data BLOB NOT NULL, root TEXT, period INTEGER NOT NULL
);
INSERT INTO renewed SELECT id, channel, message, kind, version, accepted_at, data, NULL, event_at(data) >> {SEEN_PERIOD}
    FROM event;
DROP TABLE event;
ALTER TABLE renewed RENAME TO event;
CREATE INDEX seen ON event (period, channel, message, kind, version);
CREATE INDEX thread ON event (channel, root) WHERE root IS NOT NULL;
-- The event of the edit whose text a message takes that was not shown yet.
ALTER TABLE waiting ADD COLUMN says INTEGER;
ALTER TABLE dead_letter ADD COLUMN says INTEGER;
CREATE INDEX amended ON waiting (says) WHERE says IS NOT NULL;
CREATE INDEX amended_dead ON dead_letter (says) WHERE says IS NOT NULL;
-- What is to be known when the message is edited (see Journal.complete); on its last part's row.
ALTER TABLE receipt ADD COLUMN note TEXT;
-- Who has reacted to what, as far as the target was told of it.
CREATE TABLE reaction (
    event INTEGER NOT NULL, target INTEGER NOT NULL, emoji TEXT NOT NULL, reactor TEXT NOT NULL,
    PRIMARY KEY (event, target, emoji, reactor)
) WITHOUT ROWID;
UPDATE terms SET settings = json_object('msg', json(settings));
"""  # noqa: S608 - ours
_VERSION_4 = """
-- For whoever asks what became of a message: what it was delivered under, and when (milliseconds since 1970).
ALTER TABLE receipt ADD COLUMN terms INTEGER;
ALTER TABLE receipt ADD COLUMN arrived_at INTEGER;
-- What came of an attempt that left no receipt: it failed, there was nothing to show, or it changed what was there.
-- A message that just arrives leaves none.
CREATE TABLE attempt (
    event INTEGER NOT NULL, target INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
    outcome TEXT NOT NULL, terms INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (event, target, number)
) WITHOUT ROWID;
"""
_MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
"""Each makes a file of the version before it into one of its own."""
VERSION = len(_MIGRATIONS)
"""The newest version of the file that this program writes and reads."""


def open_file(path: Path, *, max_pages: int | None = None) -> sqlite3.Connection:
    """The connection that writes: the file is made or brought up to date, looked over, and its log folded in.

    `max_pages` bounds the file, so that tests can fill it up. Blocking. Raises JournalError.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect(path)
        _recognise(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # A large commit may fold the log in by itself; the writer does it in its idle moments long before.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
        connection.execute("PRAGMA cache_size = -8000")
        _migrate(connection)
        _look_over(connection, path)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {max_pages:d}")
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise explained(error, path) from error
    except JournalError:
        if connection is not None:
            connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A second connection, which only reads and holds up no writer. Blocking. Raises JournalError."""
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect(path)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise explained(error, path) from error
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # Opened on one thread and used on another, by one at a time. Transactions are begun by hand.
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    application = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    if application != _APPLICATION_ID and (version or _number(connection, "SELECT count(*) FROM sqlite_schema")):
        raise JournalError(
            f"{path} is a database of another program, not a NextBridge journal. "
            "Give NextBridge a state folder of its own (--state), or move that file away."
        )
    if version > VERSION:
        raise JournalError(
            f"{path} was written by a newer NextBridge (journal version {version}; this one knows {VERSION}). "
            "Install that version or a later one, or restore the backup made before the upgrade."
        )


def _migrate(connection: sqlite3.Connection) -> None:
    version = _number(connection, "PRAGMA user_version")
    connection.create_function("event_at", 1, lambda data: decode(data).at, deterministic=True)
    for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}")
        if number == 1:
            connection.execute("INSERT INTO journal VALUES (?, 1)", (secrets.token_hex(8),))
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


def _look_over(connection: sqlite3.Connection, path: Path) -> None:
    """Find damage in a time that does not grow with the file.

    The log is folded in first: from then on SQLite itself compares the file's length with its header at the next read,
    which finds a copy that was cut short. A small file is then checked whole. Of a large one only what the daemon
    starts from is read: checking it whole would take minutes, and damage elsewhere is still found when it is read, with
    the same error.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if path.stat().st_size <= _CHECKED_WHOLE:
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise explained(sqlite3.DatabaseError(found.replace("\n", " ")), path)
    for statement in (
        "SELECT daemon_id, reserved FROM journal",
        "SELECT count(*) FROM channel",
        "SELECT count(*) FROM terms",
        "SELECT count(*) FROM cursor",
        "SELECT * FROM event ORDER BY id LIMIT 1",
        "SELECT * FROM event ORDER BY id DESC LIMIT 1",
        "SELECT * FROM waiting ORDER BY id LIMIT 1",
        "SELECT * FROM waiting ORDER BY id DESC LIMIT 1",
        "SELECT * FROM receipt ORDER BY event DESC LIMIT 1",
    ):
        connection.execute(statement).fetchall()


def _number(connection: sqlite3.Connection, statement: str) -> int:
    number: int = connection.execute(statement).fetchone()[0]
    return number
