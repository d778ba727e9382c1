"""Reads YAML into a tree that keeps places, finds keys that stand twice, and explains what is not YAML.

The tree is built from the parser's events, not from its nodes: depth and aliases are then bounded before they cost
anything. Anchors, aliases and merge keys (`<<`) work; tags do not, since a file of ours needs none.
"""

from __future__ import annotations

import math
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from nextbridge.config.document import MAX_DEPTH, Duplicate, Entry, Mapping, Node, NotationError, Scalar, Sequence
from nextbridge.config.problem import Path, short

__all__ = ["read"]

_MOST_VALUES = 1_000_000
"""Values that aliases may expand to: a small file can otherwise describe more than fits into memory."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR: Any = yaml.constructor.SafeConstructor()
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


def read(text: str) -> tuple[Node, list[Duplicate]]:
    """The tree of a YAML text, and the keys that stand twice. Raises NotationError for the first mistake."""
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        raise _explained(text, error) from None
    except yaml.YAMLError:
        # libyaml tells its place in bytes, and only for what it cannot read at all
        found = yaml.reader.Reader.NON_PRINTABLE.search(text)
        raise NotationError(
            found.start() if found else 0, "a character that YAML does not allow", "remove it"
        ) from None
    if reader.root is None:
        raise NotationError(0, "the file is empty", "keys are expected: mattermost:, irc:, rules:")
    return reader.root, reader.duplicates


class _Open:
    """A list or an object whose end has not come yet."""

    __slots__ = ("anchor", "key", "merged", "node", "path", "size")

    def __init__(self, node: Sequence | Mapping, anchor: str | None, path: Path) -> None:
        self.node = node
        self.anchor = anchor
        self.path = path
        self.key: tuple[str, int, bool] | None = None
        """A key that waits for its value: itself, its place, and whether it merges."""
        self.merged: list[Mapping] = []
        self.size = 1


class _Reader:
    def __init__(self) -> None:
        self.root: Node | None = None
        self.duplicates: list[Duplicate] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0

    def take(self, event: Any) -> None:  # noqa: ANN401 - the parser is not typed
        """One event of the parser."""
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise NotationError(start, "a second document begins here (---)", "one is expected")
        elif isinstance(event, AliasEvent):
            self._take_alias(event.anchor or "", start)
        elif isinstance(event, ScalarEvent):
            self._take_scalar(event)
        elif isinstance(event, CollectionStartEvent):
            self._take_start(event)
        elif isinstance(event, CollectionEndEvent):
            self._close(end)

    def _take_alias(self, anchor: str, start: int) -> None:
        known = self._anchors.get(anchor)
        if known is None:
            raise NotationError(start, f"there is no anchor &{short(anchor)} before this alias")
        self._add(known[0], known[1], start)

    def _take_scalar(self, event: Any) -> None:  # noqa: ANN401 - the parser is not typed
        scalar = _scalar(event)
        if event.anchor:
            self._anchors[event.anchor] = (scalar, 1)
        self._add(scalar, 1, scalar.start, word=None if event.style else event.value)

    def _take_start(self, event: Any) -> None:  # noqa: ANN401
        start, end = event.start_mark.index, event.end_mark.index
        listed = isinstance(event, SequenceStartEvent)
        if event.tag not in {None, "!", f"{_TAG}{'seq' if listed else 'map'}"}:
            raise NotationError(start, "tags (!…) are not read here", "remove it")
        if len(self._open) >= MAX_DEPTH:
            raise NotationError(start, f"nested more than {MAX_DEPTH} levels deep")
        self._open.append(
            _Open(Sequence([], start, end) if listed else Mapping({}, start, end), event.anchor, self._path())
        )

    def _path(self) -> Path:
        if not self._open:
            return ()
        parent = self._open[-1]
        if isinstance(parent.node, Sequence):
            return (*parent.path, len(parent.node.items))
        return (*parent.path, parent.key[0]) if parent.key else parent.path

    def _close(self, end: int) -> None:
        done = self._open.pop()
        node = done.node
        node.end = end
        if isinstance(node, Mapping):
            for each in done.merged:
                for key, entry in each.entries.items():
                    node.entries.setdefault(key, entry)
        if done.anchor:
            self._anchors[done.anchor] = (node, done.size)
        self._add(node, done.size, node.start)

    def _add(self, node: Node, size: int, at: int, *, word: str | None = None) -> None:
        """Put a finished node where it belongs: into the list or the object that is open, as a key or as a value."""
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += size
        if parent.size > _MOST_VALUES:
            raise NotationError(at, f"aliases that expand to more than {_MOST_VALUES} values")
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = _key(node, at, word)
        else:
            key, key_at, merges = parent.key
            parent.key = None
            if merges:
                parent.merged.extend(_merged(node, at))
            elif key in parent.node.entries:
                first = parent.node.entries[key].start
                self.duplicates.append(Duplicate(key, first, key_at, (*parent.path, key)))
            else:
                parent.node.entries[key] = Entry(key_at, node)


def _key(node: Node, at: int, word: str | None) -> tuple[str, int, bool]:
    """A key, its place, and whether it merges. `word` is how it is written, where it has no quotes."""
    if not isinstance(node, Scalar):
        raise NotationError(at, "a key must be a word, not an object or a list")
    if word == "<<":
        return word, at, True
    if not isinstance(node.value, str):
        raise NotationError(at, f"YAML reads this key as {_meaning(node.value)}", "put it in quotes")
    return node.value, at, False


def _scalar(event: Any) -> Scalar:  # noqa: ANN401 - the parser is not typed
    start, end = event.start_mark.index, event.end_mark.index
    quoted = bool(event.style)
    tag = event.tag
    if tag in {None, "!"}:
        tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, (not quoted and tag is None, True))
    if tag in {f"{_TAG}str", f"{_TAG}value", _MERGE}:
        return Scalar(event.value, start, end)
    if tag not in {f"{_TAG}{kind}" for kind in ("bool", "int", "float", "null", "timestamp")}:
        raise NotationError(start, "tags (!…) are not read here", "remove it")
    if tag == f"{_TAG}timestamp":
        # A date is nothing that a key of ours takes: it is meant as the words that stand there.
        return Scalar(event.value, start, end)
    try:
        value = _CONSTRUCTOR.construct_object(yaml.ScalarNode(tag, event.value))
    except (ValueError, KeyError, yaml.YAMLError):
        raise NotationError(start, "this is no value of the type that its tag names") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise NotationError(start, "this number is too large, or none")
    return Scalar(value, start, end, quoted=False)


def _merged(node: Node, at: int) -> list[Mapping]:
    nodes = node.items if isinstance(node, Sequence) else [node]
    found = [each for each in nodes if isinstance(each, Mapping)]
    if len(found) != len(nodes):
        raise NotationError(at, "a merge key (<<) takes an object, or a list of objects")
    return found


def _meaning(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing (null)" if value is None else "a number"


def _explained(text: str, error: yaml.MarkedYAMLError) -> NotationError:
    """What the parser's complaint most likely means."""
    mark = error.problem_mark or error.context_mark
    at = mark.index if mark else 0
    begun = error.context_mark.index if error.context_mark else at
    complaint = " ".join(filter(None, (error.context, error.problem)))
    if text[at : at + 1] == "\t":
        return NotationError(at, "a tab in the indentation", "YAML is indented with spaces")
    if "quoted scalar" in complaint and "escape" not in complaint:
        return NotationError(begun, "this string is not closed", "a quote is missing")
    if "flow sequence" in complaint or "flow mapping" in complaint:
        if not text[at:].strip():
            return NotationError(begun, f"this {text[begun : begun + 1]} is never closed")
        return NotationError(at, "a comma or a closing bracket is missing before this")
    for words, explanation in _COMPLAINTS.items():
        if words in complaint:
            return NotationError(at, *explanation)
    return NotationError(at, f"this is no YAML: {error.problem}")


_COMPLAINTS = {
    "mapping values are not allowed": (
        "a colon that YAML does not expect here",
        "indent the line like those above it, or put a text that holds ': ' in quotes",
    ),
    "cannot start any token": ("a text cannot begin with this character", "put it in quotes"),
    "block collection": ("a list or an object ends here unexpectedly", "indent every entry of it alike"),
    "block mapping": ("a key with a colon is expected here", "look at the indentation of the lines above it"),
    "expected ':'": ("a key with a colon is expected here", "look at the indentation of the lines above it"),
    "unknown escape": ("a backslash that begins no escape", "a backslash itself is written \\\\, or use single quotes"),
}
"""What to say for words of the parser's own message."""
