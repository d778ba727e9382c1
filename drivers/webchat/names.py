"""The names that people give themselves in a room: which are allowed, and which are one."""

from __future__ import annotations

import unicodedata

from nextbridge.markup.legible import one_line
from nextbridge.names import same_name

__all__ = ["LONGEST_NAME", "NameRefused", "read_name", "same_name"]

LONGEST_NAME = 32


class NameRefused(ValueError):
    """A name that nobody may have. The text is for the person who typed it."""


def read_name(typed: str) -> str:
    """The name that was typed, with its spaces put right. Raises NameRefused."""
    name = " ".join(unicodedata.normalize("NFC", typed).split())
    if not name:
        raise NameRefused("Type a name first.")
    if len(name) > LONGEST_NAME:
        raise NameRefused(f"A name has at most {LONGEST_NAME} characters.")
    if one_line(name) != name:
        raise NameRefused("A name has no invisible characters, and no piles of accents.")
    return name
