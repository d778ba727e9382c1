"""The names that people give themselves in a room: which are allowed, and which are one."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["LONGEST_NAME", "NameRefused", "read_name", "same_name"]

LONGEST_NAME = 32

# Letters, marks and symbols that show nothing: Unicode's default-ignorable characters outside category Cf, the fillers
# of Hangul and the empty Braille pattern.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARKS = {"Mn", "Me"}
_MARKS_ON_A_LETTER = 3


class NameRefused(ValueError):
    """A name that nobody may have. The text is for the person who typed it."""


def read_name(typed: str) -> str:
    """The name that was typed, with its spaces put right. Raises NameRefused."""
    name = " ".join(unicodedata.normalize("NFC", typed).split())
    if not name:
        raise NameRefused("Type a name first.")
    if len(name) > LONGEST_NAME:
        raise NameRefused(f"A name has at most {LONGEST_NAME} characters.")
    marks = 0
    for character in name:
        category = unicodedata.category(character)
        if category in _HIDDEN or _BLANK.match(character):
            raise NameRefused("A name has no invisible characters.")
        marks = marks + 1 if category in _MARKS else 0
        if marks > _MARKS_ON_A_LETTER:
            raise NameRefused("A name has no piles of accents.")
    if unicodedata.category(name[0]) in _MARKS:
        raise NameRefused("A name does not start with an accent.")
    return name


def same_name(name: str) -> str:
    """What is equal for two names that people would take for one: whatever their case, spaces and width."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(folded.split())
