"""What a command sees to before all else: that its standard streams are streams, and that it may open enough files."""

from __future__ import annotations

import os
import resource
import sys

from nextbridge.errors import NextBridgeError

__all__ = ["allow_open_files", "open_standard_streams"]

_LEAST_FILES = 128
"""Connections, files and the journal of a small file of an operator's, and some room."""


def open_standard_streams() -> None:
    """Have /dev/null where a standard stream is closed.

    Else the next file that is opened, the journal perhaps, takes its number, and is written to by whoever complains.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free, which is this one
    # Python has none for those that it found closed
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - it stays open
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - it stays open


def allow_open_files() -> None:
    """Allow this process as many open files as the system lets it have. Raises NextBridgeError where that is too few.

    What most systems begin with (1,024) is for programs that use select(2), and few for a web chat with many visitors.
    """
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _LEAST_FILES:
        raise NextBridgeError(
            f"This process may open {most} files, and needs {_LEAST_FILES}: raise the limit (LimitNOFILE= in the unit, "
            "or ulimit -n)."
        )
    if soft != most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        except (OSError, ValueError):
            return  # some systems name a limit that they do not allow; what there was is enough for most
