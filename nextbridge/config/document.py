"""A file as it was written: its values in a tree, each with its place, whatever notation it is in.

`json_notation` and `yaml_notation` make the tree; everything behind them works on it alone, so a mistake is found and
told in one way for both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path as FilePath
from typing import Literal, TypeAlias

from msgspec import Struct

from nextbridge.config.problem import Excerpt, Path, Problem, words

__all__ = [
    "MAX_DEPTH",
    "Document",
    "Duplicate",
    "Entry",
    "Mapping",
    "Node",
    "NotationError",
    "Scalar",
    "Sequence",
    "Value",
    "plain",
]

MAX_DEPTH = 64
"""Levels of nesting; a file of ours needs eight."""

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
"""What a node means, without its place."""


class Scalar:
    """A string, a number, true, false or null."""

    __slots__ = ("end", "missing", "public", "quoted", "start", "substituted", "value")

    def __init__(self, value: bool | float | str | None, start: int, end: int, *, quoted: bool = True) -> None:
        self.value = value
        self.start = start
        """Its place in the text, in characters from 0."""
        self.end = end
        self.quoted = quoted
        """Whether it is surely meant as a string; YAML reads some plain words as something else."""
        self.public = False
        """Whether it may be shown: only once it is known what it is, and that it is no secret."""
        self.missing = False
        """Whether it points to something that is not there, which is reported already."""
        self.substituted = False
        """Whether `value` came from elsewhere (an environment variable, a file), so that it is not to be shown."""


class Sequence:
    """A list."""

    __slots__ = ("end", "items", "start")

    def __init__(self, items: list[Node], start: int, end: int) -> None:
        self.items = items
        self.start = start
        self.end = end


class Entry:
    """A key of a mapping, with its value."""

    __slots__ = ("node", "start")

    def __init__(self, start: int, node: Node) -> None:
        self.start = start
        """The place of the key."""
        self.node = node


class Mapping:
    """An object: values by key."""

    __slots__ = ("end", "entries", "start")

    def __init__(self, entries: dict[str, Entry], start: int, end: int) -> None:
        self.entries = entries
        self.start = start
        self.end = end

    def get(self, key: str) -> Node | None:
        """The value of a key, or None where the key is missing."""
        entry = self.entries.get(key)
        return None if entry is None else entry.node


Node: TypeAlias = Scalar | Sequence | Mapping


class Duplicate(Struct, frozen=True):
    """A key that stands twice in one object."""

    key: str
    first: int
    """The place of the first one."""
    second: int
    path: Path


class NotationError(ValueError):
    """The text is no JSON, or no YAML. `offset` is the place, in characters from 0."""

    def __init__(self, offset: int, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.suggestion = suggestion


def plain(node: Node) -> Value:
    """What `node` means, without places."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(each) for each in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


class Document:
    """One file: its text, and the tree of its values once it was read."""

    def __init__(self, path: FilePath, text: str, *, notation: Literal["JSON", "YAML"]) -> None:
        self.path = path
        self.text = text
        self.notation = notation
        self.root: Node = Scalar(None, 0, 0)
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._hidden: list[tuple[int, int]] | None = None

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def inside(self, scalar: Scalar, offset: int) -> int:
        """The place in the file of a character of a string; the string's own where it cannot be told."""
        value = str(scalar.value)
        written = self.text[scalar.start : scalar.end]
        if self.notation == "JSON" and "\\" in written:
            places = [found.start() for found in _JSON_CHARACTER.finditer(written, 1, len(written) - 1)]
            return scalar.start + places[offset] if offset < len(places) == len(value) else scalar.start
        begins = written.find(value)
        return scalar.start if begins < 0 or not value else scalar.start + begins + offset

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self._starts, offset)

    def problem(
        self,
        offset: int,
        message: str,
        suggestion: str = "",
        *,
        path: Path = (),
        rule_id: str | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at an offset of this file."""
        line, column = self.place(offset)
        return Problem(
            severity=severity,
            file=str(self.path),
            line=line,
            column=column,
            path=words(path, rule_id=rule_id),
            message=message,
            suggestion=suggestion,
            excerpt=self._excerpt(offset, line),
        )

    def syntax_problem(self, error: NotationError) -> Problem:
        """A problem with the notation itself: nothing of the line is known, so only keys and punctuation are shown."""
        line, column = self.place(error.offset)
        text = self._line(line)
        guarded = _guard_json if self.notation == "JSON" else _guard_yaml
        return Problem(
            severity="error",
            file=str(self.path),
            line=line,
            column=column,
            message=error.message,
            suggestion=error.suggestion,
            excerpt=_masked(text, guarded(text), column - 1),
        )

    def _line(self, line: int) -> str:
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return self.text[self._starts[line - 1] : end].rstrip("\r\n")

    def _excerpt(self, offset: int, line: int) -> Excerpt:
        """The line of an offset (of a long one what is around it), with every value hidden that may be secret."""
        if self._hidden is None:
            self._hidden = sorted({(each.start, each.end) for each in _scalars(self.root) if _may_be_secret(each)})
        start = self._starts[line - 1]
        end = start + len(self._line(line))
        start, end = max(start, offset - _AROUND), min(end, offset + _AROUND)
        text = self.text[start:end]
        hidden: list[tuple[int, int]] = []
        first = max(0, bisect_right(self._hidden, (start, 0)) - 1)
        for each_start, each_end in islice(self._hidden, first, None):
            if each_start >= end:
                break
            if each_end > start:
                hidden.append((max(0, each_start - start), each_end - start))
        hidden += [found.span(1) for found in _USER_INFO.finditer(text)]
        return _masked(text, hidden, offset - start)


_AROUND = 400
"""Characters of a line on each side of a mistake that are looked at."""


def _may_be_secret(scalar: Scalar) -> bool:
    return not scalar.public and scalar.value is not None and not isinstance(scalar.value, bool)


_USER_INFO = re.compile(r"://([^\s/@\"']+)@")
_JSON_CHARACTER = re.compile(r"\\u[0-9A-Fa-f]{4}|\\?.")
_JSON_TOKEN = re.compile(
    r"""(?P<key>"[\w$.-]{1,40}"(?=\s*:)|'[\w$.-]{1,40}'(?=\s*:)|^\s*[\w$.-]{1,40}(?=\s*:))
    | (?P<known>[\s{}\[\]:,]+|(?:true|false|null|-?[0-9]{1,6})(?![^\s,}\]]))
    | (?P<rest>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|//.*|[#].*|[^\s{}\[\]:,"']+)""",
    re.VERBOSE,
)
_YAML_KEY = re.compile(r"""\s*(?:-\s+)*(?:[\w$.-]{1,40}|"[\w$.-]{1,40}"|'[\w$.-]{1,40}')\s*:(?=\s|$)|\s*(?:-\s+)*""")


def _guard_json(line: str) -> list[tuple[int, int]]:
    return [found.span() for found in _JSON_TOKEN.finditer(line) if found.lastgroup == "rest"]


def _guard_yaml(line: str) -> list[tuple[int, int]]:
    key = _YAML_KEY.match(line)
    start = key.end() if key else 0
    start += len(line[start:]) - len(line[start:].lstrip())
    return [(start, len(line))] if start < len(line) else []


def _masked(text: str, hidden: list[tuple[int, int]], caret: int) -> Excerpt:
    """`text` with `***` in place of what is hidden, and the caret where it then belongs."""
    parts: list[str] = []
    end = 0
    shift = 0
    for each_start, each_end in sorted(hidden):
        start, stop = max(each_start, end), min(each_end, len(text))
        if stop <= start:
            continue
        quote = text[start] if text[start] in "\"'" else ""
        mask = f"{quote}***{quote}"
        parts.append(text[end:start] + mask)
        end = stop
        if caret >= stop:
            shift += len(mask) - (stop - start)
        elif caret > start:
            shift += start - caret
    parts.append(text[end:])
    return Excerpt("".join(parts), max(0, caret + shift))


def _scalars(root: Node) -> Iterator[Scalar]:
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Scalar):
            yield node
        elif isinstance(node, Sequence):
            waiting.extend(node.items)
        else:
            waiting.extend(entry.node for entry in node.entries.values())
