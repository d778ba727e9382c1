"""A stand-in Bot API with a group in it, and the driver against it.

Not in conftest.py: what this imports has its assertions explained only if nothing imported it before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from drivers.telegram import TelegramDriver
from drivers.telegram.settings import TelegramChannel, TelegramSettings, configured_place
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, LocalFile
from nextbridge.sandbox.contract import Supervised
from nextbridge.sandbox.contract.supervised import NotingHost, spooled
from nextbridge.sandbox.host import MemoryStore
from nextbridge.sandbox.telegram import Account, Room, SandboxTelegram, User

PNG = b"\x89PNG\r\n\x1a\n and so on"


class Town(Struct):
    """A supergroup with Ann and a bot that hears everything."""

    sandbox: SandboxTelegram
    bot: Account
    ann: User
    room: Room

    def settings(self, **more: Any) -> TelegramSettings:
        """An instance of the bot, fast."""
        fast: dict[str, Any] = {"messages_per_minute": 100_000, "messages_per_second": 10_000, "reconnect_delay": 0.1}
        fast |= {"token": Secret(self.bot.token), "api_url": self.sandbox.url}
        return TelegramSettings(**fast | more)

    def driven(
        self,
        channels: Sequence[TelegramChannel] | None = None,
        *,
        store: MemoryStore | None = None,
        base_url: str | None = None,
        **more: Any,
    ) -> Supervised:
        """The driver with these channels, or the group alone; it does not run yet."""
        channels = [TelegramChannel(chat=self.room.id)] if channels is None else channels
        host = NotingHost("tg", store or MemoryStore())
        host.base_url = base_url
        configured = [ConfiguredChannel(configured_place(each).key, each, ("rule",)) for each in channels]
        return Supervised(TelegramDriver(self.settings(**more), configured, host), host)

    @asynccontextmanager
    async def relay(
        self,
        channels: Sequence[TelegramChannel] | None = None,
        *,
        store: MemoryStore | None = None,
        base_url: str | None = None,
        **more: Any,
    ) -> AsyncIterator[Supervised]:
        """The same, connected, and asking for updates of the kinds that it wants; it is closed at the end."""
        relay = self.driven(channels, store=store, base_url=base_url, **more)
        asked = self.sandbox.faults.requests["getUpdates"]
        relay.start()
        try:
            await relay.connected()
            if base_url is None:
                await self.sandbox.until(lambda: self.sandbox.faults.requests["getUpdates"] > asked)
            yield relay
        finally:
            await relay.close()


@asynccontextmanager
async def standing() -> AsyncIterator[Town]:
    """The stand-in, running."""
    async with SandboxTelegram() as sandbox:
        ann = sandbox.add_person("Ann", "Perkins", username="annie")
        bot = sandbox.add_bot("relay_bot", "Relay", privacy=False)
        yield Town(sandbox, bot, ann, sandbox.add_supergroup("Town", [ann, bot.user]))


def picture(folder: Path, name: str = "cat.png", content: bytes = PNG) -> LocalFile:
    """A spooled picture."""
    return spooled(folder, name, content, "image/png")
