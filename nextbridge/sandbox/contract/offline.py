"""A stretch of code in which no file and no socket may be opened: what "no I/O" means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["offline"]

_FORBIDDEN = ("open", "socket.", "subprocess.", "os.listdir", "os.scandir", "sqlite3.", "urllib.")


class _Watch:
    """The process's one audit hook: it cannot be taken away again, so it only listens while it is told to."""

    def __init__(self) -> None:
        self.installed = False
        self.listening = False
        self.heard: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.listening and event.startswith(_FORBIDDEN):
            self.heard.append(f"{event} {arguments[:1]!r}")


_watch = _Watch()


@contextmanager
def offline() -> Iterator[None]:
    """Raises AssertionError at its end where I/O was done in it, by whatever means Python knows (audit events).

    One at a time, and not while other threads work.
    """
    if not _watch.installed:
        sys.addaudithook(_watch)
        _watch.installed = True
    _watch.heard.clear()
    _watch.listening = True
    try:
        yield
    finally:
        _watch.listening = False
    if _watch.heard:
        raise AssertionError(f"there was I/O: {', '.join(_watch.heard)}")
