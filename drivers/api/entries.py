"""What a room's log is made of, as programs read it: one entry for each thing that happened.

Entries are numbered from 1, without a gap, in the room's order; the number is the cursor to go on after.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbridge.media.hosted import File

__all__ = ["NOBODY", "Delete", "Edit", "Entry", "Message", "Person", "Reaction", "Topic", "about", "emptied", "encode"]


class Person(Struct, frozen=True, omit_defaults=True):
    """Who did it."""

    name: str
    """As people see it."""
    username: str = ""
    """Their handle on the platform that they are on; empty where they have none."""
    id: str = ""
    """Their id there; whatever the program says it is, for what was posted here."""
    avatar: str | None = None
    """An address of their picture."""
    bot: bool = False


NOBODY = Person("(forgotten)")
"""Who stands in place of somebody who was forgotten."""


class _Entry(Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower, omit_defaults=True):
    id: int = 0
    """Given by the log, as `at` is."""
    at: int = 0
    """Milliseconds since 1970, by the daemon's clock."""
    author: Person | None = None
    """Who did it; absent where that is not known."""
    origin: str = ""
    """The platform that it came from; empty for what a program did here."""
    token: str = ""
    """The name of the token by which a program did it; empty for what came from a platform."""


class Message(_Entry, frozen=True):
    """Somebody said something. The entry's id is the message's id."""

    text: str = ""
    action: bool = False
    """The text says what the author does (`waves`)."""
    reply_to: int | None = None
    """The message that this one answers."""
    thread: int | None = None
    """The message that the answers began with."""
    files: tuple[File, ...] = ()
    """To be had below `files/`, by their ids."""
    gone: bool = False
    """It was deleted since, and nothing is left of what it said."""


class Edit(_Entry, frozen=True):
    """A message says something else now."""

    message: int
    text: str = ""
    action: bool = False
    files: tuple[File, ...] = ()
    """Those of the message; they stay."""
    gone: bool = False
    """The message was deleted since."""


class Delete(_Entry, frozen=True):
    """A message is gone."""

    message: int


class Reaction(_Entry, frozen=True):
    """Somebody put a reaction on a message, or took it back."""

    message: int
    emoji: str
    """One character, as people see it."""
    added: bool = True


class Topic(_Entry, frozen=True):
    """The room has another topic."""

    topic: str = ""


Entry: TypeAlias = Message | Edit | Delete | Reaction | Topic


def about(entry: Entry) -> int | None:
    """The message that an entry says something in, or says anew; None for one that says nothing."""
    match entry:
        case Message():
            return entry.id
        case Edit():
            return entry.message
    return None


def emptied(entry: Message | Edit) -> Message | Edit:
    """What is left of an entry of a message that is deleted."""
    return replace(entry, text="", files=(), gone=True)


_encoder = msgspec.json.Encoder()


def encode(entry: Entry) -> bytes:
    """As it stands in an answer, a stream or a frame: JSON in one line."""
    return _encoder.encode(entry)
