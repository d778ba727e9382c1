"""Drivers that do as a test says, and the words for the core's tests: messages, rules, a running daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar
from uuid import uuid4

import msgspec

from nextbridge.config.model import Endpoint, MessageSettings, Rule, RuleSettings
from nextbridge.config.types import Settings
from nextbridge.control.protocol import Reloaded
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Driver,
    Finding,
    Guarantees,
    Host,
    Limits,
    LocalFile,
    Outgoing,
    Receipt,
    RetryRecognition,
)
from nextbridge.envelope import (
    Attachment,
    Author,
    Channel,
    ChannelKey,
    InstanceId,
    Mark,
    MessageId,
    Posted,
    UserId,
)
from nextbridge.markup import PLAIN, Dialect, RichText
from nextbridge.service import Service


class ScriptSettings(Settings, frozen=True):
    """Nothing to set, but that it may differ."""

    version: int = 1


class ScriptChannel(Settings, frozen=True):
    """A channel by its key."""

    key: str


class ScriptDriver(Driver[ScriptSettings, ScriptChannel]):
    """A platform whose answers a test writes: `answer` is awaited for each send."""

    platform: ClassVar[str] = "script"
    title = "Script"
    settings_type = ScriptSettings
    channel_type = ScriptChannel
    dialect: ClassVar[Dialect] = PLAIN
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE, retry_recognised_by=RetryRecognition.KEY, history="nothing"
    )
    reconnect_delay = 0.01
    made: ClassVar[dict[InstanceId, ScriptDriver]] = {}

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.made[host.instance] = self
        self.sent: list[Outgoing] = []
        self.shown: list[Outgoing] = []
        self.answer: Callable[[Outgoing], Awaitable[Receipt]] = self.deliver
        self.connects = asyncio.Event()
        self.connects.set()
        self.connections: list[BaseException | None] = []
        """What the next runs raise, in order; None, and all after, stay connected."""
        self.runs = 0
        self.changed = asyncio.Condition()
        self.text_limit = 1000

    @property
    def realm(self) -> str:
        """All are on one server, unless a test says otherwise."""
        return "here"

    @classmethod
    def channel_key(cls, settings: ScriptChannel) -> ChannelKey:
        return ChannelKey(settings.key)

    def limits(self, channel: ChannelKey) -> Limits:
        return Limits(text=self.text_limit)

    async def run(self) -> None:
        self.runs += 1
        await self.nudge()
        await self.connects.wait()
        if self.connections and (error := self.connections.pop(0)) is not None:
            raise error
        await self.host.connected(UserId(f"bot-{self.host.instance}"), realm=self.realm)
        await asyncio.Event().wait()

    async def send(self, message: Outgoing) -> Receipt:
        self.sent.append(message)
        await self.nudge()
        return await self.answer(message)

    async def deliver(self, message: Outgoing) -> Receipt:
        """The default answer: it is shown."""
        self.shown.append(message)
        await self.nudge()
        return Receipt(MessageId(f"m{len(self.shown)}"))

    async def probe(self) -> list[Finding]:
        return []

    async def nudge(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool], *, within: float = 10.0) -> None:
        """Return once `condition()` holds; looked at whenever something is sent."""
        async with asyncio.timeout(within), self.changed:
            await self.changed.wait_for(condition)

    async def post(self, text: str, *, channel: str = "1", **fields: Any) -> Posted:
        """Somebody posts `text` in a channel; returns once it is on disk or skipped."""
        event = post(self.host.instance, text, channel=channel, **fields)
        await (await self.host.accept(event))
        return event

    @property
    def texts(self) -> list[str]:
        """The texts that were shown, in order."""
        return [message.text for message in self.shown]


class FilingDriver(ScriptDriver):
    """A script platform with files both ways."""

    platform: ClassVar[str] = "filing"
    largest_file = 1000

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.contents: dict[str, list[bytes | Exception]] = {}
        self.opened: list[str] = []
        self.refuses: str | None = None
        self.received: list[dict[str, bytes]] = []

    def limits(self, channel: ChannelKey) -> Limits:
        return Limits(text=self.text_limit, files=2)

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:
        return self.refuses

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._open(attachment)

    @asynccontextmanager
    async def _open(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        self.opened.append(attachment.id)

        async def chunks() -> AsyncIterator[bytes]:
            await self.before_contents()
            for chunk in self.contents[attachment.id]:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk

        yield chunks()

    async def before_contents(self) -> None:
        """Awaited before the first chunk of each file."""

    async def deliver(self, message: Outgoing) -> Receipt:
        self.received.append({file.name: await asyncio.to_thread(file.path.read_bytes) for file in message.files})
        return await super().deliver(message)


class ForgetfulDriver(ScriptDriver):
    """A script platform that recognises no message that is sent again."""

    platform: ClassVar[str] = "forgetful"
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE, retry_recognised_by=RetryRecognition.NONE, history="nothing"
    )


class IdentityDriver(ScriptDriver):
    """A script platform that shows names and pictures on messages."""

    platform: ClassVar[str] = "identity"
    shows_identity = True


class LateDriver(ScriptDriver):
    """A script platform that does not connect before the test sets `connects`."""

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.connects.clear()


def post(instance: str, text: str, *, channel: str = "1", **fields: Any) -> Posted:
    """A message as a driver would hand it over; each has an id of its own."""
    fields.setdefault("author", Author(id=UserId("u1"), username="alice", name="Alice"))
    return Posted(
        channel=Channel(InstanceId(instance), ChannelKey(channel)),
        message=MessageId(uuid4().hex),
        at=1_700_000_000_000,
        text=RichText.plain(text),
        **fields,
    )


def mark_of(daemon: str) -> Mark:
    return Mark(daemon=daemon, delivery="d-1-0", origin="x/y")  # type: ignore[arg-type]


class Daemon:
    """A service that runs in the test's own loop."""

    def __init__(self, service: Service, reload: Callable[..., Coroutine[Any, Any, Reloaded]] | None = None) -> None:
        self.service = service
        self._reload = reload

    def __getitem__(self, instance: str) -> ScriptDriver:
        return ScriptDriver.made[InstanceId(instance)]

    async def reload(self, *rules: Rule, **more: Any) -> Reloaded:
        """Give the daemon another file, of these rules and what else differs, and have it read."""
        assert self._reload is not None
        return await self._reload(*rules, **more)

    def filing(self, instance: str) -> FilingDriver:
        driver = self[instance]
        assert isinstance(driver, FilingDriver)
        return driver


RunDaemon = Callable[..., AbstractAsyncContextManager[Daemon]]


def rule(
    name: str,
    *channels: str,
    to: Sequence[str] | None = None,
    msg: dict[str, str] | None = None,
    enabled: bool = True,
    **settings_of_rule: Any,
) -> Rule:
    """A connect rule over `instance/key` channels, or a forward where `to` is given.

    `settings_of_rule` are what it says beside its channels, as the operator's file has it.
    """
    settings = msgspec.convert(msg or {"msg_format": "{msg}"}, MessageSettings)

    def endpoint(text: str) -> Endpoint:
        instance, _, key = text.partition("/")
        return Endpoint(
            instance=InstanceId(instance), key=ChannelKey(key), settings=ScriptChannel(key=key), msg=settings
        )

    sources = tuple(map(endpoint, channels))
    targets = sources if to is None else tuple(map(endpoint, to))
    return Rule(
        id=name,
        kind="connect" if to is None else "forward",
        sources=sources,
        targets=targets,
        settings=msgspec.convert(settings_of_rule, RuleSettings),
        enabled=enabled,
    )
