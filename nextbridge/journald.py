"""The systemd journal as the place where the log goes: an entry an event, its values as fields of their own.

    journalctl -u nextbridge NEXTBRIDGE_EVENT=delivery_buried NEXTBRIDGE_INSTANCE=mm_main

`logging-journald` speaks the protocol (systemd's JOURNAL_NATIVE_PROTOCOL): it is pure Python and kept, where
systemd-python and cysystemd bind a C library.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from logging_journald import JournaldTransport  # type: ignore[import-untyped] # says that it is typed, and has no mark
from structlog.processors import JSONRenderer, LogfmtRenderer
from structlog.typing import EventDict

from nextbridge.redaction import redaction

__all__ = ["SOCKET", "Journald", "is_read_by_journald"]

SOCKET = Path("/run/systemd/journal/socket")
"""Where journald listens, by systemd's documentation."""


class Lines(Protocol):
    """A stream that text is written to."""

    def write(self, text: str, /) -> int: ...


_PREFIX = "NEXTBRIDGE_"
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""As syslog(3) numbers them."""
_OWN = ("event", "level", "exception")

_logfmt = LogfmtRenderer(bool_as_flag=False)
_json = JSONRenderer(default=str)


def is_read_by_journald(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Whether systemd has joined `stream` to the journal: `$JOURNAL_STREAM` names its device and inode."""
    try:
        device, inode = map(int, environ.get("JOURNAL_STREAM", "").split(":"))
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (found.st_dev, found.st_ino) == (device, inode)


class Journald:
    """A structlog logger that is given an event's fields. It never raises: without journald, lines go to `stream`."""

    def __init__(self, stream: Lines, socket: Path = SOCKET) -> None:
        # addressed anew each time: a journald that was restarted listens again at the same place
        self._transport = JournaldTransport(socket, connected=False)
        self._stream = stream

    def msg(self, **fields: Any) -> None:  # noqa: ANN401 - whatever an event's values are
        """Write one entry."""
        try:
            self._transport.send(list(_entry(fields).items()))
        except OSError:
            self._stream.write(redaction.mask(str(_json(None, "", fields))) + "\n")

    debug = info = warning = error = exception = critical = msg


def _entry(fields: EventDict) -> dict[str, str | int]:
    """The fields of the journal's entry: systemd.journal-fields(7) has the first three, the others are our own.

    The message holds all of them again, as somebody reads along who asks for no field.
    """
    values = {key: each for key, each in fields.items() if key not in _OWN and each not in ("", None)}
    message = " ".join(filter(None, (str(fields["event"]), str(_logfmt(None, "", dict(values))))))
    if "exception" in fields:
        message = f"{message}\n{fields['exception']}"
    return {
        "MESSAGE": redaction.mask(message),
        "PRIORITY": _PRIORITIES.get(fields["level"], 6),
        "SYSLOG_IDENTIFIER": "nextbridge",
        f"{_PREFIX}EVENT": str(fields["event"]),
        **{f"{_PREFIX}{key.upper()}": each if isinstance(each, int) else str(each) for key, each in values.items()},
    }
