"""From Mattermost's Markdown to the tree: CommonMark by markdown-it-py, with what Mattermost does otherwise.

Otherwise are: a line break is a break; bare addresses are links; `@name` and `:name:`; `1)` begins no list; HTML,
character references, link definitions and `<address>` are text; a backslash escapes only some signs. A table has no
node: it is kept as a code block of its own lines, because only there its columns stay under each other.

Time is bounded: what has no sign of markup is not parsed at all, and what has too much of it is taken as plain text
(see `is_too_much`).
"""

from __future__ import annotations

import re

from drivers.mattermost.markdown.notation import CALLS_EVERYBODY, has_markup
from drivers.mattermost.markdown.writer import write_normal
from nextbridge.markup import RichText, Source

__all__ = ["is_too_much", "read"]

_CHARACTER_REFERENCE = re.compile(r"&#?[A-Za-z0-9]+;")

_COSTS = {"[": 50, "@": 30, "`": 25, "*": 25, "_": 25, "~": 25, "|": 10, ":": 10, "!": 10, "]": 10, "\\": 10, "&": 6}
"""Microseconds that each sign costs at worst, read and written (`benchmarks/markdown.py` shows it)."""
_COSTLY = re.compile(r"^[ >]*(?:[-+*=>\#|]|\d+\.)|://|www\.|mailto:|\u200b", re.MULTILINE | re.IGNORECASE)
_COSTLY_COST = 70
_LINE_COST = 10
_MOST = 40_000


def read(text: str) -> RichText:
    """The tree of a post's `message`. Never raises; see the module for its bounds."""
    if not has_markup(text):
        return RichText.plain(text) if text and not text.isspace() else RichText()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    blocks = None
    if not is_too_much(text):
        from drivers.mattermost.markdown.parser import parse  # only here, so that plain text never pays for it

        blocks = parse(text)
        if blocks is not None and write_normal(blocks) == text:
            return RichText(blocks)
    if blocks is None:
        blocks = RichText.plain(text).blocks
    # the source may go out as it is, so there is none where the server could find a call of everybody in it
    if CALLS_EVERYBODY.search(text) or _CHARACTER_REFERENCE.search(text):
        return RichText(blocks)
    return RichText(blocks, Source("mattermost", text))


def is_too_much(text: str) -> bool:
    """Whether parsing `text` could take longer than some 50 ms: about 1,500 signs, or 500 lines of a list.

    The parser's time is linear in what is counted here; so is a text's length, which matters little.
    """
    cost = len(text) // 10 + text.count("\n") * _LINE_COST
    cost += sum(text.count(sign) * each for sign, each in _COSTS.items())
    if cost > _MOST:
        return True
    return cost + sum(_COSTLY_COST for _ in _COSTLY.finditer(text)) > _MOST
