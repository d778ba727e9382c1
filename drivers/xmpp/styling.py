"""XEP-0393, message styling: `*strong*`, `_emphasis_`, `~strike~`, `` `code` ``, fences and quotes.

It has no way to write a sign that is none. Where one stands in what somebody typed and would begin something, a word
joiner goes before it, which nobody sees and behind which nothing begins; reading takes it out again. Emphasis that the
notation has no room for (in the middle of a word, or around its own sign) is left out, and its text stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

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
    MentionKind,
    Paragraph,
    Quote,
    RichText,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from nextbridge.markup.addresses import linked
from nextbridge.markup.normal import normalise
from nextbridge.markup.rewrite import barred

__all__ = ["GUARD", "STYLING", "MessageStyling"]

GUARD: Final = "\u2060"
"""Stands before a sign that is to be none."""
_FENCE: Final = "```"
_SIGNS: Final = "*_~`"
_FORMATS: Final[dict[str, type[Bold | Italic | Strike]]] = {"*": Bold, "_": Italic, "~": Strike}
_SIGN_OF: Final[dict[type[Inline], str]] = {Bold: "*", Italic: "_", Strike: "~"}
_GUARDED: Final = re.compile(f"{GUARD}+(?=[{re.escape(_SIGNS)}>/])")
_CLEAN: Final = dict[int, str | None].fromkeys((*range(0x20), *range(0x7F, 0xA0))) | dict[int, str | None].fromkeys(
    (*map(ord, "\t\n\v\f\r\x85"), 0x2028, 0x2029), " "
)
_DEEPEST: Final = 8
"""Quotes in quotes that are read as such."""


class MessageStyling:
    """The dialect of XMPP. Stateless."""

    name = "styling"
    multiline = True
    names_links = False

    def read(self, text: str) -> RichText:
        return RichText(tuple(_read(text.split("\n"), 0))) if text else RichText()

    def write(self, blocks: tuple[Block, ...]) -> str:
        return "\n".join(_written(normalise(barred(blocks), underline=False)))


# --- reading --------------------------------------------------------------------------------------------------------


def _read(lines: Sequence[str], depth: int) -> Iterator[Block]:
    place = 0
    while place < len(lines):
        line = lines[place]
        end = place + 1
        if line.startswith(_FENCE):
            while end < len(lines) and lines[end].rstrip() != _FENCE:
                end += 1
            code = "\n".join(_unguarded(each) for each in lines[place + 1 : end])
            yield CodeBlock(code, line[len(_FENCE) :].strip())
            place = end + 1
        elif line.startswith(">") and depth < _DEEPEST:
            while end < len(lines) and lines[end].startswith(">"):
                end += 1
            quoted = [each[1:].removeprefix(" ") for each in lines[place:end]]
            yield Quote(tuple(_read(quoted, depth + 1)))
            place = end
        else:
            while end < len(lines) and not lines[end].startswith((_FENCE, ">")):
                end += 1
            yield Paragraph(tuple(_paragraph(lines[place:end])))
            place = end


def _paragraph(lines: Sequence[str]) -> Iterator[Inline]:
    for number, line in enumerate(lines):
        if number:
            yield LineBreak()
        yield from _spans(line)


def _unguarded(text: str) -> str:
    return _GUARDED.sub("", text)


def _spans(text: str) -> Iterator[Inline]:
    """The inlines of one line, or of what stands inside of a span."""
    closers: dict[str, list[int]] = {sign: [] for sign in _SIGNS}
    for found in re.finditer(r"(?<=\S)[*_~`]", text):
        closers[found.group()].append(found.start())
    begin = place = 0
    while place < len(text):
        sign = text[place]
        if sign not in closers or (place and not text[place - 1].isspace()) or text[place + 1 : place + 2].isspace():
            place += 1
            continue
        after = bisect_right(closers[sign], place + 1)
        if after == len(closers[sign]):
            place += 1
            continue
        end = closers[sign][after]
        yield from linked(_unguarded(text[begin:place]))
        inside = text[place + 1 : end]
        yield Code(inside) if sign == "`" else _FORMATS[sign](tuple(_spans(inside)))
        begin = place = end + 1
    yield from linked(_unguarded(text[begin:]))


# --- writing --------------------------------------------------------------------------------------------------------


def _written(blocks: Sequence[Block]) -> Iterator[str]:
    """The lines of blocks in their normal form."""
    before: Block | None = None
    for block in blocks:
        # a blank line only where two blocks would look like one
        if type(before) is type(block) and isinstance(block, Paragraph | Quote):
            yield ""
        yield from _block(block)
        before = block


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(children):
            yield from _lines(children)
        case Heading(children=children):
            yield from _written(normalise((Paragraph((Bold(children),)),), underline=False))
        case CodeBlock(text, language):
            yield _FENCE + _clean(language).strip().replace("`", "")
            for line in text.split("\n"):
                yield (GUARD if line.startswith(_FENCE) else "") + _clean(line.replace("\t", "    "))
            yield _FENCE
        case Quote(children):
            yield from (f"> {line}" if line else ">" for line in _written(children))
        case ListBlock(items, start):
            for place, item in enumerate(items):
                yield from _item(item, "•" if start is None else f"{start + place}.")
        case ThematicBreak():
            yield "―――"


def _item(item: Sequence[Block], bullet: str) -> Iterator[str]:
    """Fences and quotes are only such at the beginning of a line: they stand below their bullet."""
    if not item or isinstance(item[0], CodeBlock | Quote):
        yield bullet
    first = bullet + " "
    for place, block in enumerate(item):
        indents = not isinstance(block, CodeBlock | Quote)
        for number, line in enumerate(_block(block)):
            leads = indents and place == number == 0
            yield (first if leads else " " * len(first) if indents else "") + line


def _lines(children: tuple[Inline, ...]) -> Iterator[str]:
    """The lines of a paragraph in its normal form, in which no formatting reaches over a line's end."""
    line: list[Inline] = []
    for node in (*children, LineBreak()):
        if isinstance(node, LineBreak):
            written = _inlines(tuple(line), "")
            yield GUARD + written if written.startswith(">") else written
            line = []
        else:
            line.append(node)


def _inlines(children: tuple[Inline, ...], before: str) -> str:
    """What is written of a line's inlines behind `before`, of which the last character counts."""
    written = before
    for node in children:
        written += _inline(node, written)
    return written[len(before) :]


def _inline(node: Inline, before: str) -> str:
    match node:
        case Text(text):
            return _text(text, before)
        case LineBreak():
            return " "
        case Bold(children) | Italic(children) | Strike(children) | Underline(children) | Spoiler(children):
            sign = _SIGN_OF.get(type(node), "")
            return _span(sign, _inlines(children, _BEGUN), before) or _inlines(children, before)
        case Code(text):
            code = _clean(text)
            return ("" if GUARD in code else _span("`", code, before)) or _text(text, before)
        case Link(url, label):
            words, address = _inlines(label, before), _text(url, "")
            bare = _unguarded(address)
            if not words or _unguarded(words) in {bare, bare.removeprefix("http://")}:
                return words or address
            return f"{words} ({address})"
        case Mention(name, kind):
            # people are called by their bare nick here
            return _text(name if kind is MentionKind.USER else f"@{name}", before)
        case Emoji():
            return _text(node.shown, before)


_BEGUN: Final = "*"
"""Stands for a sign that begins something: another one may begin right behind it."""


def _span(sign: str, inside: str, before: str) -> str:
    """`inside` between two signs, or nothing where that would not be read as meant."""
    begins = not before or before[-1].isspace() or before == _BEGUN
    fits = bool(sign and inside) and sign not in inside and not inside[0].isspace() and not inside[-1].isspace()
    return f"{sign}{inside}{sign}" if begins and fits else ""


def _text(text: str, before: str) -> str:
    """Characters that mean themselves."""
    text = _clean(text)
    if not any(sign in text for sign in _SIGNS):
        return text
    written: list[str] = []
    last = before[-1:]
    for place, char in enumerate(text):
        begins = not last or last.isspace() or last in _SIGNS
        if char in _SIGNS and begins and not text[place + 1 : place + 2].isspace():
            written.append(GUARD)
        written.append(char)
        last = char
    return "".join(written)


def _clean(text: str) -> str:
    return text if text.isprintable() else text.translate(_CLEAN)


STYLING = MessageStyling()
"""The one dialect of XMPP; it has no state."""
