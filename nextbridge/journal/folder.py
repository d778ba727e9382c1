"""The state folder: made for its owner's eyes only, and held by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import ClassVar

from nextbridge.errors import JournalLocked
from nextbridge.journal.faults import explained

__all__ = ["StateFolder"]


class StateFolder:
    """A state folder that this process holds, from `hold` to `release`. Everything here blocks."""

    JOURNAL: ClassVar[str] = "journal.sqlite3"
    """The journal's name in it."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.path / self.JOURNAL

    @classmethod
    def hold(cls, path: Path) -> StateFolder:
        """Make the folder where it is missing, and take it.

        Raises JournalLocked where another process holds it, and JournalError where it cannot be made or written.
        The lock is the system's (flock): it ends with the process, however that ends.
        """
        try:
            if not path.is_dir():
                missing = [each for each in (path, *path.parents) if not each.exists()]
                path.mkdir(mode=0o700, parents=True)
                for each in missing:
                    _sync(each.parent)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise explained(error, path) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode("ascii", "replace").strip()
            os.close(lock)
            raise JournalLocked(
                f"The state folder {path} is in use by another NextBridge"
                f"{f' (process {holder})' if holder else ''}. Stop that one, or give this one a folder of its own "
                "(--state)."
            ) from None
        except OSError as error:
            os.close(lock)
            raise explained(error, path) from error
        folder = cls(path, lock)
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            # Made here, so that it is nobody else's to read from its first byte; SQLite's side files take its mode.
            journal = os.open(folder.journal, os.O_RDWR | os.O_CREAT, 0o600)
            os.fchmod(journal, 0o600)
            os.close(journal)
            _sync(path)
        except OSError as error:
            folder.release()
            raise explained(error, folder.journal) from error
        return folder

    def release(self) -> None:
        """Let another process take it. The lock file stays: removing it would race with who opens it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def _sync(folder: Path) -> None:
    """Have a new name in a folder outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
