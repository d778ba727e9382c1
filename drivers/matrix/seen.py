"""What was seen in the rooms and is asked for by what comes later: who sent an event, and what a reaction said."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from msgspec import Struct

__all__ = ["Reaction", "Seen"]

T = TypeVar("T")

_KNOWN_AT_ONCE = 20_000


class Reaction(Struct, frozen=True, gc=False):
    """Whose it is, what it is about, and how they react."""

    sender: str
    target: str
    emoji: str


class Seen:
    """Bounded: what was seen long ago is forgotten first. Of a reaction that is taken back the server tells no more."""

    def __init__(self) -> None:
        self._senders: OrderedDict[str, str] = OrderedDict()
        self._reactions: OrderedDict[str, Reaction] = OrderedDict()

    def sent(self, event: str, sender: str) -> None:
        """Somebody sent that event."""
        _keep(self._senders, event, sender)

    def sender(self, event: str) -> str | None:
        """Who sent it; None where that is not known (any more)."""
        return self._senders.get(event)

    def reacted(self, event: str, reaction: Reaction) -> None:
        """That event is a reaction."""
        _keep(self._reactions, event, reaction)

    def take_back(self, event: str) -> Reaction | None:
        """The reaction that was that event, which is taken back; None where it is none, or is not known (any more)."""
        return self._reactions.pop(event, None)


def _keep(known: OrderedDict[str, T], event: str, what: T) -> None:
    known[event] = what
    known.move_to_end(event)
    if len(known) > _KNOWN_AT_ONCE:
        known.popitem(last=False)
