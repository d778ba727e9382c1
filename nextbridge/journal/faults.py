"""What the operator is told when the journal's file cannot be used: where it is, what happened, what to do."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import msgspec

from nextbridge.errors import JournalError

__all__ = ["explained", "is_fatal"]

_FULL = "The disk is full. Free some space there and start NextBridge again; nothing that was accepted is lost."
_NOT_WRITABLE = (
    "It cannot be written. Make the state folder and the files in it belong to the user that NextBridge runs as, "
    "on a file system that is not mounted read-only."
)
_DAMAGED = (
    "The file is damaged. Stop NextBridge, keep a copy of the state folder, and restore the last backup; without one, "
    "move journal.sqlite3 and the files named like it away: NextBridge then starts with an empty journal, and what "
    "still waited in the old one is not delivered."
)
_DISK = "The disk failed to read or write. Look at the system's log for what the kernel says about it."
_IN_USE = "Another program has the file open and locked (a backup, an SQLite shell). Close it and start again."
_OTHER = "Look at the system's log and at the state folder's owner and free space."

_ADVICE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_AUTH: _NOT_WRITABLE,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_BUSY: _IN_USE,
    sqlite3.SQLITE_LOCKED: _IN_USE,
}
_ERRNO_ADVICE = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EIO: _DISK}


def explained(error: Exception, path: Path) -> JournalError:
    """The error for the operator: `path`, what went wrong there, and what to do about it."""
    if isinstance(error, OSError):
        advice = _ERRNO_ADVICE.get(error.errno or 0, _NOT_WRITABLE)
        return JournalError(f"The journal {path} cannot be used ({error.strerror or error}). {advice}")
    if isinstance(error, msgspec.MsgspecError | UnicodeDecodeError):  # its text might quote what people wrote
        return JournalError(f"The journal {path} cannot be used (an entry in it makes no sense). {_DAMAGED}")
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by ourselves or by Python's own module, about what the file holds
        advice = _DAMAGED if isinstance(error, sqlite3.DatabaseError) else _OTHER
    else:
        advice = _ADVICE.get(code & 0xFF, _OTHER)  # the low byte is the kind, the rest says where in SQLite
    return JournalError(f"The journal {path} cannot be used ({error}). {advice}")


def is_fatal(error: Exception) -> bool:
    """Whether the file (or the memory) is in trouble, and not only the one entry that was being written."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError):
        return False
    return isinstance(error, sqlite3.DatabaseError | MemoryError)
