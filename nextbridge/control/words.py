"""What an operator is told of what chat users and servers wrote: without secrets, and not without end."""

from __future__ import annotations

from nextbridge.envelope import Deleted, Edited, Event, Joined, Left, Posted, Reacted, TopicChanged
from nextbridge.markup import PLAIN
from nextbridge.redaction import redaction

__all__ = ["LONGEST_TEXT", "shown", "words_of"]

LONGEST_TEXT = 100_000
"""Characters of what somebody said."""
_LONGEST_REASON = 500
"""Characters; what a server says of itself may be a whole page."""


def words_of(event: Event) -> str:
    """What its author wrote or did."""
    match event:
        case Posted() | Edited():
            return PLAIN.write(event.text.blocks)
        case Reacted():
            return event.emoji if event.added else f"{event.emoji}, taken back"
        case TopicChanged():
            return event.topic
        case Left():
            return event.reason
        case Deleted() | Joined():
            return ""


def shown(text: str, most: int = _LONGEST_REASON) -> str:
    """`text` as it may be told, cut to `most` characters."""
    # masked where it was written down, too; but the file may have got a secret since
    masked = redaction.mask(text)
    return masked if len(masked) <= most else f"{masked[:most]}…"
