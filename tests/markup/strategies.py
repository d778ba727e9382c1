"""Random rich text, for the property tests of dialects."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nextbridge.markup import (
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
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
    plain_text,
)

__all__ = ["any_text", "blocks", "inlines", "marked_up", "visible", "words"]

SIGNS = "*_~`\\[]()<>#|:@-+.!=&;/\u200b '\"{}$^%?,0123456789"
"""What could mean something in some notation."""

_CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))

any_text: SearchStrategy[str] = st.text(
    st.one_of(st.sampled_from(SIGNS), st.sampled_from("abxyzAZ"), _CHARACTERS), max_size=40
)
"""One line of anything but control characters, half of it signs."""

_NOTATION = [
    *("**", "*", "_", "__", "~~", "`", "``", "```\n", "\n", "\n\n", "> ", "- ", "1. ", "  ", "    ", "# ", "\n# ", "["),
    *("](", ")", "![", "http://x.org/a", "https://e.com/(b)", "@bob", "@all", ":smile:", "|", "|---|", "---", "==="),
    *("\\", "<b>", "&amp;", "www.a.com", "\t", "\u200b", "word", "two words", ".", ":", "javascript:", "&#64;all"),
]

marked_up: SearchStrategy[str] = st.lists(st.one_of(st.sampled_from(_NOTATION), any_text), max_size=25).map("".join)
"""What looks like Markdown, well formed or not."""

words: SearchStrategy[str] = any_text.filter(lambda text: bool(text.strip()))

_plain_words = st.text(st.sampled_from("abcXYZ é0"), min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
_leaves: SearchStrategy[Inline] = st.one_of(
    words.map(Text),
    _plain_words.map(Text),
    words.map(lambda text: Code(text.strip())),
)


def inlines(*, underline: bool = True, breaks: bool = True, links: bool = True) -> SearchStrategy[tuple[Inline, ...]]:
    """A paragraph's content. Mentions and emoji are words of their own, as people write them."""
    name = st.text("abc019", min_size=1, max_size=5).map(lambda text: f"n{text}")
    called: SearchStrategy[list[Inline]] = st.one_of(name.map(Mention), name.map(Emoji)).map(
        lambda node: [Text(" "), node, Text(" ")]
    )
    leaf = st.one_of(_leaves.map(lambda node: [node]), called)
    if breaks:
        leaf = st.one_of(leaf, leaf, st.just([LineBreak()]))
    run = st.lists(leaf, min_size=1, max_size=4).map(lambda nodes: tuple(each for node in nodes for each in node))
    formats: list[type[Inline]] = [Bold, Italic, Strike, Spoiler, *([Underline] if underline else [])]

    def around(inner: SearchStrategy[tuple[Inline, ...]]) -> SearchStrategy[tuple[Inline, ...]]:
        wrapped: SearchStrategy[Inline] = st.builds(lambda node, nodes: node(nodes), st.sampled_from(formats), inner)
        return st.lists(st.one_of(run, wrapped.map(lambda node: (node,))), min_size=1, max_size=4).map(
            lambda parts: tuple(each for part in parts for each in part)
        )

    path = st.text("abc/-_.", max_size=8)
    label = _plain_words.map(lambda text: (Text(text.strip()),))
    link: SearchStrategy[Inline] = st.builds(lambda path, label: Link(f"https://e.org/{path}", label), path, label)
    formatted = st.recursive(run, around, max_leaves=6)
    part = st.one_of(formatted, link.map(lambda node: (node,))) if links else formatted
    return st.lists(part, min_size=1, max_size=3).map(lambda parts: tuple(each for part in parts for each in part))


def blocks(*, underline: bool = True, links: bool = True) -> SearchStrategy[tuple[Block, ...]]:
    """A message's blocks, lists and quotes nested."""
    content = inlines(underline=underline, links=links)
    code = st.lists(any_text, max_size=4).map("\n".join)
    leaf: SearchStrategy[Block] = st.one_of(
        content.map(Paragraph),
        st.builds(Heading, st.integers(1, 6), inlines(underline=underline, breaks=False, links=links)),
        st.builds(CodeBlock, code, st.sampled_from(["", "py", "c++"])),
        st.just(ThematicBreak()),
    )

    def around(inner: SearchStrategy[Block]) -> SearchStrategy[Block]:
        several = st.lists(inner, min_size=1, max_size=3).map(tuple)
        items = st.lists(several, min_size=1, max_size=3).map(tuple)
        return st.one_of(
            several.map(Quote), items.map(ListBlock), st.builds(ListBlock, items, st.sampled_from([0, 1, 2, 9, 99]))
        )

    return st.lists(st.recursive(leaf, around, max_leaves=5), max_size=4).map(tuple)


def visible(tree: tuple[Block, ...]) -> str:
    """The characters of the leaves of `tree`, without white space."""
    return "".join("".join(_characters(tree)).split())


def _characters(nodes: tuple[Block | Inline, ...]) -> Iterator[str]:
    for node in nodes:
        match node:
            case Text(text) | Code(text) | CodeBlock(text):
                yield text
            case Mention() | Emoji():
                yield plain_text((node,))
            case LineBreak() | ThematicBreak():
                yield " "
            case ListBlock(items):
                for item in items:
                    yield from _characters(item)
            case _:
                yield from _characters(node.children)
