"""What a target would be given to show of an event: for operators' questions, nothing is sent.

It is rendered as for a delivery, without what only the moment of sending tells: whom it calls there, what it quotes,
and which of its files the target takes.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from nextbridge.delivery.lines import notice
from nextbridge.driver import Driver
from nextbridge.envelope import ChannelKey, Edited, Event, Joined, Left, Posted, TopicChanged
from nextbridge.filters import filter_of
from nextbridge.redaction import redaction
from nextbridge.render import Origin, render

__all__ = ["Preview", "preview"]


class Preview(Struct, frozen=True):
    """What a target channel shows; secrets are masked."""

    texts: tuple[str, ...]
    """In the platform's notation, a text for each message."""
    name: str | None = None
    """The name that it is shown under, where that does not stand in the text."""


def preview(
    event: Event, settings: str, driver: Driver[Any, Any], channel: ChannelKey, origin: Origin
) -> Preview | None:
    """What `channel` of `driver` is given, under a delivery's `settings`; None for what has no text of its own.

    Pure, and safe on any thread; a long text takes milliseconds.
    """
    rule = filter_of(settings)
    posted = _posted(event if rule is None else rule.applied(event))
    if posted is None:
        return None
    rendered = render(posted, settings, driver, channel, origin, missing={})
    texts = tuple(redaction.mask(part.text) for part in rendered.parts)
    return Preview(texts, None if rendered.name is None else redaction.mask(rendered.name))


def _posted(event: Event) -> Posted | None:
    match event:
        case Posted():
            return event
        case Edited():
            return Posted(
                channel=event.channel,
                message=event.message,
                author=event.author,
                at=event.at,
                channel_name=event.channel_name,
                text=event.text,
                attachments=event.attachments,
                action=event.action,
            )
        case Joined() | Left() | TopicChanged():
            return notice(event)
        case _:
            return None
