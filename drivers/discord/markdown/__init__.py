"""Discord's Markdown: the dialect `MARKDOWN`, which the driver names as its own."""

from __future__ import annotations

from drivers.discord.markdown.reader import NOBODY, Names, read
from drivers.discord.markdown.writer import write
from nextbridge.markup import Block, Dialect, RichText

__all__ = ["MARKDOWN", "Names", "read"]


class DiscordMarkdown:
    """As Discord's clients show it. Stateless."""

    name = "discord"
    multiline = True
    names_links = True

    def read(self, text: str) -> RichText:
        return read(text, NOBODY)

    def write(self, blocks: tuple[Block, ...]) -> str:
        return write(blocks)


MARKDOWN: Dialect = DiscordMarkdown()
