"""Plain text: the dialect of platforms that have no formatting, and what a log or a label shows."""

from __future__ import annotations

from nextbridge.markup.tree import (
    Block,
    CodeBlock,
    Heading,
    Inline,
    LineBreak,
    Link,
    ListBlock,
    Paragraph,
    Quote,
    RichText,
    ThematicBreak,
    plain_text,
)

__all__ = ["PLAIN", "PlainText"]


class PlainText:
    """Every character means itself; what has a shape (lists, quotes) keeps it as people type it."""

    name = "plain"
    multiline = True

    def read(self, text: str) -> RichText:
        return RichText.plain(text)

    def write(self, blocks: tuple[Block, ...]) -> str:
        return "\n".join(self._block(block) for block in blocks)

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

    def _item(self, item: tuple[Block, ...], start: int | None, place: int) -> str:
        bullet = "• " if start is None else f"{start + place}. "
        return bullet + self.write(item).replace("\n", "\n" + " " * len(bullet))

    def _inlines(self, children: tuple[Inline, ...]) -> str:
        parts = []
        for node in children:
            match node:
                case Link(url, label):
                    words = self._inlines(label)
                    parts.append(words if words == url else f"{words} ({url})" if words else url)
                case LineBreak():
                    parts.append("\n")
                case _:
                    # formatting around text has no sign here; what it holds may
                    nested = getattr(node, "children", None)
                    parts.append(plain_text((node,)) if nested is None else self._inlines(nested))
        return "".join(parts)


PLAIN = PlainText()
"""The one plain dialect; it has no state."""
