"""The driver itself: the required core of a platform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from nextbridge.config.types import Settings
from nextbridge.driver.declaration import Guarantees, Limits
from nextbridge.driver.exchange import (
    Address,
    ConfiguredChannel,
    Directory,
    Finding,
    Outgoing,
    Receipt,
    Remark,
    Unlisted,
)
from nextbridge.driver.host import Host
from nextbridge.envelope import Author, ChannelKey, InstanceId, MessageId
from nextbridge.markup import Dialect

__all__ = [
    "Driver",
]

S = TypeVar("S", bound=Settings)
C = TypeVar("C", bound=Settings)


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
    asked_for: ClassVar[tuple[str, ...] | None] = None
    """The keys of an instance that `nextbridge init` asks for, in that order: `sasl.username`, `tokens.0.name`.

    None: those that it has to have. Each is a single value.
    """
    dialect: ClassVar[Dialect]
    guarantees: ClassVar[Guarantees]
    libraries: ClassVar[tuple[str, ...]] = ()
    """The modules that only this platform needs, by their first names. The extra of the platform's name installs them.

    Nothing imports them before an instance is made: settings are read and checked without them.
    """
    default_format: ClassVar[str] = "<{nickname}> {msg}"
    """How a message is shown where the operator sets no `msg_format` and no identity is shown."""
    action_format: ClassVar[str] = "* {nickname} {msg}"
    """Likewise for an action (`/me`)."""
    accounts_last: ClassVar[bool] = True
    """Whether a user id stays one person's: an account, and no name that whoever comes next may bear."""
    calls_by_bare_name: ClassVar[bool] = False
    """Whether people here call somebody by beginning a message with `name:` or `name,`."""
    quotes_answers: ClassVar[bool] = False
    """Whether what a message answers is quoted even where `Threads` shows it: few people's programs do show it."""
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

    @classmethod
    def target_remarks(cls, channel: C, settings: S) -> Iterable[Remark]:  # noqa: ARG003 - for subclasses
        """Likewise for a channel that a rule has messages sent to: why none can be. No I/O."""
        return ()

    @classmethod
    def address(cls, settings: S) -> Address | None:  # noqa: ARG003 - for subclasses
        """Where the file says that the server is; None where it says nothing of that. No I/O.

        Where `probe` finds something amiss, the core looks there for what only an address can have: a port that speaks
        TLS or none, the container's own localhost.
        """
        return None

    @classmethod
    def registration(cls, settings: S, instance: InstanceId, base_url: str) -> str | None:  # noqa: ARG003 - for subclasses
        """The file that the platform's server has to be given to know this instance; None where it needs none.

        It holds secrets: the command that asks for it writes it where only the operator can read it. No I/O.
        """
        return None

    @abstractmethod
    def limits(self, channel: ChannelKey) -> Limits:
        """What one message to `channel` may hold, by what is known now. No I/O."""

    @property
    def own_name(self) -> str:
        """The name, without a sign, that people here call the relay by; empty where it is not known. No I/O."""
        return ""

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

    async def react_for(
        self,
        channel: ChannelKey,  # noqa: ARG002 - for subclasses
        message: MessageId,  # noqa: ARG002
        emoji: str,  # noqa: ARG002
        author: Author,  # noqa: ARG002
        home: str,  # noqa: ARG002
        *,
        add: bool,  # noqa: ARG002
    ) -> bool:
        """Put a reaction on a message as its author's own account here, or take it away; as `Reactions.react`.

        False where people from elsewhere have no accounts of their own here: then `react` is asked, for all of them.
        `home` is where the author's id belongs: `platform:realm`.
        """
        return False

    @abstractmethod
    async def probe(self) -> list[Finding]:
        """Look whether it can work: the token, each channel, the rights. Does I/O, raises nothing.

        Called for `check --online` and tests, without `run`; posts nothing and changes nothing.
        """

    async def directory(self) -> Directory | Unlisted:
        """The channels that the account can see, for the operator to choose from; or why they cannot be listed.

        Called for `nextbridge channels`, without `run` and beside a daemon that has the same account: it changes
        nothing, and takes nothing from that. Bounded in number and time. Does I/O. Raises DriverError with the reason.
        """
        return Unlisted(f"the driver of {self.title} cannot ask for them", "Its documentation says how one is written.")

    async def close(self) -> None:
        """Let go of what `run` and `send` share. Awaited once, last."""
