"""Masks secrets in whatever this program says: log lines, reports, tracebacks.

Every secret of the operator's file is added when the file is loaded. From then on `redact` masks the log and
`install_excepthooks` masks what Python itself prints about an exception that nobody caught.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MASK", "SHORTEST", "Redaction", "forms", "install_excepthooks", "redact", "redaction"]

MASK = "***"
"""What stands in place of a secret."""

SHORTEST = 4
"""Characters; a shorter secret is not masked, it would be found in ordinary words."""

_SHORTEST_IN_BASE64 = 8
"""Below it, what of a secret survives the neighbouring bytes in base64 is too short to be told from other text."""


class Redaction:
    """The secrets that are known, and the masking of them. Any thread may call it."""

    def __init__(self) -> None:
        self.secrets: frozenset[str] = frozenset()
        """Every one that is masked, as it is; another object whenever one is added."""
        self._forms: frozenset[str] = frozenset()
        self._lengths: dict[str, tuple[int, ...]] = {}
        """By their first characters: how long the forms are that begin so, the longest first."""
        self._lock = threading.Lock()

    def add(self, secret: str) -> None:
        """Mask `secret` from now on, as it is and as addresses, JSON, HTML, `repr` and base64 write it.

        White space around it is ignored. One shorter than `SHORTEST` is not masked.
        """
        secret = secret.strip()
        if len(secret) < SHORTEST:
            return
        with self._lock:
            if secret not in self.secrets:
                self.secrets |= {secret}
            new = frozenset(forms(secret)) - self._forms
            self._forms |= new
            # Replaced, not changed: another thread may be reading it.
            lengths = dict(self._lengths)
            for form in new:
                start = form[:SHORTEST]
                lengths[start] = tuple(sorted({len(form), *lengths.get(start, ())}, reverse=True))
            self._lengths = lengths

    def mask(self, text: str) -> str:
        """`text` with every secret replaced by `***`; where two overlap, both are gone.

        The time grows with the text and hardly with the number of secrets.
        """
        lengths, forms = self._lengths, self._forms
        if not lengths:
            return text
        parts: list[str] = []
        end = 0
        for start in range(len(text) - SHORTEST + 1):
            for length in lengths.get(text[start : start + SHORTEST], ()):
                if text[start : start + length] in forms:
                    if start >= end:
                        parts += (text[end:start], MASK)
                    end = max(end, start + length)
                    break
        parts.append(text[end:])
        return "".join(parts)

    def masked(self, value: object) -> object:
        """`value` with every string in it masked; an object that is neither text nor number becomes masked text.

        Mappings, lists, tuples and sets are looked into; an exception becomes its traceback.
        """
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.masked(key): self.masked(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.masked(each) for each in value]
        if isinstance(value, BaseException):
            value = "".join(traceback.format_exception(value))
        elif isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return self.mask(value if isinstance(value, str) else repr(value))


redaction = Redaction()
"""The one of this process."""


def redact(_logger: Any, _method: str, event: Any) -> Any:  # noqa: ANN401 - structlog's own signature
    """A structlog processor that masks every secret. It stands in the chain twice.

    Before the renderer it masks each value, with the traceback that `exc_info` asks for (it becomes the line's
    `exception`); after the renderer it masks the finished line, whatever the renderer took from elsewhere.
    """
    if isinstance(event, str):
        return redaction.mask(event)
    if isinstance(event, bytes):
        return redaction.mask(event.decode("utf-8", "replace")).encode()
    fields: MutableMapping[str, Any] = structlog.processors.format_exc_info(_logger, _method, event)
    # A key that begins with an underscore belongs to structlog itself (the record of a standard logger).
    return {key: each if key.startswith("_") else redaction.masked(each) for key, each in fields.items()}


def install_excepthooks(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Mask what Python prints about an exception that nobody caught: in the program, in a thread, in a finaliser.

    With `loop`, also what asyncio says about a task or a callback; to be called on that loop's thread.
    """
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    if loop is not None:
        loop.set_exception_handler(_uncaught_in_loop)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _print("".join(traceback.format_exception(kind, error, trace)))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread else "a thread"
    _print(f"Exception in {name}:\n" + "".join(traceback.format_exception(args.exc_value)))


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    about = f"{args.err_msg or 'Exception ignored in'}: {args.object!r}\n"
    trace = "".join(traceback.format_exception(args.exc_value)) if args.exc_value else f"{args.exc_type.__name__}\n"
    _print(about + trace)


def _uncaught_in_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    about = {key: repr(each) for key, each in context.items() if key not in {"exception", "message"}}
    structlog.get_logger().error(
        "uncaught",
        text=redaction.mask(str(context.get("message", "an exception that nobody caught"))),
        **{key: redaction.mask(each) for key, each in about.items()},
        exception=redaction.mask("".join(traceback.format_exception(error))) if error else None,
    )


def _print(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(redaction.mask(text))


def forms(secret: str) -> Iterator[str]:
    """`secret` as it is, and as addresses, JSON, HTML, `repr` and base64 write it; some more than once."""
    yield secret
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), quoted)
    for escaped in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield escaped[1:-1]
        # Once more: a repr or JSON, inside a line that is JSON.
        yield json.dumps(escaped[1:-1])[1:-1]
        yield json.dumps(escaped[1:-1], ensure_ascii=False)[1:-1]
    yield html.escape(secret)
    if len(secret) >= _SHORTEST_IN_BASE64:
        yield from _base64_forms(secret.encode())


def _base64_forms(secret: bytes) -> Iterator[str]:
    """What of `secret` is the same wherever it begins in something that is sent as base64 (a name and a password)."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret).decode().rstrip("=")
        # Its first and last characters depend on the bytes around it.
        first = (0, 2, 3)[before]
        core = encoded[first : -1 if (before + len(secret)) % 3 else None]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
