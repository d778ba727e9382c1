"""Long messages cut into parts that fit, and messages cut into lines.

A message is cut where it hurts least: between blocks, then between the items of a list and the blocks of a quote, then
at the end of a line, of a word, between two characters as people see them, and at last between code points. Formatting
is closed at a cut and opened again behind it; only white space at a cut is lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeAlias, assert_never

from nextbridge.markup.normal import Run, assemble, line_runs, tidy
from nextbridge.markup.tree import (
    Block,
    Code,
    CodeBlock,
    Heading,
    Inline,
    LineBreak,
    ListBlock,
    Paragraph,
    Quote,
    Text,
    ThematicBreak,
    plain_text,
)

__all__ = ["lines", "split"]

_Blocks: TypeAlias = tuple[Block, ...]

_WORD = re.compile(r"\S+\s*|\s+")
_JOINER = "\u200d"
_FIRST_FLAG_LETTER, _LAST_FLAG_LETTER = "\U0001f1e6", "\U0001f1ff"


def split(blocks: _Blocks, *, write: Callable[[_Blocks], str], size: Callable[[str], int], limit: int) -> list[_Blocks]:
    """`blocks` in parts of which each, written, is no larger than `limit`.

    A part holds one code point at least, though: a limit that is smaller than that with its signs is not kept. Takes
    time linear in the text, times the logarithm of what a part holds. Nothing for no blocks.
    """
    return _Splitter(write, size, limit).split(blocks) if blocks else []


def lines(blocks: Iterable[Block]) -> list[_Blocks]:
    """`blocks` as lines, each of which stands for itself; blank ones are left out.

    A line of a quote is a quote, one of code is a paragraph of code, and an item's first line bears its bullet.
    """
    return [line for block in blocks for line in _lines(block)]


def _lines(block: Block) -> Iterator[_Blocks]:
    match block:
        case Paragraph(children):
            runs = line_runs(children, strip=False)
            yield from ((Paragraph(assemble(line)),) for line in runs if _words_of(line).strip())
        case Heading(level, children):
            yield from ((Heading(level, assemble(line)),) for line in line_runs(children) if line)
        case CodeBlock(text):
            yield from ((Paragraph((Code(line.rstrip()),)),) for line in text.split("\n") if line.strip())
        case Quote(children):
            yield from ((Quote(line),) for line in lines(children))
        case ListBlock(items, start):
            for place, item in enumerate(items):
                yield from _item_lines(item, None if start is None else start + place)
        case ThematicBreak():
            yield (block,)


def _item_lines(item: _Blocks, number: int | None) -> Iterator[_Blocks]:
    bullet = True
    for line in lines(item):
        yield (_item(number, line),) if bullet else line
        bullet = False


def _item(number: int | None, blocks: _Blocks) -> ListBlock:
    return ListBlock((blocks,), number)


def _listed(items: tuple[_Blocks, ...], start: int | None, place: int, count: int) -> _Blocks:
    number = None if start is None else start + place
    return (ListBlock(items[place : place + count], number),) if count else ()


class _Piece(NamedTuple):
    """Some characters of a line with their formatting."""

    runs: tuple[Run, ...]
    ends_line: bool = False


class _Splitter:
    def __init__(self, write: Callable[[_Blocks], str], size: Callable[[str], int], limit: int) -> None:
        self._write = write
        self._size = size
        self._limit = limit

    def _measure(self, blocks: _Blocks) -> int:
        return self._size(self._write(blocks))

    def _fits(self, blocks: _Blocks) -> bool:
        return self._measure(blocks) <= self._limit

    def _inside(self, around: Callable[[_Blocks], Block]) -> _Splitter:
        """A splitter of what stands inside of another block."""
        return _Splitter(lambda blocks: self._write((around(blocks),)), self._size, self._limit)

    def split(self, blocks: _Blocks) -> list[_Blocks]:
        return self._fill(
            len(blocks), lambda place, count: blocks[place : place + count], lambda place: self._cut(blocks[place])
        )

    def _fill(
        self, total: int, take: Callable[[int, int], _Blocks], cut: Callable[[int], list[_Blocks]]
    ) -> list[_Blocks]:
        """The parts of `total` things, as many in each as fit; one that does not fit alone is cut.

        `take` makes blocks of some things (the place of the first, how many), `cut` makes parts of one.
        """
        parts: list[_Blocks] = []
        rest: _Blocks = ()
        place = most = 0
        while place < total:
            most = _most(total - place, partial(self._fits_behind, rest, take, place), most)
            if most or rest:
                parts.append(rest + take(place, most))
                place += most
                rest = ()
            else:
                *whole, rest = cut(place)
                parts += whole
                place += 1
        return [*parts, rest] if rest else parts

    def _fits_behind(self, rest: _Blocks, take: Callable[[int, int], _Blocks], place: int, count: int) -> bool:
        return self._fits(rest + take(place, count))

    def _cut(self, block: Block) -> list[_Blocks]:
        """The parts of a block that does not fit. What follows the block may join the last."""
        match block:
            case Paragraph(children):
                pieces = _line_pieces(line_runs(children, strip=False))
                return self._pack(pieces, lambda some: Paragraph(_inlines(some)))
            case Heading(level, children):
                return self._pack(_line_pieces(line_runs(children)), lambda some: Heading(level, _inlines(some)))
            case CodeBlock(text, language):
                code = _line_pieces([[Run(Text(line))] for line in text.split("\n")])
                return self._pack(code, lambda some: CodeBlock(_code(some), language))
            case Quote(children):
                return [(Quote(part),) for part in self._inside(Quote).split(children)] or [(block,)]
            case ListBlock(items, start):
                return self._cut_list(items, start)
            case ThematicBreak():
                return [(block,)]
            case _:
                assert_never(block)

    def _cut_list(self, items: tuple[_Blocks, ...], start: int | None) -> list[_Blocks]:
        def cut(place: int) -> list[_Blocks]:
            # only an item's beginning bears its bullet
            around = partial(_item, None if start is None else start + place)
            first, *others = self._inside(around).split(items[place]) or [()]
            return [(around(first),), *others]

        return self._fill(len(items), partial(_listed, items, start), cut)

    def _pack(self, pieces: list[_Piece], block: Callable[[Sequence[_Piece]], Block]) -> list[_Blocks]:
        """The parts of a block's pieces, as many of them in each as fit, made a `block` again."""
        # what comes next stands last
        queue = pieces[::-1]
        parts: list[_Blocks] = []
        most = 0
        while queue:
            most = _most(len(queue), lambda count: self._fits((block(queue[: -count - 1 : -1]),)), most)
            if not most:
                smaller = self._broken(queue[-1], lambda piece: self._measure((block([piece]),)))
                if smaller:
                    queue[-1:] = smaller[::-1]
                    continue
                most = 1
            taken = queue[: -most - 1 : -1]
            del queue[-most:]
            if not all(_is_blank(piece) for piece in taken):
                parts.append((block(taken),))
        return parts or [(block(pieces),)]

    def _broken(self, piece: _Piece, measure: Callable[[_Piece], int]) -> list[_Piece]:
        """A piece that does not fit, in smaller ones; none where it cannot be broken."""
        for smaller in (_words(piece), _atoms(piece)):
            if len(smaller) > 1:
                return smaller
        if not piece.runs:
            return []
        run = piece.runs[0]
        if run.link is not None:
            return [_unlinked(piece, run.link)]
        leaf = run.leaf
        if not isinstance(leaf, Text | Code):
            return [piece._replace(runs=(run._replace(leaf=Text(plain_text((leaf,)))),))]
        characters = list(_characters(leaf.text))
        if len(characters) == 1:
            characters = list(leaf.text)
        if len(characters) < 2:
            return []
        # about as many as fit, a little less; where they are of uneven size it is cut again
        some = len(characters) * self._limit * 9 // (max(measure(piece), 1) * 10)
        some = min(max(some, 1), (len(characters) + 1) // 2)
        chunks = ["".join(characters[start : start + some]) for start in range(0, len(characters), some)]
        kind = type(leaf)
        return _in_line([(run._replace(leaf=kind(chunk)),) for chunk in chunks], ends_line=piece.ends_line)


def _most(total: int, fits: Callable[[int], bool], guess: int) -> int:
    """The largest number up to `total` that fits, 0 if none; quick where it is near `guess`."""
    low, high = 0, total + 1
    step = 1
    count = min(max(guess, 1), total)
    while high - low > 1:
        if fits(count):
            low = count
            count = min(low + step, total) if high > total else (low + high) // 2
            step *= 2
        else:
            high = count
            count = (low + high) // 2
    return low


# --- pieces of lines ------------------------------------------------------------------------------------------------


def _line_pieces(all_lines: list[list[Run]]) -> list[_Piece]:
    pieces = [_Piece(tuple(line), ends_line=True) for line in all_lines]
    pieces[-1] = pieces[-1]._replace(ends_line=False)
    return pieces


def _in_line(groups: list[tuple[Run, ...]], *, ends_line: bool) -> list[_Piece]:
    pieces = [_Piece(runs) for runs in groups]
    if pieces:
        pieces[-1] = pieces[-1]._replace(ends_line=ends_line)
    return pieces


def _is_blank(piece: _Piece) -> bool:
    return not _words_of(piece.runs).strip()


def _words_of(runs: Iterable[Run]) -> str:
    return plain_text(tuple(run.leaf for run in runs))


def _inlines(pieces: Sequence[_Piece]) -> tuple[Inline, ...]:
    """The inlines of some pieces, without white space at the end and blank lines at the beginning."""
    filled = [place for place, piece in enumerate(pieces) if not _is_blank(piece)]
    inlines: list[Inline] = []
    line: list[Run] = []
    start = _line_start(pieces, filled[0]) if filled else len(pieces)
    for place in range(start, filled[-1] + 1 if filled else start):
        line += pieces[place].runs
        if place == filled[-1]:
            inlines += assemble(_without_space_after(tidy(line, strip=False)))
        elif pieces[place].ends_line:
            inlines += [*assemble(tidy(line, strip=False)), LineBreak()]
            line = []
    return tuple(inlines)


def _line_start(pieces: Sequence[_Piece], place: int) -> int:
    """Where the line begins that the piece at `place` is of: indentation is no blank line."""
    while place and not pieces[place - 1].ends_line:
        place -= 1
    return place


def _without_space_after(line: list[Run]) -> list[Run]:
    if isinstance(leaf := line[-1].leaf, Text):
        line[-1] = line[-1]._replace(leaf=Text(leaf.text.rstrip()))
    return [run for run in line if run.leaf != Text("")]


def _code(pieces: Sequence[_Piece]) -> str:
    """The lines of code of some pieces, without blank lines at the beginning and end."""
    return "".join(_words_of(piece.runs) + "\n" * piece.ends_line for piece in pieces).strip("\n")


def _words(piece: _Piece) -> list[_Piece]:
    """`piece` cut behind the white space of each word; a link stays whole."""
    words: list[tuple[Run, ...]] = []
    word: list[Run] = []
    for run in piece.runs:
        for token in _tokens(run):
            word.append(token)
            if isinstance(leaf := token.leaf, Text | Code) and token.link is None and leaf.text[-1].isspace():
                words.append(tuple(word))
                word = []
    if word:
        words.append(tuple(word))
    return _in_line(words, ends_line=piece.ends_line)


def _tokens(run: Run) -> Iterator[Run]:
    leaf = run.leaf
    if not isinstance(leaf, Text | Code) or run.link is not None:
        yield run
        return
    kind = type(leaf)
    for found in _WORD.finditer(leaf.text):
        yield run._replace(leaf=kind(found[0]))


def _atoms(piece: _Piece) -> list[_Piece]:
    """`piece` cut between its runs; a link stays whole, or is cut into links that read a word each."""
    groups = [tuple(group) for link, group in groupby(piece.runs, key=lambda run: run.link or object())]
    if len(groups) == 1 and (url := piece.runs[0].link) is not None and _words_of(piece.runs) != url:
        unlinked = _Piece(tuple(run._replace(link=None) for run in piece.runs))
        groups = [tuple(run._replace(link=url) for run in word.runs) for word in _words(unlinked)]
    return _in_line(groups, ends_line=piece.ends_line)


def _unlinked(piece: _Piece, url: str) -> _Piece:
    """A link whose address is too long for a part, as text."""
    runs = tuple(run._replace(link=None) for run in piece.runs)
    return piece._replace(runs=runs if _words_of(runs) == url else (*runs, Run(Text(f" ({url})"))))


def _characters(text: str) -> Iterator[str]:
    """What people see as single characters: a base with its marks, emoji that are joined, a flag's two letters."""
    start = 0
    for place in range(1, len(text)):
        if not _belongs_together(text, start, place):
            yield text[start:place]
            start = place
    if text:
        yield text[start:]


def _belongs_together(text: str, start: int, place: int) -> bool:
    """Whether the code point at `place` is of one character with those from `start` on."""
    char, before = text[place], text[place - 1]
    if char.isascii():
        return False
    if _FIRST_FLAG_LETTER <= char <= _LAST_FLAG_LETTER:
        return place - start == 1 and _FIRST_FLAG_LETTER <= before <= _LAST_FLAG_LETTER
    if _JOINER in {char, before}:
        return True
    return "\U0001f3fb" <= char <= "\U0001f3ff" or unicodedata.category(char)[0] == "M"
