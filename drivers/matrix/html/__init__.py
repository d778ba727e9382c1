"""Matrix's HTML (`org.matrix.custom.html`): the dialect `HTML`, and what an event holds of a text in it.

A line break in a text of this dialect that is to be sent (the core puts some between what it joins) is a `<br>`.
"""

from __future__ import annotations

from drivers.matrix.html import writer
from drivers.matrix.html.content import Content, content
from drivers.matrix.html.reader import read
from nextbridge.markup import Block, Dialect, RichText

__all__ = ["HTML", "Content", "content"]


class MatrixHtml:
    """The part of HTML that Matrix's clients show, with its mentions. Stateless."""

    name = "matrix"
    multiline = True
    names_links = True

    def read(self, text: str) -> RichText:
        return read(text)

    def write(self, blocks: tuple[Block, ...]) -> str:
        return writer.write(blocks)

    def literal(self, text: str) -> str:
        return writer.literal(text)


HTML: Dialect = MatrixHtml()
