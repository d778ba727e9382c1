"""What a conversion gives: the file's values, and what the operator has to know of it."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

import yaml
from msgspec import Struct

from nextbridge.errors import NextBridgeError

__all__ = ["NOTATIONS", "ConversionError", "Converted", "Note", "in_notation"]

Notation: TypeAlias = Literal["json", "yaml"]

NOTATIONS: dict[str, Notation] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
"""By how a file's name ends."""


class ConversionError(NextBridgeError):
    """What is to be converted cannot be read; the message says where."""


class Note(Struct, frozen=True):
    """Something that is not in the new file as it was in the old one."""

    place: str
    """Where it stood, as the old file names it: `irc.libera MessageQueue`."""
    sentence: str
    """What became of it, or what is to be done."""


class Converted(Struct, frozen=True):
    """A file of ours, and what is to be said of it."""

    file: dict[str, Any]
    notes: tuple[Note, ...] = ()


def in_notation(file: dict[str, Any], notation: Notation) -> str:
    """The file's text."""
    if notation == "json":
        return json.dumps(file, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=120)
