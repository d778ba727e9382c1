"""A line for each message that crosses, for somebody who watches the demo."""

from __future__ import annotations

import time

import click

from nextbridge.envelope import Channel, Event, Posted
from nextbridge.labels import label
from nextbridge.markup import PLAIN
from nextbridge.markup.plain import one_line

__all__ = ["Traffic"]

_LONGEST_TEXT = 60


class Traffic:
    """An observer of the deliveries that prints them. What chat users wrote is shown on one line, harmless."""

    def delivered(self, event: Event, target: Channel) -> None:
        if not isinstance(event, Posted):
            return
        words = [PLAIN.write(event.text.blocks), *map(label, event.attachments)]
        text = one_line(" ".join(words), _LONGEST_TEXT)
        click.echo(
            f"{time.strftime('%H:%M:%S')}  {event.channel.instance} → {target.instance}  "
            f"{one_line(event.author.name, 30)}: {text}"
        )
