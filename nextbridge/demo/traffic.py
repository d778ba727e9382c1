"""A line for each thing that crosses, for somebody who watches the demo."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from nextbridge.delivery import Came
from nextbridge.envelope import Deleted, Edited, Event, Joined, Left, Posted, Reacted, TopicChanged
from nextbridge.journal import Delivery
from nextbridge.labels import label
from nextbridge.markup import PLAIN
from nextbridge.markup.plain import one_line

__all__ = ["Traffic"]

_LONGEST_TEXT = 60


class Traffic:
    """An observer of the deliveries that prints them. What chat users wrote is shown on one line, harmless."""

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        pass

    def came(self, came: Came) -> None:
        if came.outcome != "delivered":
            return
        event, target = came.delivery.event, came.delivery.target
        click.echo(
            f"{time.strftime('%H:%M:%S')}  {event.channel.instance} → {target.instance}  "
            f"{one_line(event.author.name, 30)}{one_line(_what(event), _LONGEST_TEXT)}"
        )


def _what(event: Event) -> str:
    match event:
        case Posted() as posted:
            words = [PLAIN.write(posted.text.blocks), *map(label, posted.attachments)]
            return f": {' '.join(words)}"
        case Edited(text=text):
            return f" edits: {PLAIN.write(text.blocks)}"
        case Deleted():
            return " deletes a message"
        case Reacted(emoji=emoji, added=added):
            return f" reacts with {emoji}" if added else f" takes back {emoji}"
        case Joined():
            return " joins"
        case Left():
            return " leaves"
        case TopicChanged(topic=topic):
            return f" changes the topic: {topic}"
