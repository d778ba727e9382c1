"""What a browser and the daemon say to each other over the WebSocket: one JSON object a frame.

The browser says Hello, then Join; from then on it asks for things and is sent messages. Each thing that it asks for has
an id of the browser's choice and is answered by Sent or Unsent. The page's `connection.js` is the other end of it.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from drivers.webchat.messages import Message
from nextbridge.emoji import LONGEST_EMOJI
from nextbridge.media.hosted import MOST_FILES

__all__ = [
    "Changed",
    "Delete",
    "Discard",
    "Edit",
    "FromBrowser",
    "Hello",
    "History",
    "Join",
    "Joined",
    "Ping",
    "Pong",
    "Post",
    "React",
    "Refused",
    "Request",
    "Said",
    "Sent",
    "ToBrowser",
    "Told",
    "Topic",
    "Typing",
    "Typist",
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


_RequestId: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""Chosen by the page; the same when it is sent again after a reconnection."""
_FileId: TypeAlias = Annotated[str, Meta(max_length=64)]


class Post(_FromBrowser, frozen=True):
    """Say something in the room."""

    id: _RequestId
    text: str
    reply_to: int | None = None
    """The message that it answers."""
    files: Annotated[tuple[_FileId, ...], Meta(max_length=MOST_FILES)] = ()
    """What was uploaded for it."""


class Edit(_FromBrowser, frozen=True):
    """Let a message of one's own say something else."""

    id: _RequestId
    message: int
    text: str


class Delete(_FromBrowser, frozen=True):
    """Take a message of one's own back."""

    id: _RequestId
    message: int


class React(_FromBrowser, frozen=True):
    """Put a reaction on a message, or take one's own back."""

    id: _RequestId
    message: int
    emoji: Annotated[str, Meta(max_length=LONGEST_EMOJI)]
    add: bool = True


class Discard(_FromBrowser, frozen=True):
    """An uploaded file is not to be posted after all. Not answered."""

    file: _FileId


class Typing(_FromBrowser, frozen=True):
    """Somebody is typing here. Not answered."""


class Ping(_FromBrowser, frozen=True):
    """Are you still there? A page cannot see the WebSocket's own pings."""


Request: TypeAlias = Post | Edit | Delete | React
FromBrowser: TypeAlias = Hello | Join | Request | Discard | Typing | Ping


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
    max_file: int
    """Bytes of one file; 0 where none can be uploaded."""
    max_files: int = MOST_FILES
    """Files of one message."""


class Refused(_ToBrowser, frozen=True):
    """A Hello or Join that was not taken. `what` is what has to change: token, room, name or full."""

    what: str
    reason: str


class Joined(_ToBrowser, frozen=True):
    """The browser is in the room; the History that it has not seen follows."""

    room: str
    name: str
    topic: str = ""
    fresh: bool = False
    """What the page shows already has no part in the History that follows: it is to start anew."""


class History(_ToBrowser, frozen=True):
    """Some of what the page has not seen: what was said, the oldest first, and how what it shows was changed since."""

    messages: tuple[Message, ...]


class Said(_ToBrowser, frozen=True, tag="message"):
    """Somebody said something just now."""

    message: Message


class Changed(_ToBrowser, frozen=True):
    """A message was edited or deleted, or has other reactions; so it is now."""

    message: Message


class Sent(_ToBrowser, frozen=True):
    """What was asked for under this id is on disk, here and in the relay; it is, or is about, the room's `message`."""

    id: str
    message: int


class Unsent(_ToBrowser, frozen=True):
    """What was asked for was not done. To be asked for again after `retry_after` seconds, or never where it is None."""

    id: str
    reason: str
    retry_after: float | None = None


class Typist(_ToBrowser, frozen=True, tag="typing"):
    """Somebody else in the room, or on another platform, is typing."""

    name: str


class Told(_ToBrowser, frozen=True):
    """Something that the relay says to this person alone; it is in no history."""

    text: str
    at: int
    """Milliseconds since 1970."""


class Topic(_ToBrowser, frozen=True):
    """The room has another topic."""

    topic: str


class Pong(_ToBrowser, frozen=True):
    """Still there."""


ToBrowser: TypeAlias = (
    Welcome | Refused | Joined | History | Said | Changed | Sent | Unsent | Typist | Told | Topic | Pong
)

_decoder: msgspec.json.Decoder[FromBrowser] = msgspec.json.Decoder(FromBrowser)
_encoder = msgspec.json.Encoder()


def decode(data: str) -> FromBrowser:
    """A frame from a browser. Raises `msgspec.DecodeError` for anything that is none."""
    return _decoder.decode(data)


def encode(frame: ToBrowser) -> str:
    """A frame for a browser."""
    return _encoder.encode(frame).decode()
