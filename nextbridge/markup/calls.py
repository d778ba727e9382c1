"""Where a text calls somebody: by a mention of its dialect, by a word that begins with `@`, or by a name in front.

Only whole names count, in the author's own words: what stands in code, in a quote or on a link calls nobody. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec import Struct

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

__all__ = ["Call", "Calls", "Found", "called", "calls"]

_AT = re.compile(r"(?<![\w@./+%&=#-])@([^\s@]{1,64}+)(?!\S)")
"""Neither an address of mail nor a part of another: such a word is behind nothing that goes on in it."""
_IN_FRONT = re.compile(r"([^\s:,@]{1,64}+)[:,](?=\s)")
_PUNCTUATION = ".,:;!?…)]}>\"'”’»*_~-"
_HANDLE = re.compile(r"[\w.-]+")
_NO_NAME = re.compile(r"\W*")
_IN_NICKS = frozenset("[]{}|\\^`")
_EVERYBODY = {
    "all": MentionKind.CHANNEL,
    "channel": MentionKind.CHANNEL,
    "everyone": MentionKind.CHANNEL,
    "room": MentionKind.CHANNEL,
    "here": MentionKind.HERE,
}
"""What people write on one platform or another to call everybody."""


class Call(Struct, frozen=True):
    """Somebody is called."""

    names: tuple[str, ...]
    """What the name may be, the longest first: punctuation at the end may be part of it or not."""
    kind: MentionKind = MentionKind.USER
    user: str | None = None
    """The id of who is called, where the platform said so."""


Found: TypeAlias = Callable[[Call], tuple[str, Mention] | None]
"""Which of a call's names it was, and the mention that takes its place; None where it calls nobody."""


class Calls(Struct, frozen=True):
    """What `calls` finds in a text."""

    who: tuple[Call, ...]
    """Each once, in order."""
    silent: RichText
    """The text as it is where nobody of them is found; the same object where that changes nothing."""


def calls(text: RichText, *, by_bare_name: bool) -> Calls:
    """Whom `text` calls. `by_bare_name`: also by `name:` at the beginning. In time linear in the text."""
    match text.blocks:
        case (Paragraph((Text(only),)),) if "@" not in only and not by_bare_name:
            return Calls((), text)  # as most messages are
    seen: dict[Call, None] = {}

    def note(call: Call) -> None:
        seen[call] = None

    silent = called(text, note, by_bare_name=by_bare_name)
    return Calls(tuple(seen), text if silent == text else silent)


def called(text: RichText, found: Found | Callable[[Call], None], *, by_bare_name: bool) -> RichText:
    """`text` with what was found in place of each call that `calls` gives.

    A mention that calls nobody is text. What the text was read from is kept only if it says the same.
    """
    rewriter = _Rewriter(found, by_bare_name=by_bare_name)
    blocks = rewriter.blocks(text.blocks)
    return RichText(blocks, None if rewriter.says_otherwise else text.source)


class _Rewriter:
    """Goes through a tree once."""

    def __init__(self, found: Found | Callable[[Call], None], *, by_bare_name: bool) -> None:
        self._found = found
        self._by_bare_name = by_bare_name
        self.says_otherwise = False

    def blocks(self, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        match blocks:
            case (Paragraph((Text(first), *more)), *rest) if self._by_bare_name and (front := _IN_FRONT.match(first)):
                opening = (*self._in_front(front), *self._inlines(tuple(more)))
                return (Paragraph(opening), *self._blocks(tuple(rest)))
        return self._blocks(blocks)

    def _blocks(self, blocks: tuple[Block, ...], *, quietly: bool = False) -> tuple[Block, ...]:
        """`quietly`: what is in them calls nobody."""
        return tuple(self._block(each, quietly=quietly) for each in blocks)

    def _block(self, block: Block, *, quietly: bool) -> Block:
        match block:
            case Paragraph(children):
                return Paragraph(self._inlines(children, quietly=quietly))
            case Heading(level, children):
                return Heading(level, self._inlines(children, quietly=quietly))
            case ListBlock(items, start):
                return ListBlock(tuple(self._blocks(item, quietly=quietly) for item in items), start)
            case Quote(children):
                return Quote(self._blocks(children, quietly=True))
            case CodeBlock() | ThematicBreak():
                return block

    def _inlines(self, children: tuple[Inline, ...], *, quietly: bool = False) -> tuple[Inline, ...]:
        return tuple(each for child in children for each in self._inline(child, quietly=quietly))

    def _inline(self, node: Inline, *, quietly: bool) -> Iterator[Inline]:
        match node:
            case Text(text) if not quietly:
                yield from self._text(text)
            case Mention():
                yield from self._mention(node, None if quietly else self._whom(node))
            case Bold(children) | Italic(children) | Underline(children) | Strike(children) | Spoiler(children):
                yield type(node)(self._inlines(children, quietly=quietly))
            case Link(url, children):
                yield Link(url, self._inlines(children, quietly=True))
            case Text() | Code() | Emoji() | LineBreak():
                yield node

    def _text(self, text: str) -> Iterator[Inline]:
        done = 0
        for match in _AT.finditer(text):
            names = _names(match[1])
            replacement = self._found(_call(names)) if names else None
            if replacement is None:
                continue
            name, mention = replacement
            if match.start() > done:
                yield Text(text[done : match.start()])
            yield mention
            self._compare(name, mention)
            done = match.start(1) + len(name)
        if done < len(text):
            yield Text(text[done:])

    def _in_front(self, front: re.Match[str]) -> Iterator[Inline]:
        name = front[1]
        # nobody begins a message with `all,` to call everybody
        replacement = self._found(Call((name,))) if name.casefold() not in _EVERYBODY else None
        if replacement is not None:
            yield replacement[1]
            self._compare(name, replacement[1])
            yield from self._text(front.string[front.end(1) :])
        else:
            yield from self._text(front.string)

    def _whom(self, node: Mention) -> tuple[str, Mention] | None:
        names = tuple(dict.fromkeys(name for name in (node.name, node.name.rstrip(".-_:")) if name))
        return self._found(_call(names, node.user) if node.kind is MentionKind.USER else Call(names, node.kind))

    def _mention(self, node: Mention, replacement: tuple[str, Mention] | None) -> Iterator[Inline]:
        if replacement is None:
            self.says_otherwise = True
            yield Text(f"@{node.name}")
            return
        name, mention = replacement
        self._compare(name, mention)
        yield mention
        if len(name) < len(node.name):
            yield Text(node.name[len(name) :])

    def _compare(self, name: str, mention: Mention) -> None:
        if mention.kind is not MentionKind.USER or mention.name.casefold() != name.casefold():
            self.says_otherwise = True


def _call(names: tuple[str, ...], user: str | None = None) -> Call:
    for name in names:
        if (kind := _EVERYBODY.get(name.casefold())) is not None:
            return Call((name,), kind)
    return Call(names, user=user)


def _names(word: str) -> tuple[str, ...]:
    """What the name in `@word` may be: never a part of a longer name."""
    names = [word, word.rstrip(_PUNCTUATION)]
    handle = _HANDLE.match(word)
    if handle is not None and word[handle.end() : handle.end() + 1] not in _IN_NICKS:
        # `@alice's`, `@alice,bob`
        names.append(handle[0].rstrip(".-"))
    return tuple(dict.fromkeys(name for name in names if not _NO_NAME.fullmatch(name)))
