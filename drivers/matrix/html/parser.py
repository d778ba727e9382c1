"""A document of Matrix's HTML, gone through once by lxml's parser: its tree, and what of it may be sent.

The parser hands over one tag after the other and builds nothing: what HTML5's rules for a tree make of mismatched tags
can be thousands of times as long as the document. Its tags are balanced, whatever the document's are. lxml is imported
only once there is something to read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from msgspec import Struct

from drivers.matrix.html.builder import Builder
from drivers.matrix.html.notation import (
    DEEPEST,
    EVERYBODY,
    FORMATS,
    HIDDEN,
    PARTS,
    PERMITTED,
    is_user,
    language_of,
    permitted_attributes,
    safe_address,
    user_in,
)
from nextbridge.markup import Block, Emoji, Mention, MentionKind, Spoiler, Text
from nextbridge.markup.plain import one_line

__all__ = ["Parsed", "parse"]

_Leave: TypeAlias = Callable[[], None] | None

_FRAME: Final = ("html", "body", "div")
_VOID: Final = frozenset({"br", "hr", "img"})
_CONTROLS: Final = dict[int, str | None].fromkeys((*range(9), 11, *range(14, 32), *range(127, 160)), None)
_EMOJI_NAME: Final = re.compile(r":([A-Za-z0-9_+-]{1,64}):\Z")
_LONGEST_NAME = 80
_SAID_BY_THE_TREE: Final[tuple[list[tuple[str, str]], ...]] = ([], [("data-mx-spoiler", "")])
"""What a `span` may have of which the blocks say all."""


class Parsed(Struct, frozen=True):
    """What a document says."""

    blocks: tuple[Block, ...]
    """In normal form."""
    permitted: str
    """The document with what may be sent alone, its tags balanced."""
    says_more: bool
    """Whether `permitted` says more than the blocks do: a table, why there is a spoiler, a picture, a colour."""
    users: tuple[str, ...]
    """The ids of those whom it mentions, each once."""
    everybody: bool
    """Whether it bears the tag by which our own writer calls everybody."""


def parse(text: str, *, breaks: bool = False) -> Parsed:
    """What `text` says. Never raises; takes time linear in the text. `breaks`: a line break in it is a `<br>`."""
    from lxml import etree  # type: ignore[import-untyped]

    walk = _Walk(breaks=breaks)
    parser = etree.HTMLParser(target=walk, encoding="utf-8", remove_comments=True, remove_pis=True)
    document = "".join(f"<{tag}>" for tag in _FRAME) + text
    parser.feed(document.encode("utf-8", "replace"))
    parsed: Parsed = parser.close()
    return parsed


class _Walk:
    """What lxml tells of each tag and text. `close` gives the result."""

    def __init__(self, *, breaks: bool) -> None:
        self._breaks = breaks
        self._builder = Builder()
        self._open: list[_Leave] = []
        """How to leave each tag that is open."""
        self._data: list[str] = []
        self._written: list[str] = []
        self._depth = 0
        self._hidden = False
        self._code: list[str] | None = None
        """The lines of the block of code that it stands in."""
        self._language: str | None = None
        """The language of that block, once its tag was seen."""
        self._name: list[str] | None = None
        """The words of the mention that it stands in."""
        self._cells = 0
        self._users: dict[str, None] = {}
        self._everybody = False
        self._says_more = False

    # --- lxml's side ------------------------------------------------------------------------------------------------

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._text()
        if self._hidden or (tag in _FRAME and len(self._open) < len(_FRAME)):
            self._open.append(None)
        elif tag in HIDDEN:
            self._hidden = True
            self._open.append(self._shown)
        elif self._depth >= DEEPEST:
            self._open.append(None)
        else:
            self._depth += 1
            attributes = dict(attributes)
            end = self._write(tag, attributes)
            self._open.append(partial(self._left, self._enter(tag, attributes), end))

    def end(self, _tag: str) -> None:
        self._text()
        leave = self._open.pop()
        if leave is not None:
            leave()

    def data(self, data: str) -> None:
        if not self._hidden:
            self._data.append(data)

    def close(self) -> Parsed:
        self._text()
        return Parsed(
            self._builder.blocks(), "".join(self._written), self._says_more, tuple(self._users), self._everybody
        )

    def _shown(self) -> None:
        self._hidden = False

    def _left(self, leave: _Leave, end: str) -> None:
        if leave is not None:
            leave()
        self._written.append(end)
        self._depth -= 1

    # --- the document that may be sent ------------------------------------------------------------------------------

    def _write(self, tag: str, attributes: dict[str, str]) -> str:
        """Write the tag where it may be sent; its end tag."""
        now = PERMITTED.get(tag)
        if now is None:
            return ""
        allowed = list(permitted_attributes(now, attributes))
        if now == "span" and not allowed:
            return ""
        shown = "".join(f' {name}="{html.escape(value)}"' if value else f" {name}" for name, value in allowed)
        self._written.append(f"<{now}{shown}>")
        return "" if now in _VOID else f"</{now}>"

    # --- the tree ---------------------------------------------------------------------------------------------------

    def _text(self) -> None:
        if not self._data:
            return
        data = "".join(self._data).translate(_CONTROLS)
        self._data.clear()
        if self._code is not None:
            # a line break right behind the tag is none
            self._code.append(data if self._code or self._language is not None else data.removeprefix("\n"))
        elif self._name is not None:
            self._name.append(data)
        elif not self._breaks:
            self._builder.text(data)
        else:
            for number, line in enumerate(data.split("\n")):
                if number:
                    self._builder.line_break()
                if line:
                    self._builder.text(line)
        written = html.escape(data)
        self._written.append(written.replace("\n", "<br>") if self._breaks and self._code is None else written)

    def _enter(self, tag: str, attributes: dict[str, str]) -> _Leave:
        if self._code is not None or self._name is not None:
            return self._enter_within(tag, attributes)
        builder = self._builder
        if (kind := FORMATS.get(tag)) is not None:
            builder.begin_format(kind)
            return partial(builder.end_format, kind)
        if tag in PARTS:
            self._says_more = self._says_more or tag in {"details", "summary"}
            builder.part()
            return builder.part
        return self._enter_other(tag, attributes)

    def _enter_within(self, tag: str, attributes: dict[str, str]) -> _Leave:
        """A tag in a block of code, or in a mention."""
        lines = self._code if self._code is not None else self._name
        if tag == "br" and lines is not None:
            lines.append("\n")
        elif tag == "code" and self._code is not None and not self._language:
            self._language = language_of(attributes)
        return None

    def _enter_other(self, tag: str, attributes: dict[str, str]) -> _Leave:  # noqa: C901, PLR0911, PLR0912 - one a tag
        builder = self._builder
        match tag:
            case "br":
                builder.line_break()
            case "hr":
                builder.rule()
            case "img":
                self._picture(attributes)
            case "a":
                return self._enter_link(attributes.get("href") or "")
            case "code" | "tt" | "kbd" | "samp" if not builder.code:
                builder.code = True
                return self._leave_code
            case "pre" | "listing" | "xmp":
                self._code, self._language = [], None
                return self._leave_code_block
            case "blockquote":
                return builder.end_frame if builder.begin_quote() else builder.part
            case "ul" | "ol":
                start = _number(attributes.get("start")) if tag == "ol" else None
                return builder.end_frame if builder.begin_list(start) else builder.part
            case "li":
                return builder.end_frame if builder.begin_item() else builder.part
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                builder.begin_heading(int(tag[1]))
                return builder.end_heading
            case "span" | "font":
                return self._enter_span(attributes)
            case "sup":
                self._says_more = True
                builder.leaf(Text("^"))
            case "sub":
                self._says_more = True
            case "table":
                self._says_more = True
                builder.part()
                builder.tables += 1
                return self._leave_table
            case "tr" if builder.tables:
                builder.row()
                self._cells = 0
            case "td" | "th" if builder.tables:
                if self._cells:
                    builder.cell()
                self._cells += 1
            case _ if tag == EVERYBODY:
                self._everybody = True
                builder.leaf(Mention("room", MentionKind.CHANNEL))
                self._name = []
                return self._leave_everybody
            case _:
                pass
        return None

    def _picture(self, attributes: dict[str, str]) -> None:
        words = one_line(attributes.get("alt") or attributes.get("title") or "", _LONGEST_NAME)
        emoji = _EMOJI_NAME.match(words)
        if emoji is not None and "data-mx-emoticon" in attributes:
            self._builder.leaf(Emoji(emoji[1]))
        else:
            self._builder.leaf(Text(words or "[image]"))
        self._says_more = True

    def _enter_link(self, address: str) -> _Leave:
        builder = self._builder
        user = user_in(address)
        if user is not None and not builder.code:
            self._name = []
            self._users[user] = None
            return partial(self._leave_mention, user)
        around, builder.link = builder.link, safe_address(address) or builder.link
        return partial(self._leave_link, around)

    def _leave_link(self, around: str | None) -> None:
        self._builder.link = around

    def _leave_mention(self, user: str) -> None:
        words = one_line("".join(self._name or ()), _LONGEST_NAME).removeprefix("@").strip()
        self._name = None
        if not words or is_user(f"@{words}"):
            words = user[1:].partition(":")[0] or user
        self._builder.leaf(Mention(words, user=user))

    def _leave_everybody(self) -> None:
        self._name = None

    def _leave_code(self) -> None:
        self._builder.code = False

    def _leave_code_block(self) -> None:
        text = "".join(self._code or ())
        self._code = None
        self._builder.code_block(text.removesuffix("\n"), self._language or "")

    def _enter_span(self, attributes: dict[str, str]) -> _Leave:
        self._says_more = self._says_more or list(permitted_attributes("span", attributes)) not in _SAID_BY_THE_TREE
        reason = attributes.get("data-mx-spoiler")
        if reason is None:
            return None
        words = one_line(reason, _LONGEST_NAME)
        if words:
            self._builder.text(f"({words}) ")
        self._builder.begin_format(Spoiler)
        return partial(self._builder.end_format, Spoiler)

    def _leave_table(self) -> None:
        self._builder.tables -= 1
        self._builder.part()


def _number(start: str | None) -> int:
    """The first number of an ordered list."""
    try:
        return int((start or "1")[:10])
    except ValueError:
        return 1
