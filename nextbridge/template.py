"""A message template of the operator's file, parsed once when the file is loaded.

What a chat user wrote is only ever data: variables are looked up in a parsed template and never read as one.
"""

from __future__ import annotations

import difflib
import re
from typing import TypeAlias

from msgspec import Struct

__all__ = ["VARIABLES", "Header", "Literal", "Part", "Template", "TemplateError", "Variable", "parse"]

VARIABLES = frozenset(
    {
        "platform",
        "instance_id",
        "from",
        "user",
        "nickname",
        "username",
        "user_id",
        "user_avatar",
        "msg",
        "time",
    }
)
"""What may stand in braces."""


class TemplateError(ValueError):
    """A template that cannot be read. `offset` is the place in it, in characters."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class Literal(Struct, frozen=True):
    """The operator's own words, in the target's notation."""

    text: str


class Variable(Struct, frozen=True):
    """A place for something that a message brings."""

    name: str


class Header(Struct, frozen=True):
    """`<richheader title="…" content="…"/>`: a line above the message, shown as the target shows headings of a post."""

    title: tuple[Literal | Variable, ...]
    content: tuple[Literal | Variable, ...]


Part: TypeAlias = Literal | Variable | Header


class Template(Struct, frozen=True):
    """A parsed template."""

    parts: tuple[Part, ...]

    @property
    def bare(self) -> bool:
        """Whether it is the message and nothing else."""
        return self.parts == (Variable("msg"),)

    def has(self, variable: str) -> bool:
        """Whether it shows that variable, in a header or outside."""
        found = Variable(variable)
        return any(
            part == found or (isinstance(part, Header) and found in (*part.title, *part.content)) for part in self.parts
        )


_BRACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_HEADER = re.compile(r"<richheader\b([^<>]*?)/>", re.DOTALL)
_MEANT_AS_HEADER = re.compile(r"<\s*rich\s*header\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'\s+([a-z]+)\s*=\s*"([^"]*)"')


def parse(text: str, *, variables: frozenset[str] = VARIABLES) -> Template:
    """Parse a template. `{name}` is a variable; `{{` and `}}` are braces. Raises TemplateError with the place."""
    parts: list[Part] = []
    end = 0
    for found in _HEADER.finditer(text):
        parts.extend(_outside(text[end : found.start()], end, variables))
        parts.append(_header(found, variables))
        end = found.end()
    parts.extend(_outside(text[end:], end, variables))
    if parts.count(Variable("msg")) > 1:
        raise TemplateError("{msg} stands in it twice; a message is shown once", text.rfind("{msg}"))
    return Template(tuple(parts))


def _outside(text: str, offset: int, variables: frozenset[str]) -> list[Literal | Variable]:
    if broken := _MEANT_AS_HEADER.search(text):
        raise TemplateError('a richheader is written <richheader title="…" content="…"/>', offset + broken.start())
    return _flat(text, offset, variables)


def _header(found: re.Match[str], variables: frozenset[str]) -> Header:
    attributes: dict[str, tuple[Literal | Variable, ...]] = {}
    inside, end = found.group(1), 0
    for attribute in _ATTRIBUTE.finditer(inside):
        name = attribute.group(1)
        place = found.start(1) + attribute.start(1)
        if attribute.start() != end or name not in {"title", "content"} or name in attributes:
            raise TemplateError(f'a richheader has one title="…" and one content="…", not {name!r} here', place)
        attributes[name] = tuple(_flat(attribute.group(2), found.start(1) + attribute.start(2), variables - {"msg"}))
        end = attribute.end()
    if inside[end:].strip():
        raise TemplateError('a richheader has title="…" and content="…" only', found.start(1) + end)
    return Header(attributes.get("title", ()), attributes.get("content", ()))


def _flat(text: str, offset: int, variables: frozenset[str]) -> list[Literal | Variable]:
    parts: list[Literal | Variable] = []
    words: list[str] = []
    end = 0
    for found in _BRACE.finditer(text):
        words.append(text[end : found.start()])
        end = found.end()
        token = found.group()
        if token in {"{{", "}}"}:
            words.append(token[0])
        elif token in {"{", "}"}:
            raise TemplateError(f"a single {token!r}; write {token * 2!r} for the character", offset + found.start())
        else:
            name = found.group(1)
            if name not in variables:
                raise TemplateError(_unknown(name, variables), offset + found.start())
            if literal := "".join(words):
                parts.append(Literal(literal))
            words = []
            parts.append(Variable(name))
    words.append(text[end:])
    if literal := "".join(words):
        parts.append(Literal(literal))
    return parts


def _unknown(name: str, variables: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, variables, 1)
    known = ", ".join(f"{{{each}}}" for each in sorted(variables))
    guess = f"; did you mean {{{near[0]}}}? Known" if near else "; known"
    return f"there is no variable {{{name}}}{guess} here: {known}"
