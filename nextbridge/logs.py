"""How the daemon logs: one event, one line, named values. JSON where nobody reads along, readable at a terminal.

Secrets are masked in the finished line, tracebacks included, whatever put them there.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

from nextbridge.redaction import redact

__all__ = ["configure"]


def configure(*, level: Literal["debug", "info", "warning"] = "info", stream: TextIO | None = None) -> None:
    """Set up logging for the process, from `level` on, to `stream` (standard error by default)."""
    stream = stream or sys.stderr
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if stream.isatty():
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    structlog.configure(
        processors=[*processors, redact],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    # libraries that log by the standard library's way (aiohttp, asyncio) come out alike
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


class _Forward(logging.Handler):
    """Hands a standard library record to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger().bind(logger=record.name)
        method = log.error if record.levelno >= logging.ERROR else log.warning
        method("library_message", text=record.getMessage(), exc_info=record.exc_info or None)
