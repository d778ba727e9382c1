"""Names on IRC: how a remote author's name is shown, and which nick to take while the wanted one is in use."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from nextbridge.markup.legible import one_line

__all__ = ["alternatives", "display_name"]

_BREAK = "\u200b"
_JOINERS = "\u200c\u200d"


def display_name(name: str) -> str:
    """`name` as one word that calls nobody who bears it as a nick, and that looks like nothing but a name.

    A zero-width space after the first character keeps clients from finding the nick in it, and a space becomes `_`, as
    in a nick. Pure.
    """
    word = one_line(name).replace(" ", "_")
    if not word:
        return ""
    end = 1
    # an accent belongs to the letter before it, and a joiner holds two characters together
    while end < len(word) and (word[end - 1] in _JOINERS or word[end] in _JOINERS or _attaches(word[end])):
        end += 1
    return word[:end] + _BREAK + word[end:]


def _attaches(char: str) -> bool:
    return unicodedata.category(char).startswith("M") or "\U0001f3fb" <= char <= "\U0001f3ff"


def alternatives(nick: str) -> Iterator[str]:
    """Nicks to try, one after the other, while `nick` is in use. The last ones fit a server with nine characters."""
    yield nick + "_"
    yield nick + "__"
    for number in range(1, 8):
        yield f"{nick[:8]}{number}"
