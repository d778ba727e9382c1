"""A tree written as mrkdwn, so that our reader reads the same tree again, and Slack shows it as far as it can."""

from __future__ import annotations

import re
from typing import assert_never

from drivers.slack.mrkdwn.notation import BOUNDARY, LINKED, MEANS_ITSELF, PERSON, encoded, sign_of
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
from nextbridge.markup.rewrite import barred

__all__ = ["write"]

_SIGN = re.compile(rf"[*_~`{MEANS_ITSELF}{BOUNDARY}]|:(?=[a-z0-9_+'\-]{{0,100}}(?::|$))")
"""What would mean something in a text: a colon, too, where it can begin an emoji."""
_CODE_SIGN = re.compile(rf"[`{MEANS_ITSELF}]")
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))
_EMOJI = re.compile(r"[a-z0-9_+'\-]{1,100}")
_NO_ADDRESS = re.compile(r"[\s<>|]")


def write(blocks: tuple[Block, ...]) -> str:
    """The blocks in mrkdwn. What has no sign in it (lists, headings) is written as people type it."""
    written = ""
    before: Block | None = None
    for block in normalise(barred(blocks), underline=False):
        if before is not None:
            # a blank line where the two would be one
            are_alike = isinstance(block, Paragraph | Heading) and isinstance(before, Paragraph | Heading)
            written += "\n\n" if are_alike or (isinstance(block, Quote) and isinstance(before, Quote)) else "\n"
        written += _block(block)
        before = block
    return written


def _block(block: Block) -> str:
    match block:
        case Paragraph(children):
            return _paragraph(children)
        case Heading(children=children):
            return _paragraph((Bold(children),))
        case CodeBlock(text):
            return f"```\n{_code(text)}\n```"
        case Quote(children):
            return "\n".join(f"&gt; {line}" for line in write(_unfenced(children)).split("\n"))
        case ListBlock(items, start):
            return "\n".join(_item(item, start, place) for place, item in enumerate(items))
        case ThematicBreak():
            return "―――"
        case _:
            assert_never(block)


def _item(item: tuple[Block, ...], start: int | None, place: int) -> str:
    bullet = "• " if start is None else f"{start + place}. "
    inside = write(_unfenced(item)).split("\n")
    return "\n".join((bullet if not number else " " * len(bullet)) + line for number, line in enumerate(inside))


def _unfenced(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Code inside a quote or a list as lines of code: a fence would end what it stands in."""
    inside: list[Block] = []
    for block in blocks:
        if isinstance(block, CodeBlock):
            lines: list[Inline] = []
            for line in block.text.split("\n"):
                lines += [LineBreak()] if lines else []
                lines += [Code(line)] if line.strip() else []
            inside.append(Paragraph(tuple(lines)))
        else:
            inside.append(block)
    return tuple(inside)


def _paragraph(children: tuple[Inline, ...]) -> str:
    lines = _inlines(children).split("\n")
    return "\n".join(f"{MEANS_ITSELF}{line}" if line.startswith("&gt;") else line for line in lines)


def _inlines(children: tuple[Inline, ...]) -> str:
    return "".join(_inline(node) for node in children)


def _inline(node: Inline) -> str:
    match node:
        case Text(text):
            return _text(text)
        case LineBreak():
            return "\n"
        case Bold(children) | Italic(children) | Underline(children) | Strike(children):
            sign, inside = "" if isinstance(node, Underline) else sign_of(type(node)), _inlines(children)
            return f"{BOUNDARY}{sign}{inside}{sign}{BOUNDARY}" if inside else ""
        case Spoiler(children):  # its bars are text beside it by now
            return _inlines(children)
        case Code(text):
            return f"`{_code(text)}`" if text.translate(_CONTROLS) else ""
        case Link(url, label):
            return _link(url, label)
        case Mention():
            return _mention(node)
        case Emoji():
            return _emoji(node)
        case _:
            assert_never(node)


def _emoji(emoji: Emoji) -> str:
    if character(emoji.name) is None and _EMOJI.fullmatch(emoji.name):
        return f":{emoji.name}:"
    return _text(emoji.shown)


def _text(text: str) -> str:
    return encoded(_SIGN.sub(lambda found: f"{MEANS_ITSELF}{found.group()}", text.translate(_CONTROLS)))


def _code(text: str) -> str:
    return encoded(_CODE_SIGN.sub(lambda found: f"{MEANS_ITSELF}{found.group()}", text.translate(_CONTROLS)))


def _link(url: str, label: tuple[Inline, ...]) -> str:
    if len(label) == 1 and isinstance(label[0], Bold | Italic | Strike):
        # words of a link have no formatting of their own, but it may stand around them
        return _inline(type(label[0])((Link(url, label[0].children),)))
    words = plain_text(label).translate(_CONTROLS).replace("\n", " ").strip()
    address = _NO_ADDRESS.sub(lambda found: f"%{ord(found.group()):02X}", url.translate(_CONTROLS))
    if LINKED.fullmatch(address) is None:
        return _text(f"{words} ({url})" if words != url else url)
    bare = words in {"", url, address, url.removeprefix("mailto:")}
    return f"<{encoded(address)}>" if bare else f"<{encoded(address)}|{encoded(words)}>"


def _mention(mention: Mention) -> str:
    if mention.kind is MentionKind.USER and mention.user is not None and PERSON.fullmatch(mention.user):
        return f"<@{mention.user}>"
    if mention.kind is not MentionKind.USER and mention.permitted:
        return "<!here>" if mention.kind is MentionKind.HERE else "<!channel>"
    return _text(f"@{mention.name}")
