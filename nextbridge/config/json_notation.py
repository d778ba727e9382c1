"""Reads JSON into a tree that keeps places, finds keys that stand twice, and explains what is not JSON.

The standard library's parser gives neither places nor duplicate keys' places, so this one does; strings that hold
escapes are still decoded by the standard library.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from nextbridge.config.document import MAX_DEPTH, Duplicate, Entry, Mapping, Node, NotationError, Scalar, Sequence
from nextbridge.config.problem import short

__all__ = ["read"]

_SPACE = re.compile(r"[ \t\n\r]*")
_SIMPLE_STRING = re.compile(r'"([^"\\\x00-\x1f]*)"')
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_STRING_START = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,30}))((?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,4})?)(?![\w.+-])")
_WORD = re.compile(r"[\w.+-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_MEANT = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false", "None": "null", "NULL": "null"}
_TYPOGRAPHIC = "“”„‟«»‘’"


def read(text: str) -> tuple[Node, list[Duplicate]]:
    """The tree of a JSON text, and the keys that stand twice. Raises NotationError for the first mistake."""
    reader = _Reader(text)
    start = reader.space(0)
    if start == len(text):
        raise NotationError(0, "the file is empty", "an object is expected: { … }")
    root, end = reader.value(start, ())
    end = reader.space(end)
    if end < len(text):
        reader.explain_extra(end)
    return root, reader.duplicates


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.duplicates: list[Duplicate] = []

    def space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def value(self, at: int, path: tuple[str | int, ...]) -> tuple[Node, int]:
        character = self.text[at : at + 1]
        if character == '"':
            text, end = self.string(at)
            return Scalar(text, at, end), end
        if character and character in "{[":
            if len(path) >= MAX_DEPTH:
                raise NotationError(at, f"nested more than {MAX_DEPTH} levels deep")
            return self.object(at, path) if character == "{" else self.array(at, path)
        return self.scalar(at)

    def object(self, start: int, path: tuple[str | int, ...]) -> tuple[Node, int]:
        entries: dict[str, Entry] = {}
        at = self.space(start + 1)
        if self.text.startswith("}", at):
            return Mapping(entries, start, at + 1), at + 1
        while True:
            if not self.text.startswith('"', at):
                self.explain_key(at, start)
            key, end = self.string(at)
            colon = self.space(end)
            if not self.text.startswith(":", colon):
                self.explain_colon(colon, start)
            value_at = self.space(colon + 1)
            if self.text[value_at : value_at + 1] in {"}", ","}:
                raise NotationError(value_at, f'the key "{short(key)}" has no value')
            here = (*path, key)
            node, end = self.value(self.open(value_at, start), here)
            if key in entries:
                self.duplicates.append(Duplicate(key, entries[key].start, at, here))
            else:
                entries[key] = Entry(at, node)
            at = self.space(end)
            if self.text.startswith("}", at):
                return Mapping(entries, start, at + 1), at + 1
            at = self.after_comma(at, end, start)

    def array(self, start: int, path: tuple[str | int, ...]) -> tuple[Node, int]:
        items: list[Node] = []
        at = self.space(start + 1)
        if self.text.startswith("]", at):
            return Sequence(items, start, at + 1), at + 1
        while True:
            node, end = self.value(self.open(at, start), (*path, len(items)))
            items.append(node)
            at = self.space(end)
            if self.text.startswith("]", at):
                return Sequence(items, start, at + 1), at + 1
            at = self.after_comma(at, end, start)

    def string(self, at: int) -> tuple[str, int]:
        found = _SIMPLE_STRING.match(self.text, at)
        if found:
            text = found.group(1)
        else:
            found = _STRING.match(self.text, at)
            if not found:
                self.explain_string(at)
            text = json.loads(found.group())
        if _SURROGATE.search(text):
            raise NotationError(at, r"half of a pair of \u… escapes", "write both halves, or the character itself")
        return text, found.end()

    def scalar(self, at: int) -> tuple[Node, int]:
        number = _NUMBER.match(self.text, at)
        if number:
            whole, rest = number.groups()
            value = float(whole + rest) if rest else int(whole)
            if not math.isfinite(value):
                raise NotationError(at, "this number is too large")
            return Scalar(value, at, number.end()), number.end()
        word = _WORD.match(self.text, at)
        if word is None or word.group() not in _LITERALS:
            self.explain_value(at, word.group() if word else "")
        return Scalar(_LITERALS[word.group()], at, word.end()), word.end()

    def open(self, at: int, start: int) -> int:
        """`at`, if the text goes on there: otherwise what opened at `start` is never closed."""
        if at >= len(self.text):
            self.explain_end(start)
        return at

    def after_comma(self, at: int, end: int, start: int) -> int:
        """The place behind the comma at `at`, which must stand between two values of what opened at `start`."""
        self.open(at, start)
        closing = "}" if self.text[start] == "{" else "]"
        if self.text[at] != ",":
            self.explain_comma(at, end, start)
        behind = self.space(at + 1)
        if self.text.startswith(closing, behind):
            raise NotationError(at, f"a comma before the closing {closing}", "remove it")
        if self.text.startswith(",", behind):
            raise NotationError(behind, "two commas in a row", "remove one")
        return self.open(behind, start)

    # --- what is not JSON: each of these raises ---

    def explain_end(self, start: int) -> NoReturn:
        opened = self.text[start]
        closing = "}" if opened == "{" else "]"
        raise NotationError(start, f"this {opened} is never closed", f"a {closing} is missing before the file's end")

    def explain_comment(self, at: int) -> None:
        if self.text[at : at + 2] in {"//", "/*"} or self.text[at : at + 1] == "#":
            raise NotationError(at, "JSON has no comments", "remove it, or write the file as YAML (config.yaml)")

    def explain_key(self, at: int, start: int) -> NoReturn:
        self.open(at, start)
        self.explain_comment(at)
        character = self.text[at]
        if character == "'" or character in _TYPOGRAPHIC:
            raise NotationError(at, "a key stands in double quotes", f'write " in place of {character}')
        if character == "]":
            raise NotationError(at, "this ] does not close the { that is open", "write }")
        if character == ",":
            raise NotationError(at, "a comma where a key is expected", "remove it")
        if _WORD.match(self.text, at):
            raise NotationError(at, "a key stands in double quotes, and this word has none")
        raise NotationError(at, "a key in double quotes is expected here")

    def explain_colon(self, at: int, start: int) -> NoReturn:
        self.open(at, start)
        self.explain_comment(at)
        # The words before it are not repeated: what is taken for a key may be a value.
        raise NotationError(at, "a colon is expected here, after the key")

    def explain_comma(self, at: int, end: int, start: int) -> NoReturn:
        self.explain_comment(at)
        character = self.text[at]
        if character in "}]":
            opened, closing = ("{", "}") if self.text[start] == "{" else ("[", "]")
            raise NotationError(at, f"this {character} does not close the {opened} that is open", f"write {closing}")
        if character == ":":
            raise NotationError(at, "a colon where a comma is expected", "a list has no keys: use { } for them")
        if character == ";":
            raise NotationError(at, "a semicolon where a comma is expected")
        raise NotationError(end, "a comma is missing here")

    def explain_string(self, at: int) -> NoReturn:
        found = _STRING_START.match(self.text, at)
        stop = found.end() if found else at
        if stop >= len(self.text) or self.text[stop] in "\r\n":
            raise NotationError(at, "this string is not closed on its line", 'a " is missing')
        if self.text[stop] == "\\":
            raise NotationError(stop, "a backslash that begins no escape", r"a backslash itself is written \\")
        if self.text[stop] == "\t":
            raise NotationError(stop, "a tab inside a string", r"write it as \t")
        raise NotationError(stop, f"a control character (0x{ord(self.text[stop]):02X}) inside a string", "remove it")

    def explain_value(self, at: int, word: str) -> NoReturn:
        self.explain_comment(at)
        character = self.text[at : at + 1]
        if character == "'" or (character and character in _TYPOGRAPHIC):
            raise NotationError(at, "a string stands in double quotes", f'write " in place of {character}')
        if word in _MEANT:
            raise NotationError(at, f"JSON has no {word}", f"write {_MEANT[word]}")
        if word in {"NaN", "Infinity", "-Infinity", "+Infinity"}:
            raise NotationError(at, f"JSON has no {word}")
        if len(word) > 30 and word.isdigit():
            raise NotationError(at, "this number is too long")
        if word and (word[0].isdigit() or word[0] in "+-."):
            raise NotationError(
                at, "this is no number as JSON writes one", "no leading + or 0, digits on both sides of the point"
            )
        if word:
            raise NotationError(at, "a string stands in double quotes, and this word has none")
        if character and character in "}]":
            raise NotationError(at, f"a value is expected before this {character}")
        if character == ",":
            raise NotationError(at, "a value is expected before this comma")
        if not character:
            raise NotationError(max(0, at - 1), "the file ends where a value is expected")
        raise NotationError(at, "a value is expected here")

    def explain_extra(self, at: int) -> NoReturn:
        self.explain_comment(at)
        character = self.text[at]
        if character in "}]":
            raise NotationError(at, f"this {character} closes nothing", "remove it")
        raise NotationError(at, "the file goes on after its end", "everything stands inside one { … }")
