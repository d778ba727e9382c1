"""Slack's notation for text, mrkdwn: https://docs.slack.dev/messaging/formatting-message-text

It has no sign that takes the meaning from another. Ours is the word joiner, which shows nothing: a sign behind it means
itself. What we send is read back into a tree and goes out as rich text blocks, which need no signs at all, so that
Slack shows exactly what was meant; the text in this notation stands beside them for notifications.
"""

from __future__ import annotations

from drivers.slack.mrkdwn.notation import MEANS_ITSELF
from drivers.slack.mrkdwn.reader import NOBODY, Names, read
from drivers.slack.mrkdwn.writer import write
from nextbridge.markup import Block, RichText

__all__ = ["MEANS_ITSELF", "MRKDWN", "NOBODY", "Names", "read"]


class Mrkdwn:
    """The dialect. Channels and people are ids in it: what they are called, only the workspace knows."""

    name = "mrkdwn"
    multiline = True
    names_links = True

    def read(self, text: str) -> RichText:
        # without its source: ids of one workspace mean nothing in another
        return RichText(read(text, NOBODY))

    def write(self, blocks: tuple[Block, ...]) -> str:
        return write(blocks)


MRKDWN = Mrkdwn()
"""The one mrkdwn dialect; it has no state."""
