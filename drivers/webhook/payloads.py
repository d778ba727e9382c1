"""A message as Slack's and Mattermost's incoming webhooks take it.

Slack: docs.slack.dev, "Sending messages using incoming webhooks" and "Formatting text" (`<address|words>`; `&amp;`,
`&lt;` and `&gt;` for the characters). Mattermost: developers.mattermost.com, "Incoming webhooks" and "Message
attachments".
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from nextbridge.markup import Inline, Link, Paragraph, RichText, Text
from nextbridge.markup.plain import PLAIN

__all__ = ["Payload", "PayloadWrong", "clean_name", "cleaned", "read_payload", "rich_text"]
_LONGEST_NAME = 64
_MOST_ATTACHMENTS = 20
_MOST_FIELDS = 50
_MOST_BLOCKS = 50
_LINK = re.compile(r"<((?:https?://|mailto:)[^\s<>|]+)(?:\|([^<>\n]+))?>")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class PayloadWrong(Exception):
    """It is no message. The text is for whoever set the sender up."""


class Payload(Struct, frozen=True):
    """What of a message is relayed."""

    text: str
    username: str = ""
    picture: str | None = None


class _Field(Struct, frozen=True):
    title: str = ""
    value: Any = ""


class _Attachment(Struct, frozen=True):
    fallback: str | None = None
    pretext: str | None = None
    author_name: str | None = None
    title: str | None = None
    title_link: str | None = None
    text: str | None = None
    fields: list[_Field] | None = None
    footer: str | None = None


class _BlockText(Struct, frozen=True):
    text: str = ""


class _Block(Struct, frozen=True):
    text: _BlockText | None = None
    fields: list[_BlockText] | None = None


class _Message(Struct, frozen=True):
    text: str | None = None
    username: str | None = None
    icon_url: str | None = None
    attachments: list[_Attachment] | None = None
    blocks: list[_Block] | None = None


def read_payload(data: bytes | str) -> Payload:
    """The message that JSON says. Raises PayloadWrong."""
    try:
        message = msgspec.json.decode(data, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadWrong(f"invalid_payload: {error}") from None
    parts = [message.text or "\n".join(_of_blocks(message.blocks or []))]
    parts += [_of_attachment(each) for each in (message.attachments or [])[:_MOST_ATTACHMENTS]]
    text = "\n".join(part for part in map(cleaned, parts) if part)
    if not text:
        raise PayloadWrong("no_text")
    picture = message.icon_url or ""
    return Payload(
        text,
        clean_name(message.username or ""),
        picture if re.fullmatch(r"https?://[!-~]{1,2000}", picture) else None,
    )


def rich_text(text: str) -> RichText:
    """The text with the links that it names, and the characters that it escapes. Other notation stays as it is."""
    blocks: list[Inline] = []
    plain = PLAIN.read(text)
    for paragraph in plain.blocks:
        for node in paragraph.children if isinstance(paragraph, Paragraph) else ():
            blocks += _links(node.text) if isinstance(node, Text) else [node]
    return RichText((Paragraph(tuple(blocks)),)) if blocks else RichText()


def clean_name(name: str) -> str:
    """A name in one line, and not too long."""
    return " ".join(_CONTROL.sub("", name).split())[:_LONGEST_NAME]


def _links(line: str) -> list[Inline]:
    found: list[Inline] = []
    end = 0
    for link in _LINK.finditer(line):
        if before := line[end : link.start()]:
            found.append(Text(_characters(before)))
        address = _characters(link.group(1))
        found.append(Link(address, (Text(_characters(link.group(2) or link.group(1))),)))
        end = link.end()
    if rest := line[end:]:
        found.append(Text(_characters(rest)))
    return found


def _characters(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _of_attachment(attachment: _Attachment) -> str:
    title = attachment.title or ""
    if title and attachment.title_link:
        title = f"<{attachment.title_link}|{title}>"
    fields = [f"{field.title}: {_shown(field.value)}" for field in (attachment.fields or [])[:_MOST_FIELDS]]
    lines = [attachment.pretext, attachment.author_name, title, attachment.text, *fields, attachment.footer]
    return "\n".join(line for line in lines if line) or attachment.fallback or ""


def _of_blocks(blocks: list[_Block]) -> list[str]:
    lines = []
    for block in blocks[:_MOST_BLOCKS]:
        lines += [each.text for each in (block.text, *(block.fields or [])[:_MOST_FIELDS]) if each is not None]
    return lines


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def cleaned(text: str) -> str:
    """A text without control characters and blank ends."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
