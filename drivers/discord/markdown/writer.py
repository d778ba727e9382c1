"""From the tree to Discord's Markdown: what a user's text holds stays text, and calls nobody.

A backslash takes the meaning of any sign; a guard stands between two signs of markup that would be taken for one. A
custom emoji is written with the number 0: only the driver knows the numbers of a guild's own. An ending that Discord
has not (a drawn line, a list's code block) is written as people type it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import assert_never

from drivers.discord.markdown.notation import (
    ADDRESS,
    CUSTOM_EMOJI_NAME,
    FENCE,
    GUARD,
    MARKUP,
    SNOWFLAKE,
    is_safe_address,
)
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
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
    plain_text,
)
from nextbridge.markup.emoji import character
from nextbridge.markup.normal import normalise

__all__ = ["write"]

_SIGNS = re.compile(r"[\\*_~`|]|<(?=[@#:/+A-Za-z]|\Z)|@(?=(?:everyone|here)\b)|:(?=[A-Za-z0-9_+-]+:)", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[\]]")
_LINE_SIGNS = re.compile(r"#{1,3}(?=\s)|-#|>|[-*](?=\s)")
_NUMBER = re.compile(r"([0-9]+)\.(?=\s)")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+.#-]{1,40}")
_IN_ADDRESS = re.compile(r"[*~|`\\<>\"\s]|_(?=_)")
_RULE = "―――"


def write(blocks: tuple[Block, ...]) -> str:
    """`blocks` as a message's `content`. Never raises."""
    match blocks:
        case (Paragraph((Text(text),)),) if text.isprintable() and text == text.strip() and not MARKUP.search(text):
            return text
    return _blocks(normalise(blocks))


def _blocks(blocks: tuple[Block, ...]) -> str:
    written = [_block(block) for block in blocks]
    for place, (before, block) in enumerate(pairwise(blocks), start=1):
        if isinstance(before, ListBlock) and isinstance(block, ListBlock):
            written[place] = f"{GUARD}\n{written[place]}"
        elif type(before) is type(block) and isinstance(block, Paragraph | Quote):
            written[place] = f"\n{written[place]}"
    return "\n".join(written)


def _block(block: Block) -> str:
    match block:
        case Paragraph(children):
            return _paragraph(children)
        case Heading(level, children):
            return f"{'#' * min(level, 3)} {_line(children)}"
        case CodeBlock(text, language):
            return _code_block(text, language)
        case Quote(children):
            return "\n".join(f"> {line}" for line in _blocks(tuple(_flat(children))).split("\n"))
        case ListBlock(items, start):
            return "\n".join(_item(item, start, place) for place, item in enumerate(items))
        case ThematicBreak():
            return _RULE
        case _:
            assert_never(block)


def _flat(children: tuple[Block, ...]) -> Iterator[Block]:
    """What a quote holds: of a quote in it, what that holds."""
    for child in children:
        if isinstance(child, Quote):
            yield from _flat(child.children)
        else:
            yield child


def _code_block(text: str, language: str) -> str:
    kept = text.replace("\r", "").replace("``", f"`{GUARD}`").replace("``", f"`{GUARD}`") if text.strip() else GUARD
    if kept.endswith("`"):
        kept += GUARD
    return f"{FENCE}{language if _LANGUAGE.fullmatch(language) else ''}\n{kept}\n{FENCE}"


def _item(item: tuple[Block, ...], start: int | None, place: int) -> str:
    bullet = "- " if start is None else f"{min(start + place, 999_999_999)}. "
    content = _blocks(item)
    if not item or not isinstance(item[0], Paragraph):
        content = f"{GUARD}\n{content}" if content else GUARD
    return bullet + content.replace("\n", "\n" + " " * len(bullet))


def _paragraph(children: tuple[Inline, ...]) -> str:
    lines: list[list[Inline]] = [[]]
    for child in children:
        if isinstance(child, LineBreak):
            lines.append([])
        else:
            lines[-1].append(child)
    return "\n".join(_line(tuple(line)) for line in lines)


def _line(children: tuple[Inline, ...]) -> str:
    brackets = "](" in plain_text(children) or _holds_link(children)
    return _Writer(brackets=brackets).line(tuple(_with_addresses(children)))


def _holds_link(children: tuple[Inline, ...]) -> bool:
    return any(
        isinstance(child, Link)
        or (isinstance(child, Bold | Italic | Underline | Strike | Spoiler) and _holds_link(child.children))
        for child in children
    )


def _with_addresses(children: tuple[Inline, ...]) -> Iterator[Inline]:
    """`children`, a bare address in a Text being the link that it will be taken for."""
    for child in children:
        match child:
            case Text(text):
                yield from _addresses(text)
            case Bold(inner) | Italic(inner) | Underline(inner) | Strike(inner) | Spoiler(inner):
                yield type(child)(tuple(_with_addresses(inner)))
            case _:
                yield child


def _addresses(text: str) -> Iterator[Inline]:
    done = 0
    for found in ADDRESS.finditer(text):
        if not is_safe_address(found[0]) or _IN_ADDRESS.search(found[0]):
            continue
        if found.start() > done:
            yield Text(text[done : found.start()])
        yield Link(found[0], (Text(found[0]),))
        done = found.end()
    if done < len(text):
        yield Text(text[done:])


class _Writer:
    """Writes one line, from left to right, knowing what it has written."""

    def __init__(self, *, brackets: bool) -> None:
        self._brackets = brackets
        self._written: list[str] = []
        self._sign = ""
        """The sign of markup that was written last, where nothing stands behind it."""
        self._hidden = False
        """Inside of a spoiler, which ends at the first two bars, even those of code or behind a backslash."""

    def line(self, children: tuple[Inline, ...]) -> str:
        self._inlines(children, "")
        return "".join(self._written)

    def _put(self, text: str, *, sign: str = "") -> None:
        if text:
            self._written.append(text)
            self._sign = sign

    def _inlines(self, children: tuple[Inline, ...], after: str) -> None:
        """`after` is the sign that stands behind them."""
        for place, child in enumerate(children):
            follows = _begins(children[place + 1]) if place + 1 < len(children) else after
            self._inline(child, follows)

    def _inline(self, node: Inline, after: str) -> None:
        match node:
            case Text(text):
                self._text(text)
            case Bold(children):
                self._around("**", children)
            case Italic(children):
                self._around("*", children)
            case Underline(children):
                self._around("__", children)
            case Strike(children):
                self._around("~~", children)
            case Spoiler(children):
                self._hidden = True
                self._around("||", children)
                self._hidden = False
            case Code(text):
                self._code(text)
            case Link(url, children):
                self._link(url, children, after)
            case Mention():
                self._mention(node)
            case Emoji(name):
                self._emoji(name)
            case LineBreak():
                self._put("\n")
            case _:
                assert_never(node)

    def _around(self, sign: str, children: tuple[Inline, ...]) -> None:
        if self._sign == sign[0]:
            self._put(GUARD)
        self._put(sign, sign=sign[0])
        self._inlines(children, sign)
        if self._sign == sign[0]:
            self._put(GUARD)
        self._put(sign, sign=sign[0])

    def _text(self, text: str) -> None:
        written = _SIGNS.sub(lambda found: "\\" + found[0], text)
        if self._brackets:
            written = _BRACKETS.sub(lambda found: "\\" + found[0], written)
        if not self._written:
            if _LINE_SIGNS.match(text) and not written.startswith("\\"):
                written = "\\" + written
            elif number := _NUMBER.match(text):
                written = f"{number[1]}\\.{written[number.end() :]}"
        self._put(written, sign="|" if self._hidden and text.endswith("|") else "")

    def _code(self, text: str) -> None:
        kept = text.replace("``", f"`{GUARD}`").replace("``", f"`{GUARD}`")
        if self._hidden:
            kept = kept.replace("||", f"|{GUARD}|").replace("||", f"|{GUARD}|")
        sign = "``" if "`" in kept else "`"
        opening = GUARD if kept.startswith("`") else ""
        closing = GUARD if kept.endswith("`") else ""
        if self._sign == "`":
            self._put(GUARD)
        self._put(f"{sign}{opening}{kept}{closing}{sign}", sign="`")

    def _link(self, url: str, children: tuple[Inline, ...], after: str) -> None:
        words = plain_text(children)
        if not is_safe_address(url):
            self._inlines(children, "")
            if words != url:
                self._text(f" ({url})")
            return
        address = _IN_ADDRESS.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), url)
        if words == url or not words.strip():
            alone = ADDRESS.fullmatch(address) is not None and (not after or after.isspace())
            self._put(address if alone else f"<{address}>")
        elif "://" in words:
            # such a label is refused by Discord's clients, and with reason
            self._inlines(children, "")
            self._put(f" (<{address}>)")
        else:
            self._put("[", sign="[")
            self._inlines(children, "]")
            self._put(f"]({address.replace('(', '%28').replace(')', '%29')})")

    def _mention(self, node: Mention) -> None:
        if node.kind is MentionKind.USER and node.user is not None and SNOWFLAKE.fullmatch(node.user):
            self._put(f"<@{node.user}>")
        elif node.kind is not MentionKind.USER and node.permitted:
            self._put("@here" if node.kind is MentionKind.HERE else "@everyone")
        else:
            self._text(f"@{node.name}")

    def _emoji(self, name: str) -> None:
        char = character(name)
        if char is not None:
            self._put(char)
        elif CUSTOM_EMOJI_NAME.fullmatch(name):
            self._put(f"<:{name}:0>")
        else:
            self._text(f":{name}:")


def _begins(node: Inline) -> str:
    """The first character of what a node is written as, near enough to tell white space from what is none."""
    match node:
        case Text(text):
            return text[:1]
        case LineBreak():
            return "\n"
        case _:
            return "*"
