"""mrkdwn read into a tree: fences, quotes and lines; in a line code, `<…>`, emoji and formatting. In linear time.

Formatting begins and ends at the edges of words, in one line: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

from msgspec import Struct

from drivers.slack.mrkdwn.notation import BOUNDARY, EMOJI_NAME, FORMATS, LINKED, MEANS_ITSELF, PERSON, TONES, decoded
from nextbridge.markup import (
    Block,
    Code,
    CodeBlock,
    Emoji,
    Inline,
    LineBreak,
    Link,
    Mention,
    MentionKind,
    Paragraph,
    Quote,
    Text,
)
from nextbridge.markup.emoji import character
from nextbridge.markup.normal import normalise

__all__ = ["BROADCASTS", "NOBODY", "Names", "emoji_named", "read"]

BROADCASTS = {"here": MentionKind.HERE, "channel": MentionKind.CHANNEL, "everyone": MentionKind.CHANNEL}
_ENDINGS = {number: ending for ending, number in TONES.items()}
_QUOTES_DEEP = 8
"""Quotes inside quotes that are read as such."""

_FENCE = re.compile(rf"{MEANS_ITSELF}.|```", re.DOTALL)
_QUOTE_LINE = re.compile(r"(?:&gt;|>) ?")
_LONG_QUOTE = re.compile(r"(?:&gt;|>){3} ?")
_TOKEN = re.compile(
    rf"""
      {MEANS_ITSELF}(?P<plain>&(?:amp|lt|gt);|.)
    | `(?P<code>(?:{MEANS_ITSELF}.|[^`{MEANS_ITSELF}])+)`
    | <(?P<angle>[^<>]+)>
    | :(?P<emoji>{EMOJI_NAME})(?:::skin-tone-(?P<tone>[2-6]))?:
    | (?P<sign>[*_~])
    | (?P<boundary>{BOUNDARY})
    | (?P<text>[^{MEANS_ITSELF}`<:*_~{BOUNDARY}]+|.)
    """,
    re.VERBOSE,
)


class Names(Struct, frozen=True):
    """What ids in a text are called."""

    people: Mapping[str, str]
    channels: Mapping[str, str]


NOBODY = Names({}, {})


def read(text: str, names: Names) -> tuple[Block, ...]:
    """The blocks of a text, in normal form. Ids that `names` does not have stay ids."""
    blocks: list[Block] = []
    for is_code, part in _fenced(text):
        if is_code:
            blocks.append(CodeBlock(_unescaped(part)))
        else:
            blocks += _paragraphs(part, names, _QUOTES_DEEP)
    return normalise(blocks)


def _fenced(text: str) -> list[tuple[bool, str]]:
    """The text between fences and the code inside them, in turn."""
    if "```" not in text:
        return [(False, text)]
    fences = [found.start() for found in _FENCE.finditer(text) if found.group() == "```"]
    parts: list[tuple[bool, str]] = []
    at = 0
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        parts.append((False, text[at:opening]))
        parts.append((True, text[opening + 3 : closing].removeprefix("\n").removesuffix("\n")))
        at = closing + 3
    return [*parts, (False, text[at:])]


def _unescaped(code: str) -> str:
    return decoded(re.sub(rf"{MEANS_ITSELF}(.)", r"\1", code, flags=re.DOTALL))


def _paragraphs(text: str, names: Names, deep: int) -> list[Block]:
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if found := _LONG_QUOTE.match(line):
            quoted = _quotes_and_lines([line[found.end() :], *lines[place + 1 :]], names, deep - 1)
            return [*_quotes_and_lines(lines[:place], names, deep), Quote(tuple(quoted))]
    return _quotes_and_lines(lines, names, deep)


def _quotes_and_lines(lines: list[str], names: Names, deep: int) -> list[Block]:
    blocks: list[Block] = []
    for is_quote, group in groupby(lines, key=lambda line: deep > 0 and _QUOTE_LINE.match(line) is not None):
        if is_quote:
            inside = [_QUOTE_LINE.sub("", line, count=1) for line in group]
            blocks.append(Quote(tuple(_quotes_and_lines(inside, names, deep - 1))))
            continue
        for is_filled, stretch in groupby(group, key=lambda line: bool(line.strip())):
            if is_filled:
                inlines: list[Inline] = []
                for line in stretch:
                    inlines += [LineBreak()] if inlines else []
                    inlines += _line(line, names)
                blocks.append(Paragraph(tuple(inlines)))
    return blocks


class _Token(Struct, frozen=True):
    node: Inline | None
    """What it says; None for a sign and for a boundary."""
    sign: str = ""
    first: str = ""
    last: str = ""
    """Its outermost characters, which tell whether a word ends here."""


def _line(line: str, names: Names) -> list[Inline]:
    if line.isalnum():  # as many are
        return [Text(line)]
    return _formatted([_token(found, names) for found in _TOKEN.finditer(line)], frozenset())


def _token(found: re.Match[str], names: Names) -> _Token:
    kind, value = found.lastgroup, found.group()
    match kind:
        case "sign":
            return _Token(None, value, value, value)
        case "boundary":
            return _Token(None, "", " ", BOUNDARY)
        case "plain":
            char = decoded(found["plain"])
            return _Token(Text(char), "", char, char)
        case "code":
            return _Token(Code(_unescaped(found["code"])), "", "`", "`")
        case "angle":
            return _Token(_angle(found["angle"], names), "", "<", ">")
        case "emoji" | "tone":
            return _Token(emoji_named(found["emoji"], found["tone"] or ""), "", ":", ":")
        case _:
            if value == MEANS_ITSELF:  # before nothing
                return _Token(None, "", " ", BOUNDARY)
            text = decoded(value)
            return _Token(Text(text), "", text[0], text[-1])


def _formatted(tokens: list[_Token], active: frozenset[str]) -> list[Inline]:
    """The nodes of a run of tokens. A sign that formats nothing is a character."""
    inlines: list[Inline] = []
    hopeless: set[str] = set()
    at = 0
    while at < len(tokens):
        token = tokens[at]
        closing = None
        if token.sign and token.sign not in active and token.sign not in hopeless and _opens(tokens, at):
            closing = _closing(tokens, at)
            if closing is None:
                # what does not close from here does not close from further on
                hopeless.add(token.sign)
        if closing is not None:
            inside = _formatted(tokens[at + 1 : closing], active | {token.sign})
            inlines.append(FORMATS[token.sign](tuple(inside)))
            at = closing
        elif token.sign:
            inlines.append(Text(token.sign))
        elif token.node is not None:
            inlines.append(token.node)
        at += 1
    return inlines


def _opens(tokens: list[_Token], at: int) -> bool:
    before = tokens[at - 1].last if at else " "
    after = tokens[at + 1].first if at + 1 < len(tokens) else " "
    return not before.isalnum() and (not after.isspace() or tokens[at + 1 : at + 2] == [_EDGE])


def _closing(tokens: list[_Token], opening: int) -> int | None:
    sign = tokens[opening].sign
    for at in range(opening + 2, len(tokens)):
        if tokens[at].sign == sign:
            before = tokens[at - 1].last
            after = tokens[at + 1].first if at + 1 < len(tokens) else " "
            if not before.isspace() and not after.isalnum():
                return at
    return None


_EDGE = _Token(None, "", " ", BOUNDARY)


def emoji_named(name: str, tone: str) -> Inline:
    """An emoji by Slack's name for it, with the number of a skin tone; its character where it has one."""
    whole = f"{name}{_ENDINGS.get(tone, '')}"
    known = character(whole)
    if known is not None:
        return Text(known)
    known = character(name)
    return Emoji(name) if known is None else Text(known)


def _angle(inside: str, names: Names) -> Inline:
    """What stands between `<` and `>`: an address, or somebody or something by id; each perhaps with other words."""
    target, _, label = inside.partition("|")
    words = decoded(label)
    match target[:1]:
        case "@" if PERSON.fullmatch(target[1:]):
            user = target[1:]
            return Mention(names.people.get(user) or words.removeprefix("@") or user, user=user)
        case "#":
            return Text(f"#{names.channels.get(target[1:]) or words or target[1:]}")
        case "!":
            return _special(target[1:], words)
        case _ if LINKED.fullmatch(target):
            return Link(decoded(target), (Text(words or decoded(target).removeprefix("mailto:")),))
        case _:
            return Text(f"<{decoded(inside)}>")


def _special(command: str, words: str) -> Inline:
    name, _, _ = command.partition("^")
    if command in BROADCASTS:
        return Mention(command, BROADCASTS[command])
    if name == "subteam":
        return Text(f"@{words.removeprefix('@') or 'group'}")
    return Text(words or f"<!{decoded(command)}>")
