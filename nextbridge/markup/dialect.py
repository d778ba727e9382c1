"""What a dialect (a platform's notation for rich text) offers: a reader and a writer. It lives with its driver."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from nextbridge.markup.tree import Block, RichText

__all__ = ["Dialect", "Literals"]


class Dialect(Protocol):
    """A platform's notation. Stateless; both methods are pure, never raise, and take time linear in their input."""

    @property
    def name(self) -> str:
        """Names the dialect in `Source`; two platforms with the same name understand each other's text as it is."""

    @property
    def multiline(self) -> bool:
        """Whether a message may hold line breaks; where not, each line is a message of its own."""

    @property
    def names_links(self) -> bool:
        """Whether a link can show other words than its address."""

    def read(self, text: str) -> RichText:
        """The tree of `text`. Loses no character that a reader would see; what is not markup is Text."""

    def write(self, blocks: tuple[Block, ...]) -> str:
        """`blocks` in this notation. What stands in a Text, Code, Mention or link is never taken for markup.

        A dialect that is not `multiline` still separates lines by a line break: the core sends each as its own part.
        """


@runtime_checkable
class Literals(Protocol):
    """What a dialect also has whose notation gives a meaning to signs that people put around names: HTML to `<`."""

    def literal(self, text: str) -> str:
        """A piece of an operator's template in this notation: `<` is a sign where it begins no markup in the piece.

        Pure; raises nothing.
        """
