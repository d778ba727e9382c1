"""Blocks read into a tree: what people type comes as a rich text block, exact where the text beside it is not.

What apps build messages of is read as far as it is words. All of it may have been made up: what is not as it should be
is passed over, and nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from drivers.slack.mrkdwn.notation import LINKED
from drivers.slack.mrkdwn.reader import BROADCASTS, Names, emoji_named, read
from nextbridge.markup import (
    Block,
    Bold,
    Code,
    CodeBlock,
    Heading,
    Inline,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Mention,
    Paragraph,
    Quote,
    Strike,
    Text,
    ThematicBreak,
    plain_text,
)
from nextbridge.markup.normal import normalise

__all__ = ["ids_in", "read_attachments", "read_blocks"]

Json: TypeAlias = Mapping[str, Any]

_DEEPEST = 32
_ID = re.compile(r"<([@#])([A-Z0-9]{2,31})(?:\|([^<>]*))?>")


def read_blocks(blocks: object, names: Names) -> tuple[Block, ...] | None:
    """What blocks say; None where there are none, or none of a kind that is read."""
    found: list[Block] = []
    is_read = False
    for block in _list(blocks):
        made = _read(block, names)
        if made is not None:
            is_read = True
            found += made
    return normalise(found) if is_read else None


def _read(block: Json, names: Names) -> list[Block] | None:
    match block.get("type"):
        case "rich_text":
            return [each for element in _list(block.get("elements")) for each in _rich(element, names)]
        case "section":
            texts = [block.get("text"), *_list(block.get("fields"))]
            return [each for text in texts for each in _text_object(text, names)]
        case "header":
            words = _string(_mapping(block.get("text")), "text")
            return [Heading(2, (Text(words),))] if words else []
        case "context":
            return [each for element in _list(block.get("elements")) for each in _text_object(element, names)]
        case "markdown":
            return list(read(_string(block, "text"), names))
        case "image":
            words = _string(_mapping(block.get("title")), "text") or _string(block, "alt_text")
            url = _string(block, "image_url")
            return [Paragraph((_linked(url, words or url),))] if url or words else []
        case "divider":
            return [ThematicBreak()]
        case _:
            return None


def _text_object(text: object, names: Names) -> tuple[Block, ...]:
    text = _mapping(text)
    words = _string(text, "text")
    if text.get("type") == "plain_text":
        return (Paragraph((Text(words),)),) if words else ()
    return read(words, names) if text.get("type") == "mrkdwn" else ()


def _rich(element: Json, names: Names) -> Iterator[Block]:
    inside = element.get("elements")
    match element.get("type"):
        case "rich_text_section":
            yield Paragraph(tuple(_inlines(inside, names)))
        case "rich_text_quote":
            yield Quote((Paragraph(tuple(_inlines(inside, names))),))
        case "rich_text_preformatted":
            yield CodeBlock(plain_text(tuple(_inlines(inside, names))).removesuffix("\n"))
        case "rich_text_list":
            items = tuple((Paragraph(tuple(_inlines(each.get("elements"), names))),) for each in _list(inside))
            offset = element.get("offset")
            first = 1 + offset if isinstance(offset, int) and 0 <= offset < 1_000_000 else 1
            made: Block = ListBlock(items, first if element.get("style") == "ordered" else None)
            indent = element.get("indent")
            for _ in range(indent if isinstance(indent, int) and 0 < indent < _DEEPEST else 0):
                made = ListBlock(((made,),))
            yield made


def _inlines(elements: object, names: Names) -> Iterator[Inline]:
    for element in _list(elements):
        for node in _inline(element, names):
            style = _mapping(element.get("style"))
            styled: Inline = node
            if style.get("code") is True and not isinstance(node, LineBreak | Link):
                styled = Code(plain_text((node,)))
            for key, kind in (("strike", Strike), ("italic", Italic), ("bold", Bold)):
                if style.get(key) is True:
                    styled = kind((styled,))
            yield styled


def _inline(element: Json, names: Names) -> Iterator[Inline]:
    match element.get("type"):
        case "text":
            for number, line in enumerate(_string(element, "text").split("\n")):
                if number:
                    yield LineBreak()
                if line:
                    yield Text(line)
        case "link":
            url = _string(element, "url")
            yield _linked(url, _string(element, "text") or url.removeprefix("mailto:"))
        case "emoji":
            yield _emoji(element)
        case _:
            yield _named(element, names)


def _named(element: Json, names: Names) -> Inline:
    """Who or what is called or named; an element of another kind as the words that it has."""
    match element.get("type"):
        case "user":
            user = _string(element, "user_id")
            return Mention(names.people.get(user) or user or "somebody", user=user or None)
        case "channel":
            channel = _string(element, "channel_id")
            return Text(f"#{names.channels.get(channel) or channel}")
        case "usergroup":
            return Text("@group")
        case "broadcast":
            name = _string(element, "range")
            return Mention(name, BROADCASTS[name]) if name in BROADCASTS else Text(f"@{name}")
        case _:
            return Text(_string(element, "fallback") or _string(element, "value"))


def _emoji(element: Json) -> Inline:
    name, unicode = _string(element, "name"), _string(element, "unicode")
    if unicode:
        try:
            return Text("".join(chr(int(code, 16)) for code in unicode.split("-")[:16]))
        except (ValueError, OverflowError):
            pass
    tone = element.get("skin_tone")
    return emoji_named(name, str(tone) if isinstance(tone, int) else "")


def _linked(url: str, words: str) -> Inline:
    return Link(url, (Text(words),)) if LINKED.fullmatch(url) else Text(words or url)


def read_attachments(attachments: object, names: Names) -> tuple[Block, ...]:
    """What an app put below its text in the older way. Previews that Slack itself makes of links are none of it."""
    found: list[Block] = []
    for each in _list(attachments):
        if "from_url" in each or "original_url" in each:
            continue
        blocks = read_blocks(each.get("blocks"), names)
        if blocks is not None:
            found += blocks
            continue
        shown = [*_attachment(each, names)]
        found += shown or read(_string(each, "fallback"), names)
    return normalise(found)


def _attachment(each: Json, names: Names) -> Iterator[Block]:
    yield from read(_string(each, "pretext"), names)
    if author := _string(each, "author_name"):
        yield Paragraph((Text(author),))
    if title := _string(each, "title"):
        yield Paragraph((Bold((_linked(_string(each, "title_link"), title),)),))
    yield from read(_string(each, "text"), names)
    for field in _list(each.get("fields")):
        name, value = _string(field, "title"), read(_string(field, "value"), names)
        head: tuple[Inline, ...] = (Bold((Text(name),)), Text(": ")) if name else ()
        first = value[0].children if value and isinstance(value[0], Paragraph) else ()
        yield Paragraph((*head, *first))
        yield from value[1:] if first else value
    if footer := _string(each, "footer"):
        yield Paragraph((Text(footer),))


def ids_in(text: str, blocks: object) -> tuple[set[str], set[str]]:
    """The ids of the people and of the channels that a message names without saying what they are called."""
    people, channels = set[str](), set[str]()
    for sign, name, label in _ID.findall(text):
        if not label:
            (people if sign == "@" else channels).add(name)
    waiting = [(each, 0) for each in _list(blocks)]
    while waiting:
        element, deep = waiting.pop()
        for key, into in (("user_id", people), ("channel_id", channels)):
            if element.get("type") == key.removesuffix("_id") and (found := _string(element, key)):
                into.add(found)
        for key in ("text", "fields", "elements"):
            inner = element.get(key)
            if isinstance(inner, str):
                for sign, name, label in _ID.findall(inner):
                    if not label:
                        (people if sign == "@" else channels).add(name)
            elif deep < _DEEPEST:
                waiting += [(each, deep + 1) for each in ([inner] if isinstance(inner, dict) else _list(inner))]
    return people, channels


def _list(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list | tuple) else []


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _string(value: Json, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
