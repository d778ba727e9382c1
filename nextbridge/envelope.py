"""What crosses the bridge: the events of every platform in one shape, and the parts that they are made of.

An event is immutable, typed and serialisable: it lies in the journal until it is delivered, perhaps read by a later
version of this program. So a field is only ever added, with a default; `decode` reads what any earlier version wrote.
"""

from __future__ import annotations

from typing import NewType, TypeAlias

import msgspec
from msgspec import Struct

from nextbridge.markup import RichText

__all__ = [
    "Attachment",
    "Author",
    "Channel",
    "ChannelKey",
    "Deleted",
    "DeliveryKey",
    "Edited",
    "Event",
    "EventKey",
    "InstanceId",
    "Joined",
    "Left",
    "Mark",
    "MessageId",
    "Posted",
    "Reacted",
    "TopicChanged",
    "UserId",
    "decode",
    "encode",
]

InstanceId = NewType("InstanceId", str)
"""An instance's name in the operator's file; unique over all platforms."""
ChannelKey = NewType("ChannelKey", str)
"""A channel's stable id on its platform, unique inside its instance. Names are for people and for the config."""
MessageId = NewType("MessageId", str)
"""A platform's message id, unique only inside (instance, channel)."""
UserId = NewType("UserId", str)
"""A platform's stable id of a person or bot, unique inside an instance."""
DeliveryKey = NewType("DeliveryKey", str)
"""Names one part of one delivery of one daemon for ever: the same at each retry."""


class Channel(Struct, frozen=True, order=True, gc=False):
    """One channel of one instance. The key of every lane and of every rule look-up."""

    instance: InstanceId
    key: ChannelKey

    def __str__(self) -> str:
        return f"{self.instance}/{self.key}"


class Author(Struct, frozen=True, omit_defaults=True, gc=False):
    """Who did it."""

    id: UserId
    username: str
    """The unique handle, without the platform's sign."""
    name: str
    """The name that people see; the username where there is no other."""
    avatar: str | None = None
    """An address that anybody can fetch, or None."""
    bot: bool = False
    portrait: str = ""
    """Where the driver has Portraits: names their picture as it is now, and is another once that changes. Else empty.

    Then the core gives the picture an address that anybody can fetch.
    """


class Attachment(Struct, frozen=True, omit_defaults=True, gc=False):
    """A file of a post. Its bytes are fetched by the source's driver from `id`; nothing here is to be believed."""

    id: str
    name: str
    media_type: str = "application/octet-stream"
    size: int | None = None
    """Bytes, where the platform says so."""


class Mark(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a relay leaves on a post that it makes, where the platform has room for one."""

    daemon: str
    """The id of the relaying daemon (of its state folder)."""
    delivery: DeliveryKey
    origin: str
    """The address of the channel that the message came from, the same to every daemon: `platform:realm/channel`."""
    via: tuple[str, ...] = ()
    """The addresses that it had come through before, the first first: it does not go back there."""


class EventKey(Struct, frozen=True, gc=False):
    """What makes two reports of an event one: platforms repeat themselves when a connection is resumed."""

    channel: Channel
    message: MessageId
    kind: str
    version: str


class _Event(Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    channel: Channel
    """The source channel."""
    message: MessageId
    """The platform's id of the message it is about; a driver generates one where the platform has none."""
    author: Author
    """Who did it: for an edit or a deletion the one who edited or deleted."""
    at: int
    """When, in milliseconds since 1970, by the platform's clock. Reports of one event may differ by 15 minutes at most:
    what is further apart is not taken for the same."""
    channel_name: str = ""
    """What people call the channel, for headers; empty where it is not known."""
    version: str = ""
    """Tells two events of a kind about one message apart (an edit's time, a reaction's emoji and author)."""
    mark: Mark | None = None
    """The mark of the relay that made the message, if it bears one."""

    @property
    def key(self) -> EventKey:
        return EventKey(self.channel, self.message, type(self).__struct_config__.tag, self.version)  # type: ignore[arg-type]


class Posted(_Event, frozen=True, tag="posted"):
    """A new message."""

    text: RichText = RichText()
    attachments: tuple[Attachment, ...] = ()
    action: bool = False
    """The text says what the author does (`/me waves`)."""
    reply_to: MessageId | None = None
    """The message that this one answers."""
    thread: MessageId | None = None
    """The root of the thread it stands in."""
    addressed: bool = False
    """It speaks to the relay: names the bot, answers it, or is a direct message."""
    direct: bool = False
    """It is said to the relay alone: `channel` is the place of that conversation, which is in no rule."""
    late: bool = False
    """It reached us long after it was said, out of its channel's history: it is shown with its time."""


class Edited(_Event, frozen=True, tag="edited"):
    """A message now says something else. `version` is set by the driver and differs at each edit."""

    text: RichText
    attachments: tuple[Attachment, ...] = ()
    action: bool = False


class Deleted(_Event, frozen=True, tag="deleted"):
    """A message is gone."""

    with_thread: bool = False
    """What answered it is gone with it, and of that the platform says nothing more."""


class Reacted(_Event, frozen=True, tag="reacted"):
    """Somebody added a reaction to a message, or took it back. `version` differs at each."""

    emoji: str
    """The character, or the name of a custom one (without colons)."""
    added: bool = True


class Joined(_Event, frozen=True, tag="joined"):
    """The author came into the channel. A driver generates `message`."""


class Left(_Event, frozen=True, tag="left"):
    """The author is in the channel no more. A driver generates `message`."""

    reason: str = ""
    """What they said when they went, or who removed them and why; empty where there is nothing to say."""


class TopicChanged(_Event, frozen=True, tag="topic"):
    """The author gave the channel another topic. A driver generates `message`."""

    topic: str
    """As plain text; empty where it was taken away."""


Event: TypeAlias = Posted | Edited | Deleted | Reacted | Joined | Left | TopicChanged

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


def encode(event: Event) -> bytes:
    """The event as the journal keeps it."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """An event that `encode` of this or an earlier version made.

    Raises `msgspec.DecodeError` for anything else, and UnicodeDecodeError where only a text in it is damaged.
    """
    return _decoder.decode(data)
