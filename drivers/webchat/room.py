"""A room: its history on disk, what makes a repeated message one, and who is listening.

Kept in the driver's store, one small value a message, so that a message or a change costs one small write:

- `room/<key>/<number>`: a message as it is now, and what was done to it at browsers that the relay may not have yet.
  Numbers grow by one.
- `room/<key>/first`: the oldest number kept, and from where on older ones may still have to be removed.
- `room/<key>/relayed`: the newest revision that the relay has on disk, of what was done at browsers.
- `room/<key>/topic`: the room's topic.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.webchat.frames import Changed, Said, ToBrowser, Topic, encode
from drivers.webchat.messages import Change, Message, forgotten
from nextbridge.driver import Store
from nextbridge.media.hosted import File

__all__ = ["Compose", "Discard", "Listener", "NotThere", "Record", "RelayTo", "Room"]

_TRIM_AT = 32
"""Messages beyond the history that are let lie before they are removed together."""

T = TypeVar("T")

Compose: TypeAlias = Callable[[], AbstractAsyncContextManager[Message]]
"""Makes a message, without number and time; it is kept once the context is left without an error."""
RelayTo: TypeAlias = Callable[[Message, Change], Awaitable[None]]
"""Hands what was done at a browser to the relay; returns once it is on disk there."""
Discard: TypeAlias = Callable[[Iterable[File]], Awaitable[None]]
"""Removes files that no message has any more."""


class NotThere(Exception):
    """The room does not hold that message: it is forgotten, deleted, or never was."""


class Record(Struct, frozen=True, omit_defaults=True):
    """A message as it is kept. Fields are only ever added, with a default."""

    message: Message
    key: str
    """What a repetition has too: the delivery's key, or the browser's author and its id for the message."""
    changes: tuple[Change, ...] = ()
    """What was done at browsers; what the relay has already may be missing."""


class _First(Struct, frozen=True, omit_defaults=True):
    number: int
    removed_from: int
    revision: int = 0
    """The newest revision of what was removed."""


class Listener(Protocol):
    """Somebody in the room. May be called at any time, and never waits."""

    def hear(self, frame: str) -> None:
        """Take an encoded frame, or let go of the connection where it cannot keep up."""


class Room:
    """One room. `load` comes first; everything else after it."""

    def __init__(self, key: str, store: Store, *, history: int, discard: Discard) -> None:
        self.key = key
        self.listeners: set[Listener] = set()
        self.topic = ""
        self.loaded = False
        self._store = store
        self._history = history
        self._discard = discard
        self._records: dict[int, Record] = {}
        self._by_key: dict[str, int] = {}
        self._first = _First(1, 1)
        self._next = 1
        self._revision = 0
        self._relayed = 0
        self._waiting: deque[tuple[int, Change]] = deque()
        """What the relay does not surely have, with the message's number, in the order in which it was done."""
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
        self._first, self._next = first, number
        self._revision = max([first.revision, *(each.message.revision for each in self._records.values())])
        self._relayed = int(await self._store.get(self._name("relayed")) or 0)
        done = [(number, change) for number, each in self._records.items() for change in each.changes]
        done.sort(key=lambda each: each[1].revision)
        self._waiting.extend(each for each in done if each[1].revision > self._relayed)
        self.topic = await self._store.get(self._name("topic")) or ""
        await self._trim(at=0)
        self.loaded = True

    def _name(self, what: str | int) -> str:
        return f"room/{self.key}/{what}"

    def _keep(self, record: Record) -> None:
        self._records[record.message.id] = record
        self._by_key[record.key] = record.message.id

    async def _remove(self, first: _First) -> None:
        await asyncio.gather(
            *(self._store.set(self._name(number), None) for number in range(first.removed_from, first.number))
        )

    async def _trim(self, *, at: int = _TRIM_AT) -> None:
        if len(self._records) <= self._history + at:
            return
        cut = self._next - self._history
        going = [record for number, record in self._records.items() if number < cut]
        revision = max([self._first.revision, *(record.message.revision for record in going)])
        # Said on disk before it is done: a crash in between leaves nothing behind, load goes on with it.
        first = _First(cut, self._first.number, revision)
        await self._store.set(self._name("first"), msgspec.json.encode(first).decode())
        for record in going:
            del self._records[record.message.id]
            self._by_key.pop(record.key, None)
        self._first = first
        await self._remove(first)
        await self._discard([file for record in going for file in record.message.files])

    async def _write(self, record: Record) -> None:
        """Keep a record whose message has the next revision."""
        await self._store.set(self._name(record.message.id), msgspec.json.encode(record).decode())
        self._revision = record.message.revision
        self._next = max(self._next, record.message.id + 1)
        self._keep(record)

    # --- messages ---

    async def add(self, key: str, compose: Compose) -> Message:
        """Keep a message from another platform, and let the room hear it. Returns once it is on disk.

        A key that the history holds gives back the message that it had, and nothing is composed.
        """

        async def add() -> Message:
            if (known := self.known(key)) is not None:
                return known
            message = await self._append(key, compose)
            self.say(Said(message))
            await self._trim()
            return message

        return await self._alone(add)

    async def post(self, key: str, compose: Compose, relay: RelayTo) -> Message:
        """Keep a message that a browser posted, give it to the relay, and then let the room hear it.

        Returns once it is on disk on both sides. What a crash leaves between the two is handed over by `recover`.
        """

        async def post() -> Message:
            await self._hand_over(relay)
            message = self.known(key) or await self._append(key, compose)
            await self._hand_over(relay)
            await self._trim()
            return message

        return await self._alone(post)

    async def change(
        self,
        number: int,
        make: Callable[[Message], Message],
        *,
        done: Change | None = None,
        relay: RelayTo | None = None,
    ) -> Message:
        """Let a message be what `make` makes of it, and let the room see it. Returns once it is on disk.

        What was `done` at a browser goes to the relay as by `post`. Where `make` changes nothing, nothing happens.
        Raises NotThere, and what `make` raises.
        """

        async def change() -> Message:
            if relay is not None:
                await self._hand_over(relay)
            message = await self._replace(number, make, done)
            if relay is not None:
                await self._hand_over(relay)
            return message

        return await self._alone(change)

    async def forget(self, names: frozenset[str], copies: frozenset[int], *, really: bool) -> int:
        """How much there is of the authors of these ids, `copies` of what they said elsewhere among it.

        With `really` nothing of it is left, and the room sees it go; the relay is not told. Returns once it is on disk.
        To be called once the relay has what was done at browsers (`recover`).
        """

        async def forget() -> int:
            taken = 0
            for record in tuple(self._records.values()):
                message = record.message
                after, count = forgotten(message, names, copy=message.author is None and message.id in copies)
                taken += count
                if really and count:
                    await self._revise(record, after)
            return taken

        return await self._alone(forget)

    async def recover(self, relay: RelayTo) -> None:
        """Give the relay what was done at browsers and it does not surely have. It knows what it has by the key."""
        await self._alone(lambda: self._hand_over(relay))

    async def set_topic(self, topic: str) -> None:
        """Give the room a topic. Returns once it is on disk."""

        async def set_topic() -> None:
            if topic != self.topic:
                await self._store.set(self._name("topic"), topic or None)
                self.topic = topic
                self.say(Topic(topic))

        await self._alone(set_topic)

    async def _append(self, key: str, compose: Compose) -> Message:
        async with compose() as draft:
            message = replace(draft, id=self._next, at=_now(), revision=self._revision + 1)
            changes: tuple[Change, ...] = ()
            if message.author is not None:
                changes = (Change("posted", message.author, message.name, "", message.revision, message.at),)
            await self._write(Record(message, key, changes))
        self._waiting.extend((message.id, each) for each in changes)
        return message

    async def _replace(self, number: int, make: Callable[[Message], Message], done: Change | None) -> Message:
        record = self._records.get(number)
        if record is None or record.message.gone:
            raise NotThere
        after = make(record.message)
        return record.message if after == record.message else await self._revise(record, after, done)

    async def _revise(self, record: Record, after: Message, done: Change | None = None) -> Message:
        before = record.message
        after = replace(after, revision=self._revision + 1)
        changes = tuple(each for each in record.changes if each.revision > self._relayed)
        if done is not None:
            done = replace(done, revision=after.revision, at=_now())
            changes = (*changes, done)
        await self._write(Record(after, record.key, changes))
        if done is not None:
            self._waiting.append((after.id, done))
        else:
            self.say(Changed(after))
        await self._discard([file for file in before.files if file not in after.files])
        return after

    async def _hand_over(self, relay: RelayTo) -> None:
        # What failed before goes first: the relay gets what was done in a room in the room's order.
        while self._waiting:
            number, change = self._waiting[0]
            if (record := self._records.get(number)) is not None:
                await relay(record.message, change)
            self._waiting.popleft()
            self._relayed = change.revision
            if record is not None:
                self.say((Said if change.kind == "posted" else Changed)(record.message))
            await self._store.set(self._name("relayed"), str(change.revision))

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

    # --- looking and speaking ---

    def say(self, frame: ToBrowser, *, but: Callable[[Listener], bool] | None = None) -> None:
        """Let everybody in the room hear it, `but` some."""
        encoded = encode(frame)
        for listener in tuple(self.listeners):
            if but is None or not but(listener):
                listener.hear(encoded)

    def get(self, number: int) -> Message | None:
        """A message that the room holds; one that was deleted is `gone`."""
        record = self._records.get(number)
        return None if record is None else record.message

    def known(self, key: str) -> Message | None:
        """The message that this key stands for."""
        number = self._by_key.get(key)
        return None if number is None else self.get(number)

    def files(self) -> Iterator[File]:
        """All files of its messages."""
        return (file for record in self._records.values() for file in record.message.files)

    def since(self, after: int | None) -> tuple[tuple[Message, ...], bool]:
        """What is new for a page that has seen all up to a revision, and whether it is to start anew instead.

        It is where messages in between are forgotten, or `after` is not this room's.
        """
        messages = [record.message for record in self._records.values()]
        if after is None or not self._first.revision <= after <= self._revision:
            return tuple(each for each in messages[-self._history :] if not each.gone), True
        return tuple(each for each in messages if each.revision > after), False


def _now() -> int:
    return time.time_ns() // 1_000_000
