"""The rich-text tree: what a message says, free of any platform's notation.

A driver's reader makes a tree of what its platform sent; the target's writer turns it into the target's notation.
Nodes are immutable, serialisable (they lie in the journal inside an event) and know nothing of dialects.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from nextbridge.markup.emoji import character

__all__ = [
    "Block",
    "Bold",
    "Code",
    "CodeBlock",
    "Emoji",
    "Heading",
    "Inline",
    "Italic",
    "LineBreak",
    "Link",
    "ListBlock",
    "Mention",
    "MentionKind",
    "Paragraph",
    "Quote",
    "RichText",
    "Source",
    "Spoiler",
    "Strike",
    "Text",
    "ThematicBreak",
    "Underline",
    "plain_text",
]


class _Node(Struct, frozen=True, tag_field="t", omit_defaults=True, gc=False):
    pass


# --- inside a line -----------------------------------------------------------------------------------------------


class Text(_Node, frozen=True, tag="text"):
    """Characters that mean themselves. Holds no line break (see LineBreak)."""

    text: str


class LineBreak(_Node, frozen=True, tag="br"):
    """A new line inside a paragraph."""


class Bold(_Node, frozen=True, tag="b"):
    """Strong text."""

    children: tuple[Inline, ...]


class Italic(_Node, frozen=True, tag="i"):
    """Emphasised text."""

    children: tuple[Inline, ...]


class Underline(_Node, frozen=True, tag="u"):
    """Underlined text."""

    children: tuple[Inline, ...]


class Strike(_Node, frozen=True, tag="s"):
    """Struck-through text."""

    children: tuple[Inline, ...]


class Spoiler(_Node, frozen=True, tag="spoiler"):
    """What is hidden until a reader asks for it.

    Where nothing can be hidden it stands between two bars on each side, as people type it: so readers are warned.
    """

    children: tuple[Inline, ...]


class Code(_Node, frozen=True, tag="code"):
    """Literal, monospaced text inside a line."""

    text: str


class Link(_Node, frozen=True, tag="link"):
    """A link. A bare address is a link whose only child is its own address as text."""

    url: str
    children: tuple[Inline, ...]


class MentionKind(Enum):
    """Whom a mention calls."""

    USER = "user"
    CHANNEL = "channel"
    """Everybody in the channel, present or not (`@all`, `@channel`)."""
    HERE = "here"
    """Everybody in the channel who is present."""


class Mention(_Node, frozen=True, tag="mention"):
    """Somebody is called by name. `name` is without the platform's sign; `user` is the platform's id where known."""

    name: str
    kind: MentionKind = MentionKind.USER
    user: str | None = None
    permitted: bool = False
    """Everybody may be called by it: set by the core where a rule lets that through, and never by a reader."""


class Emoji(_Node, frozen=True, tag="emoji"):
    """An emoji given by name (`smile`, without colons); one typed as a character is simply Text."""

    name: str

    @property
    def shown(self) -> str:
        """What stands for it where names mean nothing: its character, or the name of a custom one in colons."""
        return character(self.name) or f":{self.name}:"


Inline: TypeAlias = Text | LineBreak | Bold | Italic | Underline | Strike | Spoiler | Code | Link | Mention | Emoji

# --- lines and more ----------------------------------------------------------------------------------------------


class Paragraph(_Node, frozen=True, tag="p"):
    """A run of lines."""

    children: tuple[Inline, ...]


class CodeBlock(_Node, frozen=True, tag="pre"):
    """Literal lines, without a final line break; `language` as the author named it, or empty."""

    text: str
    language: str = ""


class Quote(_Node, frozen=True, tag="quote"):
    """Something quoted."""

    children: tuple[Block, ...]


class ListBlock(_Node, frozen=True, tag="list"):
    """A list; `start` is the first number of an ordered one and None of a bulleted one."""

    items: tuple[tuple[Block, ...], ...]
    start: int | None = None


class Heading(_Node, frozen=True, tag="h"):
    """A heading of level 1 (largest) to 6."""

    level: int
    children: tuple[Inline, ...]


class ThematicBreak(_Node, frozen=True, tag="hr"):
    """A line drawn across."""


Block: TypeAlias = Paragraph | CodeBlock | Quote | ListBlock | Heading | ThematicBreak


class Source(Struct, frozen=True, gc=False):
    """The notation a text was read from, kept so that between two places of one dialect it passes unchanged."""

    dialect: str
    text: str


class RichText(Struct, frozen=True, omit_defaults=True, gc=False):
    """A message's text: its blocks and, where the notation says more than the blocks do, what they were read from."""

    blocks: tuple[Block, ...] = ()
    source: Source | None = None

    @classmethod
    def plain(cls, text: str) -> RichText:
        """Characters that mean themselves, whatever they are: one paragraph, its line breaks kept."""
        if not text:
            return cls()
        if "\n" not in text:
            return cls((Paragraph((Text(text),)),))
        children: list[Inline] = []
        for number, line in enumerate(text.split("\n")):
            if number:
                children.append(LineBreak())
            if line:
                children.append(Text(line))
        return cls((Paragraph(tuple(children)),))

    def __bool__(self) -> bool:
        return bool(self.blocks)


def plain_text(inlines: tuple[Inline, ...]) -> str:
    """The characters of a run of inlines, without any formatting."""
    parts: list[str] = []
    for node in inlines:
        match node:
            case Text(text) | Code(text):
                parts.append(text)
            case LineBreak():
                parts.append("\n")
            case Mention(name=name):
                parts.append(f"@{name}")
            case Emoji():
                parts.append(node.shown)
            case _:
                parts.append(plain_text(node.children))
    return "".join(parts)
