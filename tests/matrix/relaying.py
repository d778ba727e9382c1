"""A driver on a real homeserver, run as the core runs it, for tests of what only Matrix does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import MatrixRoom, MatrixSettings
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel
from nextbridge.sandbox.contract.supervised import NotingHost, Supervised
from nextbridge.sandbox.host import MemoryStore
from tests.matrix.synapse import Account

__all__ = ["relaying", "settings"]


def settings(url: str, account: Account, **more: Any) -> MatrixSettings:
    """An account by its token, where nothing else is said."""
    login = {} if "password" in more else {"access_token": Secret(account.token)}
    return MatrixSettings(homeserver=url, user_id=account.user, reconnect_delay=0.1, **(login | more))


@asynccontextmanager
async def relaying(
    settings: MatrixSettings,
    *rooms: MatrixRoom | str,
    store: MemoryStore | None = None,
    made: Callable[[Supervised], None] | None = None,
) -> AsyncIterator[Supervised]:
    """A driver in those rooms (by their ids, or as the file has them), connected; `store` is an earlier one's.

    `made` is told of it before it is connected.
    """
    channels = [MatrixRoom(room_id=each) if isinstance(each, str) else each for each in rooms]
    configured = [ConfiguredChannel(MatrixDriver.channel_key(each), each, ("rule",)) for each in channels]
    host = NotingHost("here", store or MemoryStore())
    relay = Supervised(MatrixDriver(settings, configured, host), host)
    if made is not None:
        made(relay)
    try:
        relay.start()
        await relay.connected()
        yield relay
    finally:
        await relay.close()
