"""A tree as the one rich text block that shows it: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from drivers.slack.mrkdwn.notation import EMOJI_NAME, PERSON
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
    Mention,
    MentionKind,
    Paragraph,
    Quote,
    Strike,
    Text,
    plain_text,
)

__all__ = ["written"]

Element: TypeAlias = dict[str, Any]
Style: TypeAlias = Mapping[str, bool]

_ADDRESS = re.compile(r"https?://[^\s<>|\"`]+")
_AT_ITS_END = ".,;:!?'*_~)]}"
_EMOJI = re.compile(EMOJI_NAME)
_STYLES: Mapping[type, str] = MappingProxyType({Bold: "bold", Italic: "italic", Strike: "strike"})


def written(blocks: Sequence[Block]) -> list[Element]:
    """The one rich text block that shows these, or nothing where they are nothing."""
    elements: list[Element] = []
    for block in blocks:
        made = _element(block)
        if not made["elements"]:
            continue
        if elements and elements[-1]["type"] == made["type"] and made["type"] != "rich_text_preformatted":
            # two of a kind would touch
            elements[-1]["elements"] += [{"type": "text", "text": "\n\n"}, *made["elements"]]
        else:
            elements.append(made)
    return [{"type": "rich_text", "elements": elements}] if elements else []


def _element(block: Block) -> Element:
    match block:
        case CodeBlock(text):
            return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text or " "}]}
        case Quote(children):
            return {"type": "rich_text_quote", "elements": _quoted(children)}
        case Paragraph(children) | Heading(children=children):
            return {"type": "rich_text_section", "elements": _merged(_elements(children, {}))}
        case _:  # what is read out of mrkdwn has no others
            return {"type": "rich_text_section", "elements": []}


def _quoted(blocks: tuple[Block, ...]) -> list[Element]:
    """A quote holds one run of text: what stands in it is put below each other."""
    elements: list[Element] = []
    for block in blocks:
        inside = _quoted(block.children) if isinstance(block, Quote) else _element(block)["elements"]
        if inside:
            elements += [{"type": "text", "text": "\n"}] if elements else []
            elements += inside
    return elements


def _elements(children: Iterable[Inline], style: Style) -> Iterator[Element]:
    for node in children:
        match node:
            case Text(text):
                yield from _text(text, style)
            case LineBreak():
                yield {"type": "text", "text": "\n"}
            case Code(text):
                yield _styled({"type": "text", "text": text}, {**style, "code": True})
            case Bold(inside) | Italic(inside) | Strike(inside):
                yield from _elements(inside, {**style, _STYLES[type(node)]: True})
            case Link():
                yield _link(node, style)
            case Mention():
                yield _styled(_mention(node), style)
            case Emoji(name):
                yield _styled({"type": "emoji", "name": name}, style)
            case _:
                yield from _elements(node.children, style)


def _link(link: Link, style: Style) -> Element:
    if len(link.children) == 1 and isinstance(inner := link.children[0], Bold | Italic | Strike):
        return _link(Link(link.url, inner.children), {**style, _STYLES[type(inner)]: True})
    words = plain_text(link.children)
    element = {"type": "link", "url": link.url}
    return _styled(element if words in {link.url, ""} else {**element, "text": words}, style)


def _mention(mention: Mention) -> Element:
    if mention.kind is not MentionKind.USER:
        # one that calls nobody was written as text; this one may
        return {"type": "broadcast", "range": "here" if mention.kind is MentionKind.HERE else "channel"}
    if mention.user is not None and PERSON.fullmatch(mention.user):
        return {"type": "user", "user_id": mention.user}
    return {"type": "text", "text": f"@{mention.name}"}


def _text(text: str, style: Style) -> Iterator[Element]:
    """Text, with the bare addresses in it as links: in a rich text block Slack itself makes none of them."""
    at = 0
    for found in _ADDRESS.finditer(text):
        url = found.group().rstrip(_AT_ITS_END)
        if url.endswith("/") and url.count("/") == 2:
            continue
        if found.start() > at:
            yield _styled({"type": "text", "text": text[at : found.start()]}, style)
        yield _styled({"type": "link", "url": url}, style)
        at = found.start() + len(url)
    if text[at:]:
        yield _styled({"type": "text", "text": text[at:]}, style)


def _styled(element: Element, style: Style) -> Element:
    return {**element, "style": dict(style)} if style else element


def _merged(elements: Iterable[Element]) -> list[Element]:
    """With neighbouring texts of one style as one."""
    merged: list[Element] = []
    for each in elements:
        if merged and each["type"] == merged[-1]["type"] == "text" and each.get("style") == merged[-1].get("style"):
            merged[-1] = {**merged[-1], "text": merged[-1]["text"] + each["text"]}
        else:
            merged.append(each)
    return merged
