"""The notation of formats and of texts on their way to Telegram: the HTML that its documentation describes.

https://core.telegram.org/bots/api#html-style. It is read here and sent as entities, so that the server has nothing to
misunderstand: only the tags that it knows count, and only where one is opened and closed; `<Ann> hello` is text.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from itertools import pairwise
from typing import assert_never

from drivers.telegram.formatted import Formatted, Span
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

__all__ = ["TELEGRAM", "TelegramHtml", "parse"]

_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
}
_TOKEN = re.compile(
    rf"<(?P<closing>/?)(?P<tag>{'|'.join(sorted(_KINDS, key=len, reverse=True))})(?:\s(?P<attributes>[^<>]*))?>"
    r"|&(?:lt|gt|amp|quot|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});"
)
_HREF = re.compile(r"href=\"([^\"]*)\"")
_LANGUAGE = re.compile(r"class=\"language-([^\"]*)\"")
_USER_LINK = re.compile(r"tg://user\?id=([0-9]{1,19})")
_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f]+$", re.IGNORECASE)
_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_CALL = re.compile(r"(?<!\w)@(?=\w|$)")
_NOT_A_CALL = "@\u200b"
_TAGS = {Bold: "b", Italic: "i", Underline: "u", Strike: "s", Spoiler: "tg-spoiler"}


def parse(text: str) -> Formatted:
    """What a text in this notation shows."""
    tokens = list(_TOKEN.finditer(text))
    partners = _pairs(tokens)
    shown: list[str] = []
    spans: list[Span] = []
    starts: dict[int, tuple[int, int]] = {}
    """By opening token: where its content begins, and the place of its span among the others."""
    place = size = 0
    for number, token in enumerate(tokens):
        size += token.start() - place
        shown.append(text[place : token.start()])
        place = token.end()
        if token["tag"] is None:
            said = html.unescape(token[0])
        elif number not in partners:
            said = token[0]
        else:
            said = ""
            if token["closing"]:
                start, at = starts[partners[number]]
                spans[at] = _span(tokens[partners[number]], start, size)
            else:
                starts[number] = size, len(spans)
                spans.append(Span("", size, size))
        shown.append(said)
        size += len(said)
    return Formatted("".join([*shown, text[place:]]), _with_languages(spans))


def _pairs(tokens: list[re.Match[str]]) -> dict[int, int]:
    """Which opening and closing tags belong together; one that is crossed by another pair has none."""
    partners: dict[int, int] = {}
    opened: list[int] = []
    waiting: Counter[str] = Counter()
    for number, token in enumerate(tokens):
        tag = token["tag"]
        if tag is None:
            continue
        if not token["closing"]:
            opened.append(number)
            waiting[tag] += 1
        elif waiting[tag]:
            while (last := opened.pop()) is not None:
                waiting[tokens[last]["tag"]] -= 1
                if tokens[last]["tag"] == tag:
                    partners[last], partners[number] = number, last
                    break
    return partners


def _span(token: re.Match[str], start: int, end: int) -> Span:
    kind, attributes = _KINDS[token["tag"]], token["attributes"] or ""
    if kind != "text_link":
        language = _LANGUAGE.search(attributes) if kind == "code" else None
        return Span(kind, start, end, "" if language is None else html.unescape(language[1]))
    href = _HREF.search(attributes)
    url = "" if href is None else html.unescape(href[1])
    user = _USER_LINK.fullmatch(url)
    return Span("text_mention", start, end, user[1]) if user is not None else Span(kind, start, end, url)


def _with_languages(spans: list[Span]) -> tuple[Span, ...]:
    """Where a block of code holds code with a language, the language is the block's."""
    joined: list[Span] = []
    for span in spans:
        if span.kind == "text_link" and not span.detail:
            continue
        outer = joined[-1] if joined else None
        if outer is not None and outer.kind == "pre" and (outer.start, outer.end) == (span.start, span.end):
            joined[-1] = Span("pre", span.start, span.end, span.detail)
            continue
        # a language is no part of code inside a line
        joined.append(Span("code", span.start, span.end) if span.kind == "code" else span)
    return tuple(joined)


class TelegramHtml:
    """The dialect of Telegram. Stateless."""

    name = "telegram"
    multiline = True
    names_links = True

    def read(self, text: str) -> RichText:
        return parse(text).rich

    def write(self, blocks: tuple[Block, ...]) -> str:
        return _written(blocks, quoted=False)


def _written(blocks: tuple[Block, ...], *, quoted: bool) -> str:
    written = [_block(block, quoted=quoted) for block in blocks]
    for place, (before, block) in enumerate(pairwise(blocks), start=1):
        # a blank line only where two blocks would look like one
        if type(before) is type(block) and isinstance(block, Paragraph | Quote):
            written[place] = f"\n{written[place]}"
    return "\n".join(written)


def _block(block: Block, *, quoted: bool) -> str:
    match block:
        case Paragraph(children):
            return _inlines(children, frozenset())
        case Heading(children=children):
            return _wrapped("b", children, frozenset())
        case CodeBlock(text, language):
            code = _escaped(text)
            if language:
                code = f'<code class="language-{html.escape(language)}">{code}</code>'
            return f"<pre>{code}</pre>"
        case Quote(children):
            if not quoted:
                return f"<blockquote>{_written(children, quoted=True)}</blockquote>"
            # one quote cannot stand in another there
            return "\n".join(f"&gt; {line}" for line in _written(children, quoted=True).split("\n"))
        case ListBlock(items, start):
            return "\n".join(_item(item, start, place, quoted=quoted) for place, item in enumerate(items))
        case ThematicBreak():
            return "―――"
        case _:
            assert_never(block)


def _item(item: tuple[Block, ...], start: int | None, place: int, *, quoted: bool) -> str:
    bullet = "• " if start is None else f"{start + place}. "
    return bullet + _written(item, quoted=quoted).replace("\n", "\n" + " " * len(bullet))


def _inlines(children: tuple[Inline, ...], around: frozenset[str]) -> str:
    return "".join(_inline(node, around) for node in children)


def _inline(node: Inline, around: frozenset[str]) -> str:
    match node:
        case Text(text):
            return _escaped(_silent(text))
        case LineBreak():
            return "\n"
        case Bold(children) | Italic(children) | Underline(children) | Strike(children) | Spoiler(children):
            return _wrapped(_TAGS[type(node)], children, around)
        case Code(text) if _TAGS[Spoiler] in around:
            return _escaped(_silent(text))  # Telegram would show code, around which no other format stands
        case Code(text):
            return f"<code>{_escaped(text)}</code>" if text else ""
        case Link(url, label):
            return _link(url, _inlines(label, around))
        case Mention():
            return _mention(node)
        case Emoji():
            return _escaped(node.shown)
        case _:
            assert_never(node)


def _wrapped(tag: str, children: tuple[Inline, ...], around: frozenset[str]) -> str:
    inside = _inlines(children, around | {tag})
    return f"<{tag}>{inside}</{tag}>" if inside and tag not in around else inside


def _link(url: str, words: str) -> str:
    shown = parse(words).text
    if shown in {"", url} or f"http://{shown}" == url:
        return _escaped(url)
    if not _ADDRESS.match(url):
        # an address of another kind could do more than open a page
        return f"{words} ({_escaped(_silent(url))})"
    return f'<a href="{html.escape(url)}">{words}</a>'


def _mention(mention: Mention) -> str:
    if mention.kind is not MentionKind.USER:
        return _escaped(_silent(f"@{mention.name}"))  # nothing here calls everybody
    if _USERNAME.fullmatch(mention.name):
        return f"@{mention.name}"
    if mention.user is not None and _USER_LINK.fullmatch(f"tg://user?id={mention.user}"):
        return f'<a href="tg://user?id={mention.user}">{_escaped(mention.name)}</a>'
    return _escaped(_silent(f"@{mention.name}"))


def _silent(text: str) -> str:
    """Text in which no name with an @ calls whoever bears it."""
    return _CALL.sub(_NOT_A_CALL, text) if "@" in text else text


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


TELEGRAM = TelegramHtml()
"""The one dialect of Telegram; it has no state."""
