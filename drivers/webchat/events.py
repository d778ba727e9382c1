"""What people at browsers do, as events for the relay."""

from __future__ import annotations

from typing import TypedDict

from drivers.webchat.messages import Change, Message
from nextbridge.envelope import (
    Attachment,
    Author,
    Channel,
    Deleted,
    Edited,
    Event,
    MessageId,
    Posted,
    Reacted,
    UserId,
)
from nextbridge.markup import PLAIN
from nextbridge.media.hosted import File

__all__ = ["author_of", "event_of"]


class _Common(TypedDict):
    channel: Channel
    channel_name: str
    message: MessageId
    author: Author
    at: int


def event_of(message: Message, change: Change, channel: Channel, channel_name: str) -> Event:
    """The event of a change to a message, the same at each report of it."""
    common = _Common(
        channel=channel,
        channel_name=channel_name,
        message=MessageId(str(message.id)),
        author=author_of(change.author, change.name),
        at=change.at,
    )
    version = str(change.revision)
    files = tuple(_attachment(file) for file in message.files)
    match change.kind:
        case "posted":
            return Posted(
                **common,
                text=PLAIN.read(message.text),
                action=message.action,
                attachments=files,
                reply_to=_id(message.reply_to),
                thread=_id(message.thread),
            )
        case "edited":
            text = PLAIN.read(message.text)
            return Edited(**common, version=version, text=text, action=message.action, attachments=files)
        case "deleted":
            return Deleted(**common, version=version)
        case "added" | "removed":
            return Reacted(**common, version=version, emoji=change.emoji, added=change.kind == "added")


def author_of(author: str, name: str) -> Author:
    """Somebody at a browser, as the relay knows them."""
    return Author(id=UserId(author), username=name, name=name)


def _id(number: int | None) -> MessageId | None:
    return None if number is None else MessageId(str(number))


def _attachment(file: File) -> Attachment:
    return Attachment(id=file.id, name=file.name, media_type=file.image or "application/octet-stream", size=file.size)
