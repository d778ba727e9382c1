"""The IRC driver of the contract: one object an instance, one session a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

from drivers.irc.backlog import Backlog
from drivers.irc.casemapping import ASCII
from drivers.irc.channels import Channels
from drivers.irc.connection import Connection
from drivers.irc.directory import directory
from drivers.irc.formatting import IRC
from drivers.irc.names import display_name
from drivers.irc.pacing import Pacer
from drivers.irc.probing import probe
from drivers.irc.registration import register
from drivers.irc.sending import Sender
from drivers.irc.server import Server
from drivers.irc.session import Session
from drivers.irc.settings import IrcChannel, IrcSettings, channel_remarks, remarks
from nextbridge.config.types import effective_proxy
from nextbridge.driver import (
    Acknowledgement,
    Address,
    ConfiguredChannel,
    Directory,
    Driver,
    Excerpt,
    Finding,
    Guarantees,
    Host,
    Limits,
    Outgoing,
    Receipt,
    Remark,
    RetryRecognition,
    Unit,
    Unlisted,
)
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import Retry

__all__ = ["IrcDriver"]


class IrcDriver(Driver[IrcSettings, IrcChannel]):
    """A nick on an IRC network.

    A user id is a folded nick, and worth what a nick is worth: it is one person's while they bear it, and whoever bears
    it next has the same id (`accounts_last`). The accounts of a network's services are no way out: not all servers tell
    them, not everybody has one, and two of our own instances would not know each other by them.
    """

    platform = "irc"
    title = "IRC"
    settings_type = IrcSettings
    channel_type = IrcChannel
    asked_for: ClassVar[tuple[str, ...] | None] = ("host", "port", "tls", "nick", "sasl.username", "sasl.password")
    dialect = IRC
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.ECHO,
        retry_recognised_by=RetryRecognition.NONE,
        history="nothing: what is said while the relay is away is beyond it",
    )
    default_format = "<{nickname}> {msg}"
    action_format = "* {nickname} {msg}"
    accounts_last = False
    calls_by_bare_name = True
    quotes_answers = True  # the common programs show no client tags

    def __init__(self, settings: IrcSettings, channels: Sequence[ConfiguredChannel[IrcChannel]], host: Host) -> None:
        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        # kept over reconnections: a server that found us too fast is not to find it again
        self._pacer = Pacer(settings.messages_per_second, settings.burst)
        self._server = Server(settings.nick)
        self._names = {each.key: each.settings.channel for each in channels}
        self._backlog = Backlog()
        self._session: Session | None = None

    @classmethod
    def channel_key(cls, settings: IrcChannel) -> ChannelKey:
        # two names that are one in ASCII are one on every server; where more are, `resolved` says so
        return ChannelKey(ASCII.fold(settings.channel))

    @classmethod
    def remarks(cls, settings: IrcSettings) -> Iterable[Remark]:
        return remarks(settings)

    @classmethod
    def address(cls, settings: IrcSettings) -> Address | None:
        writes = 'set "tls": true', 'set "tls": false'
        return Address("host", settings.host, settings.effective_port, settings.tls, *writes)

    @classmethod
    def channel_remarks(cls, channel: IrcChannel, settings: IrcSettings) -> Iterable[Remark]:  # noqa: ARG003
        return channel_remarks(channel)

    @property
    def own_name(self) -> str:
        return self._server.nick

    def display_name(self, name: str) -> str:
        return display_name(name)

    def limits(self, channel: ChannelKey) -> Limits:
        name = self._names.get(channel, channel)
        return Limits(text=self._server.room(name, self.settings.nick), unit=Unit.BYTES)

    async def run(self) -> None:
        settings = self.settings
        connection = await Connection.open(settings, effective_proxy(settings.proxy, self.host.proxy), self._pacer)
        farewell = ""
        try:
            server = await register(connection, settings, settings.nick)
            self._pacer.rested()
            delays = (settings.rejoin_delay, settings.answer_timeout)
            channels = Channels(self.channels, server, self.host, delays)
            self._server = server
            self._session = Session(connection, server, channels, settings, self.host, self._pacer, self._backlog)
            await self._session.run()
        except asyncio.CancelledError:
            farewell = "the relay stops"
            raise
        finally:
            self._session = None
            await connection.close(farewell)

    @property
    def _sender(self) -> Sender:
        if self._session is None:
            raise Retry("there is no connection to the server")
        return self._session.sender

    async def send(self, message: Outgoing) -> Receipt:
        receipt = await self._sender.send(message)
        self._backlog.sent(message, receipt)
        return receipt

    @property
    def answers(self) -> Literal["any"] | None:
        return "any" if self._session is not None and self._session.sender.shows_answers else None

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._sender.delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._sender.react(channel, message, emoji, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._sender.set_topic(channel, topic)

    async def tell(self, user: UserId, text: str) -> None:
        """Say something to whoever bears the nick `user` now: perhaps not the one who bore it a while ago."""
        await self._sender.tell(user, text)

    async def typing(self, channel: ChannelKey, author: Author) -> None:  # noqa: ARG002 - it is the relay that types
        if self._session is not None:
            self._session.sender.typing(channel)

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        return None if self._session is None else self._session.member(channel, name)

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        return self._backlog.find(channel, message)

    async def probe(self) -> list[Finding]:
        return await probe(self.settings, self.channels, effective_proxy(self.settings.proxy, self.host.proxy))

    async def directory(self) -> Directory | Unlisted:
        return await directory(self.settings, effective_proxy(self.settings.proxy, self.host.proxy))
