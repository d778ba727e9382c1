"""A bench: a platform with a driver on it and another person in the room, which is all that the suite needs of both.

A driver's author writes one subclass of `Bench`. It starts the real server (or a stand-in that behaves as one), gives
settings that work there, and says, hears and breaks things as the other person. It knows the platform's wire; the suite
does not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from types import TracebackType
from typing import Any, ClassVar, Self

import msgspec
from msgspec import Struct

from nextbridge import driver as contract
from nextbridge.config.model import HttpSettings
from nextbridge.config.types import Secret, Settings
from nextbridge.driver import ConfiguredChannel, Driver, Pages
from nextbridge.envelope import InstanceId
from nextbridge.http.server import HttpServer
from nextbridge.sandbox.contract.supervised import NotingHost, Supervised
from nextbridge.sandbox.host import MemoryStore, RecordingHost

__all__ = ["CAPABILITIES", "Bench", "Heard", "Situation"]

INSTANCE = "here"

CAPABILITIES: tuple[type, ...] = tuple(
    each
    for name in contract.__all__
    if isinstance(each := getattr(contract, name), type) and getattr(each, "_is_runtime_protocol", False)
)
"""Every optional capability of the contract, in the order of their names."""


class Situation(Enum):
    """What can happen on most platforms, and not on all."""

    NOISE = "something is received that is no message"
    LOST_CONNECTION = "the connection is lost"
    LOST_RECEIVING = "the connection that brings messages is lost, and the one that takes them is not"
    REFUSED_LOGIN = "the token or password is refused"
    CLOSED_CHANNEL = "a channel is not open to us"
    EDITING = "somebody changes what they said"
    TOUCHING = "a message is touched in a way that is no change of what it says"
    DELETING = "somebody takes back what they said"
    ANSWERING = "somebody answers a message"
    REACTING = "somebody reacts to a message"
    COMING_AND_GOING = "somebody comes into the channel, or goes"
    NEW_TOPIC = "somebody gives the channel another topic"
    TYPING = "it is told that somebody is typing"
    WHISPERING = "something is said to the relay alone"
    LARGE_FILE = "a file is posted that is larger than what is fetched"


class Heard(Struct, frozen=True, kw_only=True):
    """One message as the other person sees it."""

    author: str
    """The name that the platform shows beside it."""
    text: str
    """What a reader sees, without notation."""
    notation: frozenset[str] = frozenset()
    """What of it was more than text: formatting, links, calls of people; by any names."""
    action: bool = False
    """It is shown as what somebody does."""
    files: tuple[tuple[str, bytes], ...] = ()
    """Names and contents, in order."""
    answers: str | None = None
    """The text of the message that it is shown to answer."""
    reactions: tuple[str, ...] = ()
    """Those that it bears, as characters or names, each as often as there are people behind it; sorted."""


class Bench(ABC):
    """Used as an async context manager, by one test: entering starts the platform, leaving ends all that was started.

    Rooms are numbered 0 and 1; the other person is in both from the start.
    """

    driver: ClassVar[type[Driver[Any, Any]]]
    example: ClassVar[tuple[Mapping[str, object], Mapping[str, object]]]
    """An instance's block and a channel as the operator's file has them; nothing needs to be there."""
    without: ClassVar[Mapping[type | Situation, str]] = {}
    """The capabilities that the driver does not implement and the situations that cannot arise, each with the
    platform's reason, in words for the table of the docs."""
    lacking: ClassVar[Mapping[type, str]] = {}
    """The capabilities that the class implements and the bench's server has not, each with what it would take. The
    suite shows that the driver says so; that it works elsewhere is for the driver's own tests."""
    depends: ClassVar[Mapping[type, str]] = {}
    """What a capability that is shown here depends on, for the table: `the server passes on client tags`."""

    page: ClassVar[str] = "/"
    """Below the instance's address, a page that a browser can open. For Pages."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        """For all of the platform that has to be ended. What is started last ends first."""
        self._relays: list[Supervised] = []
        self._servers: dict[Supervised, HttpServer] = {}

    # --- to be written for each platform --------------------------------------------------------------------------

    @abstractmethod
    async def start(self) -> None:
        """Start the server and let the other person in, with everything to be ended on `stack`."""

    @abstractmethod
    def settings(self) -> Settings:
        """An instance that works here: fast, and with a short `reconnect_delay`."""

    @abstractmethod
    def rooms(self) -> tuple[Settings, Settings]:
        """Two channels that are open to the driver."""

    @property
    @abstractmethod
    def person(self) -> str:
        """The other person's name, as people see it, in room 0."""

    async def meet(self, relay: Supervised) -> None:  # noqa: ARG002 - for subclasses
        """Return once the driver and the other person can hear each other in both rooms.

        Called after each connection.
        """
        return

    @abstractmethod
    async def say(self, text: str, room: int = 0) -> None:
        """The other person says something."""

    @abstractmethod
    async def hear(self, room: int = 0) -> Heard:
        """The next message in the room that is not the other person's own. Raises TimeoutError where none comes."""

    async def be_noisy(self) -> None:
        """The other person does something that reaches the driver and is no message. For NOISE."""
        raise NotImplementedError

    async def cut(self) -> None:
        """Break the driver's connection, and let no new one come about. For LOST_CONNECTION."""
        raise NotImplementedError

    async def cut_receiving(self) -> None:
        """Break what brings messages to the driver, until `mend`, and nothing else. For LOST_RECEIVING."""
        raise NotImplementedError

    async def lose_answers(self) -> None:
        """Let nothing that the platform says reach the driver any more, while it hears the driver. `mend` ends it.

        For LOST_CONNECTION.
        """
        raise NotImplementedError

    async def mend(self) -> None:
        """Let connections come about again. For LOST_CONNECTION."""
        raise NotImplementedError

    def refused(self) -> tuple[Settings, str]:
        """Settings whose secret the server refuses, and the secret. For REFUSED_LOGIN."""
        raise NotImplementedError

    async def closed_room(self) -> Settings:
        """A channel that is there and not open to the driver. For CLOSED_CHANNEL."""
        raise NotImplementedError

    async def forget_keys(self) -> None:
        """Let the server forget the idempotency keys that it was given. For `RetryRecognition.KEY_THEN_MARK`."""
        raise NotImplementedError

    async def say_file(self, name: str, content: bytes) -> None:
        """The other person posts a file in room 0. For Downloads."""
        raise NotImplementedError

    def settings_with_largest_file(self, size: int) -> Settings:
        """As `settings`, and a file of more than `size` bytes is not fetched. For LARGE_FILE."""
        raise NotImplementedError

    # --- what the other person does beside saying and hearing; all of it in room 0 ---------------------------------

    async def look(self) -> list[Heard]:
        """What the room shows now: everybody's messages, the oldest first, without the platform's own notices.

        It may wait for what is under way. For Edits, Deletes, Reactions and Threads.
        """
        raise NotImplementedError

    async def revise(self, text: str) -> None:
        """Give what they said last another text. For EDITING."""
        raise NotImplementedError

    async def touch(self) -> None:
        """Do what clients hear of as a change of what was said last, and what is none: a pin. For TOUCHING."""
        raise NotImplementedError

    async def take_back(self) -> None:
        """Delete what they said last. For DELETING."""
        raise NotImplementedError

    async def answer(self, text: str) -> None:
        """Answer the message that they heard last, which begins a thread if it can. For ANSWERING."""
        raise NotImplementedError

    async def react(self, emoji: str, *, add: bool) -> None:
        """Put a reaction on the message that they heard last, or take it away again. For REACTING."""
        raise NotImplementedError

    async def come(self) -> str:
        """Let somebody else come into the room, and return the name that people see. For COMING_AND_GOING."""
        raise NotImplementedError

    async def go(self) -> None:
        """Let the one who came go again. For COMING_AND_GOING."""
        raise NotImplementedError

    async def set_topic(self, topic: str) -> None:
        """Give the room a topic. For NEW_TOPIC."""
        raise NotImplementedError

    async def be_typing(self) -> None:
        """Let it be told that they are typing. For TYPING."""
        raise NotImplementedError

    async def whisper(self, text: str) -> None:
        """Say something to the relay alone. For WHISPERING."""
        raise NotImplementedError

    async def topic(self) -> str:
        """The room's topic now, as a reader sees it. For Topics."""
        raise NotImplementedError

    async def see_typing(self) -> None:
        """Return once it is shown that another is typing. Raises TimeoutError where it is not. For Typing."""
        raise NotImplementedError

    async def be_told(self) -> Heard:
        """The next message to them alone. Raises TimeoutError where none comes. For DirectMessages."""
        raise NotImplementedError

    # --- what the suite and the benches use -----------------------------------------------------------------------

    @classmethod
    def convert(cls, kind: type[Settings], block: Mapping[str, object]) -> Settings:
        """A structure from a block of the operator's file. Raises `msgspec.ValidationError`."""
        return msgspec.convert(block, kind, dec_hook=_secret)

    @classmethod
    def offline(cls) -> Driver[Any, Any]:
        """A driver of `example`, made as for a look at it: it never runs."""
        block, channel = cls.example
        return cls._make(
            cls.convert(cls.driver.settings_type, block),
            [cls.convert(cls.driver.channel_type, channel)],
            RecordingHost(INSTANCE),
        )

    @classmethod
    def implemented(cls) -> tuple[type, ...]:
        """The capabilities that the driver's class has."""
        driver = cls.offline()
        return tuple(each for each in CAPABILITIES if isinstance(driver, each))

    def make(
        self,
        *,
        settings: Settings | None = None,
        rooms: Sequence[Settings] | None = None,
        store: MemoryStore | None = None,
    ) -> Supervised:
        """A driver that does not run yet. `store` is an earlier one's: then it is that one after a restart."""
        host = NotingHost(INSTANCE, store or MemoryStore())
        relay = Supervised(self._make(settings or self.settings(), rooms or self.rooms(), host), host)
        self._relays.append(relay)
        return relay

    async def relay(
        self,
        *,
        settings: Settings | None = None,
        rooms: Sequence[Settings] | None = None,
        store: MemoryStore | None = None,
    ) -> Supervised:
        """A driver that runs, connected, in touch with the other person."""
        relay = self.make(settings=settings, rooms=rooms, store=store)
        await self.connect(relay)
        return relay

    async def connect(self, relay: Supervised) -> None:
        """Run a driver (again), until it is in touch with the other person."""
        relay.start()
        await relay.connected()
        await self.meet(relay)

    async def address(self, relay: Supervised) -> str:
        """Where the daemon's HTTP server has the driver's pages, without a final slash. For Pages."""
        server = self._servers.get(relay)
        if server is None:
            server = self._servers[relay] = HttpServer(HttpSettings(port=0), _Mounted(relay.driver), dict)
            await server.start()
        return f"{server.address}/{self.driver.platform}/{INSTANCE}"

    async def leave(self) -> None:
        """The other person closes what they opened on a driver's own pages, and these are no longer served."""
        servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            await server.stop()

    def forget(self, relay: Supervised) -> None:
        """Let go of a driver that is closed."""
        self._relays.remove(relay)

    @classmethod
    def _make(cls, settings: Settings, channels: Sequence[Settings], host: RecordingHost) -> Driver[Any, Any]:
        configured = [ConfiguredChannel(cls.driver.channel_key(each), each, ("rule",)) for each in channels]
        return cls.driver(settings, configured, host)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for relay in self._relays:
                await relay.close()
            await self.leave()
        finally:
            await self.stack.aclose()


class _Mounted:
    """The driver's pages, as the daemon's HTTP server finds them."""

    def __init__(self, driver: Driver[Any, Any]) -> None:
        self._driver = driver

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        is_here = (platform, instance) == (self._driver.platform, INSTANCE)
        return self._driver if is_here and isinstance(self._driver, Pages) else None


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"{kind} stands in no settings")
