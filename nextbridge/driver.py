"""What a platform offers: the Driver contract, its optional capabilities, and what the core offers in return (Host).

A driver is one class. The required core is `run`, `send` and `probe`; every further ability is a small protocol that
the class implements, so what a platform can do is read off its class. A driver holds no fallback for what it cannot
do: the core degrades, in one place.

The life of a driver object, all of it on the event loop's thread:

1. The class is asked about the operator's file without being made: `settings_type`, `channel_type`, `channel_key`,
   `remarks`, `channel_remarks`. No I/O.
2. One object is made for each enabled instance. `__init__` does no I/O.
3. The core awaits `run` and awaits it again, after a delay, whenever it ends. The object keeps what a reconnection
   needs. `send` and the others are called between `Host.connected` and the end of `run` (after it too, until the next
   `Host.disconnected`, where `Guarantees.sends_while_reconnecting` says so); sends to one channel never overlap,
   sends to several channels do.
4. `close` is awaited once, last, after `run` was cancelled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

from aiohttp import web
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from nextbridge.config.types import Settings
from nextbridge.envelope import (
    Attachment,
    Author,
    ChannelKey,
    DeliveryKey,
    Event,
    InstanceId,
    Mark,
    MessageId,
    UserId,
)
from nextbridge.errors import DriverError, FileRejected, Gone, Paused, Rejected, Retry
from nextbridge.markup import Dialect

__all__ = [
    "Acknowledgement",
    "ConfiguredChannel",
    "Cursor",
    "Deletes",
    "Downloads",
    "Driver",
    "DriverError",
    "Edits",
    "FileRejected",
    "Finding",
    "Gone",
    "Guarantees",
    "History",
    "Host",
    "Identity",
    "Limits",
    "LocalFile",
    "Outgoing",
    "Pages",
    "Past",
    "Paused",
    "Position",
    "Reactions",
    "Receipt",
    "Rejected",
    "Remark",
    "Retry",
    "RetryRecognition",
    "Store",
    "Threads",
    "Typing",
    "Unit",
    "Uploads",
]

S = TypeVar("S", bound=Settings)
C = TypeVar("C", bound=Settings)

# --- what a driver declares, as data ------------------------------------------------------------------------------


class Acknowledgement(Enum):
    """What tells that a message arrived."""

    RESPONSE = "the platform's answer, with the message's id"
    ECHO = "the message coming back, or a later answer that can only follow it"
    NONE = "nothing"


class RetryRecognition(Enum):
    """How a platform is kept from showing a repeated send twice."""

    KEY = "an idempotency key in the request"
    MARK = "a mark on the message, looked for before sending again"
    KEY_THEN_MARK = "an idempotency key for a while, then a mark on the message"
    NONE = "not at all: what was sent and not acknowledged may repeat"


class Guarantees(Struct, frozen=True, kw_only=True):
    """What holds on this platform. The guarantee table of the docs and the fault tests read it."""

    acknowledged_by: Acknowledgement
    retry_recognised_by: RetryRecognition
    retry_key_lives: float | None = None
    """Seconds for which the platform remembers an idempotency key."""
    history: str
    """What of a time without a connection can be recovered, in a few words for the table."""
    sends_while_reconnecting: bool = False
    """Sending does not need what `run` holds open (a socket), only that it was `connected` once."""


class Unit(Enum):
    """What a text limit counts."""

    CHARACTERS = "characters"
    UTF16 = "UTF-16 code units"
    BYTES = "bytes of UTF-8"

    def measure(self, text: str) -> int:
        """The length of `text` in this unit."""
        match self:
            case Unit.CHARACTERS:
                return len(text)
            case Unit.UTF16:
                return len(text.encode("utf-16-le", "surrogatepass")) // 2
            case Unit.BYTES:
                return len(text.encode("utf-8", "surrogatepass"))


class Limits(Struct, frozen=True, kw_only=True):
    """What one message to one channel may hold. The core splits what is more into parts."""

    text: int
    unit: Unit = Unit.CHARACTERS
    files: int = 0
    """Files in one message; only read where the driver implements Uploads."""


# --- what crosses the contract ------------------------------------------------------------------------------------


class Cursor(Struct, frozen=True):
    """How far an instance, or one of its channels, was read. Opaque to the core; named by the driver."""

    name: str
    value: str


class Position(Struct, frozen=True):
    """Where a channel stands now: what it holds up to here is there already."""

    cursor: Cursor
    at: int
    """The time of its newest message in milliseconds since 1970, by the platform's clock; 0 where it has none."""


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
    """The message in this channel that it answers; only where the driver implements Threads."""
    attempted: int | None = None
    """When it may have been sent before without a receipt (milliseconds since 1970), else None."""


class Receipt(Struct, frozen=True):
    """What a part became: its id on the target, or None where the platform gives none."""

    message: MessageId | None = None


class Remark(Struct, frozen=True):
    """Something in the operator's file that a driver finds wrong (an error) or has put right (a warning)."""

    path: tuple[str | int, ...]
    """Below the settings that were asked about, e.g. `("token",)`."""
    text: str
    fatal: bool = True


class Finding(Struct, frozen=True):
    """What `probe` found out about the connection, a channel or a right."""

    ok: bool
    subject: str
    """What was looked at: `token`, `channel town`."""
    text: str
    """What was found and, where it is not ok, what the operator is to do."""


# --- what the core offers a driver --------------------------------------------------------------------------------


class Store(Protocol):
    """A driver's own small durable state, under its instance's name. Values are text."""

    async def get(self, key: str) -> str | None:
        """The value last set, or None."""

    async def set(self, key: str, value: str | None) -> None:
        """Keep `value` (None removes it). Returns once it is on disk."""


class Host(Protocol):
    """The core, as one instance's driver sees it. Everything here is called on the event loop."""

    @property
    def instance(self) -> InstanceId: ...

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger that already bears the instance. Never log a message's text, nor a secret."""

    @property
    def store(self) -> Store: ...

    @property
    def proxy(self) -> str | None:
        """The general proxy of the file; an instance's own setting overrides it (see `effective_proxy`)."""

    @property
    def base_url(self) -> str | None:
        """Where the daemon's HTTP server is reached from outside, without a final slash, if the operator says so."""

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> Awaitable[object]:
        """Hand over an event, in the platform's order. Waits only while too many are not yet on disk.

        What it returns is done once the event and the cursor are on disk (or the event was skipped, for a counted
        reason): await that before telling the platform that the event was received; otherwise let it go. An exception
        in it means that the event is not kept: tell the platform so, where it can be told. An event of a channel in no
        rule costs next to nothing.
        """

    def skipped(self, reason: str, *, cursor: Cursor | None = None) -> None:
        """Count something received that is no event, under a short stable reason (`system_post`).

        The cursor moves as by `accept`.
        """

    def gap(self, channel: ChannelKey, newest: Position | None = None, *, forget: bool = False) -> None:
        """What happened in `channel` since the last cursor may not have reached us. For drivers with History.

        To be called before the first event after it is accepted: when a connection was made that resumes none (the
        first of all too), and when the platform's numbering shows that something was missed. From here on what is
        accepted in the channel is held, and follows what History gives back; what both bring is one event.

        `newest` is where the channel stands now, as far as that is known: a rule that begins only now begins there.
        With `forget`, what lies in the gap is none of ours (we were no member) and is not asked for; it needs `newest`.
        """

    async def connected(self, me: UserId, *, realm: str) -> None:
        """It can receive and send now. To be called by `run` before its first `accept`.

        `me` is our own user id there, `realm` the server or network that ids belong to (two instances on one server
        give the same): what any of our instances posts never comes back.
        """

    def disconnected(self, reason: str) -> None:
        """It cannot send now, and `run` goes on trying. (The end of `run` says the same.)"""

    async def resolved(self, configured: ConfiguredChannel[Any], key: ChannelKey, name: str) -> None:
        """`configured` is the channel with the stable id `key`, which people call `name`. Once a connection is enough.

        What was accepted for it under its stand-in moves along in one step, and the answer is remembered over restarts.
        """

    def unavailable(self, channel: ChannelKey, reason: str) -> None:
        """Nothing can be sent there for now (not a member, kicked, not found): its lane waits. The operator is told."""

    def available(self, channel: ChannelKey) -> None:
        """It can be sent there (again): what waits goes out at once."""


# --- the driver itself --------------------------------------------------------------------------------------------


class Driver(ABC, Generic[S, C]):
    """One platform. Registered by its name in the entry-point group `nextbridge.drivers`."""

    platform: ClassVar[str]
    """The key of its block in the operator's file."""
    title: ClassVar[str]
    """What people call it: `Mattermost`."""
    settings_type: ClassVar[type[Settings]]
    """The structure of an instance's block in the file (`S`); its JSON Schema is made from it."""
    channel_type: ClassVar[type[Settings]]
    """The structure of a channel in a rule (`C`), without `msg`, which is the core's."""
    dialect: ClassVar[Dialect]
    guarantees: ClassVar[Guarantees]
    default_format: ClassVar[str] = "<{nickname}> {msg}"
    """How a message is shown where the operator sets no `msg_format` and no identity is shown."""
    action_format: ClassVar[str] = "* {nickname} {msg}"
    """Likewise for an action (`/me`)."""
    reconnect_delay: float = 5.0
    """Seconds before the first reconnection; the core backs off from there. An instance may set its own."""

    def __init__(self, settings: S, channels: Sequence[ConfiguredChannel[C]], host: Host) -> None:
        self.settings = settings
        self.channels = channels
        self.host = host

    @classmethod
    @abstractmethod
    def channel_key(cls, settings: C) -> ChannelKey:
        """The stable id of a configured channel or, where only the server knows it, a stand-in that no id looks like.

        Equal for settings that surely name the same channel. No I/O.
        """

    @classmethod
    def remarks(cls, settings: S) -> Iterable[Remark]:  # noqa: ARG003 - for subclasses
        """What is wrong, or was put right, in an instance's settings beyond what its schema says. No I/O."""
        return ()

    @classmethod
    def channel_remarks(cls, channel: C, settings: S) -> Iterable[Remark]:  # noqa: ARG003 - for subclasses
        """Likewise for a channel of an instance with these settings. No I/O."""
        return ()

    @abstractmethod
    def limits(self, channel: ChannelKey) -> Limits:
        """What one message to `channel` may hold, by what is known now. No I/O."""

    def display_name(self, name: str) -> str:
        """How the name of an author from elsewhere is shown here, e.g. so that it calls nobody. Pure; no I/O."""
        return name

    @abstractmethod
    async def run(self) -> None:
        """Connect, resolve the channels, call `Host.connected`, and receive until the connection ends.

        Raises Retry (make the connection again), Paused (the same, slowly: the token is refused), or anything else,
        which is a bug that is logged with its traceback; returning means that the connection was closed. In each case
        it is awaited again after a delay. Cancelled at the end.
        """

    @abstractmethod
    async def send(self, message: Outgoing) -> Receipt:
        """Send one part and return once the platform has acknowledged it, as `guarantees` says.

        Does I/O, within a bound of its own (30 s is usual). Raises Retry, Rejected, FileRejected or Paused. May be
        cancelled at any moment; it is then sent again with the same key and `attempted` set.
        """

    @abstractmethod
    async def probe(self) -> list[Finding]:
        """Look whether it can work: the token, each channel, the rights. Does I/O, raises nothing.

        Called for `check --online` and tests, without `run`; posts nothing and changes nothing.
        """

    async def close(self) -> None:
        """Let go of what `run` and `send` share. Awaited once, last."""


# --- optional capabilities ----------------------------------------------------------------------------------------


@runtime_checkable
class Identity(Protocol):
    """A message can be shown under its author's own name and picture."""

    @property
    def shows_identity(self) -> bool:
        """Whether it is so on this server now. No I/O; false until it is known."""


@runtime_checkable
class Uploads(Protocol):
    """`send` uploads `Outgoing.files` and shows them with the text."""

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:
        """Why this file would not be taken (its size, its type), in a few words, or None. No I/O."""


@runtime_checkable
class Downloads(Protocol):
    """Attachments of received messages can be fetched."""

    @property
    def largest_file(self) -> int:
        """Bytes; a larger attachment is not fetched and shown by its label."""

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The attachment's bytes, in chunks. Entering raises Retry, Rejected or Gone."""


@runtime_checkable
class Pages(Protocol):
    """Serves pages or webhooks on the daemon's HTTP server, below `/<platform>/<instance>/`."""

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer one request. `path` is what follows the instance's name, with its slash; empty without one."""


@runtime_checkable
class Edits(Protocol):
    """A sent message can be given other text."""

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        """Make `message`, which we sent, say `revised.text`. Idempotent. Raises as `send`, and Gone."""


@runtime_checkable
class Deletes(Protocol):
    """A sent message can be taken back."""

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        """Remove `message`, which we sent. Raises as `send`, and Gone (which is as good)."""


@runtime_checkable
class Reactions(Protocol):
    """A reaction of our own can be put on a message."""

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        """Add or remove our own reaction. Idempotent. Raises as `send`, and Gone."""


@runtime_checkable
class Threads(Protocol):
    """A message can be shown as the answer to another."""

    @property
    def answers(self) -> Literal["any", "root"]:
        """Whether any message can be answered, or only the root of a thread."""


@runtime_checkable
class History(Protocol):
    """What happened while there was no connection can be asked for.

    The cursors of such a driver are its channels', one each: it gives one with every event that it accepts and every
    thing that it skips, and tells `Host.gap`.
    """

    def history(
        self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int
    ) -> AbstractAsyncContextManager[Past]:
        """What happened in `channel` after `cursor`.

        Nothing that is older than `age` seconds by the platform's own clock, and at most `most` messages, the newest
        ones. What is left out for that is counted.

        May give back again what was accepted, around the cursor. Called for many channels at a time, also while `run`
        connects anew. Entering does I/O and raises Retry and Paused; Rejected where it can never be had.
        """


@runtime_checkable
class Typing(Protocol):
    """It can be shown that somebody is typing."""

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        """Show it for the few seconds that the platform shows it. Best effort: raises nothing."""
