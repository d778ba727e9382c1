"""Checks a value against a JSON Schema, and says each mistake in one sentence, at its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from msgspec import Struct

from nextbridge.config.document import Mapping, Node, Scalar, Sequence, plain
from nextbridge.config.problem import Path, short
from nextbridge.config.report import Report, did_you_mean, nearest
from nextbridge.config.schemas import Schema

__all__ = ["Structure", "locate"]

_KINDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object { … }",
    "array": "a list [ … ]",
    "null": "null",
}
_BOUNDS = {
    "minimum": ("it must be at least {}",) * 2,
    "maximum": ("it must be at most {}",) * 2,
    "exclusiveMinimum": ("it must be more than {}",) * 2,
    "exclusiveMaximum": ("it must be less than {}",) * 2,
    "multipleOf": ("it must be a multiple of {}",) * 2,
    "minLength": ("it must have at least {} character", "it must have at least {} characters"),
    "maxLength": ("it must have at most {} character", "it must have at most {} characters"),
    "minItems": ("it must have at least {} entry", "it must have at least {} entries"),
    "maxItems": ("it must have at most {} entry", "it must have at most {} entries"),
    "minProperties": ("it must have at least {} entry", "it must have at least {} entries"),
    "maxProperties": ("it must have at most {} entry", "it must have at most {} entries"),
    "uniqueItems": ("its entries must differ",) * 2,
}
"""What a bound says, for one and for several."""


class Structure:
    """One schema, compiled once."""

    def __init__(self, schema: Schema) -> None:
        self._validator = Draft202012Validator(schema)

    def check(self, node: Node, at: int, path: Path, report: Report) -> bool:
        """Report every mistake in `node`, which stands at `path`; whether there is none.

        `at` is where it is pointed at as a whole: at its key, where it has one.
        """
        told = 0
        seen: set[tuple[object, ...]] = set()
        for error in _leaves(self._validator.iter_errors(plain(node))):
            below = tuple(error.absolute_path)
            found = _found(node, at, path, below)
            mark = (below, error.validator)
            if error.validator in {"required", "additionalProperties", "minProperties"}:
                if mark in seen:
                    continue
                seen.add(mark)
            if isinstance(found.node, Scalar) and found.node.missing:
                continue
            told += 1
            _tell(error, found, report)
        return told == 0


class _Found(Struct, frozen=True):
    """A node inside another, with the place to point at."""

    node: Node
    at: int
    """Its key, or itself where it has none."""
    path: Path

    @property
    def value_at(self) -> int:
        return self.node.start if isinstance(self.node, Scalar) else self.at


def locate(node: Node, at: int, path: Path, below: Path) -> tuple[int, Path]:
    """The place to point at for what stands `below` a node, as far as it is there, and its path."""
    found = _found(node, at, path, below)
    return found.value_at, (*path, *below)


def _found(node: Node, at: int, path: Path, below: Path) -> _Found:
    for step in below:
        if isinstance(node, Mapping) and step in node.entries:
            entry = node.entries[str(step)]
            node, at = entry.node, entry.start
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            at = node.start
        else:
            break
    return _Found(node, at, (*path, *below))


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """The errors themselves; for a value that fits no branch of a union, those of the branch it is meant for."""
    for error in errors:
        if error.validator != "anyOf" or not error.context:
            yield error
            continue
        branches: dict[Any, list[ValidationError]] = {}
        for each in error.context:
            branches.setdefault(each.schema_path[0], []).append(each)
        meant = [
            branch
            for branch in branches.values()
            if not any(each.validator == "type" and not each.relative_path for each in branch)
        ]
        if len(meant) == 1:
            yield from _leaves(meant[0])
        else:
            yield error


def _tell(error: ValidationError, found: _Found, report: Report) -> None:
    keyword = str(error.validator)
    schema: Schema = dict(error.schema) if isinstance(error.schema, AnyMapping) else {}
    if keyword == "additionalProperties" and isinstance(found.node, Mapping):
        _tell_unknown(found.node, schema, found, report)
    elif keyword == "required" and isinstance(found.node, Mapping):
        _tell_missing(found.node, schema, found, report)
    elif keyword == "anyOf" and all(
        each.validator == "type" and not each.relative_path for each in error.context or ()
    ):
        kinds = [kind for each in error.context or () for kind in _kinds_of({"type": each.validator_value})]
        report.error(found.value_at, found.path, *_wrong_type({"type": kinds}, found))
    elif keyword == "type":
        report.error(found.value_at, found.path, *_wrong_type(schema, found))
    else:
        report.error(found.value_at, found.path, *_refused(keyword, schema, found))


def _tell_unknown(node: Mapping, schema: Schema, found: _Found, report: Report) -> None:
    known = list(schema.get("properties", {}))
    usable = [each for each in known if each not in schema.get("x-unsuggested", ())]
    for key in node.entries:
        if key not in known:
            report.error(
                node.entries[key].start,
                (*found.path, key),
                f'unknown key "{short(key)}"',
                did_you_mean(key, usable, present=node.entries),
            )


def _tell_missing(node: Mapping, schema: Schema, found: _Found, report: Report) -> None:
    known = schema.get("properties", {})
    unknown = [key for key in node.entries if key not in known]
    free = [each for each in known if each not in node.entries]
    # A misspelt key is one mistake: it is told as an unknown key, not as a missing one too.
    meant = {nearest(key, free) for key in unknown}
    for key in schema["required"]:
        if key not in node.entries and key not in meant:
            report.error(found.at, found.path, f'the key "{key}" is missing{_in_brackets(known.get(key, {}))}')


def _wrong_type(schema: Schema, found: _Found) -> tuple[str, str]:
    kinds = _kinds_of(schema)
    node = found.node
    wanted = " or ".join(_KINDS[each] for each in kinds if each != "null") or "null"
    actual = _kind(node)
    if isinstance(node, Scalar) and node.value is None and node.start == node.end:
        return f"it has no value; {wanted} is expected", ""
    suggestion = ""
    if isinstance(node, Scalar):
        if not node.quoted and "string" in kinds and node.value is not None:
            suggestion = f"YAML reads this as {actual}: put it in quotes"
        elif node.substituted and "string" not in kinds:
            suggestion = "what an environment variable gives is always a string: write the value itself"
        elif isinstance(node.value, str) and _is_meant(node.value, kinds):
            suggestion = "write it without quotes"
        elif isinstance(node.value, int | float) and "string" in kinds:
            hint = str(schema.get("x-hint", ""))
            suggestion = "put it in quotes" if not hint or hint.startswith("it is blank") else hint
    return f"{wanted} is expected, not {actual}", suggestion


def _kinds_of(schema: Schema) -> list[str]:
    kinds: str | list[str] = schema["type"]
    return [kinds] if isinstance(kinds, str) else kinds


def _refused(keyword: str, schema: Schema, found: _Found) -> tuple[str, str]:
    node, hint = found.node, str(schema.get("x-hint", ""))
    text = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None
    if text is not None and not text.strip():
        return "it is blank", hint.removeprefix("it is blank; ")
    limit = schema.get(keyword)
    if keyword in {"enum", "const"}:
        values = limit if isinstance(limit, list) else [limit]
        near = nearest(text, [each for each in values if isinstance(each, str)]) if text is not None else None
        return f"it must be {_alternatives(values)}", f'did you mean "{near}"?' if near else hint
    if schema.get("x-secret") and keyword in {"minProperties", "maxProperties"}:
        return 'a secret comes from { "file": … } or from { "credential": … }', "name one of them"
    if keyword == "pattern":
        return (hint, "") if hint else ("it is not written as it must be", f"the pattern is {limit}")
    if hint and keyword in {"minItems", "minProperties"}:
        return hint, ""
    one, several = _BOUNDS.get(keyword, ("it is not what is expected here",) * 2)
    return (one if limit == 1 else several).format(limit), hint


def _kind(node: Node) -> str:
    if isinstance(node, Mapping):
        return "an object"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        return "a string"
    return "a number" if isinstance(value, int) or value.is_integer() else "a fraction"


def _is_meant(text: str, kinds: list[str]) -> bool:
    if "boolean" in kinds and text.lower() in {"true", "false"}:
        return True
    return bool({"integer", "number"} & set(kinds)) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]+)?", text) is not None


def _in_brackets(schema: Schema) -> str:
    """What a key takes, or is for by the first sentence of its description."""
    if "enum" in schema:
        return f" ({_alternatives(schema['enum'])})"
    sentence = str(schema.get("description", "")).partition(". ")[0].rstrip(".")
    if not sentence:
        return ""
    begins = sentence[0].lower() if sentence[1:2].islower() else sentence[0]
    return f" ({begins}{sentence[1:]})"


def _alternatives(values: Iterable[object]) -> str:
    return " or ".join(json.dumps(each, ensure_ascii=False) for each in values)
