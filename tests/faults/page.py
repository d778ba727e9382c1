"""The page `docs/faults.md`: each part of it is made by a run of its own, and written in its place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["PAGE", "part", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def part(name: str) -> str:
    """What the page says now between the marks of a part."""
    _, _, rest = PAGE.read_text().partition(_begin(name))
    found, _, _ = rest.partition(_end(name))
    return found.strip("\n")


def write(name: str, lines: Iterable[str]) -> None:
    """Put this between the marks of a part. Raises ValueError where the page has no such part."""
    before, begin, rest = PAGE.read_text().partition(_begin(name))
    _, end, after = rest.partition(_end(name))
    if not (begin and end):
        raise ValueError(f"{PAGE} has no part {name}: write {_begin(name)} and {_end(name)} where it is to be")
    PAGE.write_text("".join([before, begin, "\n", "\n".join(lines), "\n", end, after]))


def _begin(name: str) -> str:
    return f"<!-- {name} -->"


def _end(name: str) -> str:
    return f"<!-- end of {name} -->"
