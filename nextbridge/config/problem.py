"""A mistake in the operator's file, and how it is told: where, what, and the likely fix."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ["Excerpt", "Path", "Problem", "render", "words"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and places in lists, from the top of the file."""

_WIDEST = 120
"""Characters of a source line that are shown; of a longer one, those around the place."""


class Excerpt(Struct, frozen=True):
    """A line of the file as it may be shown, without any value that could be a secret."""

    text: str
    caret: int
    """Where in `text` the mistake is, in characters from 0."""

    def masked(self, mask: Callable[[str], str]) -> Excerpt:
        """The same with `mask` laid over it; the caret stays with what it stands before."""
        return Excerpt(mask(self.text), len(mask(self.text[: self.caret])))


class Problem(Struct, frozen=True, kw_only=True):
    """One mistake (an error), or something that works and should not stay so (a warning)."""

    severity: Literal["error", "warning"]
    file: str
    line: int = 0
    """From 1; 0 where it concerns the file as a whole."""
    column: int = 0
    """From 1, in characters; 0 where it concerns the file as a whole."""
    path: str = ""
    """Where, in words: `rules[0] "ops" > channels > libera > chanel`."""
    message: str
    suggestion: str = ""
    """What is likely meant, or what to do."""
    excerpt: Excerpt | None = None

    @property
    def sentence(self) -> str:
        """What is wrong, with the likely fix, on one line."""
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text}; {self.suggestion}" if self.suggestion else text

    @property
    def place(self) -> str:
        """`config.json:12:7`, or the file alone."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def render(problems: Iterable[Problem]) -> str:
    """The report on `problems`, as compilers write them: place, what is wrong, the line and a caret below it."""
    lines: list[str] = []
    for problem in problems:
        lines.append(f"{problem.place}: {problem.severity}: {problem.sentence}")
        if problem.excerpt is not None:
            lines.extend(_shown(problem.excerpt, problem.line))
    return "\n".join(lines)


def words(path: Path, *, rule_id: str | None = None) -> str:
    """A path in words. `rule_id` is the id of the rule that it leads into, where the operator gave it one."""
    parts: list[str] = []
    for place, step in enumerate(path):
        if isinstance(step, int) and parts:
            parts[-1] += f"[{step}]"
            if place == 1 and path[0] == "rules" and rule_id:
                parts[-1] += f' "{rule_id}"'
        else:
            parts.append(f"[{step}]" if isinstance(step, int) else short(step))
    return " > ".join(parts)


def short(text: str, most: int = 60) -> str:
    """A key or a word of the file on one line, cut where it is very long."""
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _shown(excerpt: Excerpt, line: int) -> list[str]:
    text, caret = excerpt.text, excerpt.caret
    if len(text) > _WIDEST:
        start = max(0, min(caret - _WIDEST // 2, len(text) - _WIDEST))
        before, after = "…" if start else "", "…" if start + _WIDEST < len(text) else ""
        text, caret = f"{before}{text[start : start + _WIDEST]}{after}", caret - start + len(before)
    text = "".join(each if each.isprintable() or each == "\t" else "\N{REPLACEMENT CHARACTER}" for each in text)
    margin = f"{line:5d} | "
    # Tabs stay tabs and wide characters take two places, so that the caret stands below what it means.
    gap = "".join("\t" if each == "\t" else " " * _width(each) for each in text[:caret])
    return [f"{margin}{text}", f"{' ' * (len(margin) - 2)}| {gap}^"]


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
