"""What a room keeps and its pages show: a message, its files and the reactions to it. Everything in them is text."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from nextbridge.media.hosted import File

__all__ = [
    "FROM_ELSEWHERE",
    "NOBODY",
    "Change",
    "Message",
    "Reaction",
    "Reactor",
    "emptied",
    "forgotten",
    "reacted",
]

_MOST_EMOJI = 20
"""Different reactions to one message."""
_MOST_REACTORS = 100
"""People with the same reaction to one message."""


class Reactor(Struct, frozen=True, omit_defaults=True):
    """Who reacted."""

    author: str
    """Whose browser; empty for the reaction that stands for those of all other platforms."""
    name: str


FROM_ELSEWHERE = Reactor("", "another platform")


class Reaction(Struct, frozen=True):
    """One emoji under a message, with all who chose it, the first first."""

    emoji: str
    by: tuple[Reactor, ...]


class Message(Struct, frozen=True, omit_defaults=True):
    """A message as the page shows it."""

    name: str
    text: str
    id: int = 0
    """Grows in the room's order. Given by the room, as `at` and `revision` are."""
    at: int = 0
    """Milliseconds since 1970."""
    revision: int = 0
    """The number of the room's last change to it; one who has seen all up to a number lacks only what is above it."""
    author: str | None = None
    """Whose browser it came from; None for what came from another platform."""
    origin: str | None = None
    """The platform that it came from; None for what was typed in a browser, so that nobody there can pose as one."""
    action: bool = False
    reply_to: int | None = None
    """The message that it answers."""
    thread: int | None = None
    """The message that the answers began with."""
    files: tuple[File, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    edited: bool = False
    gone: bool = False
    """Deleted: nothing is left of it but that it was there."""


class Change(Struct, frozen=True, omit_defaults=True):
    """What somebody at a browser did: posted a message, or did something to one."""

    kind: Literal["posted", "edited", "deleted", "added", "removed"]
    author: str
    name: str
    emoji: str = ""
    """What was added or removed."""
    revision: int = 0
    """The message's revision by it, which tells two changes apart for ever. Given by the room, as `at` is."""
    at: int = 0
    """Milliseconds since 1970."""


def reacted(message: Message, emoji: str, who: Reactor, *, add: bool) -> Message | None:
    """The message with the reaction added or taken back: itself where it is so already, None where there is no room."""
    found = next((each for each in message.reactions if each.emoji == emoji), Reaction(emoji, ()))
    others = tuple(each for each in found.by if each.author != who.author)
    if add == (others != found.by):
        return message
    if add and (len(found.by) >= _MOST_REACTORS or (not found.by and len(message.reactions) >= _MOST_EMOJI)):
        return None
    changed = Reaction(emoji, (*others, who) if add else others)
    if not found.by:
        return replace(message, reactions=(*message.reactions, changed))
    kept = (changed if each is found else each for each in message.reactions)
    return replace(message, reactions=tuple(each for each in kept if each.by))


def emptied(message: Message) -> Message:
    """What is left of a message that is deleted."""
    return replace(message, text="", files=(), reactions=(), action=False, edited=False, gone=True)


NOBODY = "(forgotten)"
"""Who stands in place of somebody who was forgotten."""


def forgotten(message: Message, names: frozenset[str], *, copy: bool) -> tuple[Message, int]:
    """What is left of a message once the authors of these ids are forgotten, and how much of theirs was in it.

    `copy`: it came from elsewhere, and was theirs.
    """
    if (copy and message.name != NOBODY) or message.author in names:
        return replace(emptied(message), name=NOBODY, author=None), 1
    taken = 0
    reactions = []
    for each in message.reactions:
        by = tuple(reactor for reactor in each.by if reactor.author not in names)
        taken += len(each.by) - len(by)
        if by:
            reactions.append(replace(each, by=by))
    return replace(message, reactions=tuple(reactions)), taken
