"""Collects what is wrong with one document while it is looked at, to be told all at once in the order of the file."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable
from typing import Literal

from msgspec import Struct

from nextbridge.config.document import Document
from nextbridge.config.problem import Path, Problem, short

__all__ = ["Report", "nearest"]


class _Note(Struct, frozen=True):
    offset: int
    message: str
    suggestion: str
    path: Path
    severity: Literal["error", "warning"]


class Report:
    """The mistakes found in one document so far."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.rule_ids: dict[int, str] = {}
        """The ids that rules have in the file, by their place, for paths in words."""
        self._notes: dict[_Note, None] = {}
        """In their order. A value that an alias of YAML repeats is told once."""

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(note.severity == "error" for note in self._notes)

    def error(self, offset: int, path: Path, message: str, suggestion: str = "") -> None:
        """Something that is wrong, at an offset of the text."""
        self._notes[_Note(offset, message, suggestion, path, "error")] = None

    def warning(self, offset: int, path: Path, message: str, suggestion: str = "") -> None:
        """Something that works, and that the operator should know."""
        self._notes[_Note(offset, message, suggestion, path, "warning")] = None

    def problems(self) -> list[Problem]:
        """All of them in the order of the file. To be asked for last: by then it is known what may be shown."""
        return [
            self.document.problem(
                note.offset,
                note.message,
                note.suggestion,
                path=note.path,
                rule_id=self._rule_id(note.path),
                severity=note.severity,
            )
            for note in sorted(self._notes, key=lambda note: note.offset)
        ]

    def _rule_id(self, path: Path) -> str | None:
        if len(path) > 1 and path[0] == "rules" and isinstance(path[1], int):
            return self.rule_ids.get(path[1])
        return None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` is likely meant to be."""
    by_folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower()[:100], by_folded, 1, 0.6)
    return by_folded[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str], what: str = "known here", *, present: Container[str] = ()) -> str:
    """The suggestion for a word that is none of `known`: the nearest one, or all where they are few.

    Those that are `present` need not be written again, and are not listed.
    """
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return f'did you mean "{near}", which stands here already?' if near in present else f'did you mean "{near}"?'
    free = sorted(each for each in names if each not in present)
    if not free:
        return ""
    listed = ", ".join(short(each) for each in free[:12])
    return f"{what}: {listed}{', …' if len(free) > 12 else ''}"
