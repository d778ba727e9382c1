"""How the daemon logs: one event, one line, named values; docs/logs.md names them all.

Under systemd each goes into the journal with its values as fields, at a terminal it is readable, else it is JSON.
Secrets are masked in the finished line, tracebacks included, whatever put them there. What chat users wrote (a file's
name, say) steers no terminal: control characters are shown, not sent.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from nextbridge import journald
from nextbridge.redaction import redact

__all__ = ["Level", "configure", "set_level"]

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]


class _Logger(structlog.BoundLogger):
    """Every logger, bound ones too. Its methods are those that structlog makes for a level; see `set_level`."""


def configure(
    *,
    level: Level = "info",
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
    journal_socket: Path = journald.SOCKET,
) -> None:
    """Set up logging for the process, from `level` on, to `stream` (standard error by default).

    Where `environ` (the process's own by default) says that the stream ends in systemd's journal, it goes there
    straight, with its fields. May be called again.
    """
    stream = stream or sys.stderr
    processors: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    factory: Callable[..., object] = structlog.WriteLoggerFactory(_Unfailing(stream))  # type: ignore[arg-type]
    if journald.is_read_by_journald(stream, os.environ if environ is None else environ):
        processors += [redact, _show_controls]
        journal = journald.Journald(_Unfailing(stream), journal_socket)
        factory = lambda *_: journal  # noqa: E731
    elif stream.isatty():
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            _show_controls,
            structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback),
            redact,
        ]
    else:
        processors += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
            redact,
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=_Logger,
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )
    set_level(level)
    # libraries that log by the standard library's way (aiohttp, asyncio) come out alike
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


def set_level(level: Level) -> None:
    """From now on nothing below it is logged, also by loggers that are in use already. What is not costs nothing."""
    # structlog makes a class a level; one whose methods are exchanged is what loggers that are bound follow
    for name, method in vars(structlog.make_filtering_bound_logger(level)).items():
        if not name.startswith("__"):
            setattr(_Logger, name, method)


def _show_controls(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {key: _printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _write_traceback(out: TextIO, error: ExcInfo) -> None:
    buffer = io.StringIO()
    structlog.dev.plain_traceback(buffer, error)
    out.write(_printable(buffer.getvalue()))


def _printable(text: str) -> str:
    """`text` with every control and formatting character but the line break written as its escape."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


class _Unfailing:
    """A stream whose reader or disk may be gone: what cannot be written is lost, and nobody is stopped by it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Forward(logging.Handler):
    """Hands a standard library record to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        method = log.error if record.levelno >= logging.ERROR else log.warning
        method("library_message", text=record.getMessage(), exc_info=record.exc_info or None)
