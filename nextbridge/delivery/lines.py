"""What a person would write by hand where a platform has no means of its own: a correction, a notice, a reaction.

Each is a message like any other from here on, by the one who did it. Pure.
"""

from __future__ import annotations

import time

from nextbridge.envelope import Deleted, Edited, Event, Joined, Left, Posted, Reacted, TopicChanged
from nextbridge.markup import Block, Paragraph, RichText, Text
from nextbridge.render import excerpt, one_line

__all__ = ["correction", "deletion", "notice", "reaction"]

_EDITED = "(edited) "


def correction(edit: Edited, posted: Posted) -> Posted:
    """The new text as a message of its own, marked as a correction."""
    blocks = edit.text.blocks
    marked: tuple[Block, ...]
    match blocks:
        case (Paragraph(children), *rest):
            marked = (Paragraph((Text(_EDITED), *children)), *rest)
        case _:
            marked = (Paragraph((Text(_EDITED.strip()),)), *blocks)
    text = RichText(marked)
    return _message(edit, text, action=edit.action, name=posted.channel_name)


def deletion(event: Deleted, posted: Posted) -> Posted:
    """That a message was deleted, with its time, and without what it said."""
    said = time.strftime("%H:%M", time.localtime(posted.at / 1000))
    author = posted.author
    whose = "a message" if event.author.id == author.id else f"a message by {one_line(author.name, 80)}"
    return _message(event, RichText.plain(f"deleted {whose} of {said}"), action=True, name=posted.channel_name)


def reaction(event: Reacted, posted: Posted) -> Posted:
    """Who reacted to what, and how."""
    emoji = event.emoji if not event.emoji.isascii() else f":{event.emoji}:"
    name = one_line(posted.author.name or posted.author.username, 80)
    words = excerpt(posted)
    to = f"{name}: {words}" if words else name
    return _message(event, RichText.plain(f"reacted with {emoji} to {to}"), action=True, name=posted.channel_name)


def notice(event: Joined | Left | TopicChanged) -> Posted:
    """That somebody came, went, or changed the topic."""
    match event:
        case Joined():
            words = "joined"
        case Left(reason=reason):
            words = f"left ({one_line(reason, 300)})" if reason.strip() else "left"
        case TopicChanged(topic=topic):
            words = f"changed the topic to: {one_line(topic, 300)}" if topic.strip() else "removed the topic"
    return _message(event, RichText.plain(words), action=True, name=event.channel_name)


def _message(event: Event, text: RichText, *, action: bool, name: str) -> Posted:
    return Posted(
        channel=event.channel,
        message=event.message,
        author=event.author,
        at=event.at,
        channel_name=event.channel_name or name,
        mark=event.mark,
        text=text,
        action=action,
    )
