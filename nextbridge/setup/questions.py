"""What a new instance, or a channel of it, is asked for: made from the settings that its driver has.

A driver adds nothing here. What its settings have to have is asked, or what it names in `Driver.asked_for`;
descriptions, examples and what an answer may be are those of its schema, as editors and `nextbridge check` have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from msgspec import Struct

from nextbridge.config.schemas import PlatformSchema, Schema, resolved
from nextbridge.driver import Driver
from nextbridge.errors import NextBridgeError

__all__ = [
    "REFERENCE",
    "Answer",
    "Question",
    "WrongAnswer",
    "asked_of_channel",
    "asked_of_instance",
    "channel_setting",
    "setting",
]

Answer: TypeAlias = str | int | float | bool | dict[str, str]
"""As the file has it."""

REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
"""What is taken from the environment."""
_CORE = {"enabled", "msg"}
"""Keys that every instance or channel has, and nobody is asked for."""


class WrongAnswer(NextBridgeError):
    """What was answered is not what is asked for; says what is."""


class Question(Struct, frozen=True, kw_only=True):
    """One key of a block."""

    path: tuple[str | int, ...]
    """Where it stands in the block."""
    description: str
    example: str = ""
    default: str = ""
    """What holds where nothing is answered; empty where there is nothing."""
    secret: bool = False
    required: bool = True
    schema: Schema
    definitions: dict[str, Schema]

    @property
    def key(self) -> str:
        """As it is named to people, and on the command line: `sasl.username`."""
        return ".".join(map(str, self.path))

    def read(self, text: str) -> Answer:
        """What somebody has written for it, as the file has it. Raises WrongAnswer."""
        text = text.strip()
        if self.secret:
            return _secret(text)
        if REFERENCE.fullmatch(text):
            return text
        errors = []
        for answer in _meanings(text):
            error = next(Draft202012Validator({**self.schema, "$defs": self.definitions}).iter_errors(answer), None)
            if error is None:
                return answer
            errors.append(error)
        # what only goes too far is said by the schema, and all else in our words
        far = [each.message for each in errors if each.validator in {"minimum", "maximum"}]
        raise WrongAnswer(f"{self.key}: {far[0] if far else self._hint() or errors[0].message}")

    def _hint(self) -> str:
        choices = [each["enum"] for each in _alternatives(self.schema, self.definitions) if "enum" in each]
        if choices:
            return "write one of " + ", ".join(map(str, choices[0]))
        hints = [each["x-hint"] for each in _alternatives(self.schema, self.definitions) if "x-hint" in each]
        words = {"integer": "write a whole number", "number": "write a number", "boolean": "write yes or no"}
        kinds = {kind for each in _alternatives(self.schema, self.definitions) for kind in _kinds(each)}
        return "; ".join(hints) or " or ".join(words[each] for each in sorted(kinds & words.keys()))


def asked_of_instance(name: str, driver: type[Driver[Any, Any]]) -> list[Question] | None:
    """What a new instance of the platform `name` is asked for.

    None where that is more than a few words each: such a block is written by hand. Raises PlatformUnusable.
    """
    schema = PlatformSchema.of(name, driver)
    required = schema.instance.get("required", [])
    paths = [(key,) for key in required] if driver.asked_for is None else [_path(each) for each in driver.asked_for]
    found = [_question(path, schema.instance, schema.definitions) for path in paths]
    return None if None in found else [each for each in found if each is not None]


def asked_of_channel(name: str, driver: type[Driver[Any, Any]]) -> list[Question]:
    """What a channel of a rule is asked for where none can be picked from a list. Raises PlatformUnusable."""
    schema = PlatformSchema.of(name, driver)
    keys = schema.channel.get("required") or [next(key for key in schema.channel["properties"] if key not in _CORE)]
    found = (_question((key,), schema.channel, schema.definitions, required=True) for key in keys)
    return [each for each in found if each is not None]


def setting(name: str, driver: type[Driver[Any, Any]], key: str) -> Question:
    """One key of an instance, whichever it is. Raises WrongAnswer where there is none, and PlatformUnusable."""
    schema = PlatformSchema.of(name, driver)
    return _known(key, schema.instance, schema.definitions, f"an instance of {driver.title}")


def channel_setting(name: str, driver: type[Driver[Any, Any]], key: str) -> Question:
    """Likewise of a channel."""
    schema = PlatformSchema.of(name, driver)
    return _known(key, schema.channel, schema.definitions, f"a channel of {driver.title}")


def _known(key: str, block: Schema, definitions: dict[str, Schema], what: str) -> Question:
    if (found := _question(_path(key), block, definitions)) is None:
        keys = ", ".join(each for each in block["properties"] if each not in _CORE)
        raise WrongAnswer(f"{what} has no single value {key!r}; it has {keys}")
    return found


def _path(dotted: str) -> tuple[str | int, ...]:
    return tuple(int(each) if each.isdigit() else each for each in dotted.split("."))


def _question(
    path: tuple[str | int, ...], block: Schema, definitions: dict[str, Schema], *, required: bool | None = None
) -> Question | None:
    """None where what stands there is no single value."""
    node = block
    has_to_be = True
    about: list[str] = []
    for step in path:
        node = next((each for each in _alternatives(node, definitions) if {"properties", "items"} & each.keys()), {})
        has_to_be = has_to_be and (isinstance(step, int) or step in node.get("required", []))
        node = node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        about += [node["description"]] if "description" in node else []
    kinds = list(_alternatives(node, definitions))
    secret = any(each.get("x-secret") for each in kinds)
    if not kinds or not (secret or any(_is_single(each) for each in kinds)):
        return None
    default = node.get("default")
    return Question(
        path=path,
        description=" ".join(about) or str(_first("description", node, kinds) or path[-1]),
        example=str(next(iter(_first("examples", node, kinds) or []), "")),
        default={True: "yes", False: "no", None: ""}.get(default, str(default)),
        secret=secret,
        required=has_to_be if required is None else required,
        schema=node,
        definitions=definitions,
    )


def _first(key: str, node: Schema, kinds: list[Schema]) -> Any:  # noqa: ANN401 - whatever a schema has there
    return next((each[key] for each in (node, *kinds) if key in each), None)


def _alternatives(node: Schema, definitions: dict[str, Schema]) -> Iterator[Schema]:
    node = resolved(node, definitions)
    if "anyOf" in node:
        for each in node["anyOf"]:
            yield from _alternatives(each, definitions)
    elif node:
        yield node


def _is_single(schema: Schema) -> bool:
    kinds = _kinds(schema)
    return "enum" in schema or bool(kinds - {"null"} and not kinds & {"object", "array"})


def _kinds(schema: Schema) -> set[str]:
    """The JSON types that a value may have."""
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _meanings(text: str) -> Iterator[Answer]:
    """What a word may be in JSON, the likeliest first."""
    if re.fullmatch(r"-?[0-9]+", text):
        yield int(text)
    elif re.fullmatch(r"-?[0-9]+\.[0-9]+", text):
        yield float(text)
    if text.lower() in {"yes", "y", "true"}:
        yield True
    if text.lower() in {"no", "n", "false"}:
        yield False
    yield text


def _secret(text: str) -> Answer:
    """A secret itself, or where it is: `${NAME}`, `file:/path` or `credential:name`."""
    if not text:
        raise WrongAnswer("it is blank; give it a value")
    place, _, name = text.partition(":")
    if place == "file" and name:
        return {"file": str(Path(name).absolute())}
    if place == "credential" and name:
        return {"credential": name}
    if REFERENCE.fullmatch(text):
        return text
    return text.replace("${", "$${")
