"""What the journal has promised: the calls that were made, which of them were acknowledged, and what they come to.

The contract in one sentence: a journal that is opened again holds what a run of the first calls comes to, all that were
acknowledged and perhaps some of those that were not, in the order in which they were asked for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from msgspec import Struct

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Channel, Event, InstanceId
from nextbridge.journal import Delivery, NewDelivery, PlannedPart, Purged
from nextbridge.journal.sqlite import SqliteJournal
from tests.journal.power.disk import Op

__all__ = ["NAMESPACE", "Expected", "Held", "Promises", "Waits", "look"]

NAMESPACE = "driver/mm_main"
"""The part of the small store that is used."""


class Sight(Struct):
    """What can be seen of a journal, in a form to be compared."""

    depths: dict[Channel, int]
    waiting: dict[int, tuple[object, ...]]
    dead: dict[int, tuple[object, ...]]
    became: dict[int, dict[Channel, tuple[str, ...]]]
    reactors: dict[tuple[Channel, int, str], frozenset[str]]
    cursors: dict[tuple[InstanceId, str], str]
    store: dict[str, str]

    def unlike(self, other: Sight) -> str:
        """In which respect, and how, for whoever looks for the reason."""
        differing = [name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)]
        told = []
        for name in differing:
            ours, theirs = getattr(self, name), getattr(other, name)
            keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
            told.append(f"{name} {keys[0]}: {theirs.get(keys[0])} and not {ours.get(keys[0])} ({len(keys)} differ)")
        return "; ".join(told)


@dataclass
class Waits:
    """A delivery that waits, or is dead."""

    event: int
    target: Channel
    attempts: int = 0
    parts: int = 0
    plan: tuple[PlannedPart, ...] | None = None
    key: int | None = None
    says: int | None = None
    """The event whose text it takes."""
    reason: str = ""
    """Why it is dead."""


@dataclass
class Held:
    """What calls come to. Its methods are the journal's, with the result that the journal gave."""

    calls: int = 0
    """How many."""
    events: dict[int, Event] = field(default_factory=dict)
    waiting: dict[int, Waits] = field(default_factory=dict)
    dead: dict[int, Waits] = field(default_factory=dict)
    came: dict[tuple[int, Channel], tuple[list[str], bool]] = field(default_factory=dict)
    """The ids of the parts, and whether it is the whole."""
    reactors: dict[tuple[Channel, int, str], frozenset[str]] = field(default_factory=dict)
    cursors: dict[tuple[InstanceId, str], str] = field(default_factory=dict)
    store: dict[str, str] = field(default_factory=dict)

    def copy(self) -> Held:
        """Another that is as this one is now."""
        return Held(
            self.calls,
            dict(self.events),
            {number: replace(of) for number, of in self.waiting.items()},
            {number: replace(of) for number, of in self.dead.items()},
            dict(self.came),
            dict(self.reactors),
            dict(self.cursors),
            dict(self.store),
        )

    def seen(self) -> Sight:
        """What can be seen of a journal that holds it."""
        return Sight(
            depths=dict(Counter(of.target for of in self.waiting.values())),
            waiting={
                number: (
                    of.target,
                    self.events[of.event].key,
                    True,  # it may have been sent before the journal was opened again
                    of.says is not None,
                    of.attempts,
                    of.parts,
                    of.plan,
                    of.key,
                )
                for number, of in self.waiting.items()
            },
            dead={
                number: (of.target, self.events[of.event].key, of.attempts, of.reason)
                for number, of in self.dead.items()
            },
            became={
                event: {target: tuple(ids) for (of, target), (ids, whole) in self.came.items() if of == event and whole}
                for event in {of for (of, _), (_, whole) in self.came.items() if whole}
            },
            reactors={what: who for what, who in self.reactors.items() if who},
            cursors=self.cursors,
            store=self.store,
        )

    def accept(
        self,
        event: Event,
        targets: Sequence[NewDelivery],
        cursor: tuple[InstanceId, Cursor] | None,
        result: tuple[Delivery, ...] | None,
    ) -> None:
        for delivery in result or ():
            self.events[delivery.event_id] = event
            self.waiting[delivery.id] = Waits(delivery.event_id, delivery.target)
        if cursor is not None:
            self.move_cursor(*cursor)

    def move_cursor(self, instance: InstanceId, cursor: Cursor, result: None = None) -> None:
        self.cursors[instance, cursor.name] = cursor.value

    def plan(self, delivery: int, parts: Sequence[PlannedPart], result: None) -> None:
        self.waiting[delivery].plan = tuple(parts)

    def part_done(self, delivery: int, part: int, receipt: Receipt, result: None) -> None:
        waits = self.waiting[delivery]
        ids = self.came[waits.event, waits.target][0] if part else []
        self.came[waits.event, waits.target] = ([*ids, str(receipt.message)], False)
        waits.parts = part + 1

    def complete(self, delivery: int, part: int, receipt: Receipt, result: None) -> None:
        self.part_done(delivery, part, receipt, None)
        waits = self.waiting.pop(delivery)
        self.came[waits.event, waits.target] = (self.came[waits.event, waits.target][0], True)

    def postpone(self, delivery: int, attempts: int, reason: str, result: None) -> None:
        self.waiting[delivery].attempts = attempts

    def bury(self, delivery: int, reason: str, result: None) -> None:
        self.dead[delivery] = self.waiting.pop(delivery)
        self.dead[delivery].reason = reason

    def retry(self, dead: Sequence[int], result: dict[int, int]) -> None:
        """`result` has the new ids by the old ones."""
        for number, new in result.items():
            was = self.dead.pop(number)
            self.waiting[new] = replace(was, attempts=0, key=was.key or number, reason="")

    def drop(self, dead: Sequence[int], result: list[int]) -> None:
        for number in result:
            del self.dead[number]

    def requeue(self, delivery: int, result: dict[int, int]) -> None:
        """`result` is as that of `retry`."""
        was = self.waiting.pop(delivery)
        self.waiting[result[delivery]] = replace(was, key=was.key or delivery)

    def withdraw(self, deliveries: Sequence[int], result: None) -> None:
        for delivery in deliveries:
            self.waiting.pop(delivery, None)
            self.dead.pop(delivery, None)

    def supersede(self, old: int, by: Sequence[Delivery], result: None) -> None:
        of = self.waiting[old]
        of.says, of.plan = by[-1].event_id, None
        for edit in by:
            del self.waiting[edit.id]

    def revise(self, delivery: int, event_id: int, parts: Sequence[str], result: None) -> None:
        self.came[event_id, self.waiting.pop(delivery).target] = ([*parts], True)

    def erase(self, delivery: int, events: Sequence[int], result: None) -> None:
        target = self.waiting.pop(delivery).target
        for event in events:
            self.came.pop((event, target), None)

    def react(self, delivery: int, event_id: int, emoji: str, reactor: str, added: bool, result: None) -> None:
        what = (self.waiting.pop(delivery).target, event_id, emoji)
        others = self.reactors.get(what, frozenset()) - {reactor}
        self.reactors[what] = others | {reactor} if added else others

    def purge(self, before: int, after: int, limit: int, result: Purged) -> None:
        undelivered = (*self.waiting.values(), *self.dead.values())
        needed = {of.event for of in undelivered} | {of.says for of in undelivered}
        gone = [event for event in self.events if after < event <= result.after and event not in needed]
        assert len(gone) == result.events
        for event in gone:
            del self.events[event]
        self.came = {of: came for of, came in self.came.items() if of[0] not in gone}
        self.reactors = {of: who for of, who in self.reactors.items() if of[1] not in gone}

    def write(self, namespace: str, key: str, value: str | None, result: None) -> None:
        self.store.pop(key, None)
        if value is not None:
            self.store[key] = value


@dataclass
class Call:
    """A call that was made, and at which operations of the disk it was asked for and acknowledged."""

    name: str
    arguments: dict[str, Any]
    asked: int
    acknowledged: int | None = None
    result: Any = None


class Promises:
    """Makes the calls on a journal, and knows of each moment what must be there and what may be."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self._ops = ops
        self.journal: SqliteJournal
        """Where the calls go: another object after each restart."""
        self.calls: list[Call] = []
        self._daemon_id: tuple[int, str] | None = None
        """Since when it is promised, and what it is."""
        self._keys: dict[int, int] = {}
        """What a retried delivery is named by."""

    async def ask(self, name: str, /, **arguments: Any) -> Any:
        """Make a call. It is asked for before this first waits; what it returns is acknowledged when it does."""
        return (await self._ask(name, arguments)).result

    def _acknowledged(self, call: Call) -> None:
        if call.acknowledged is None:
            call.acknowledged = len(self._ops)

    def opened(self, journal: SqliteJournal) -> None:
        """The calls go to this one from now on."""
        self.journal = journal
        if self._daemon_id is None:
            self._daemon_id = (len(self._ops), journal.daemon_id)
        assert journal.daemon_id == self._daemon_id[1]

    async def move(self, name: str, numbers: Sequence[int], /, **arguments: Any) -> dict[int, int]:
        """A call that gives those of these deliveries new ids; which they have now, by the old ones.

        `numbers` are those that it gives one to.
        """
        call = await self._ask(name, arguments)
        keys = {number: self._keys.pop(number, number) for number in numbers}
        ids = {
            delivery.key: delivery.id
            for lane in await self.journal.waiting()
            for delivery in await self.journal.load(lane.target, limit=10_000)
        }
        call.result = {number: ids[key] for number, key in keys.items()}
        self._keys.update((new, keys[number]) for number, new in call.result.items())
        return dict(call.result)

    async def _ask(self, name: str, arguments: dict[str, Any]) -> Call:
        call = Call(name, arguments, asked=len(self._ops))
        self.calls.append(call)
        future = getattr(self.journal, name)(**arguments)
        if isinstance(future, asyncio.Future):
            future.add_done_callback(lambda _: self._acknowledged(call))
        call.result = await future
        self._acknowledged(call)
        return call

    def expectations(self) -> Expectations:
        """What follows from all of it; for when the last call has returned."""
        held = [Held()]
        for call in self.calls:
            following = held[-1].copy()
            getattr(following, call.name)(**call.arguments, result=call.result)
            following.calls += 1
            held.append(following)
        return Expectations(self.calls, held, self._daemon_id)


class Expected(Struct, frozen=True):
    """What a journal that is opened again may hold."""

    held: Sequence[Held]
    """One of these."""
    given: int
    """An id that was acknowledged; none up to it may be given again."""
    daemon_id: str | None
    """Its own id, where that is promised."""


class Expectations:
    """What may be there, for each number of operations that were done before the power went."""

    def __init__(self, calls: Sequence[Call], held: Sequence[Held], daemon_id: tuple[int, str] | None) -> None:
        self._calls = calls
        self._held = held
        highest = (max((*each.waiting, *each.events), default=0) for each in held)
        self._given = list(accumulate(highest, max))
        self._daemon_id = daemon_id

    def at(self, point: int) -> Expected:
        # In the order of the calls: what was asked for before an acknowledged call is promised with it.
        promised = [
            number
            for number, call in enumerate(self._calls, 1)
            if call.acknowledged is not None and call.acknowledged <= point
        ]
        least = max(promised, default=0)
        most = sum(call.asked <= point for call in self._calls)
        named = self._daemon_id[1] if self._daemon_id is not None and self._daemon_id[0] <= point else None
        return Expected(held=self._held[least : most + 1], given=self._given[least], daemon_id=named)


async def look(journal: SqliteJournal, expected: Sequence[Held]) -> Sight:
    """All that can be seen of a journal that should hold one of these, by the calls of its contract."""
    lanes = await journal.waiting()
    waiting = await asyncio.gather(*(journal.load(lane.target, limit=10_000) for lane in lanes))
    events = sorted({event for held in expected for event in (*held.events, *(of for of, _ in held.came))})
    became = await asyncio.gather(*(journal.delivered_ids(event) for event in events))
    reactions = sorted({what for held in expected for what in held.reactors})
    reactors = await asyncio.gather(*(journal.reactors(*what) for what in reactions))
    names = sorted({name for held in expected for name in held.cursors})
    cursors = await asyncio.gather(*(journal.cursor(*name) for name in names))
    return Sight(
        depths={lane.target: lane.depth for lane in lanes},
        waiting={
            each.id: (
                each.target,
                each.event.key,
                each.attempted is not None,
                each.amended,
                each.attempts,
                each.parts_done,
                each.plan,
                each.key,
            )
            for lane in waiting
            for each in lane
        },
        dead={
            each.id: (each.target, each.event.key, each.attempts, each.reason)
            for each in await journal.dead_letters(limit=10_000)
        },
        became={event: dict(ids) for event, ids in zip(events, became, strict=True) if ids},
        reactors={what: who for what, who in zip(reactions, reactors, strict=True) if who},
        cursors={name: cursor.value for name, cursor in zip(names, cursors, strict=True) if cursor is not None},
        store=await journal.read_all(NAMESPACE),
    )
