"""What a browser and the daemon say to each other over the WebSocket: one JSON object a frame.

The browser says Hello, then Join; from then on it posts and is sent messages. The page's `connection.js` is the other
end of it.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "FromBrowser",
    "Hello",
    "History",
    "Join",
    "Joined",
    "Message",
    "Ping",
    "Pong",
    "Post",
    "Refused",
    "Said",
    "Sent",
    "ToBrowser",
    "Unsent",
    "Welcome",
    "decode",
    "encode",
]


class _FromBrowser(Struct, frozen=True, tag_field="type", tag=str.lower):
    pass


class Hello(_FromBrowser, frozen=True):
    """The first frame: what lets the browser in, and who it was before."""

    token: Annotated[str, Meta(max_length=1000)] | None = None
    session: Annotated[str, Meta(max_length=200)] | None = None
    """The one that an earlier Welcome gave it."""


class Join(_FromBrowser, frozen=True):
    """Enter a room under a name, and leave the room it was in."""

    room: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=200)]
    after: int | None = None
    """The newest message of the room that the page shows already."""


class Post(_FromBrowser, frozen=True):
    """Say something in the room."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    """Chosen by the page; the same when it is sent again after a reconnection."""
    text: str


class Ping(_FromBrowser, frozen=True):
    """Are you still there? A page cannot see the WebSocket's own pings."""


FromBrowser: TypeAlias = Hello | Join | Post | Ping


class Message(Struct, frozen=True, omit_defaults=True):
    """A message as the page shows it. Everything in it is text."""

    id: int
    """Grows in the room's order."""
    at: int
    """Milliseconds since 1970."""
    name: str
    text: str
    author: str | None = None
    """Whose browser it came from; None for what came from another platform."""
    origin: str | None = None
    """The instance that it came from; None for what was typed in a browser, so that nobody there can pose as one."""
    action: bool = False


class _ToBrowser(Struct, frozen=True, tag_field="type", tag=str.lower, omit_defaults=True):
    pass


class Welcome(_ToBrowser, frozen=True):
    """The answer to Hello."""

    title: str
    rooms: tuple[str, ...]
    session: str
    """To be kept, and shown to nobody: whoever has it posts as this author."""
    author: str
    max_message: int


class Refused(_ToBrowser, frozen=True):
    """A Hello or Join that was not taken. `what` is what has to change: token, room, name or full."""

    what: str
    reason: str


class Joined(_ToBrowser, frozen=True):
    """The browser is in the room; the History that it has not seen follows."""

    room: str
    name: str
    fresh: bool = False
    """What the page shows already has no part in the History that follows: it is to start anew."""


class History(_ToBrowser, frozen=True):
    """Some of what was said before, the oldest first."""

    messages: tuple[Message, ...]


class Said(_ToBrowser, frozen=True, tag="message"):
    """Somebody said something just now."""

    message: Message


class Sent(_ToBrowser, frozen=True):
    """The Post with this id is on disk, here and in the relay; it is the room's `message`."""

    id: str
    message: int


class Unsent(_ToBrowser, frozen=True):
    """The Post with this id was not taken. To be sent again after `retry_after` seconds, or never where it is None."""

    id: str
    reason: str
    retry_after: float | None = None


class Pong(_ToBrowser, frozen=True):
    """Still there."""


ToBrowser: TypeAlias = Welcome | Refused | Joined | History | Said | Sent | Unsent | Pong

_decoder: msgspec.json.Decoder[FromBrowser] = msgspec.json.Decoder(FromBrowser)
_encoder = msgspec.json.Encoder()


def decode(data: str) -> FromBrowser:
    """A frame from a browser. Raises `msgspec.DecodeError` for anything that is none."""
    return _decoder.decode(data)


def encode(frame: ToBrowser) -> str:
    """A frame for a browser."""
    return _encoder.encode(frame).decode()
