"""Albums: several messages on Telegram that people see as one.

Those that come are gathered: each part is told by an update of its own, with nothing to say which is the last. What is
not complete lies in the instance's store meanwhile, so that each update can be confirmed at once. Of those that are
there, both ways, it is remembered which messages belong together: who answers the third picture answers the album.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from drivers.telegram import wire
from nextbridge.driver import Store

__all__ = ["Albums", "Gathering"]

_GATHERED = "albums that come in"
_MOST_OPEN = 100
_PARTS = 20
_KEPT = 200
"""Albums of a chat that are remembered."""
_CHATS = 1000


class Gathering:
    """What of albums has come so far, one of each chat at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: OrderedDict[int, list[msgspec.Raw]] = OrderedDict()
        self._groups: dict[int, str] = {}

    async def load(self) -> None:
        """What an earlier run had gathered. Once, before anything is added."""
        kept = await self._store.get(_GATHERED)
        for raw in msgspec.json.decode(kept, type=list[msgspec.Raw]) if kept else ():
            message = msgspec.json.decode(raw, type=wire.Message)
            self._put(message, raw)

    def chats(self) -> list[int]:
        """Those of which an album is open, the one that was begun first at the beginning."""
        return list(self._open)

    def continues(self, message: wire.Message) -> bool:
        """Whether a message belongs to the album that is open in its chat."""
        return bool(message.media_group_id) and self._groups.get(message.chat.id) == message.media_group_id

    def is_full(self) -> bool:
        """Whether one has to be closed before another is begun."""
        return len(self._open) >= _MOST_OPEN

    async def add(self, message: wire.Message, raw: msgspec.Raw) -> None:
        """Keep a part. Returns once it is on disk."""
        self._put(message, raw)
        await self._save()

    def parts(self, chat: int) -> list[wire.Message]:
        """What has come of a chat's open album, in order."""
        found = [msgspec.json.decode(raw, type=wire.Message) for raw in self._open.get(chat, ())]
        return sorted(found, key=lambda message: message.message_id)

    async def close(self, chat: int) -> None:
        """It is told: forget what was gathered."""
        self._open.pop(chat, None)
        self._groups.pop(chat, None)
        await self._save()

    def _put(self, message: wire.Message, raw: msgspec.Raw) -> None:
        parts = self._open.setdefault(message.chat.id, [])
        if len(parts) < _PARTS:
            parts.append(raw.copy())
        self._groups[message.chat.id] = message.media_group_id

    async def _save(self) -> None:
        parts = [raw for parts in self._open.values() for raw in parts]
        await self._store.set(_GATHERED, msgspec.json.encode(parts).decode() if parts else None)


class Albums:
    """Which messages of a chat are one, by their numbers. The first stands for all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[int, list[tuple[int, ...]]] = OrderedDict()

    async def remember(self, chat: int, numbers: Sequence[int]) -> None:
        """They belong together, the one that stands for them first. Returns once it is on disk."""
        if len(numbers) < 2:
            return
        known = await self._of(chat)
        if tuple(numbers) in known:
            return
        known.append(tuple(numbers))
        del known[:-_KEPT]
        await self._store.set(_key(chat), msgspec.json.encode(known).decode())

    async def all_of(self, chat: int, number: int) -> tuple[int, ...]:
        """The numbers that belong to a message, its own among them."""
        return next((each for each in reversed(await self._of(chat)) if number in each), (number,))

    async def first_of(self, chat: int, number: int) -> int:
        """The number that stands for a message."""
        return (await self.all_of(chat, number))[0]

    async def _of(self, chat: int) -> list[tuple[int, ...]]:
        if chat not in self._known:
            kept = await self._store.get(_key(chat))
            self._known[chat] = msgspec.json.decode(kept, type=list[tuple[int, ...]]) if kept else []
            if len(self._known) > _CHATS:
                self._known.popitem(last=False)
        return self._known[chat]


def _key(chat: int) -> str:
    return f"albums of {chat}"
