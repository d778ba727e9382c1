"""Mattermost's Markdown: the dialect `MARKDOWN`, which the driver names as its own."""

from __future__ import annotations

from drivers.mattermost.markdown.reader import read
from drivers.mattermost.markdown.writer import write
from nextbridge.markup import Block, Dialect, RichText

__all__ = ["MARKDOWN"]


class MattermostMarkdown:
    """CommonMark as Mattermost shows it, with its mentions and emoji. Stateless."""

    name = "mattermost"
    multiline = True
    names_links = True

    def read(self, text: str) -> RichText:
        return read(text)

    def write(self, blocks: tuple[Block, ...]) -> str:
        return write(blocks)


MARKDOWN: Dialect = MattermostMarkdown()
