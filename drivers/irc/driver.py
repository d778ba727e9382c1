"""The IRC driver of the contract: one object an instance, one session a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from drivers.irc.casemapping import ASCII
from drivers.irc.channels import Channels
from drivers.irc.connection import Connection
from drivers.irc.formatting import IRC
from drivers.irc.names import display_name
from drivers.irc.pacing import Pacer
from drivers.irc.probing import probe
from drivers.irc.registration import register
from drivers.irc.server import Server
from drivers.irc.session import Session
from drivers.irc.settings import IrcChannel, IrcSettings, channel_remarks, remarks
from nextbridge.config.types import effective_proxy
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Driver,
    Finding,
    Guarantees,
    Host,
    Limits,
    Outgoing,
    Receipt,
    Remark,
    RetryRecognition,
    Unit,
)
from nextbridge.envelope import ChannelKey
from nextbridge.errors import Retry

__all__ = ["IrcDriver"]


class IrcDriver(Driver[IrcSettings, IrcChannel]):
    """A nick on an IRC network."""

    platform = "irc"
    title = "IRC"
    settings_type = IrcSettings
    channel_type = IrcChannel
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

    def __init__(self, settings: IrcSettings, channels: Sequence[ConfiguredChannel[IrcChannel]], host: Host) -> None:
        super().__init__(settings, channels, host)
        self.reconnect_delay = settings.reconnect_delay
        # kept over reconnections: a server that found us too fast is not to find it again
        self._pacer = Pacer(settings.messages_per_second, settings.burst)
        self._server = Server(settings.nick)
        self._names = {each.key: each.settings.channel for each in channels}
        self._session: Session | None = None

    @classmethod
    def channel_key(cls, settings: IrcChannel) -> ChannelKey:
        # two names that are one in ASCII are one on every server; where more are, `resolved` says so
        return ChannelKey(ASCII.fold(settings.channel))

    @classmethod
    def remarks(cls, settings: IrcSettings) -> Iterable[Remark]:
        return remarks(settings)

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
            self._session = Session(connection, server, channels, settings, self.host, self._pacer)
            await self._session.run()
        except asyncio.CancelledError:
            farewell = "the relay stops"
            raise
        finally:
            self._session = None
            await connection.close(farewell)

    async def send(self, message: Outgoing) -> Receipt:
        session = self._session
        if session is None:
            raise Retry("there is no connection to the server")
        return await session.send(message)

    async def probe(self) -> list[Finding]:
        return await probe(self.settings, self.channels, effective_proxy(self.settings.proxy, self.host.proxy))
