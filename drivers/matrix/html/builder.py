"""Builds the tree of rich text from what a document says one thing after the other: begin a quote, text, a break.

It knows no tags. Nothing in it recurses, so that a document of any depth is as cheap as its length.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, TypeAlias

from nextbridge.markup import (
    Block,
    Bold,
    Code,
    CodeBlock,
    Heading,
    Inline,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Paragraph,
    Quote,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from nextbridge.markup.normal import normalise

__all__ = ["Builder", "Format"]

Format: TypeAlias = type[Bold | Italic | Underline | Strike | Spoiler]

_DEEPEST = 20
"""How deep quotes and lists may nest; what is deeper stands in the last of them."""
_ORDER: Final[tuple[Format, ...]] = (Strike, Underline, Italic, Bold, Spoiler)
_SPACE: Final = re.compile(r"[ \t\n\r\f]+")
_KEPT_SPACE: Final = re.compile(r"(?<=[ \xa0])\xa0")
"""A no-break space beside another space is a space that is to be seen; alone it is what somebody typed."""


class _Frame:
    """A quote, a list, a list's item or the whole, that is being built."""

    def __init__(self, kind: str, start: int | None = None) -> None:
        self.kind = kind
        self.start = start
        self.blocks: list[Block] = []
        self.items: list[tuple[Block, ...]] = []

    def add(self, block: Block) -> None:
        if self.kind == "list":
            self.items.append((block,))
        else:
            self.blocks.append(block)


class Builder:
    """Builds one tree. What is begun is ended in the opposite order."""

    def __init__(self) -> None:
        self.link: str | None = None
        """Where the text goes that is added now."""
        self.code = False
        """Whether it is code."""
        self.tables = 0
        """How many tables it stands in: there each row is a line."""
        self._formats: Counter[Format] = Counter()
        self._frames = [_Frame("root")]
        self._inlines: list[Inline] = []
        self._heading = 0
        self._after_space = True

    def blocks(self) -> tuple[Block, ...]:
        """What was built, in normal form."""
        self.part()
        while len(self._frames) > 1:
            self.end_frame()
        return normalise(self._frames[0].blocks)

    # --- inside a line ----------------------------------------------------------------------------------------------

    def begin_format(self, kind: Format) -> None:
        self._formats[kind] += 1

    def end_format(self, kind: Format) -> None:
        self._formats[kind] -= 1

    def text(self, text: str) -> None:
        """Text as a document has it: white space of any length is one space."""
        if self.code:
            self.leaf(Code(text))
            return
        text = _KEPT_SPACE.sub(" ", _SPACE.sub(" ", text))
        if self._after_space and text.startswith(" "):
            text = text[1:]
        if text:
            self.leaf(Text(text))
            self._after_space = text.endswith(" ")

    def leaf(self, node: Inline) -> None:
        """Anything that stands in a line."""
        for kind in _ORDER:
            if self._formats[kind] > 0:
                node = kind((node,))
        self._inlines.append(node if self.link is None else Link(self.link, (node,)))
        self._after_space = False

    def line_break(self) -> None:
        self._inlines.append(LineBreak())
        self._after_space = True

    # --- lines and more ---------------------------------------------------------------------------------------------

    def part(self) -> None:
        """What comes next stands on a line of its own; in a table, apart."""
        if self.tables:
            self.text(" ")
            return
        self._after_space = True
        if not self._inlines:
            return
        inlines, self._inlines = tuple(self._inlines), []
        self._frames[-1].add(Heading(self._heading, inlines) if self._heading else Paragraph(inlines))

    def row(self) -> None:
        """A row of a table begins."""
        if self._inlines and self._inlines[-1] != LineBreak():
            self.line_break()

    def cell(self) -> None:
        """Another cell of the row begins."""
        self.leaf(Text("| " if self._after_space else " | "))
        self._after_space = True

    def begin_heading(self, level: int) -> None:
        self.part()
        if not self.tables:
            self._heading = level

    def end_heading(self) -> None:
        self.part()
        self._heading = 0

    def begin_quote(self) -> bool:
        """Whether it could be begun, and is to be ended by `end_frame`."""
        return self._begin(_Frame("quote"))

    def begin_list(self, start: int | None) -> bool:
        """Likewise. `start` is the first number of an ordered list."""
        return self._begin(_Frame("list", start))

    def begin_item(self) -> bool:
        """Likewise. False outside of a list, where an item is a part like any other."""
        if self._frames[-1].kind == "list":
            return self._begin(_Frame("item"))
        self.part()
        return False

    def _begin(self, frame: _Frame) -> bool:
        self.part()
        if self.tables or len(self._frames) > 2 * _DEEPEST:
            return False
        self._frames.append(frame)
        return True

    def end_frame(self) -> None:
        """The quote, list or item that was begun last ends."""
        self.part()
        frame = self._frames.pop()
        match frame.kind:
            case "quote":
                self._frames[-1].add(Quote(tuple(frame.blocks)))
            case "list":
                self._frames[-1].add(ListBlock(tuple(frame.items), frame.start))
            case _:
                self._frames[-1].items.append(tuple(frame.blocks))

    def code_block(self, text: str, language: str) -> None:
        if self.tables:
            self.leaf(Code(text))
            return
        self.part()
        self._frames[-1].add(CodeBlock(text, language))

    def rule(self) -> None:
        """A line across."""
        self.part()
        if not self.tables:
            self._frames[-1].add(ThematicBreak())
