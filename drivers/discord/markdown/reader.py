"""From Discord's Markdown to the tree. In one pass, in time linear in the text.

A spoiler ends with its paragraph: the bars of a longer one stay as text. Small letters (`-# `) are a plain line.
Mentions hold ids alone; whoever knows the names gives `Names`.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from drivers.discord.markdown.notation import (
    ADDRESS,
    FENCE,
    HEADING,
    ITEM,
    MARKUP,
    SMALL,
    is_safe_address,
    unguarded,
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
    RichText,
    Spoiler,
    Strike,
    Text,
    Underline,
)
from nextbridge.markup.emoji import character
from nextbridge.markup.normal import normalise

__all__ = ["NOBODY", "Names", "read"]

_DEEPEST = 20
"""How deep formatting may nest; what is deeper is text."""
_QUOTED = re.compile(r" *> (.*)|> ?$")
_REST_QUOTED = re.compile(r" *>>> ")
_LANGUAGE = re.compile(r"([A-Za-z0-9_+\-.#]+)\n")
_SIGN = re.compile(r"[\\`*_~|<\[\]\n]|@(?:everyone|here)\b|:[A-Za-z0-9_+-]{1,64}:|https?://", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")
_IN_ANGLES = re.compile(
    r"<(?:@!?(?P<user>[0-9]{1,20})|@&(?P<role>[0-9]{1,20})|\#(?P<channel>[0-9]{1,20})"
    r"|a?:(?P<emoji>[A-Za-z0-9_~]{1,32}):[0-9]{1,20}"
    r"|t:(?P<time>-?[0-9]{1,13})(?::[A-Za-z])?"
    r"|/(?P<command>[^:<>\n]{1,100}):[0-9]{1,20}"
    r"|(?P<address>https?://[^\s<>]{1,2000}))>"
)
_AROUND: dict[str, type[Bold | Italic | Underline | Strike | Spoiler]] = {
    "**": Bold,
    "*": Italic,
    "_": Italic,
    "__": Underline,
    "~~": Strike,
    "||": Spoiler,
}


class Names(Protocol):
    """What ids are called."""

    def user(self, number: str) -> str | None:
        """A person's shown name."""

    def role(self, number: str) -> str | None:
        """A role's name."""

    def channel(self, number: str) -> str | None:
        """A channel's name."""

    @property
    def calls_everybody(self) -> bool:
        """Whether `@everyone` and `@here` call anybody in this message."""


class _Nobody:
    calls_everybody = True

    def user(self, number: str) -> None:  # noqa: ARG002 - nobody has a name
        return None

    role = channel = user


NOBODY: Names = _Nobody()


def read(text: str, names: Names) -> RichText:
    """The tree of a message's `content`. Never raises."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if MARKUP.search(text) is None:
        return RichText.plain(text) if text and not text.isspace() else RichText()
    return RichText(normalise(_Blocks(text, names).all()))


class _Item(Struct):
    indent: int
    start: int | None
    lines: list[str]


class _Blocks:
    """The blocks of a text, by its lines."""

    def __init__(self, text: str, names: Names, *, quoted: bool = False) -> None:
        self._text = text
        self._names = names
        self._quoted = quoted
        """Inside of a quote: it holds no other."""
        self._fences = True
        """Whether there may be another fence that is closed."""
        self._place = 0
        self._blocks: list[Block] = []
        self._lines: list[str] = []

    def all(self) -> tuple[Block, ...]:
        while self._place <= len(self._text):
            self._next()
        self._end_paragraph()
        return tuple(self._blocks)

    def _next(self) -> None:
        end = self._text.find("\n", self._place)
        end = len(self._text) if end < 0 else end
        line = self._text[self._place : end]
        if not self._quoted and (rest := _REST_QUOTED.match(line)):
            self._quote(self._text[self._place + rest.end() :])
            self._place = len(self._text) + 1
        elif not self._quoted and _QUOTED.match(line):
            self._take_quote()
        elif FENCE in line and self._fences and self._take_fence(line):
            pass
        elif found := HEADING.match(line):
            self._add(Heading(len(found[1]), _inlines(line[found.end() :], self._names)))
            self._place = end + 1
        elif ITEM.match(line):
            self._take_list()
        else:
            if unguarded(line).strip():
                self._lines.append(line[found.end() :] if (found := SMALL.match(line)) else line)
            else:
                self._end_paragraph()
            self._place = end + 1

    def _add(self, block: Block) -> None:
        self._end_paragraph()
        self._blocks.append(block)

    def _end_paragraph(self) -> None:
        if self._lines:
            self._blocks.append(Paragraph(_inlines("\n".join(self._lines), self._names)))
            self._lines = []

    def _quote(self, text: str) -> None:
        self._add(Quote(_Blocks(text, self._names, quoted=True).all()))

    def _take_quote(self) -> None:
        lines = []
        for line, after in self._following():
            found = _QUOTED.match(line)
            if found is None:
                break
            lines.append(found[1] or "")
            self._place = after
        self._quote("\n".join(lines))

    def _take_fence(self, line: str) -> bool:
        opened = self._place + line.index(FENCE)
        if _is_escaped(self._text, opened):
            return False
        closed = self._text.find(FENCE, opened + len(FENCE))
        if closed < 0:
            self._fences = False
            return False
        content = self._text[opened + len(FENCE) : closed]
        if not content.strip("`"):
            return False
        if before := self._text[self._place : opened].strip(" "):
            self._lines.append(before)
        language = ""
        if (found := _LANGUAGE.match(content)) and content[found.end() :].strip("\n"):
            language, content = found[1], content[found.end() :]
        elif content.startswith("\n"):
            content = content[1:]
        code = unguarded(content.removesuffix("\n"))
        self._add(CodeBlock(code if code.strip() else "", language))
        self._place = closed + len(FENCE)
        if self._text[self._place : self._place + 1] == "\n" or self._place == len(self._text):
            self._place += 1
        return True

    def _take_list(self) -> None:
        items: list[_Item] = []
        for line, after in self._following():
            if found := ITEM.match(line):
                start = int(found[3]) if found[3] else None
                items.append(_Item(len(found[1]), start, [line[found.end() :]]))
            elif items and line.startswith(" ") and line.strip() and FENCE not in line:
                items[-1].lines.append(line.strip(" "))
            else:
                break
            self._place = after
        for block in self._lists(items):
            self._add(block)

    def _lists(self, items: list[_Item]) -> Iterator[ListBlock]:
        """Those of one level; what is further in hangs on the item before it."""
        place = 0
        while place < len(items):
            first = items[place]
            made: list[tuple[Block, ...]] = []
            while place < len(items) and (items[place].start is None) == (first.start is None):
                after = place + 1
                while after < len(items) and items[after].indent > first.indent:
                    after += 1
                text = Paragraph(_inlines("\n".join(items[place].lines), self._names))
                made.append((text, *self._lists(items[place + 1 : after])))
                place = after
            yield ListBlock(tuple(made), first.start)

    def _following(self) -> Iterator[tuple[str, int]]:
        """The lines from here on, each with the place after it."""
        place = self._place
        while place <= len(self._text):
            end = self._text.find("\n", place)
            end = len(self._text) if end < 0 else end
            yield self._text[place:end], end + 1
            place = end + 1


def _is_escaped(text: str, place: int) -> bool:
    slashes = 0
    while place > slashes and text[place - slashes - 1] == "\\":
        slashes += 1
    return slashes % 2 == 1


def _inlines(text: str, names: Names) -> tuple[Inline, ...]:
    return _Line(text, names).read()


class _Line:
    """What stands in a paragraph: one pass over its signs, with the formatting that is open on a stack."""

    def __init__(self, text: str, names: Names, *, in_link: bool = False) -> None:
        self._text = text
        self._names = names
        self._in_link = in_link
        self._open: list[tuple[str, list[Inline]]] = [("", [])]
        self._signs: Counter[str] = Counter()
        self._ticks: dict[int, list[int]] | None = None
        self._brackets: dict[int, int] | None = None

    def read(self) -> tuple[Inline, ...]:
        text, place = self._text, 0
        while (found := _SIGN.search(text, place)) is not None:
            self._say(text[place : found.start()])
            place = self._sign(found)
        self._say(text[place:])
        while len(self._open) > 1:
            self._give_up()
        return tuple(self._open[0][1])

    def _put(self, node: Inline) -> None:
        self._open[-1][1].append(node)

    def _say(self, text: str) -> None:
        if words := unguarded(text):
            self._put(Text(words))

    def _sign(self, found: re.Match[str]) -> int:  # noqa: PLR0911 - one for each sign
        """Take what begins at a sign; the place after it."""
        place, sign = found.start(), found[0]
        match sign[0]:
            case "\n":
                self._put(LineBreak())
                return place + 1
            case "\\":
                return self._escape(place)
            case "`":
                return self._code(place)
            case "*" | "_":
                return self._emphasis(place, sign)
            case "~" | "|":
                return self._double(place, sign * 2)
            case "<":
                return self._angles(place)
            case "[":
                return self._link(place)
            case "@" if self._names.calls_everybody:
                word = sign[1:].lower()
                self._put(Mention(word, MentionKind.HERE if word == "here" else MentionKind.CHANNEL))
                return found.end()
            case ":" if character(sign[1:-1]) is not None:
                self._put(Emoji(sign[1:-1]))
                return found.end()
            case ":":
                self._say(sign[:-1])  # its last colon may begin another
                return found.end() - 1
            case "h" | "H":
                return self._address(place)
            case _:
                self._say(sign)
                return found.end()

    def _escape(self, place: int) -> int:
        after = self._text[place + 1 : place + 2]
        if after and not after.isalnum() and not after.isspace():
            self._put(Text(after))
            return place + 2
        self._say("\\")
        return place + 1

    def _code(self, place: int) -> int:
        if self._ticks is None:
            self._ticks = {}
            for run in _BACKTICKS.finditer(self._text):
                self._ticks.setdefault(len(run[0]), []).append(run.start())
            for places in self._ticks.values():
                places.reverse()
        opened = _BACKTICKS.match(self._text, place)
        length = len(opened[0]) if opened else 1
        places = self._ticks.get(length, [])
        while places and places[-1] <= place:
            places.pop()
        if not places:
            self._say("`" * length)
            return place + length
        content = unguarded(self._text[place + length : places[-1]])
        self._put(Code(content.replace("\n", " ")))
        return places[-1] + length

    def _emphasis(self, place: int, sign: str) -> int:
        text = self._text
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        double = after == sign
        top = self._open[-1]
        following = text[place + 2 : place + 3] if double else after
        if top[0] == sign and top[1] and self._closes(sign, before, after):
            self._close(sign)
            return place + 1
        if double:
            if self._signs[sign * 2] and (top[0] != sign * 2 or top[1]):
                self._close(sign * 2)
            elif following and len(self._open) < _DEEPEST:
                self._begin(sign * 2)
            else:
                self._say(sign * 2)
            return place + 2
        if self._signs[sign] and self._closes(sign, before, after):
            self._close(sign)
        elif after and not after.isspace() and len(self._open) < _DEEPEST:
            self._begin(sign)
        else:
            self._say(sign)
        return place + 1

    @staticmethod
    def _closes(sign: str, before: str, after: str) -> bool:
        if not before or before.isspace():
            return False
        return sign == "*" or after == "_" or not (after.isalnum() and after.isascii())

    def _double(self, place: int, sign: str) -> int:
        if not self._text.startswith(sign, place):
            self._say(sign[0])
            return place + 1
        if self._signs[sign] and (self._open[-1][0] != sign or self._open[-1][1]):
            self._close(sign)
        elif place + 2 < len(self._text) and len(self._open) < _DEEPEST:
            self._begin(sign)
        else:
            self._say(sign)
        return place + 2

    def _begin(self, sign: str) -> None:
        self._open.append((sign, []))
        self._signs[sign] += 1

    def _close(self, sign: str) -> None:
        """End what `sign` began; what was begun inside of it and never ended is text."""
        while self._open[-1][0] != sign:
            self._give_up()
        _, children = self._open.pop()
        self._signs[sign] -= 1
        self._put(_AROUND[sign](tuple(children)))

    def _give_up(self) -> None:
        sign, children = self._open.pop()
        self._signs[sign] -= 1
        self._put(Text(sign))
        self._open[-1][1].extend(children)

    def _angles(self, place: int) -> int:
        found = _IN_ANGLES.match(self._text, place)
        if found is None:
            self._say("<")
            return place + 1
        kind, value = found.lastgroup or "", found[found.lastgroup or 0]
        match kind:
            case "user":
                self._put(Mention(self._names.user(value) or value, user=value))
            case "role":
                self._put(Text(f"@{self._names.role(value) or 'role'}"))
            case "channel":
                self._put(Text(f"#{self._names.channel(value) or 'channel'}"))
            case "emoji":
                self._put(Emoji(value))
            case "time":
                self._put(Text(_moment(int(value))))
            case "command":
                self._put(Text(f"/{value}"))
            case _:
                self._put(Link(value, (Text(value),)))
        return found.end()

    def _link(self, place: int) -> int:
        if self._brackets is None:
            self._brackets = _pairs(self._text)
        closed = self._brackets.get(place)
        if closed is None or self._in_link or self._text[closed + 1 : closed + 2] != "(":
            self._say("[")
            return place + 1
        end = self._text.find(")", closed + 2, closed + 2 + 2048)
        url = self._text[closed + 2 : end].strip().removeprefix("<").removesuffix(">") if end > 0 else ""
        if not is_safe_address(url):
            self._say("[")
            return place + 1
        label = _Line(self._text[place + 1 : closed], self._names, in_link=True).read()
        self._put(Link(url, label))
        return end + 1

    def _address(self, place: int) -> int:
        found = ADDRESS.match(self._text, place)
        if found is None or self._in_link:
            self._say(self._text[place])
            return place + 1
        address = found[0]
        for sign in self._signs:  # formatting around an address ends before it would
            if self._signs[sign] and sign in address:
                address = address[: address.index(sign)]
        if not is_safe_address(address):
            self._say(self._text[place])
            return place + 1
        self._put(Link(address, (Text(address),)))
        return place + len(address)


def _pairs(text: str) -> dict[int, int]:
    """Where each bracket that is closed is closed."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    skip = False
    for place, char in enumerate(text):
        if skip:
            skip = False
        elif char == "\\":
            skip = True
        elif char == "[":
            opened.append(place)
        elif char == "]" and opened:
            pairs[opened.pop()] = place
    return pairs


def _moment(seconds: int) -> str:
    """A timestamp, which each reader of Discord sees in their own time, in universal time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)
