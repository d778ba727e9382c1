"""From Mattermost's Markdown to the tree: CommonMark by markdown-it-py, with what Mattermost does otherwise.

Otherwise are: a line break is a break; bare addresses are links; `@name` and `:name:`; `1)` begins no list; HTML,
character references, link definitions and `<address>` are text; a backslash escapes only some signs. A table has no
node: it is kept as a code block of its own lines, because only there its columns stay under each other.

Time is bounded: what has no sign of markup is not parsed at all, and what has too much of it is taken as plain text
(see `_is_too_much`).
"""

from __future__ import annotations

import re

from drivers.mattermost.markdown.notation import CALLS_EVERYBODY
from drivers.mattermost.markdown.writer import write
from nextbridge.markup import RichText, Source

__all__ = ["read"]

_MARKUP = re.compile(
    r"[\\`*\[@\r\0\u200b]|~~|(?<![A-Za-z0-9_])_|_(?![A-Za-z0-9_])|:[A-Za-z0-9_+-]+:|&\#?[A-Za-z0-9]+;"
    r"|://|[wW]{3}\.|mailto:|^[ ]{0,3}(?:[-+=>\#|:]|\d+[.](?:\s|$))|^(?:[ ]{4}|[ ]{0,3}\t)",
    re.MULTILINE,
)
"""Where markup can be; a text without any is plain."""

_CHARACTER_REFERENCE = re.compile(r"&#?[A-Za-z0-9]+;")

_LONGEST = 20_000


def read(text: str) -> RichText:
    """The tree of a post's `message`. Never raises; see the module for its bounds."""
    if _MARKUP.search(text) is None:
        return RichText.plain(text) if text and not text.isspace() else RichText()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    if _is_too_much(text):
        return RichText.plain(text)
    from drivers.mattermost.markdown.parser import parse  # only here, so that plain text never pays for it

    blocks = parse(text)
    if blocks is None:
        return RichText.plain(text)
    # the source goes out as it is, so it must not call anybody whom the tree does not call
    hides_a_call = CALLS_EVERYBODY.search(text) or _CHARACTER_REFERENCE.search(text)
    if hides_a_call or write(blocks) == text:
        return RichText(blocks)
    return RichText(blocks, Source("mattermost", text))


def _is_too_much(text: str) -> bool:
    return len(text) > _LONGEST
