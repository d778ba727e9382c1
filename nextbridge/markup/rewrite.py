"""A tree made anew from another: its words replaced where they stand, or its formatting taken away.

The result may be no normal form (see `nextbridge.markup.normal`); writers and the splitting take any tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

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
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)

__all__ = ["barred", "reworded", "unformatted"]


def reworded(blocks: tuple[Block, ...], change: Callable[[str], str]) -> tuple[Block, ...]:
    """`blocks` with every run of characters given to `change`: text, code, and the addresses of links.

    Mentions and named emoji stay. What becomes empty is left out, with what is empty by that. The same object where
    `change` returns all that it is given.
    """
    changed = False

    def noted(text: str) -> str:
        nonlocal changed
        words = change(text)
        changed = changed or words is not text
        return words

    made = tuple(_blocks(blocks, noted))
    return made if changed else blocks


def _blocks(blocks: tuple[Block, ...], change: Callable[[str], str]) -> Iterator[Block]:
    for block in blocks:
        match block:
            case Paragraph() | Heading():
                if inlines := _line(block.children, change):
                    yield replace(block, children=inlines)
            case CodeBlock(text, language):
                if words := change(text):
                    yield CodeBlock(words, language)
            case Quote(children):
                if quoted := tuple(_blocks(children, change)):
                    yield Quote(quoted)
            case ListBlock(items, start):
                made = tuple(tuple(_blocks(item, change)) for item in items)
                if any(made):
                    yield ListBlock(made, start)
            case ThematicBreak():
                yield block


def _line(children: tuple[Inline, ...], change: Callable[[str], str]) -> tuple[Inline, ...]:
    inlines = tuple(_inlines(children, change))
    return () if all(isinstance(node, LineBreak) for node in inlines) else inlines


def _inlines(children: tuple[Inline, ...], change: Callable[[str], str]) -> Iterator[Inline]:
    for node in children:
        match node:
            case Text(text):
                yield from _lines(change(text))
            case Code(text):
                if words := change(text):
                    yield Code(words.replace("\n", " "))
            case Link():
                yield from _link(node, change)
            case LineBreak() | Mention() | Emoji():
                yield node
            case _:
                if inlines := tuple(_inlines(node.children, change)):
                    yield type(node)(inlines)


def _link(link: Link, change: Callable[[str], str]) -> Iterator[Inline]:
    label, address = tuple(_inlines(link.children, change)), change(link.url).replace("\n", "")
    if address:
        yield Link(address, label)
    else:
        yield from label


def _lines(words: str) -> Iterator[Inline]:
    for number, line in enumerate(words.split("\n")):
        if number:
            yield LineBreak()
        if line:
            yield Text(line)


def _same(made: tuple[object, ...], before: tuple[object, ...]) -> bool:
    return len(made) == len(before) and all(one is other for one, other in zip(made, before, strict=True))


def unformatted(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """`blocks` as plain words: nothing bold, italic, underlined or struck, no code, no headings and no drawn lines.

    Links, spoilers, mentions, quotes and lists stay: they say something. The same object where nothing is to take away.
    """
    made = tuple(_plainer(blocks))
    return blocks if _same(made, blocks) else made


def _plainer(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        match block:
            case Paragraph(children):
                inlines = _bare(children)
                yield block if inlines is children else Paragraph(inlines)
            case Heading(children=children):
                yield Paragraph(_bare(children))
            case CodeBlock(text):
                yield Paragraph(tuple(_lines(text)))
            case Quote(children):
                quoted = unformatted(children)
                yield block if quoted is children else Quote(quoted)
            case ListBlock(items, start):
                made = tuple(unformatted(item) for item in items)
                yield block if _same(made, items) else ListBlock(made, start)
            case ThematicBreak():
                continue


def _bare(children: tuple[Inline, ...]) -> tuple[Inline, ...]:
    made: list[Inline] = []
    for node in (each for child in children for each in _bare_inline(child)):
        if made and isinstance(node, Text) and isinstance(before := made[-1], Text):
            made[-1] = Text(before.text + node.text)  # a word that was bold in part is one word again
        else:
            made.append(node)
    return children if _same(tuple(made), children) else tuple(made)


def _bare_inline(node: Inline) -> Iterator[Inline]:
    match node:
        case Bold(children) | Italic(children) | Underline(children) | Strike(children):
            yield from _bare(children)
        case Code(text):
            yield Text(text)
        case Link(url, children):
            inlines = _bare(children)
            yield node if inlines is children else Link(url, inlines)
        case Spoiler(children):
            inlines = _bare(children)
            yield node if inlines is children else Spoiler(inlines)
        case Text() | LineBreak() | Mention() | Emoji():
            yield node


_BARS = Text("||")


def barred(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """`blocks` for a notation that hides nothing: each spoiler between its bars. The same object where none is."""
    made = tuple(_barred_block(block) for block in blocks)
    return blocks if _same(made, blocks) else made


def _barred_block(block: Block) -> Block:
    match block:
        case Paragraph(children) | Heading(children=children):
            inlines = _barred(children)
            return block if inlines is children else replace(block, children=inlines)
        case Quote(children):
            quoted = barred(children)
            return block if quoted is children else Quote(quoted)
        case ListBlock(items, start):
            made = tuple(barred(item) for item in items)
            return block if _same(made, items) else ListBlock(made, start)
        case CodeBlock() | ThematicBreak():
            return block


def _barred(children: tuple[Inline, ...]) -> tuple[Inline, ...]:
    made = tuple(each for child in children for each in _barred_inline(child))
    return children if _same(made, children) else made


def _barred_inline(node: Inline) -> Iterator[Inline]:
    match node:
        case Spoiler(children):
            yield from (_BARS, *_barred(children), _BARS)
        case Bold(children) | Italic(children) | Underline(children) | Strike(children) | Link(children=children):
            inlines = _barred(children)
            yield node if inlines is children else replace(node, children=inlines)
        case Text() | Code() | LineBreak() | Mention() | Emoji():
            yield node
