"""A stand-in Discord for the tests of this folder: a guild with a relay, people and channels; and the driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from drivers.discord import DiscordDriver
from drivers.discord.settings import DiscordChannel, DiscordSettings, channel_key
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel
from nextbridge.sandbox.contract.supervised import NotingHost, Supervised
from nextbridge.sandbox.discord import Channel, Message, SandboxDiscord
from nextbridge.sandbox.host import MemoryStore

__all__ = ["Place"]


class Place:
    """The stand-in with what is on it, and drivers that run against it."""

    def __init__(self, sandbox: SandboxDiscord) -> None:
        self.sandbox = sandbox
        self.guild = sandbox.add_guild("Town")
        self.relay = sandbox.add_bot("relay", self.guild)
        self.alice = sandbox.add_person("alice", self.guild, name="Ally")
        self.bob = sandbox.add_person("bob", self.guild, nick="Bobby")
        self.town = sandbox.add_channel(self.guild, "town")
        self.dev = sandbox.add_channel(self.guild, "dev")
        self.running: list[Supervised] = []

    def make(
        self,
        *channels: Channel,
        store: MemoryStore | None = None,
        of_channel: dict[str, str] | None = None,
        **more: Any,
    ) -> Supervised:
        """A driver for these channels (the town, where none is named) that does not run yet."""
        block = {"token": self.relay.token, "api_url": self.sandbox.api_url, "reconnect_delay": 0.1}
        settings = msgspec.convert(block | more, DiscordSettings, dec_hook=lambda _, value: Secret(value))
        named = [{"channel_id": each.id} | (of_channel or {}) for each in channels or (self.town,)]
        rooms: Sequence[DiscordChannel] = [msgspec.convert(each, DiscordChannel) for each in named]
        host = NotingHost("discord", store or MemoryStore())
        configured = [ConfiguredChannel(channel_key(each), each, ("rule",)) for each in rooms]
        made = Supervised(DiscordDriver(settings, configured, host), host)
        self.running.append(made)
        return made

    async def run(self, *channels: Channel, **more: Any) -> Supervised:
        """A driver that is connected."""
        made = self.make(*channels, **more)
        made.start()
        await made.connected()
        return made

    def last(self, channel: Channel | None = None) -> Message:
        """What stands last in a channel."""
        return self.sandbox.messages(channel or self.town)[-1]
