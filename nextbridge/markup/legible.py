"""What chat users write, made harmless to look at: the one rule for names, labels and quotes, and that for texts.

A character can hide, turn the direction of what follows it, pile up over other lines, or look like a space. What people
need of such characters stays: the joiners of Persian, of the scripts of India and of emoji, the marks of Arabic, Hebrew
or Vietnamese, the selectors and tags of emoji. Pure; time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

__all__ = ["legible", "one_line"]

_MARKS_OF_A_LETTER = 4
"""In a line. The names of people have at most three; more make a pile that covers the lines around it."""
_MARKS_IN_A_TEXT = 8
_JOINERS: Final = "\u200c\u200d"
_TEXT_LOOK, _EMOJI_LOOK, _KEYCAP = "\ufe0e", "\ufe0f", "\u20e3"
_BLACK_FLAG: Final = "\U0001f3f4"
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that show nothing and are of no category that says so."""
_SELECTORS: Final = re.compile("[\u180b-\u180f\ufe00-\ufe0d\U000e0100-\U000e01ef]")
_SPACES: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029\u2800")
_SEEN_SIGNS: Final = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
"""The format characters that are seen: the number signs of Arabic and their like."""
_JOINED: Final = re.compile(
    "[\u0600-\u0dff\u0f00-\u109f\u1700-\u18af\u1a00-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufeff"
    "\U00010a00-\U00010fff\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
"""The scripts whose letters take other shapes beside each other: there a joiner between two of them is seen."""
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u06d6-\u06dc\u0e34-\u0e3a\u0e47-\u0e4e\u0f71-\u0f84"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302d\u3099\u309a\ufe20-\ufe2f]"
    f"{{{_MARKS_IN_A_TEXT + 1},}}"
)

_OVERRIDES: Final = "\u202d\u202e"
_OPENING: Final = {"\u202a": "\u202c", "\u202b": "\u202c", "\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"}
_DIRECTION: Final = re.compile("[\u202a-\u202e\u2066-\u2069\n]")
_TURNED: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")


def one_line(text: str, longest: int | None = None) -> str:
    """`text` as a single line of which every character is seen, cut to `longest` characters; may be empty.

    No control character, line end or change of direction is in it, no space but single plain ones, no joiner but where
    letters or emoji join, no mark without a letter, and no pile of marks.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_seen(text))
    line = " ".join(text.split())
    if longest is not None and len(line) > longest:
        return line[: longest - 1] + "…"
    return line


def legible(text: str) -> str:
    """`text` with nothing in it that changes what stands around it, line breaks kept; the same object where that is so.

    What turns the direction by force goes, what else turns it ends with its line at the latest, and piles of marks are
    cut.
    """
    if text.isascii():
        return text
    if _TURNED.search(text):
        text = "".join(_ended(text))
    if _MARKS.search(text):
        text = _MARKS.sub(lambda found: found[0][:_MARKS_IN_A_TEXT], text)
    return text


def _seen(text: str) -> Iterator[str]:
    marks, before = 0, " "
    for place, char in enumerate(text):
        category = unicodedata.category(char)
        if category in {"Mn", "Me"} and not (char in _BLANK or _is_selector(char) or _SELECTORS.match(char)):
            marks += 1
            if marks > _MARKS_OF_A_LETTER or before == " ":
                continue
        elif char in _SPACES or category == "Zs":
            marks, char = 0, " "  # noqa: PLW2901 - what looks like a space is one
        elif not _shows(text, place, char, category):
            continue
        elif char not in _JOINERS and not _is_selector(char):
            marks = 0
        before = char
        yield char


def _shows(text: str, place: int, char: str, category: str) -> bool:
    if char in _BLANK or _SELECTORS.match(char):
        return False
    if _is_selector(char):
        return _is_emoji(text[place - 1 : place]) or text[place + 1 : place + 2] == _KEYCAP
    if category == "Cf":
        if char in _JOINERS:
            return _joins(text, place, char)
        return _SEEN_SIGNS.match(char) is not None or _is_of_a_flag(text, place)
    return category not in {"Cc", "Cs", "Co"}


def _is_selector(char: str) -> bool:
    return char in {_TEXT_LOOK, _EMOJI_LOOK}


def _joins(text: str, place: int, char: str) -> bool:
    """Whether a joiner is between two that join."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if _JOINED.match(before) and _JOINED.match(after):
        return True
    return char == "\u200d" and (_is_emoji(before) or before == _EMOJI_LOOK) and _is_emoji(after)


def _is_emoji(char: str) -> bool:
    if char.isascii():
        return False
    return unicodedata.category(char) in {"So", "Sm", "Sk", "Po", "Pd", "Cn"} or char == "ℹ"


def _is_of_a_flag(text: str, place: int) -> bool:
    """Whether it is one of the tags that make a flag of a black one: those of England, Scotland and Wales."""
    if not "\U000e0020" <= text[place] <= "\U000e007f":
        return False
    start = place
    while start > 0 and place - start < 7 and "\U000e0020" <= text[start] <= "\U000e007e":
        start -= 1
    if text[place] == "\U000e007f":
        start = text.rfind(_BLACK_FLAG, max(place - 7, 0), place)
    return start >= 0 and text[start] == _BLACK_FLAG


def _ended(text: str) -> Iterator[str]:
    """The pieces of `text`, with each change of direction ended where its line ends, and none that was never begun."""
    open_ones: list[str] = []
    done = 0
    for found in _DIRECTION.finditer(text):
        yield text[done : found.start()]
        done, char = found.end(), found[0]
        if char == "\n":
            yield from reversed(open_ones)
            open_ones.clear()
            yield char
        elif char in _OPENING:
            open_ones.append(_OPENING[char])
            yield char
        elif open_ones and open_ones[-1] == char:
            open_ones.pop()
            yield char
    yield text[done:]
    yield from reversed(open_ones)
