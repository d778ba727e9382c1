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
    Strike,
    Text,
    ThematicBreak,
    Underline,
)

__all__ = ["Call", "Found", "called", "calls"]

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


def calls(text: RichText, *, by_bare_name: bool) -> list[Call]:
    """Whom `text` calls, each once, in order. `by_bare_name`: also by `name:` at the beginning.

    In time linear in the text.
    """
    match text.blocks:
        case (Paragraph((Text(only),)),) if "@" not in only and not by_bare_name:
            return []  # as most messages are
    seen: dict[Call, None] = {}

    def note(call: Call) -> None:
        seen[call] = None

    _Rewriter(note, by_bare_name=by_bare_name).blocks(text.blocks)
    return list(seen)


def called(text: RichText, found: Found, *, by_bare_name: bool) -> RichText:
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
                return (Paragraph(opening), *(self._block(each) for each in rest))
        return tuple(self._block(each) for each in blocks)

    def _block(self, block: Block) -> Block:
        match block:
            case Paragraph(children):
                return Paragraph(self._inlines(children))
            case Heading(level, children):
                return Heading(level, self._inlines(children))
            case ListBlock(items, start):
                return ListBlock(tuple(tuple(self._block(each) for each in item) for item in items), start)
            case Quote(children):
                return Quote(tuple(self._silent_block(each) for each in children))
            case CodeBlock() | ThematicBreak():
                return block

    def _inlines(self, children: tuple[Inline, ...]) -> tuple[Inline, ...]:
        return tuple(each for child in children for each in self._inline(child))

    def _inline(self, node: Inline) -> Iterator[Inline]:
        match node:
            case Text(text):
                yield from self._text(text)
            case Mention():
                yield from self._mention(node)
            case Bold(children) | Italic(children) | Underline(children) | Strike(children):
                yield type(node)(self._inlines(children))
            case Link():
                yield self._silent(node)
            case Code() | Emoji() | LineBreak():
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

    def _mention(self, node: Mention) -> Iterator[Inline]:
        bare = node.name.rstrip(".-_:")
        names = tuple(dict.fromkeys(name for name in (node.name, bare) if name))
        call = _call(names, node.user) if node.kind is MentionKind.USER else Call(names, node.kind)
        replacement = self._found(call)
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

    # --- where nobody is called ---

    def _silent_block(self, block: Block) -> Block:
        match block:
            case Paragraph(children):
                return Paragraph(tuple(map(self._silent, children)))
            case Heading(level, children):
                return Heading(level, tuple(map(self._silent, children)))
            case ListBlock(items, start):
                return ListBlock(tuple(tuple(map(self._silent_block, item)) for item in items), start)
            case Quote(children):
                return Quote(tuple(map(self._silent_block, children)))
            case CodeBlock() | ThematicBreak():
                return block

    def _silent(self, node: Inline) -> Inline:
        match node:
            case Mention(name=name):
                self.says_otherwise = True
                return Text(f"@{name}")
            case Bold(children) | Italic(children) | Underline(children) | Strike(children):
                return type(node)(tuple(map(self._silent, children)))
            case Link(url, children):
                return Link(url, tuple(map(self._silent, children)))
            case Text() | Code() | Emoji() | LineBreak():
                return node


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
