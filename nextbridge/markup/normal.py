"""The normal form of rich text: many trees look the same on the screen, and each of them has one form here.

Writers and the splitting of long messages work on it, so that they need not think about odd trees: an empty Bold, a
space at the edge of a link, a line break inside of something struck through, one Text in two.

What holds in it: formatting nests as Spoiler, Link, Bold, Italic, Underline, Strike (outermost first), touches neither
white space at its edges nor a line break, and is as long as it can be; a Text or Code stands next to no other of its
kind and holds no line break; a paragraph holds no blank line; nothing is empty but a list's item and a code block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

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

__all__ = ["Leaf", "Run", "assemble", "line_runs", "normalise", "tidy"]

Leaf: TypeAlias = Text | Code | Mention | Emoji

_BOLD, _ITALIC, _UNDERLINE, _STRIKE, _SPOILER = 1, 2, 4, 8, 16
_FORMATS: tuple[tuple[int, type[Bold | Italic | Underline | Strike]], ...] = (
    (_BOLD, Bold),
    (_ITALIC, Italic),
    (_UNDERLINE, Underline),
    (_STRIKE, Strike),
)
_SIGNS: dict[type[Bold | Italic | Underline | Strike | Spoiler], int] = {
    **{node: fmt for fmt, node in _FORMATS},
    Spoiler: _SPOILER,
}
_HIGHEST_NUMBER = 999_999_999
"""The highest number of a list's item: more digits make no list in Markdown."""


class Run(NamedTuple):
    """A leaf with everything around it, flat."""

    leaf: Leaf
    formats: int = 0
    link: str | None = None


def normalise(blocks: Iterable[Block], *, underline: bool = True) -> tuple[Block, ...]:
    """The normal form of `blocks`. White space at the edges of lines is gone; no other character is.

    With `underline` false nothing is underlined in it, for a notation that has no sign for that.
    """
    return tuple(each for block in blocks for each in _block(block, underline=underline))


def _block(block: Block, *, underline: bool) -> Iterator[Block]:
    match block:
        case Paragraph(children):
            yield from _paragraphs(line_runs(children, underline=underline))
        case Heading(level, children):
            words = _joined(line_runs(children, underline=underline))
            if words:
                yield Heading(min(max(level, 1), 6), assemble(words))
        case Quote(children):
            if quoted := normalise(children, underline=underline):
                yield Quote(quoted)
        case ListBlock(items, start):
            if items:
                number = None if start is None else min(max(start, 0), _HIGHEST_NUMBER)
                yield ListBlock(tuple(normalise(item, underline=underline) for item in items), number)
        case CodeBlock() | ThematicBreak():
            yield block


def _paragraphs(lines: list[list[Run]]) -> Iterator[Paragraph]:
    """A paragraph for each stretch between blank lines."""
    for filled, stretch in groupby(lines, key=bool):
        if filled:
            inlines: list[Inline] = []
            for line in stretch:
                if inlines:
                    inlines.append(LineBreak())
                inlines += assemble(line)
            yield Paragraph(tuple(inlines))


def line_runs(children: Iterable[Inline], *, strip: bool = True, underline: bool = True) -> list[list[Run]]:
    """The lines of a paragraph, each as runs in normal form; a blank line is empty.

    `strip` takes the white space off their edges.
    """
    lines: list[list[Run]] = [[]]
    _flatten(children, 0, None, lines)
    if not underline:
        lines = [[run._replace(formats=run.formats & ~_UNDERLINE) for run in line] for line in lines]
    return [tidy(line, strip=strip) for line in lines]


def _flatten(children: Iterable[Inline], formats: int, link: str | None, lines: list[list[Run]]) -> None:
    for node in children:
        match node:
            case Text(text):
                for number, line in enumerate(text.split("\n")):
                    if number:
                        lines.append([])
                    if line:
                        lines[-1].append(Run(Text(line), formats, link))
            case Code(text):
                if text:
                    lines[-1].append(Run(Code(text.replace("\n", " ")), formats, link))
            case Mention() | Emoji():
                lines[-1].append(Run(node, formats, link))
            case LineBreak():
                lines.append([])
            case Link(url, label):
                _flatten_link(url, label, formats, lines)
            case _:
                _flatten(node.children, formats | _SIGNS[type(node)], link, lines)


def _flatten_link(url: str, label: tuple[Inline, ...], formats: int, lines: list[list[Run]]) -> None:
    line, place = len(lines) - 1, len(lines[-1])
    _flatten(label, formats, url, lines)
    added = lines[line][place:] + [run for later in lines[line + 1 :] for run in later]
    if url and all(_is_space(run) for run in added):
        # a link without words reads as its address
        lines[-1].append(Run(Text(url), formats, url))


def tidy(line: list[Run], *, strip: bool) -> list[Run]:
    """The runs of a line in normal form."""
    if not line:
        return line
    runs = _merged(line)
    if any(run.formats or run.link is not None for run in runs):
        runs = _merged(_tightened(runs))
    return _stripped(runs) if strip else runs


def _stripped(runs: list[Run]) -> list[Run]:
    start, end = 0, len(runs)
    while start < end and _is_space(runs[start]):
        start += 1
    while end > start and _is_space(runs[end - 1]):
        end -= 1
    kept = runs[start:end]
    if kept and isinstance(first := kept[0].leaf, Text):
        kept[0] = kept[0]._replace(leaf=Text(first.text.lstrip()))
    if kept and isinstance(last := kept[-1].leaf, Text):
        kept[-1] = kept[-1]._replace(leaf=Text(last.text.rstrip()))
    return kept


def _is_space(run: Run) -> bool:
    return isinstance(run.leaf, Text) and run.leaf.text.isspace()


def _merged(runs: list[Run]) -> list[Run]:
    merged: list[Run] = []
    for (kind, formats, link), group in groupby(runs, key=lambda run: (type(run.leaf), run.formats, run.link)):
        leaves = [run.leaf for run in group]
        if len(leaves) > 1 and kind in {Text, Code}:
            text = "".join(leaf.text for leaf in leaves if isinstance(leaf, Text | Code))
            merged.append(Run(Text(text) if kind is Text else Code(text), formats, link))
        else:
            merged += [Run(leaf, formats, link) for leaf in leaves]
    return merged


def _tightened(runs: list[Run]) -> list[Run]:
    """The runs of a line, no formatting touching white space at its edge."""
    pieces: list[Run] = []
    for run in runs:
        if isinstance(run.leaf, Text) and (run.formats or run.link is not None):
            pieces += _at_white_space(run)
        else:
            pieces.append(run)
    space = [_is_space(run) for run in pieces]
    for start, end in _stretches([run.formats & _SPOILER for run in pieces]):
        for place in _edges(space, start, end):
            pieces[place] = pieces[place]._replace(formats=pieces[place].formats & ~_SPOILER)
    # a link, too, is cut where a spoiler begins or ends
    for start, end in _stretches([(run.link, run.formats & _SPOILER) if run.link else None for run in pieces]):
        for place in _edges(space, start, end):
            pieces[place] = pieces[place]._replace(link=None)
    outer = _SPOILER
    for fmt, _ in _FORMATS:
        # formatting is cut where that around it begins or ends
        around = [(run.link, run.formats & outer) if run.formats & fmt else None for run in pieces]
        for start, end in _stretches(around):
            for place in _edges(space, start, end):
                pieces[place] = pieces[place]._replace(formats=pieces[place].formats & ~fmt)
        outer |= fmt
    return pieces


def _at_white_space(run: Run) -> Iterator[Run]:
    """`run` cut into the white space before it, itself, and the white space after it."""
    text = run.leaf.text if isinstance(run.leaf, Text) else ""
    begin = len(text) - len(text.lstrip())
    end = max(len(text.rstrip()), begin)
    for piece in (text[:begin], text[begin:end], text[end:]):
        if piece:
            yield run._replace(leaf=Text(piece))


def _stretches(values: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Where one and the same value that is not empty goes on: (first place, place after)."""
    place = 0
    for value, group in groupby(values):
        end = place + sum(1 for _ in group)
        if value:
            yield place, end
        place = end


def _edges(space: list[bool], start: int, end: int) -> Iterator[int]:
    """The places of white space at the two ends of a stretch."""
    while start < end and space[start]:
        yield start
        start += 1
    while end > start and space[end - 1]:
        end -= 1
        yield end


def _joined(lines: list[list[Run]]) -> list[Run]:
    """Several lines as one."""
    joined: list[Run] = []
    for line in lines:
        if line:
            joined += [Run(Text(" ")), *line] if joined else line
    return _merged(joined)


def assemble(runs: list[Run]) -> tuple[Inline, ...]:
    """The tree of a line of runs in normal form."""
    if len(runs) == 1 and not runs[0].formats and runs[0].link is None:
        return (runs[0].leaf,)
    inlines: list[Inline] = []
    for hidden, group in groupby(runs, key=lambda run: run.formats & _SPOILER):
        children = _linked(group)
        inlines += [Spoiler(tuple(children))] if hidden else children
    return tuple(inlines)


def _linked(runs: Iterable[Run]) -> list[Inline]:
    inlines: list[Inline] = []
    for link, group in groupby(runs, key=lambda run: run.link):
        children = _formatted(list(group), 0)
        inlines += children if link is None else [Link(link, tuple(children))]
    return inlines


def _formatted(runs: list[Run], place: int) -> list[Inline]:
    if place == len(_FORMATS) or not any(run.formats for run in runs):
        return [run.leaf for run in runs]
    fmt, node = _FORMATS[place]
    inlines: list[Inline] = []
    for formatted, group in groupby(runs, key=lambda run: run.formats & fmt):
        children = _formatted(list(group), place + 1)
        inlines += [node(tuple(children))] if formatted else children
    return inlines
