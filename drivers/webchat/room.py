"""A room: its history on disk, what makes a repeated message one, and who is listening.

Kept in the driver's store, one small value a message, so that a message costs one small write:

- `room/<key>/<number>`: a message; numbers grow by one.
- `room/<key>/first`: the oldest number kept, and from where on older ones may still have to be removed.
- `room/<key>/relayed`: the newest number that the relay has on disk, for messages that browsers posted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from drivers.webchat.frames import Message, Said, encode
from nextbridge.driver import Store

__all__ = ["Listener", "Record", "Room"]

_TRIM_AT = 32
"""Messages beyond the history that are let lie before they are removed together."""

T = TypeVar("T")


class Record(Struct, frozen=True, omit_defaults=True):
    """A message as it is kept. Fields are only ever added, with a default."""

    message: Message
    key: str
    """What a repetition has too: the delivery's key, or the browser's author and its id for the message."""


class _First(Struct, frozen=True):
    number: int
    removed_from: int


class Listener(Protocol):
    """Somebody in the room. May be called at any time, and never waits."""

    def hear(self, frame: str) -> None:
        """Take an encoded frame, or let go of the connection where it cannot keep up."""


class Room:
    """One room. `load` comes first; everything else after it."""

    def __init__(self, key: str, store: Store, *, history: int) -> None:
        self.key = key
        self.listeners: set[Listener] = set()
        self._store = store
        self._history = history
        self._records: deque[Record] = deque()
        self._by_key: dict[str, Message] = {}
        self._next = 1
        self._first = 1
        self._relayed = 0
        self.loaded = False
        self._one_at_a_time = asyncio.Lock()
        self._work: set[asyncio.Task[Any]] = set()

    # --- from and to the disk ---

    async def load(self) -> None:
        """Read the history back. A second call does nothing."""
        if self.loaded:
            return
        kept = await self._store.get(self._name("first"))
        first = msgspec.json.decode(kept, type=_First) if kept else _First(1, 1)
        await self._remove(first)
        number = first.number
        while (value := await self._store.get(self._name(number))) is not None:
            self._keep(msgspec.json.decode(value, type=Record))
            number += 1
        self._first, self._next = first.number, number
        self._relayed = int(await self._store.get(self._name("relayed")) or 0)
        await self._trim(at=0)
        self.loaded = True

    def _name(self, what: str | int) -> str:
        return f"room/{self.key}/{what}"

    def _keep(self, record: Record) -> None:
        self._records.append(record)
        self._by_key[record.key] = record.message

    async def _remove(self, first: _First) -> None:
        await asyncio.gather(
            *(self._store.set(self._name(number), None) for number in range(first.removed_from, first.number))
        )

    async def _trim(self, *, at: int = _TRIM_AT) -> None:
        if len(self._records) <= self._history + at:
            return
        # Said on disk before it is done: a crash in between leaves nothing behind, load goes on with it.
        first = _First(self._next - self._history, self._first)
        await self._store.set(self._name("first"), msgspec.json.encode(first).decode())
        while self._records[0].message.id < first.number:
            record = self._records.popleft()
            self._by_key.pop(record.key, None)
        self._first = first.number
        await self._remove(first)

    # --- messages ---

    async def add(self, key: str, make: Callable[[int, int], Message]) -> Message:
        """Keep a message from another platform, and let the room hear it. Returns once it is on disk.

        `make` is given the message's number and time. A key that the history holds gives back the message it had.
        """

        async def add() -> Message:
            if (known := self._by_key.get(key)) is not None:
                return known
            message = await self._write(key, make)
            self._say(message)
            await self._trim()
            return message

        return await self._alone(add)

    async def post(
        self, key: str, make: Callable[[int, int], Message], relay: Callable[[Message], Awaitable[None]]
    ) -> Message:
        """Keep a message that a browser posted, give it to the relay, and then let the room hear it.

        Returns once it is on disk on both sides. What a crash leaves between the two is handed over by `recover`.
        """

        async def post() -> Message:
            message = self._by_key.get(key) or await self._write(key, make)
            await self._hand_over(relay)
            await self._trim()
            return message

        return await self._alone(post)

    async def recover(self, relay: Callable[[Message], Awaitable[None]]) -> None:
        """Give the relay what browsers posted and it does not surely have. It knows what it has by the number."""
        await self._alone(lambda: self._hand_over(relay))

    async def _write(self, key: str, make: Callable[[int, int], Message]) -> Message:
        record = Record(make(self._next, time.time_ns() // 1_000_000), key)
        await self._store.set(self._name(record.message.id), msgspec.json.encode(record).decode())
        self._next += 1
        self._keep(record)
        return record.message

    async def _hand_over(self, relay: Callable[[Message], Awaitable[None]]) -> None:
        # Whatever failed before goes first: the relay gets a room's messages in the room's order.
        waiting = [each.message for each in self._records if each.message.id > self._relayed]
        for message in waiting:
            if message.author is None:
                continue
            await relay(message)
            self._relayed = message.id
            await self._store.set(self._name("relayed"), str(message.id))
            self._say(message)

    def _say(self, message: Message) -> None:
        frame = encode(Said(message))
        for listener in tuple(self.listeners):
            listener.hear(frame)

    async def _alone(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do `work` to its end, after all that was begun before it, even when whoever waits for it goes away."""

        async def alone() -> T:
            async with self._one_at_a_time:
                return await work()

        task = asyncio.ensure_future(alone())
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Return once all that was begun is on disk."""
        while self._work:
            await asyncio.wait(self._work)

    def since(self, after: int | None) -> tuple[tuple[Message, ...], bool]:
        """What was said after the message numbered `after`, and whether there may be something before it to forget.

        The second is true where messages in between are gone, or `after` is not this room's.
        """
        messages = tuple(record.message for record in self._records)[-self._history :]
        if after is None or not messages or not messages[0].id - 1 <= after <= messages[-1].id:
            return messages, True
        return tuple(message for message in messages if message.id > after), False
