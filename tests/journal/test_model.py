"""The journal against a simple model of its contract, through any sequence of calls and restarts."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal

R = TypeVar("R")

CHANNELS = [Channel(InstanceId(f"i{number % 2}"), ChannelKey(f"c{number}")) for number in range(4)]
channels = st.sampled_from(CHANNELS)
messages = st.sampled_from([MessageId(f"m{number}") for number in range(6)])


@dataclass
class Waits:
    """A delivery that waits."""

    event: int
    target: Channel
    old: bool = False
    attempts: int = 0
    parts: int = 0
    key: int | None = None


@dataclass
class Came:
    """What a target has got of an event."""

    ids: list[str] = field(default_factory=list)
    whole: bool = False


class JournalMachine(RuleBasedStateMachine):
    """Every rule does the same to the journal and to the model; the invariant compares them."""

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.journal: SqliteJournal = self.run(open_journal(Path(self.folder.name)))
        self.events: dict[int, tuple[Channel, MessageId]] = {}
        self.waiting: dict[int, Waits] = {}
        self.came: dict[tuple[int, Channel], Came] = {}
        self.dead: dict[int, Waits] = {}
        self.cursors: dict[tuple[InstanceId, str], str] = {}
        self.highest = 0

    def run(self, work: Awaitable[R]) -> R:
        async def wait() -> R:
            return await work

        return self.loop.run_until_complete(asyncio.wait_for(wait(), 30))

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.run(self.journal.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()

    @rule(source=channels, message=messages, lanes=st.lists(channels, unique=True, max_size=3), moves=st.booleans())
    def accept(self, source: Channel, message: MessageId, lanes: list[Channel], moves: bool) -> None:
        event = Posted(channel=source, message=message, author=Author(UserId("u"), "u", "U"), at=1)
        cursor = Cursor(source.key, f"{message} {self.highest}")
        new = [NewDelivery(target, "rule", "{}") for target in lanes]

        async def ask() -> None:
            deliveries = await self.journal.accept(event, new, (source.instance, cursor) if moves else None)
            assert (deliveries is None) == ((source, message) in self.events.values())
            for delivery in deliveries or ():
                assert delivery.id > self.highest
                self.highest = delivery.id
                self.events[delivery.event_id] = (source, message)
                self.waiting[delivery.id] = Waits(delivery.event_id, delivery.target)
            if deliveries == ():
                self.highest += 1  # ids have no holes while every close is a clean one
                self.events[self.highest] = (source, message)

        self.run(ask())
        if moves:
            self.cursors[source.instance, cursor.name] = cursor.value

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), last=st.booleans(), named=st.booleans())
    def arrive(self, data: st.DataObject, last: bool, named: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        waits = self.waiting[number]
        receipt = Receipt(MessageId(f"t{number}.{waits.parts}")) if named else Receipt()
        record = self.journal.complete if last else self.journal.part_done
        asked = self.run(self.ask_without_waiting(lambda: record(number, waits.parts, receipt)))
        assert not asked.done()
        if waits.parts == 0:
            self.came[waits.event, waits.target] = Came()
        came = self.came[waits.event, waits.target]
        came.ids += [str(receipt.message)] if named else []
        came.whole = last
        waits.parts += 1
        if last:
            del self.waiting[number]

    async def ask(self, ask: Callable[[], asyncio.Future[R]]) -> R:
        return await ask()

    async def ask_without_waiting(self, ask: Callable[[], asyncio.Future[None]]) -> asyncio.Future[None]:
        return ask()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), attempts=st.integers(1, 9))
    def postpone(self, data: st.DataObject, attempts: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        self.run(self.ask_without_waiting(lambda: self.journal.postpone(number, attempts=attempts, reason="503")))
        self.waiting[number].attempts = attempts

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        self.run(self.journal.bury(number, reason="refused"))
        self.dead[number] = self.waiting.pop(number)

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.dead)), min_size=1, unique=True))
        lanes = self.run(self.ask(lambda: self.journal.retry([*chosen, self.highest + 1])))
        assert lanes == {number: self.dead[number].target for number in chosen}
        for number in sorted(chosen):
            waits = self.dead.pop(number)
            (new,) = self.run(self.journal.load(waits.target, after=self.highest, limit=1))
            self.highest = new.id
            self.waiting[new.id] = Waits(waits.event, waits.target, parts=waits.parts, key=waits.key or number)

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.dead)))
        assert self.run(self.journal.drop([number, self.highest + 1])) == [number]
        del self.dead[number]

    @rule(limit=st.integers(1, 4), steps=st.integers(1, 9))
    def purge(self, limit: int, steps: int) -> None:
        """All that has been accepted is old enough; so many steps of one walk."""
        needed = {waits.event for waits in (*self.waiting.values(), *self.dead.values())}
        after, gone = 0, 0
        for _ in range(steps):
            purged = self.run(self.journal.purge(before=2**60, after=after, limit=limit))
            assert purged.done or purged.after > after
            after, gone = purged.after, gone + purged.events
            if purged.done:
                break
        walked = [number for number in sorted(self.events) if number not in needed and number <= after]
        assert gone == len(walked)
        for number in walked:
            del self.events[number]
        self.came = {of: came for of, came in self.came.items() if of[0] in self.events}

    @rule(old=channels, new=channels)
    def rekey(self, old: Channel, new: Channel) -> None:
        self.run(self.journal.rekey(old, new))
        if old == new:
            return
        arrived_old = {event for (event, target), came in self.came.items() if target == old and came.whole}
        arrived_new = {event for (event, target), came in self.came.items() if target == new and came.whole}
        waits_new = {waits.event for waits in self.waiting.values() if waits.target == new}
        for number, waits in list(self.waiting.items()):
            repeated = {old: waits_new | arrived_new, new: arrived_old}.get(waits.target, ())
            if waits.event in repeated:
                del self.waiting[number]
        for event, target in list(self.came):
            if target != old:
                continue
            came = self.came.pop((event, old))
            if (event, new) not in self.came or (event in arrived_old and event not in arrived_new):
                self.came[event, new] = came
        for waits in (*self.waiting.values(), *self.dead.values()):
            waits.target = new if waits.target == old else waits.target
        for event, (channel, message) in self.events.items():
            if channel == old and (new, message) not in self.events.values():
                self.events[event] = (new, message)
        value = self.cursors.pop((old.instance, old.key), None)
        if value is not None:
            self.cursors.setdefault((new.instance, new.key), value)

    @rule()
    def reopen(self) -> None:
        self.run(self.journal.close())
        self.journal = self.run(open_journal(Path(self.folder.name)))
        for waits in self.waiting.values():
            waits.old = True

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "journal"):
            return
        depths = {lane.target: lane.depth for lane in self.run(self.journal.waiting())}
        for channel in CHANNELS:
            lane = self.run(self.journal.load(channel))
            expected = [(number, waits) for number, waits in sorted(self.waiting.items()) if waits.target == channel]
            assert depths.get(channel, 0) == len(expected)
            assert [delivery.id for delivery in lane] == [number for number, _ in expected]
            for delivery, (_, waits) in zip(lane, expected, strict=True):
                assert (delivery.event_id, delivery.attempts) == (waits.event, waits.attempts)
                assert delivery.parts_done == waits.parts
                assert (delivery.event.channel, delivery.event.message) == self.events[waits.event]
                assert delivery.key == waits.key
                assert (delivery.attempted is not None) == bool(waits.old or waits.attempts or waits.parts or waits.key)
            cursor = self.run(self.journal.cursor(channel.instance, channel.key))
            assert (cursor.value if cursor else None) == self.cursors.get((channel.instance, channel.key))
        for event in self.events:
            became = {target: tuple(came.ids) for (of, target), came in self.came.items() if of == event and came.whole}
            assert self.run(self.journal.delivered_ids(event)) == became
        for (event, target), came in self.came.items():
            for message in came.ids:
                fate = self.run(self.journal.fate(target, target, message))
                assert fate is not None
                assert fate.event_id == event
        assert {(dead.id, dead.target) for dead in self.run(self.journal.dead_letters())} == {
            (number, waits.target) for number, waits in self.dead.items()
        }
        needed = {waits.event for waits in (*self.waiting.values(), *self.dead.values())}
        assert self.run(self.journal.undelivered_events()) == needed


def test_model() -> None:
    """Whatever is asked for, in whatever order and with restarts between, the journal does what its contract says."""
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
