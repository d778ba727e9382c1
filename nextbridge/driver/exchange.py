"""What crosses the contract between the core and a driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from nextbridge.config.types import Settings
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, Event, Mark, MessageId

__all__ = [
    "Address",
    "ConfiguredChannel",
    "Cursor",
    "Directory",
    "Excerpt",
    "Finding",
    "Listed",
    "LocalFile",
    "Outgoing",
    "Past",
    "Position",
    "Receipt",
    "Remark",
    "Somebody",
    "Unlisted",
]

_PORTS = {"http": 80, "https": 443}

C = TypeVar("C", bound=Settings)


class Cursor(Struct, frozen=True):
    """How far an instance, or one of its channels, was read. Opaque to the core; named by the driver."""

    name: str
    value: str


class Position(Struct, frozen=True):
    """Where a channel stands now: what it holds up to here is there already."""

    cursor: Cursor
    at: int
    """The time of its newest message in milliseconds since 1970, by the platform's clock; 0 where it has none."""


class Somebody(Struct, frozen=True):
    """Somebody who is to be forgotten, as an instance may know them."""

    names: frozenset[str]
    """Their ids here, and the id or handle that was asked for, where it is meant here too."""
    everywhere: str
    """The id or handle that was asked for, where it is meant on every instance; else empty."""
    copies: Mapping[ChannelKey, frozenset[MessageId]]
    """What they said elsewhere, as far as that is known: the ids that it has here."""


class Past(Struct, frozen=True, kw_only=True):
    """What happened in a channel after a cursor, and where that ends."""

    events: AsyncIterator[tuple[Event, Cursor]]
    """In the platform's order, each with the cursor that it moves. Iterated once. Raises Retry and Paused."""
    end: Cursor
    """How far the channel is read once all of them are accepted."""
    now: int
    """When it was asked for, in milliseconds since 1970 by the platform's clock."""
    over: int = 0
    """Messages after the cursor that are left out, since they are older or more than was asked for."""
    counted: bool = True
    """Whether `over` is all of them, and not only as many as were counted."""


class ConfiguredChannel(Struct, Generic[C], frozen=True):
    """A channel as the operator's file names it, once for each different `key`."""

    key: ChannelKey
    """What `Driver.channel_key` made of the settings: the stable id itself, or a stand-in until it is resolved."""
    settings: C
    rules: tuple[str, ...]
    """The rules that name it, for messages to the operator."""


class LocalFile(Struct, frozen=True):
    """A file of a message, spooled on disk. The driver reads it, streams it, and never changes it."""

    path: Path
    name: str
    """As the author named it; to be shown, never used as a path."""
    media_type: str
    size: int
    """Bytes."""


class Outgoing(Struct, frozen=True, kw_only=True):
    """One part of one message as the target is to show it: within its limits, in its dialect."""

    key: DeliveryKey
    """The same at each attempt: the idempotency key, where the platform has one."""
    channel: ChannelKey
    text: str
    """In the driver's dialect; may be empty where there are files."""
    mark: Mark
    """To be left on the message where the platform has room for it."""
    author: Author
    """Who said it, on the platform where it was said."""
    platform: str = ""
    """What people call that platform (`Driver.title`); empty where its instance is not in the file any more."""
    name: str | None = None
    """The name to show it under; set only where the driver is an Identity that shows identities."""
    avatar: str | None = None
    """Likewise: an address that anybody can fetch."""
    action: bool = False
    """`text` is what the author does, without decoration (`waves`): show it as the platform shows actions."""
    files: tuple[LocalFile, ...] = ()
    """Only where the driver implements Uploads."""
    reply_to: MessageId | None = None
    """The message in this channel that it answers; only where the driver implements Threads.

    Where that knows roots alone it is a root.
    """
    follows: MessageId | None = None
    """What the first part of this message became, where this is a further one: it belongs to the same place (a thread,
    a forum's post)."""
    attempted: int | None = None
    """When it may have been sent before without a receipt (milliseconds since 1970), else None."""


class Receipt(Struct, frozen=True):
    """What a part became: its id on the target, or None where the platform gives none."""

    message: MessageId | None = None


class Excerpt(Struct, frozen=True):
    """What an earlier message said, for a line that quotes it."""

    name: str
    """Its author, as people see it."""
    text: str
    """As plain text; its beginning is enough."""


class Remark(Struct, frozen=True):
    """Something in the operator's file that a driver finds wrong (an error) or has put right (a warning)."""

    path: tuple[str | int, ...]
    """Below the settings that were asked about, e.g. `("token",)`."""
    text: str
    fatal: bool = True


class Listed(Struct, frozen=True):
    """A channel that the account can see."""

    name: str
    """As people call it, with its team or workspace where it has one."""
    keys: Mapping[str, str | int]
    """What a rule has to say of it."""
    note: str = ""
    """What else an operator should know: `invited`, `for members only`."""


class Directory(Struct, frozen=True):
    """The channels that the account can see."""

    channels: Sequence[Listed]
    """In the order in which they are shown."""
    left_out: int = 0
    """How many more there are, which would be too many to show."""
    note: str = ""
    """What is not among them, or held back by the server: a sentence for the operator. Empty where they are all."""


class Unlisted(Struct, frozen=True):
    """Why the channels of a platform, or of this account, cannot be listed, and what helps all the same."""

    because: str
    """The rest of a sentence: `the Bot API tells no bot which chats it is in`."""
    instead: str
    """How the operator finds a channel, or what they write: a sentence."""


class Address(Struct, frozen=True):
    """Where the operator's file says that a server is."""

    key: str
    """The setting that says so."""
    host: str
    port: int
    tls: bool | None
    """Whether a connection begins with TLS; None where the two sides agree on that later, or never."""
    with_tls: str
    """What the operator writes for TLS from the first byte: `write https://`."""
    without_tls: str

    @classmethod
    def of(cls, key: str, url: str) -> Address | None:
        """That of an http or https address, or of a SOCKS proxy; None where it is none."""
        try:
            parts = urlsplit(url.strip())
            host, port, tls = parts.hostname, parts.port, parts.scheme == "https"
        except ValueError:
            return None
        if not host:
            return None
        return cls(key, host, port or _PORTS.get(parts.scheme, 1080), tls, "write https://", "write http://")


class Finding(Struct, frozen=True):
    """What `probe` found out about the connection, a channel or a right."""

    ok: bool
    subject: str
    """What was looked at: `token`, `channel town`."""
    text: str
    """What was found and, where it is not ok, what the operator is to do."""
