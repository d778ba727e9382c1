"""Regular expressions of the operator's file, matched in time that grows only with the text, whatever a user writes.

They are RE2's (https://github.com/google/re2/wiki/Syntax), which never backtracks: no text makes a pattern explode.
What cannot be matched that way (look-around, references back to a group) it does not have. It is imported with the
first pattern only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

__all__ = ["Budget", "Expression", "ExpressionError", "Replacement", "TooMuch"]

_LARGEST_PROGRAM = 4000
"""RE2's instructions. The time of a search is at worst that of all of them for each character."""
_MOST_SECONDS = 0.1
_MOST_BYTES = 1_000_000
_LOOK_EVERY = 64
"""Matches after which the time is looked at."""

_MISSING = {
    "(?<=": "look-behind is not there",
    "(?<!": "look-behind is not there",
    "(?=": "look-ahead is not there",
    "(?!": "look-ahead is not there",
    "(?>": "atomic groups are not there (nothing backtracks)",
    r"\Z": r"write \z for the end of the text",
}
_TOO_LARGE = "it is too large: a search could take too long; repeat less, or write several"
_SYNTAX = "the syntax is that of RE2: https://github.com/google/re2/wiki/Syntax"
_TEMPLATE = re.compile(r"[^\\]+|\\([0-9])|(\\\\)|\\")


class ExpressionError(ValueError):
    """A pattern or a replacement cannot be used."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        """Of the place that it is about, in characters."""


class TooMuch(Exception):
    """A replacement takes too long, or makes too much text of a little."""


class Budget:
    """What replacing in one message may take, all patterns together: time of this thread, and text put in."""

    def __init__(self, seconds: float = _MOST_SECONDS, size: int = _MOST_BYTES) -> None:
        self._end = time.thread_time() + seconds
        self._room = size

    def look(self) -> None:
        """Raises TooMuch when the time is over."""
        if time.thread_time() > self._end:
            raise TooMuch

    def take(self, size: int) -> None:
        """So many bytes are put in. Raises TooMuch when there is no room for them."""
        self._room -= size
        if self._room < 0:
            raise TooMuch


class Expression:
    """One pattern, compiled. Any thread may use it."""

    def __init__(self, pattern: str, *, captures: bool = False) -> None:
        """Raises ExpressionError. Without `captures` its groups only group, which makes a search faster."""
        import re2  # type: ignore[import-untyped]

        options = re2.Options()
        options.log_errors = False
        options.never_capture = not captures
        try:
            self._compiled: Any = re2.compile(pattern, options=options)
        except re2.error as error:
            raise _explained(error.args[0].decode("utf-8", "replace"), pattern) from None
        except UnicodeEncodeError:
            raise ExpressionError("it holds a character that is none") from None
        if self._compiled.programsize > _LARGEST_PROGRAM:
            raise ExpressionError(_TOO_LARGE)

    @property
    def groups(self) -> int:
        """How many groups it captures."""
        return int(self._compiled.groups)

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in `text`. Raises nothing."""
        return self._compiled.search(_encoded(text)) is not None

    def matches(self, data: bytes) -> Iterator[Any]:
        """Every place in UTF-8 where it is found and is not empty, one after the other."""
        return (match for match in self._compiled.finditer(data) if match.end() > match.start())


class Replacement:
    """A pattern, and what stands in place of what it finds."""

    def __init__(self, pattern: str, put: str) -> None:
        r"""In `put`, `\1` to `\9` are what the groups found, `\0` is all of it, and `\\` is a backslash.

        Raises ExpressionError for the pattern; `put` is to be right by `check`.
        """
        self._expression = Expression(pattern, captures=True)
        self._put = [each if isinstance(each, int) else _encoded(each) for each, _ in _pieces(put)]

    @staticmethod
    def check(expression: Expression, put: str) -> None:
        """Raises ExpressionError, with its place, when `put` is not right for the groups of `expression`."""
        for piece, offset in _pieces(put):
            if isinstance(piece, int) and piece > expression.groups:
                have = {0: "has no group", 1: "has one group"}.get(expression.groups, f"has {expression.groups} groups")
                raise ExpressionError(f"there is no \\{piece}: the pattern {have}", offset)

    def made(self, text: str, budget: Budget) -> str:
        """`text` with everything replaced; the same object where nothing is found. Raises TooMuch."""
        data = _encoded(text)
        pieces: list[bytes] = []
        end = 0
        # one search is linear, but a text may have as many matches as characters, each of which looks to its end
        for number, match in enumerate(self._expression.matches(data)):
            if number % _LOOK_EVERY == 0:
                budget.look()
            pieces.append(data[end : match.start()])
            for piece in self._put:
                put = (match.group(piece) or b"") if isinstance(piece, int) else piece
                budget.take(len(put))
                pieces.append(put)
            end = match.end()
        if not pieces:
            return text
        pieces.append(data[end:])
        return b"".join(pieces).decode("utf-8", "replace")


def _encoded(text: str) -> bytes:
    """As RE2 reads it: halves of surrogate pairs, which a driver may pass on from a server, are no characters."""
    return text.encode("utf-8", "replace")


def _pieces(put: str) -> Iterator[tuple[str | int, int]]:
    """The parts of a replacement, groups as numbers, each with its offset. Raises ExpressionError."""
    for found in _TEMPLATE.finditer(put):
        group, backslash = found.groups()
        if group is not None:
            yield int(group), found.start()
        elif backslash is not None:
            yield "\\", found.start()
        elif found.group() == "\\":
            raise ExpressionError(r"a single \; write \\ for the character, or \1 for a group", found.start())
        else:
            yield found.group(), found.start()


def _explained(message: str, pattern: str) -> ExpressionError:
    """RE2's message (`missing ): (a`) in a sentence, with the place of what it is about."""
    if message.startswith("pattern too large"):
        return ExpressionError(_TOO_LARGE)
    what, _, fragment = message.partition(": ")
    offset = max(pattern.find(fragment), 0) if fragment else 0
    reason = _MISSING.get(fragment)
    if reason is None and re.fullmatch(r"\\[1-9]|\(\?P=", fragment):
        reason = "references back to a group are not there"
    if reason is None:
        reason = f"it is no regular expression: {what}{f' in {fragment!r}' if fragment and fragment != pattern else ''}"
    return ExpressionError(f"{reason}; {_SYNTAX}", offset)
