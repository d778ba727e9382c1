"""From Matrix's HTML to the tree of rich text.

What the tree has no word for is said as people would type it: a table is lines with ` | ` between its cells, the
reason of a spoiler stands before it, a picture is the words for it. Then the document is kept as the source, with what
clients may be sent alone, and goes to other rooms on Matrix as it was.
"""

from __future__ import annotations

from drivers.matrix.html.parser import parse
from nextbridge.markup import RichText, Source

__all__ = ["read"]

_LONGEST = 100_000
"""Characters; an event has at most 65,536 bytes."""


def read(text: str) -> RichText:
    """The tree of a message's `formatted_body`. Never raises."""
    if not text or text.isspace():
        return RichText()
    parsed = parse(text[:_LONGEST])
    return RichText(parsed.blocks, Source("matrix", parsed.permitted) if parsed.says_more else None)
