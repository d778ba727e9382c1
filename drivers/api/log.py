"""A room's log: what happened in it, on disk, numbered; read by whoever comes with a cursor.

Kept in the driver's store, one small value an entry, so that whatever happens costs one small write:

- `room/<key>/<number>`: an entry, and what a repetition of it would have too.
- `room/<key>/first`: the oldest number kept, and from where on older ones may still have to be removed.
- `room/<key>/relayed`: the newest number of what programs did that the relay surely has.
- `room/<key>/topic`: the room's topic.

Nobody is told of an entry before it is on disk here and, where a program made it, in the relay. There is no queue for a
reader: each holds a cursor and waits for what follows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.api.entries import NOBODY, Delete, Edit, Entry, Message, Reaction, Topic, about, emptied
from nextbridge.driver import Store
from nextbridge.media.hosted import File

__all__ = ["Compose", "KeyReused", "Log", "NotThere", "composed"]

_TRIM_AT = 32
"""Entries beyond the history that are let lie before they are removed together."""

T = TypeVar("T")

Compose: TypeAlias = Callable[[], AbstractAsyncContextManager[Entry | None]]
"""Makes an entry, without number and time; it is kept once the context is left without an error. None: nothing new."""
RelayTo: TypeAlias = Callable[[Entry], Awaitable[None]]
"""Hands what a program did to the relay; returns once it is on disk there."""
Discard: TypeAlias = Callable[[Iterable[File]], Awaitable[None]]
"""Removes files that no message has any more."""


class NotThere(Exception):
    """The log does not hold that message: it is forgotten, deleted, or never was."""


class KeyReused(Exception):
    """The key of a repetition, with something else beside it."""


class _Record(Struct, frozen=True, omit_defaults=True):
    """An entry as it is kept. Fields are only ever added, with a default."""

    entry: Entry
    key: str
    """What a repetition has too."""
    digest: str = ""
    """Of what was asked for with the key; empty where nobody can have asked for something else."""


class _First(Struct, frozen=True, omit_defaults=True):
    number: int
    removed_from: int


class _State(Struct):
    """What a message is now."""

    message: Message
    reactions: set[tuple[str, str]]
    """Emoji, and whose."""


class Log:
    """One room's. `load` comes first; everything else after it."""

    def __init__(self, key: str, store: Store, *, history: int, relay: RelayTo, discard: Discard) -> None:
        self.key = key
        self.loaded = False
        self.topic = ""
        self.last = 0
        """The newest entry that the relay has, or has not to be given; readers may see what is up to it."""
        self._store = store
        self._history = history
        self._relay = relay
        self._discard = discard
        self._records: dict[int, _Record] = {}
        self._by_key: dict[str, int] = {}
        self._messages: dict[int, _State] = {}
        self._first = _First(1, 1)
        self._next = 1
        self._news = asyncio.Event()
        self._open = False
        self._one_at_a_time = asyncio.Lock()
        self._work: set[asyncio.Task[Any]] = set()

    # --- from and to the disk ---

    async def load(self) -> None:
        """Read what is kept. A second call does nothing."""
        if self.loaded:
            return
        kept = await self._store.get(self._name("first"))
        first = msgspec.json.decode(kept, type=_First) if kept else _First(1, 1)
        await self._remove(first)
        number = first.number
        while (value := await self._store.get(self._name(number))) is not None:
            self._keep(msgspec.json.decode(value, type=_Record))
            number += 1
        self._first, self._next = first, number
        self.topic = await self._store.get(self._name("topic")) or ""
        self.last = max(int(await self._store.get(self._name("relayed")) or 0), first.number - 1)
        while self.last + 1 < number and not self._records[self.last + 1].entry.token:
            self.last += 1
        for record in tuple(self._records.values()):
            if isinstance(record.entry, Delete):  # a crash may have left what it said
                await self._empty(record.entry.message)
        await self._trim(at=0)
        self.loaded = True

    def _name(self, what: str | int) -> str:
        return f"room/{self.key}/{what}"

    def _keep(self, record: _Record) -> None:
        """Know an entry that is on disk, and what it makes of its message."""
        entry = record.entry
        self._records[entry.id] = record
        self._by_key[record.key] = entry.id
        match entry:
            case Message():
                self._messages[entry.id] = _State(entry, set())
            case Edit(message=number, text=text, action=action, gone=False) if number in self._messages:
                state = self._messages[number]
                state.message = replace(state.message, text=text, action=action)
            case Delete(message=number) if number in self._messages:
                state = self._messages[number]
                state.message = replace(state.message, text="", files=(), gone=True)
                state.reactions.clear()
            case Reaction(message=number, emoji=emoji) if number in self._messages:
                one = (emoji, whose(entry))
                reactions = self._messages[number].reactions
                reactions.add(one) if entry.added else reactions.discard(one)
            case _:
                pass

    async def _write(self, record: _Record) -> None:
        await self._store.set(self._name(record.entry.id), msgspec.json.encode(record).decode())

    async def _remove(self, first: _First) -> None:
        await asyncio.gather(
            *(self._store.set(self._name(number), None) for number in range(first.removed_from, first.number))
        )

    async def _trim(self, *, at: int = _TRIM_AT) -> None:
        if len(self._records) <= self._history + at:
            return
        cut = self._next - self._history
        # Said on disk before it is done: a crash in between leaves nothing behind, load goes on with it.
        first = _First(cut, self._first.number)
        await self._store.set(self._name("first"), msgspec.json.encode(first).decode())
        files: list[File] = []
        for number in range(self._first.number, cut):
            record = self._records.pop(number)
            self._by_key.pop(record.key, None)
            if (state := self._messages.pop(number, None)) is not None:
                files += state.message.files
        self._first = first
        await self._remove(first)
        await self._discard(files)

    async def _empty(self, number: int) -> None:
        """Let nothing be left of what a deleted message said, nor of its edits."""
        for record in tuple(self._records.values()):
            entry = record.entry
            if isinstance(entry, Message | Edit) and about(entry) == number and not entry.gone:
                await self._rewrite(replace(record, entry=emptied(entry)))

    async def _rewrite(self, record: _Record) -> None:
        await self._write(record)
        self._records[record.entry.id] = record

    # --- writing ---

    async def append(self, key: str, compose: Compose, digest: str = "") -> tuple[Entry | None, bool]:
        """Let something happen. Returns its entry once it is on disk, here and in the relay, and whether it is new.

        A key that the log holds gives back the entry that it had, and nothing is composed; KeyReused where that one has
        another digest. Raises what `compose` raises, and what the relay raises: then it may be asked for again.
        """
        return await self._alone(lambda: self._append(key, compose, digest))

    async def _append(self, key: str, compose: Compose, digest: str = "") -> tuple[Entry | None, bool]:
        await self._hand_over()
        if (number := self._by_key.get(key)) is not None:
            known = self._records[number]
            if known.digest != digest:
                raise KeyReused
            return known.entry, False
        async with compose() as draft:
            if draft is None:
                return None, False
            entry = replace(draft, id=self._next, at=time.time_ns() // 1_000_000)
            record = _Record(entry, key, digest)
            if isinstance(entry, Topic):
                await self._store.set(self._name("topic"), entry.topic or None)
                self.topic = entry.topic
            await self._write(record)
            self._next += 1
            going = self._messages[entry.message].message.files if isinstance(entry, Delete) else ()
            self._keep(record)
        if isinstance(entry, Delete):
            await self._empty(entry.message)
            await self._discard(going)
        await self._hand_over()
        await self._trim()
        return entry, True

    async def forget(self, is_theirs: Callable[[Entry], bool], *, really: bool) -> int:
        """How many entries are somebody's; with `really` nothing is left of who did them, and of what they said.

        Readers are told that their messages are deleted, the relay is not. Returns once it is on disk.
        """

        async def forget() -> int:
            entries = (record.entry for record in self._records.values())
            found = [entry for entry in entries if entry.author != NOBODY and is_theirs(entry)]
            if really:
                for entry in found:
                    if isinstance(entry, Message) and not entry.gone:
                        await self._append(f"forgotten/{entry.id}", composed(partial(Delete, message=entry.id)))
                for entry in found:
                    await self._disown(entry.id)
            return len(found)

        return await self._alone(forget)

    async def _disown(self, number: int) -> None:
        record = self._records.get(number)
        if record is None:  # trimmed meanwhile
            return
        before = record.entry
        after = replace(before, author=NOBODY)
        if isinstance(after, Message | Edit):
            after = emptied(after)
        record = replace(record, entry=after)
        await self._rewrite(record)
        if isinstance(after, Message):
            self._messages[number].message = after
        elif isinstance(before, Reaction) and (state := self._messages.get(before.message)) is not None:
            state.reactions.discard((before.emoji, whose(before)))
            self._keep(record)

    async def recover(self) -> None:
        """Give the relay what programs did and it does not surely have. It knows what it has by the key."""
        await self._alone(self._hand_over)

    async def _hand_over(self) -> None:
        # What failed before goes first: readers and the relay get what was done in the room's order.
        while (number := self.last + 1) < self._next:
            entry = self._records[number].entry
            is_ours = bool(entry.token)
            if is_ours and not (isinstance(entry, Message | Edit) and entry.gone):
                await self._relay(entry)
            self.last = number
            self._tell()
            if is_ours:
                await self._store.set(self._name("relayed"), str(number))

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

    # --- reading ---

    def get(self, number: int) -> Message:
        """A message as it is now. Raises NotThere, also where it was deleted."""
        state = self._messages.get(number)
        if state is None or state.message.gone:
            raise NotThere
        return state.message

    def has_reaction(self, reaction: Reaction) -> bool:
        """Whether the message bears this reaction of the same person. Raises NotThere."""
        self.get(reaction.message)
        return (reaction.emoji, whose(reaction)) in self._messages[reaction.message].reactions

    def files(self) -> Iterator[File]:
        """All files of its messages."""
        return (file for state in self._messages.values() for file in state.message.files)

    def since(self, after: int | None, limit: int) -> tuple[tuple[Entry, ...], bool]:
        """At most `limit` entries that follow a cursor, and whether some that followed it are forgotten.

        So it is, too, where the cursor is of another log: then all that is kept follows. None stands before everything.
        """
        first = self._first.number
        missed = after is not None and not first - 1 <= after < self._next
        begin = first if after is None or missed else after + 1
        return tuple(self._records[number].entry for number in range(begin, min(begin + limit, self.last + 1))), missed

    async def follow(self, after: int) -> bool:
        """Wait until something follows the cursor; false where nobody is to wait any more."""
        while self._open and after >= self.last:
            await self._news.wait()
        return self._open

    def open(self) -> None:
        """From now on readers may wait."""
        self._open = True

    def close(self) -> None:
        """Let go of all who wait."""
        self._open = False
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def whose(reaction: Reaction) -> str:
    """Whose reaction it is: a program's person's, or the one that stands for those of all other platforms."""
    if not reaction.token or reaction.author is None:
        return ""
    return f"{reaction.token}/{reaction.author.id}"


def composed(make: Callable[[], Entry | None]) -> Compose:
    """What needs nothing to be undone."""

    @asynccontextmanager
    async def compose() -> AsyncIterator[Entry | None]:
        yield make()

    return compose
