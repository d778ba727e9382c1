"""Bold and the like on IRC, read and written. Each line is a message of its own there.

The codes are those of https://modern.ircdocs.horse/formatting: each toggles, and reset ends all. Colours and reversed
colours are dropped from the tree and kept in its source, for another IRC channel.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

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
    Source,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from nextbridge.markup.addresses import linked

__all__ = ["IRC", "IrcFormatting", "clean", "without_codes"]

_BOLD, _ITALIC, _UNDERLINE, _STRIKE, _MONOSPACE = "\x02", "\x1d", "\x1f", "\x1e", "\x11"
_REVERSE, _COLOUR, _HEX_COLOUR, _RESET = "\x16", "\x03", "\x04", "\x0f"
_CODES: Final = {Bold: _BOLD, Italic: _ITALIC, Underline: _UNDERLINE, Strike: _STRIKE}
_CODE: Final = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?|[\x00-\x1f\x7f]",
    re.ASCII,
)
_CONTROLS: Final = dict[int, str | None].fromkeys((*range(0x20), *range(0x7F, 0xA0))) | dict[int, str | None].fromkeys(
    (*map(ord, "\t\n\v\f\r\x85"), 0x2028, 0x2029), " "
)
_NOT_CODES: Final = {
    code: None
    for code in range(0x20)
    if chr(code) not in _BOLD + _ITALIC + _UNDERLINE + _STRIKE + _MONOSPACE + _REVERSE + _COLOUR + _HEX_COLOUR + _RESET
}


def clean(text: str) -> str:
    """`text` with nothing in it that could be a formatting code or the end of a line."""
    return text.translate(_CONTROLS)


def without_codes(text: str) -> str:
    """What a reader sees of a formatted line, without its formatting."""
    return _CODE.sub("", text)


class _Run(Struct, frozen=True):
    text: str
    codes: frozenset[str]


class IrcFormatting:
    """The dialect of IRC. Stateless."""

    name = "irc"
    multiline = False
    names_links = False

    def read(self, text: str) -> RichText:
        blocks: list[Inline] = []
        for number, line in enumerate(text.split("\n")):
            if number:
                blocks.append(LineBreak())
            blocks.extend(_nest(_runs(line), (_BOLD, _ITALIC, _UNDERLINE, _STRIKE)))
        if not blocks:
            return RichText()
        coloured = any(code in text for code in (_COLOUR, _HEX_COLOUR, _REVERSE))
        # what else than codes is no part of a message, and codes left open must not reach what follows
        source = Source(self.name, text.translate(_NOT_CODES) + _RESET) if coloured and "\n" not in text else None
        return RichText((Paragraph(tuple(blocks)),), source)

    def write(self, blocks: tuple[Block, ...]) -> str:
        written = "\n".join(_block(block) for block in blocks)
        return "\n".join(line if without_codes(line) else "" for line in written.split("\n"))


def _runs(line: str) -> list[_Run]:
    runs: list[_Run] = []
    codes: frozenset[str] = frozenset()
    end = 0
    for found in _CODE.finditer(line):
        if found.start() > end:
            _append(runs, line[end : found.start()], codes)
        end = found.end()
        code = found.group()[0]
        if code in {_BOLD, _ITALIC, _UNDERLINE, _STRIKE, _MONOSPACE}:
            codes ^= {code}
        elif code == _RESET:
            codes = frozenset()
        elif code == "\t":
            _append(runs, " ", codes)
    if end < len(line):
        _append(runs, line[end:], codes)
    return runs


def _append(runs: list[_Run], text: str, codes: frozenset[str]) -> None:
    if runs and runs[-1].codes == codes:
        runs[-1] = _Run(runs[-1].text + text, codes)
    else:
        runs.append(_Run(text, codes))


def _nest(runs: list[_Run], order: tuple[str, ...]) -> list[Inline]:
    """The tree of `runs`: neighbours that share the first code of `order` share a node, and so on inside."""
    nodes: list[Inline] = []
    if not order:
        for run in runs:
            nodes.extend((Code(run.text),) if _MONOSPACE in run.codes else linked(run.text))
        return nodes
    code, rest = order[0], order[1:]
    start = 0
    while start < len(runs):
        formatted = code in runs[start].codes
        end = start + 1
        while end < len(runs) and (code in runs[end].codes) == formatted:
            end += 1
        children = _nest(runs[start:end], rest)
        nodes.extend((_node(code, tuple(children)),) if formatted else children)
        start = end
    return nodes


def _node(code: str, children: tuple[Inline, ...]) -> Inline:
    match code:
        case "\x02":
            return Bold(children)
        case "\x1d":
            return Italic(children)
        case "\x1f":
            return Underline(children)
        case _:
            return Strike(children)


# --- writing ------------------------------------------------------------------------------------------------------


def _block(block: Block) -> str:
    match block:
        case Paragraph(children):
            return _inlines(children, ())
        case Heading(children=children):
            return _wrapped(_BOLD, children, ())
        case CodeBlock(text):
            return "\n".join(f"{_MONOSPACE}{clean(line)}{_MONOSPACE}" for line in text.split("\n"))
        case Quote(children):
            return "\n".join(f"> {line}" for line in IRC.write(children).split("\n"))
        case ListBlock(items, start):
            return "\n".join(_item(item, start, place) for place, item in enumerate(items))
        case ThematicBreak():
            return "―――"


def _item(item: tuple[Block, ...], start: int | None, place: int) -> str:
    bullet = "• " if start is None else f"{start + place}. "
    return bullet + IRC.write(item).replace("\n", "\n" + " " * len(bullet))


def _inlines(children: tuple[Inline, ...], active: tuple[str, ...]) -> str:
    return "".join(_inline(node, active) for node in children)


def _inline(node: Inline, active: tuple[str, ...]) -> str:
    match node:
        case Text(text):
            return clean(text)
        case LineBreak():
            # the next line is a message of its own: what is open is closed here and opened again there
            return "".join(reversed(active)) + "\n" + "".join(active)
        case Bold(children) | Italic(children) | Underline(children) | Strike(children):
            return _wrapped(_CODES[type(node)], children, active)
        case Spoiler(children):
            # text in the colour of its background is shown by clients without colours, and hidden for ever by others
            return f"||{_inlines(children, active)}||"
        case Code(text):
            return f"{_MONOSPACE}{clean(text)}{_MONOSPACE}" if text else ""
        case Link(url, label):
            words, address = _inlines(label, active), clean(url)
            return words if without_codes(words) == address else f"{words} ({address})" if words else address
        case Mention(name, kind):
            # people are called by their bare nick here
            return clean(name) if kind is MentionKind.USER else f"@{clean(name)}"
        case Emoji():
            return clean(node.shown)


def _wrapped(code: str, children: tuple[Inline, ...], active: tuple[str, ...]) -> str:
    if code in active:
        return _inlines(children, active)
    inside = _inlines(children, (*active, code))
    return f"{code}{inside}{code}" if inside else ""


IRC = IrcFormatting()
"""The one IRC dialect; it has no state."""
