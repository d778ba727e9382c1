"""Plain text: the dialect of platforms that have no formatting, and what a log or a label shows."""

from __future__ import annotations

from itertools import pairwise
from typing import assert_never

from nextbridge.markup.legible import one_line
from nextbridge.markup.tree import (
    Block,
    Bold,
    Code,
    CodeBlock,
    Emoji,
    Heading,
    Inline,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Mention,
    Paragraph,
    Quote,
    RichText,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
    plain_text,
)

__all__ = ["PLAIN", "PlainText", "one_line"]


class PlainText:
    """Every character means itself; what has a shape (lists, quotes) keeps it as people type it."""

    name = "plain"
    multiline = True
    names_links = False

    def read(self, text: str) -> RichText:
        return RichText.plain(text)

    def write(self, blocks: tuple[Block, ...]) -> str:
        written = [self._block(block) for block in blocks]
        for place, (before, block) in enumerate(pairwise(blocks), start=1):
            # a blank line only where two blocks would look like one
            if type(before) is type(block) and isinstance(block, Paragraph | Quote):
                written[place] = f"\n{written[place]}"
        return "\n".join(written)

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph(children) | Heading(children=children):
                return self._inlines(children)
            case CodeBlock(text):
                return text
            case Quote(children):
                return "\n".join(f"> {line}" for line in self.write(children).split("\n"))
            case ListBlock(items, start):
                return "\n".join(self._item(item, start, place) for place, item in enumerate(items))
            case ThematicBreak():
                return "―――"
            case _:
                assert_never(block)

    def _item(self, item: tuple[Block, ...], start: int | None, place: int) -> str:
        bullet = "• " if start is None else f"{start + place}. "
        return bullet + self.write(item).replace("\n", "\n" + " " * len(bullet))

    def _inlines(self, children: tuple[Inline, ...]) -> str:
        return "".join(self._inline(node) for node in children)

    def _inline(self, node: Inline) -> str:
        match node:
            case Link(url, label):
                words = self._inlines(label)
                # a bare address may leave out the scheme
                if not words or url in {words, f"http://{words}"}:
                    return words or url
                return f"{words} ({url})"
            case Bold(children) | Italic(children) | Underline(children) | Strike(children):
                return self._inlines(children)
            case Spoiler(children):
                return f"||{self._inlines(children)}||"
            case Text() | LineBreak() | Code() | Mention() | Emoji():
                return plain_text((node,))
            case _:
                assert_never(node)


PLAIN = PlainText()
"""The one plain dialect; it has no state."""
