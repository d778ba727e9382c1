"""Names in rooms: how a remote author's name is shown in a text, and what may be a nick."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from drivers.xmpp.styling import GUARD
from nextbridge.markup.legible import one_line

__all__ = ["alternatives", "display_name", "nick_of"]

_JOINERS = "\u200c\u200d"
_LONGEST = 200
"""Bytes of a nick. RFC 7622 lets 1023 pass; nobody is called so."""


def display_name(name: str) -> str:
    """`name` so that it calls nobody who bears it as a nick, in one line. Pure.

    Programs look for their user's nick in each text: behind the first character stands a word joiner.
    """
    line = one_line(name)
    if not line:
        return ""
    end = 1
    # an accent belongs to the letter before it, and a joiner holds two characters together
    while end < len(line) and (line[end - 1] in _JOINERS or line[end] in _JOINERS or _attaches(line[end])):
        end += 1
    return line[:end] + GUARD + line[end:]


def _attaches(char: str) -> bool:
    return unicodedata.category(char).startswith("M") or "\U0001f3fb" <= char <= "\U0001f3ff"


def nick_of(name: str) -> str:
    """`name` as a nick: one line that is no longer than a nick should be, or `somebody`. Pure."""
    line = one_line(name).strip()
    while len(line.encode("utf-8", "ignore")) > _LONGEST:
        line = line[:-1].rstrip()
    return line or "somebody"


def alternatives(nick: str) -> Iterator[str]:
    """Nicks to try, one after the other, while `nick` is in use."""
    yield nick
    yield nick + "_"
    yield nick + "__"
    for number in range(2, 10):
        yield f"{nick} {number}"
