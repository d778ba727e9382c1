"""The pictures of people and chats: which one somebody has now is asked for once in a while, not with each message."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from drivers.telegram import wire
from drivers.telegram.api import Api, Migrated, Refusal
from drivers.telegram.files import download
from nextbridge.errors import DriverError, Gone

__all__ = ["Portraiture"]

_SECONDS = 3600.0
"""For which an answer holds."""
_PATIENCE = 3.0
"""Seconds that a message waits for the answer; without it the author has no picture for a while."""
_REMEMBERED = 10_000
_LARGEST = 10 * 1024 * 1024


class Portraiture:
    """Of one bot."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: OrderedDict[int, tuple[float, str]] = OrderedDict()

    async def of(self, whose: int) -> str:
        """What names the picture that a user or chat has; empty for none. Raises nothing."""
        known = self._known.get(whose)
        if known is not None and known[0] > monotonic():
            return known[1]
        name = ""
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._find(whose)
                name = "" if found is None else found.file_unique_id
        except (Refusal, Migrated, DriverError, TimeoutError):
            name = "" if known is None else known[1]
        self._known[whose] = monotonic() + _SECONDS, name
        self._known.move_to_end(whose)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return name

    @asynccontextmanager
    async def open(self, whose: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The picture itself. Entering, and reading, raises Retry, Rejected or Gone."""
        try:
            found = await self._find(whose)
        except (Refusal, Migrated) as error:
            raise Gone("nobody has this picture") from error
        if found is None:
            raise Gone("they have no picture")
        async with download(self._api, found.file_id, _LARGEST) as chunks:
            yield chunks

    async def _find(self, whose: int) -> wire.PhotoSize | None:
        if whose < 0:
            photo = (await self._api.call("getChat", wire.FullChat, chat_id=whose)).photo
            return None if photo is None else wire.PhotoSize(photo.big_file_id, photo.big_file_unique_id)
        found = await self._api.call("getUserProfilePhotos", wire.Photos, user_id=whose, limit=1)
        if not found.photos or not found.photos[0]:
            return None
        return max(found.photos[0], key=lambda size: size.width)
