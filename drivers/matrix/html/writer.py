"""From the tree to Matrix's HTML: what somebody typed is escaped, and only tags that clients show are written."""

from __future__ import annotations

import html
import re
from typing import Final, assert_never

from drivers.matrix.html.notation import EVERYBODY, LANGUAGE, PERMITTED, address_of, is_user, safe_address, user_in
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
)
from nextbridge.markup.normal import normalise

__all__ = ["literal", "write"]

_TAGS: Final = {Bold: "strong", Italic: "em", Underline: "u", Strike: "del"}
_SPACES: Final = re.compile(r"(?<= ) ")
_CONTROLS: Final = dict[int, str | None].fromkeys((*range(9), *range(11, 32), *range(127, 160)), None) | {9: " "}
_TAG: Final = re.compile(r"</?([a-z][a-z0-9]*)(?:\s+[a-z-]+(?:=(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+))?)*\s*/?>")


def write(blocks: tuple[Block, ...]) -> str:
    """`blocks` as a `formatted_body`. Never raises."""
    return _blocks(normalise(blocks))


def literal(text: str) -> str:
    """An operator's own words: a `<` or `&` that begins no tag and no character reference is shown as it is."""
    written: list[str] = []
    end = 0
    for found in _TAG.finditer(text):
        if found[1] in PERMITTED:
            written += [_references_kept(text[end : found.start()]), found[0]]
            end = found.end()
    return "".join([*written, _references_kept(text[end:])])


def _references_kept(text: str) -> str:
    text = re.sub(r"&(?!#?[A-Za-z0-9]{1,32};)", "&amp;", text)
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _blocks(blocks: tuple[Block, ...]) -> str:
    # the first paragraph needs no tags, and can so stand behind the name of who said it
    return "".join(_block(block, first=not place) for place, block in enumerate(blocks))


def _block(block: Block, *, first: bool) -> str:
    match block:
        case Paragraph(children):
            return _inlines(children) if first else f"<p>{_inlines(children)}</p>"
        case Heading(level, children):
            return f"<h{level}>{_inlines(children)}</h{level}>"
        case CodeBlock(text, language):
            named = f' class="language-{language}"' if LANGUAGE.match(language) else ""
            return f"<pre><code{named}>{_escaped(text)}\n</code></pre>"
        case Quote(children):
            return f"<blockquote>{_blocks(children)}</blockquote>"
        case ListBlock(items, start):
            tag = "ul" if start is None else "ol"
            number = "" if start in {None, 1} else f' start="{start}"'
            return f"<{tag}{number}>" + "".join(f"<li>{_blocks(item)}</li>" for item in items) + f"</{tag}>"
        case ThematicBreak():
            return "<hr>"
        case _:
            assert_never(block)


def _inlines(children: tuple[Inline, ...]) -> str:
    return "".join(_inline(node) for node in children)


def _inline(node: Inline) -> str:
    match node:
        case Text(text):
            return _text(text)
        case LineBreak():
            return "<br>"
        case Bold(children) | Italic(children) | Underline(children) | Strike(children):
            tag = _TAGS[type(node)]
            return f"<{tag}>{_inlines(children)}</{tag}>"
        case Spoiler(children):
            return f"<span data-mx-spoiler>{_inlines(children)}</span>"
        case Code(text):
            return f"<code>{_escaped(text)}</code>"
        case Link(url, label):
            return _link(url, _inlines(label), bare=label == (Text(url),))
        case Mention():
            return _mention(node)
        case Emoji():
            return _text(node.shown)
        case _:
            assert_never(node)


def _link(url: str, words: str, *, bare: bool) -> str:
    # only the core calls people: a link that somebody typed is no mention
    address = safe_address(url) if user_in(url) is None else None
    if address is None:
        return words if bare else f"{words} ({_text(url)})"
    return f'<a href="{html.escape(address)}">{words}</a>'


def _mention(node: Mention) -> str:
    if node.kind is not MentionKind.USER:
        return f"<{EVERYBODY}>@room</{EVERYBODY}>" if node.permitted else _text(f"@{node.name}")
    if node.user is None or not is_user(node.user):
        return _text(f"@{node.name}")
    return f'<a href="{html.escape(address_of(node.user))}">{_text(node.name)}</a>'


def _text(text: str) -> str:
    """Several spaces are seen as several, as people see them who typed them."""
    return _SPACES.sub("&nbsp;", _escaped(text.replace("\n", " ")))


def _escaped(text: str) -> str:
    return html.escape(text.translate(_CONTROLS))
