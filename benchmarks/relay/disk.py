"""The disk's own sync: what an append that is synced takes on the file system where the state lies."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["syncs"]

_PACE = 0.01


def syncs(folder: Path, count: int = 200) -> list[float]:
    """Milliseconds of so many syncs of 4 KiB appended to a file, one each 10 ms, sorted. Blocking."""
    path = folder / "sync"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    took = []
    for _ in range(count):
        os.write(descriptor, os.urandom(4096))
        started = time.perf_counter()
        os.fsync(descriptor)
        took.append((time.perf_counter() - started) * 1000)
        time.sleep(_PACE)
    os.close(descriptor)
    path.unlink()
    return sorted(took)
