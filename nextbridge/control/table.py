"""What commands print for people: aligned columns, ages, and nothing in it that a terminal would obey."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

__all__ = ["age", "ago", "aligned", "clock", "harmless", "one_line"]

_LONGEST_CELL = 120
_JOINER = "\u200d"  # between the parts of an emoji
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def harmless(text: str) -> str:
    """`text` with its lines, and with every other character that is not printed written as its escape.

    Chat users choose names and texts: some characters clear a screen, others turn a line round.
    """
    return "".join(each if each in {"\n", _JOINER} else _printable(each) for each in text.expandtabs(4))


def one_line(text: str) -> str:
    """`text` for a cell: harmless, on one line, and not without end."""
    line = harmless(" ".join(text.split()))
    return line if len(line) <= _LONGEST_CELL else f"{line[: _LONGEST_CELL - 1]}…"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: str) -> str:
    """The rows under their header, in columns; those of the column that is called `numbers` end below each other."""
    table = [header, *rows]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    right = [name == numbers for name in header]
    return "\n".join("  ".join(map(_padded, row, widths, right)).rstrip() for row in table)


def age(seconds: float) -> str:
    """How long that is, in its largest whole unit: `3 min`."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def ago(milliseconds: int) -> str:
    """How long ago a moment was, in milliseconds since 1970: as `age`."""
    return age(time.time() - milliseconds / 1000)


def clock(milliseconds: int) -> str:
    """A time since 1970 as the clock here shows it."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().isoformat(" ", "seconds")
    except (OverflowError, OSError, ValueError):  # what a platform's clock says is not to be believed
        return str(milliseconds)


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode()


def _width(text: str) -> int:
    """Columns of a terminal."""
    wide = sum(unicodedata.east_asian_width(each) in {"W", "F"} for each in text)
    none = sum(unicodedata.combining(each) != 0 or each == _JOINER for each in text)
    return len(text) + wide - none


def _padded(cell: str, width: int, right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if right else cell + space
