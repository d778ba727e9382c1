"""What programs do in a room, as events for the relay."""

from __future__ import annotations

from typing import TypedDict

from drivers.api.entries import Delete, Edit, Entry, Message, Person, Reaction, Topic
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
    TopicChanged,
    UserId,
)
from nextbridge.markup import PLAIN
from nextbridge.media.hosted import File

__all__ = ["author_of", "event_of"]


class _Common(TypedDict):
    channel: Channel
    channel_name: str
    author: Author
    at: int


def event_of(entry: Entry, channel: Channel, channel_name: str) -> Event:
    """The event of what a program did, the same at each report of it."""
    common = _Common(channel=channel, channel_name=channel_name, author=author_of(entry), at=entry.at)
    version = str(entry.id)
    match entry:
        case Message():
            return Posted(
                **common,
                message=_id(entry.id),
                text=PLAIN.read(entry.text),
                action=entry.action,
                attachments=_attachments(entry.files),
                reply_to=None if entry.reply_to is None else _id(entry.reply_to),
                thread=None if entry.thread is None else _id(entry.thread),
            )
        case Edit():
            return Edited(
                **common,
                message=_id(entry.message),
                version=version,
                text=PLAIN.read(entry.text),
                action=entry.action,
                attachments=_attachments(entry.files),
            )
        case Delete():
            return Deleted(**common, message=_id(entry.message), version=version)
        case Reaction():
            return Reacted(**common, message=_id(entry.message), version=version, emoji=entry.emoji, added=entry.added)
        case Topic():
            return TopicChanged(**common, message=_id(entry.id), topic=entry.topic)


def author_of(entry: Entry) -> Author:
    """Who did it, as the relay knows them: whoever the program names, of its own people.

    The same name by another token is somebody else.
    """
    person = entry.author or Person(entry.token)
    return Author(
        id=UserId(f"{entry.token}/{person.id or person.name}"),
        username=person.username or person.name,
        name=person.name,
        avatar=person.avatar,
        bot=person.bot,
    )


def _id(number: int) -> MessageId:
    return MessageId(str(number))


def _attachments(files: tuple[File, ...]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(id=file.id, name=file.name, media_type=file.image or "application/octet-stream", size=file.size)
        for file in files
    )
