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
_MOST_TOLD = 100
_PARTS = 20
_KEPT = 200
"""Albums of a chat that are remembered."""
_CHATS = 1000


class _Open(msgspec.Struct):
    """What has come of an album."""

    group: str
    parts: dict[int, msgspec.Raw]
    """By the message's number."""
    sealed: bool = False
    """It is on its way into the core as it is: what comes of it now is a message of its own."""


class _Told(msgspec.Struct, frozen=True):
    """An album that the core has."""

    chat: int
    group: str
    numbers: frozenset[int]


class _Kept(msgspec.Struct):
    """All of it, as the store has it."""

    open: dict[int, _Open] = msgspec.field(default_factory=dict)
    told: list[_Told] = msgspec.field(default_factory=list)


class Gathering:
    """What of albums has come so far, one of each chat at a time; and which were told lately.

    An album is sealed before it is told. So a crash in between tells the same one again, which the core knows; and a
    part that Telegram repeats is known, whatever became of the album meanwhile.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = _Kept()

    async def load(self) -> None:
        """What an earlier run had gathered. Once, before anything is added."""
        kept = await self._store.get(_GATHERED)
        if kept is not None:
            self._kept = msgspec.json.decode(kept, type=_Kept)

    def chats(self) -> list[int]:
        """Those of which an album is open, the one that was begun first at the beginning."""
        return list(self._kept.open)

    def is_full(self) -> bool:
        """Whether one has to be closed before another is begun."""
        return len(self._kept.open) >= _MOST_OPEN

    def continues(self, message: wire.Message) -> bool:
        """Whether a message belongs to the album that is open in its chat."""
        found = self._kept.open.get(message.chat.id)
        return found is not None and not found.sealed and found.group == message.media_group_id

    def was_told(self, message: wire.Message) -> bool | None:
        """Whether a message was told as a part of an album; None where nothing is known of that album."""
        told = [each.numbers for each in self._kept.told if (each.chat, each.group) == _album_of(message)]
        found = self._kept.open.get(message.chat.id)
        if found is not None and found.sealed and found.group == message.media_group_id:
            told.append(frozenset(found.parts))
        return any(message.message_id in numbers for numbers in told) if told else None

    async def add(self, message: wire.Message, raw: msgspec.Raw) -> None:
        """Keep a part, which may be repeated. Returns once it is on disk."""
        found = self._kept.open.setdefault(message.chat.id, _Open(message.media_group_id, {}))
        if len(found.parts) < _PARTS:
            found.parts[message.message_id] = raw.copy()
        await self._save()

    async def seal(self, chat: int) -> list[wire.Message]:
        """The parts of a chat's open album, in order; none where there is none. From now on they are all of it."""
        found = self._kept.open.get(chat)
        if found is None:
            return []
        if not found.sealed:
            found.sealed = True
            await self._save()
        return [msgspec.json.decode(found.parts[number], type=wire.Message) for number in sorted(found.parts)]

    async def close(self, chat: int) -> None:
        """The core has it: forget the parts, and know their numbers for a while."""
        found = self._kept.open.pop(chat)
        self._kept.told.append(_Told(chat, found.group, frozenset(found.parts)))
        del self._kept.told[:-_MOST_TOLD]
        await self._save()

    async def _save(self) -> None:
        await self._store.set(_GATHERED, msgspec.json.encode(self._kept).decode())


def _album_of(message: wire.Message) -> tuple[int, str]:
    return message.chat.id, message.media_group_id


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
