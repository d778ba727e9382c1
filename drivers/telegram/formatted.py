"""A text with its formatting beside it: between Telegram's entities, the notation of templates, and the tree.

Places in it are code points; Telegram counts UTF-16 code units (https://core.telegram.org/api/entities), and the way
from one to the other is here alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from msgspec import Struct
from msgspec.structs import replace

from drivers.telegram import wire
from nextbridge.driver import Unit
from nextbridge.markup import (
    Block,
    Bold,
    Code,
    CodeBlock,
    Inline,
    Italic,
    LineBreak,
    Link,
    Mention,
    Paragraph,
    Quote,
    RichText,
    Spoiler,
    Strike,
    Text,
    Underline,
)

__all__ = ["Formatted", "Span", "in_units", "of_entities"]

_FORMATS: dict[str, type[Bold | Italic | Underline | Strike | Spoiler]] = {
    "bold": Bold,
    "italic": Italic,
    "underline": Underline,
    "strikethrough": Strike,
    "spoiler": Spoiler,
}
_BLOCKS = frozenset({"pre", "blockquote", "expandable_blockquote"})
_LITERAL = frozenset({"code", "pre"})
_SENT = frozenset({*_FORMATS, "code", "pre", "blockquote", "text_link", "text_mention"})
_LINKS = frozenset({"url", "text_link"})
_ORDER = ("spoiler", *_LINKS, *(kind for kind in _FORMATS if kind != "spoiler"))
"""How they nest in the tree, the outermost first."""
_MENTIONS = frozenset({"mention", "text_mention"})


class Span(Struct, frozen=True):
    """Formatting of the characters from `start` to `end`, by the name that entities have for it."""

    kind: str
    start: int
    end: int
    detail: str = ""
    """The address of a link, the language of code, the user id of whom it calls."""

    def covers(self, start: int, end: int) -> bool:
        """Whether all from `start` to `end` is inside."""
        return self.start <= start and end <= self.end


class Formatted(Struct, frozen=True):
    """Spans are nested or apart, the outer first."""

    text: str
    spans: tuple[Span, ...] = ()

    def all_over(self, kind: str) -> Formatted:
        """The same with one more format around all of it."""
        return Formatted(self.text, (Span(kind, 0, len(self.text)), *self.spans)) if self.text else self

    @property
    def entities(self) -> list[wire.Entity]:
        """As Telegram takes them: code stands in no other format, and no link holds code."""
        units = _units(self.text) if self.spans else ()
        literal = [span for span in self.spans if span.kind in _LITERAL]
        links = [span for span in self.spans if span.kind == "text_link"]
        entities = []
        for span in self.spans:
            if span.kind == "code" and any(link.covers(span.start, span.end) for link in links):
                continue
            pieces = _without(span, literal) if span.kind in _FORMATS else [span]
            entities += [_entity(piece, units) for piece in pieces if piece.kind in _SENT and piece.start < piece.end]
        return entities

    @property
    def rich(self) -> RichText:
        """The tree."""
        return RichText(tuple(self._blocks(0, len(self.text), self.spans)))

    def _blocks(self, start: int, end: int, spans: Sequence[Span]) -> Iterator[Block]:
        place = start
        for span in spans:
            if span.kind not in _BLOCKS or span.start < place or span.end > end or span.start == span.end:
                continue
            yield from self._paragraph(place, span.start, spans)
            inside = [each for each in spans if each is not span and span.covers(each.start, each.end)]
            if span.kind == "pre":
                yield CodeBlock(self.text[span.start : span.end].strip("\n"), span.detail)
            else:
                yield Quote(tuple(self._blocks(span.start, span.end, inside)))
            place = span.end
        yield from self._paragraph(place, end, spans)

    def _paragraph(self, start: int, end: int, spans: Sequence[Span]) -> Iterator[Paragraph]:
        # the line breaks beside a block belong to it
        while start < end and self.text[start] == "\n":
            start += 1
        while end > start and self.text[end - 1] == "\n":
            end -= 1
        if start < end:
            yield Paragraph(tuple(_nested(self._pieces(start, end, spans), _ORDER)))

    def _pieces(self, start: int, end: int, spans: Sequence[Span]) -> list[_Piece]:
        """What is between two places, cut wherever some formatting begins or ends."""
        inside = [span for span in spans if span.kind not in _BLOCKS and span.start < end and span.end > start]
        cuts = sorted({start, end, *(place for span in inside for place in (span.start, span.end))})
        cuts = [place for place in cuts if start <= place <= end]
        opening = sorted(inside, key=lambda span: span.start)
        active: list[Span] = []
        pieces, place = [], 0
        for first, last in pairwise(cuts):
            while place < len(opening) and opening[place].start <= first:
                active.append(opening[place])
                place += 1
            active = [span for span in active if span.end > first]
            pieces.append(_Piece(self.text[first:last], first, last, tuple(active)))
        return pieces


class _Piece(Struct, frozen=True):
    text: str
    start: int
    end: int
    spans: tuple[Span, ...]

    def of(self, kind: str) -> Span | None:
        return next((span for span in self.spans if span.kind == kind), None)


def of_entities(text: str, entities: Sequence[wire.Entity]) -> Formatted:
    """What Telegram tells. Entities that lie outside of the text are passed over."""
    if not entities:
        return Formatted(text)
    places = {units: place for place, units in enumerate(_units(text))}
    spans = []
    for entity in sorted(entities, key=lambda each: (each.offset, -each.length)):
        start, end = places.get(entity.offset), places.get(entity.offset + entity.length)
        if start is None or end is None or start >= end:
            continue
        user = str(entity.user.id) if entity.user is not None else ""
        spans.append(Span(entity.type, start, end, entity.url or entity.language or user))
    return Formatted(text, tuple(spans))


def in_units(text: str) -> int:
    """The length that Telegram's limits are about."""
    return Unit.UTF16.measure(text)


def _units(text: str) -> Sequence[int]:
    """For each place in a text, and for its end, how many code units are before it."""
    return (0, *accumulate(2 if char > "\uffff" else 1 for char in text))


def _without(span: Span, holes: Sequence[Span]) -> list[Span]:
    """What is left of a span where others are that it must not touch."""
    pieces, place = [], span.start
    for hole in holes:
        if hole.end <= place or hole.start >= span.end:
            continue
        pieces.append(replace(span, start=place, end=max(place, hole.start)))
        place = hole.end
    return [*pieces, replace(span, start=min(place, span.end))]


def _entity(span: Span, units: Sequence[int]) -> wire.Entity:
    offset = units[span.start]
    entity = wire.Entity(span.kind, offset, units[span.end] - offset)
    match span.kind:
        case "text_link":
            return replace(entity, url=span.detail)
        case "pre" if span.detail:
            return replace(entity, language=span.detail)
        case "text_mention":
            return replace(entity, user=wire.User(int(span.detail)))
        case _:
            return entity


# --- the tree ---------------------------------------------------------------------------------------------------------


def _nested(pieces: Sequence[_Piece], order: Sequence[str]) -> list[Inline]:
    """Neighbours that share the first format of `order` share a node, and so on inside."""
    if not order:
        return [node for piece in pieces for node in _leaves(piece)]
    kind, rest = order[0], order[1:]
    nodes: list[Inline] = []
    start = 0
    while start < len(pieces):
        span = pieces[start].of(kind)
        end = start + 1
        while end < len(pieces) and _same(pieces[end].of(kind), span):
            end += 1
        children = _nested(pieces[start:end], rest)
        nodes += children if span is None else [_node(span, tuple(children))]
        start = end
    return nodes


def _same(one: Span | None, other: Span | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or one.kind in _FORMATS


def _node(span: Span, children: tuple[Inline, ...]) -> Inline:
    if span.kind not in _LINKS:
        return _FORMATS[span.kind](children)
    url = span.detail or "".join(child.text for child in children if isinstance(child, Text))
    return Link(url if "://" in url or url.startswith("mailto:") else f"http://{url}", children)


def _leaves(piece: _Piece) -> Iterator[Inline]:
    if (span := piece.of("mention")) is not None and span.covers(piece.start, piece.end) and piece.text[0] == "@":
        yield Mention(piece.text[1:])
        return
    if (span := piece.of("text_mention")) is not None and (span.start, span.end) == (piece.start, piece.end):
        yield Mention(piece.text.replace("\n", " "), user=span.detail)
        return
    kind = Code if piece.of("code") is not None else Text
    for number, line in enumerate(piece.text.split("\n")):
        if number:
            yield LineBreak()
        if line:
            yield kind(line)
