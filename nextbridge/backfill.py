"""Fills gaps: what was posted while a channel was not heard is asked of its history, and relayed before what is new.

A driver with History tells of a gap. From then on what comes live in that channel is held back; its history is asked
for what follows the cursor, and goes to the relay first, each message with the cursor that it moves, so that a crash
goes on where it broke off. What is held then follows; what both brought is one event, by its key. No other channel
waits for any of this.

It also keeps from when each rule applies: history from before that never reaches the rule's channels. Such a moment is
a time by the platform's own clock, taken at the first connection under the rule.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import structlog
from msgspec import Struct
from msgspec.structs import replace

from nextbridge.backoff import Backoff
from nextbridge.driver import Cursor, Driver, History, Past, Position
from nextbridge.envelope import Channel, Event, InstanceId, Posted
from nextbridge.errors import DriverError, JournalError, Paused, Retry
from nextbridge.journal import Journal
from nextbridge.relay import Relay
from nextbridge.rules import RuleTable
from nextbridge.tally import Tally

__all__ = ["Backfill", "BackfillLimits"]

_NAMESPACE = "core/moments"
_SEPARATOR = "\x1f"
_LATE = 300_000
"""Milliseconds after which a message out of history is shown with its time."""
_MOST_HELD = 500
"""Live events of one channel that are held in memory while its gap is filled."""
_MOST_HELD_ALTOGETHER = 5_000
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_PAUSED_WAIT = 60.0
_BUG_TRIES = 3
"""Times that the history of a gap is asked for where the driver answers with a bug, before the gap is left unfilled."""

Held = tuple[Event, Cursor | None]


class BackfillLimits(Struct, frozen=True):
    """What is relayed afterwards at most."""

    age: float
    """Seconds; 0 turns it off."""
    messages: int
    """Of one channel."""


class _Tail:
    """The newest end of a channel that some rule reads: heard live, or being caught up with."""

    def __init__(self, channel: Channel, history: History) -> None:
        self.channel = channel
        self.history = history
        self.cursor_name: str | None = None
        self.filling: asyncio.Task[None] | None = None
        self.newest: Position | None = None
        """Where the channel stood when the driver told of the gap, until that is on disk."""
        self.forget = False
        self.at = 0
        """When the newest message was posted that was heard or told of, by the platform's clock; 0 before any."""
        self.held: deque[Held] = deque()
        self.overflown = False
        """Some that should have been held were dropped: history has them, and is asked once more."""
        self.released: asyncio.Future[None] | None = None
        self.log = structlog.get_logger().bind(instance=channel.instance, channel=channel.key)


class Backfill:
    """All channels of drivers with History. Used on the event loop, between the instances and the relay."""

    def __init__(
        self,
        journal: Journal,
        rules: RuleTable,
        relay: Relay,
        tally: Tally,
        drivers: Mapping[InstanceId, Driver[Any, Any]],
        limits: Callable[[], BackfillLimits],
    ) -> None:
        """`drivers` are the running ones; it may be filled after this. `limits` gives what holds now."""
        self._journal = journal
        self._rules = rules
        self._relay = relay
        self._tally = tally
        self._drivers = drivers
        self._limits = limits
        self._histories: dict[InstanceId, History | None] = {}
        self._tails: dict[Channel, _Tail] = {}
        self._by_cursor: dict[tuple[InstanceId, str], _Tail] = {}
        self._moments: dict[tuple[str, Channel], int] = {}
        self._beginning: set[asyncio.Task[bool]] = set()
        self._held = 0
        self._stopping = False

    async def load(self) -> None:
        """Take up from when each rule applies; forget it for those that do not apply any more.

        Once the channels' present keys are known, and before the first instance is started.
        """
        current = self._current()
        ended = []
        for key, value in (await self._journal.read_all(_NAMESPACE)).items():
            rule, instance, channel = key.split(_SEPARATOR, 2)
            place = (rule, Channel(InstanceId(instance), channel))  # type: ignore[arg-type]
            if place in current:
                self._moments[place] = int(value)
            else:
                ended.append(key)
        await asyncio.gather(*(self._journal.write(_NAMESPACE, key, None) for key in ended))

    async def stop(self) -> None:
        """Ask for no more history. What was not read yet is, after the next start."""
        self._stopping = True
        for task in self._beginning:
            task.cancel()
        await asyncio.gather(self._leave(self._tails.values()), *self._beginning, return_exceptions=True)

    async def forget(self, instances: Collection[InstanceId]) -> None:
        """They are not connected any more; others may take their place. What is held of them, history has again."""
        tails = [tail for channel, tail in self._tails.items() if channel.instance in instances]
        for tail in tails:
            self._remove(tail)
        for instance in instances:
            self._histories.pop(instance, None)
        await self._leave(tails)

    def rules_changed(self) -> Awaitable[object]:
        """The rules are others now: a rule that is new for a channel begins with what is posted there from here on.

        Takes effect at once; is on disk when what it returns is done.
        """
        current = self._current()
        writes: list[Awaitable[None]] = []
        for place in self._moments.keys() - current:
            del self._moments[place]
            writes.append(self._journal.write(_NAMESPACE, _moment_key(*place), None))
        for rule, channel in current - self._moments.keys():
            if (tail := self._tails.get(channel)) is not None and tail.at:
                self._moments[rule, channel] = tail.at
                writes.append(self._journal.write(_NAMESPACE, _moment_key(rule, channel), str(tail.at)))
        for channel, tail in tuple(self._tails.items()):
            if not self._rules.is_source(channel):
                self._remove(tail)
                if tail.filling is not None:
                    tail.filling.cancel()
                self._drop(tail)
                if tail.released is not None:
                    tail.released.set_result(None)  # nobody reads the channel: there is nothing to wait for
            elif tail.filling is not None:
                tail.filling.cancel()
                tail.overflown = True  # for whom it is has changed: history is asked again
                tail.filling = asyncio.create_task(self._fill(tail), name=f"backfill {channel}")
        return asyncio.gather(*writes)

    # --- what instances say ---------------------------------------------------------------------------------------

    async def accept(self, event: Event, cursor: Cursor | None) -> Awaitable[object]:
        """See Host.accept: to the relay, or held until the channel's gap is filled."""
        tail = self._tails.get(event.channel)
        if tail is None:
            if cursor is not None and self._history(event.channel.instance) is not None:
                cursor = None  # no rule reads the channel
            return await self._relay.accept(event, cursor)
        if event.at > tail.at and isinstance(event, Posted):
            tail.at = event.at
        if tail.filling is None:
            return await self._relay.accept(event, cursor)
        return self._hold(tail, event, cursor)

    def passed(self, instance: InstanceId, cursor: Cursor) -> None:
        """Something that is no event was received: its cursor moves, unless there is a gap before it."""
        tail = self._by_cursor.get((instance, cursor.name))
        if tail is not None and tail.filling is None:
            self._journal.move_cursor(instance, cursor)

    def gap(self, channel: Channel, newest: Position | None, *, forget: bool) -> None:
        """See Host.gap."""
        history = self._history(channel.instance)
        if history is None or self._stopping or not self._rules.is_source(channel):
            return
        tail = self._tails.get(channel)
        if tail is None:
            tail = self._tails[channel] = _Tail(channel, history)
        if newest is not None:
            tail.newest, tail.cursor_name = newest, newest.cursor.name
            tail.at = max(tail.at, newest.at)
            self._by_cursor[channel.instance, newest.cursor.name] = tail
        tail.forget = tail.forget or forget
        if not self._limits().age:
            self._beginning.add(task := asyncio.create_task(self._begin(tail)))
            task.add_done_callback(self._began)
            return
        if tail.filling is not None:
            tail.filling.cancel()
        if not forget:
            # between what is held of an earlier gap and what comes now something is missing: history has it all
            self._drop(tail)
        if tail.released is None:
            tail.released = asyncio.get_running_loop().create_future()
        tail.filling = asyncio.create_task(self._fill(tail), name=f"backfill {channel}")

    def _began(self, task: asyncio.Task[bool]) -> None:
        self._beginning.discard(task)
        if not task.cancelled():
            task.exception()  # of the journal's trouble the service knows already

    def _history(self, instance: InstanceId) -> History | None:
        if instance not in self._histories:
            driver: object = self._drivers[instance]
            self._histories[instance] = driver if isinstance(driver, History) else None
        return self._histories[instance]

    def _current(self) -> set[tuple[str, Channel]]:
        """Each rule with each channel that it reads."""
        return {(rule, source) for source in self._rules.sources() for rule in self._rules.rules_from(source)}

    def _remove(self, tail: _Tail) -> None:
        del self._tails[tail.channel]
        if tail.cursor_name is not None:
            self._by_cursor.pop((tail.channel.instance, tail.cursor_name), None)

    async def _leave(self, tails: Iterable[_Tail]) -> None:
        filling = [tail.filling for tail in tails if tail.filling is not None]
        for task in filling:
            task.cancel()
        await asyncio.gather(*filling, return_exceptions=True)
        for tail in tails:
            self._drop(tail)
            if tail.released is not None:
                tail.released.cancel()

    # --- holding --------------------------------------------------------------------------------------------------

    def _hold(self, tail: _Tail, event: Event, cursor: Cursor | None) -> Awaitable[object]:
        if not tail.overflown:
            if len(tail.held) < _MOST_HELD and self._held < _MOST_HELD_ALTOGETHER:
                tail.held.append((event, cursor))
                self._held += 1
            else:
                self._drop(tail)
                tail.overflown = True
        assert tail.released is not None  # noqa: S101 - it is there from the gap to its end
        return asyncio.shield(tail.released)

    def _drop(self, tail: _Tail) -> None:
        self._held -= len(tail.held)
        tail.held.clear()

    # --- filling --------------------------------------------------------------------------------------------------

    async def _fill(self, tail: _Tail) -> None:
        """From the gap to its end: the history first, then what was held, then live again."""
        try:
            last: Awaitable[object] | None = None
            ask = await self._begin(tail) or tail.overflown
            while True:
                tail.overflown = False
                if ask:
                    await self._ask(tail)
                while tail.held:
                    try:
                        last = await self._relay.accept(*tail.held[0], live=False)
                    except Exception:  # what makes the relay fail must not silence the channel
                        tail.log.exception("event_failed")
                    tail.held.popleft()
                    self._held -= 1
                if not tail.overflown:
                    break
                ask = True
            # nothing was awaited since the last look: what comes from here on goes straight to the relay
            tail.filling = None
            released, tail.released = tail.released, None
            if last is not None:
                await asyncio.wait({asyncio.ensure_future(last)})
            if released is not None and not released.done():
                released.set_result(None)
        except JournalError:
            return  # the journal has told the service, which ends the daemon

    async def _begin(self, tail: _Tail) -> bool:
        """Put on disk where the channel stands, for whom it begins there. Whether there may be a gap before that."""
        newest, channel = tail.newest, tail.channel
        if newest is None:
            return tail.cursor_name is not None
        rules = self._rules.rules_from(channel)
        begin = [rule for rule in rules if tail.forget or (rule, channel) not in self._moments]
        known = await self._journal.cursor(channel.instance, newest.cursor.name)
        afresh = known is None or tail.forget or len(begin) == len(rules) or not self._limits().age
        writes: list[Awaitable[None]] = []
        for rule in begin:
            self._moments[rule, channel] = newest.at
            writes.append(self._journal.write(_NAMESPACE, _moment_key(rule, channel), str(newest.at)))
        if afresh:
            writes.append(self._journal.move_cursor(channel.instance, newest.cursor))
        await asyncio.gather(*writes)
        tail.newest, tail.forget = None, False
        return not afresh

    async def _ask(self, tail: _Tail) -> None:
        """Relay what history has, however often it takes to get it."""
        backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        bugs = 0
        while True:
            try:
                await self._relay_history(tail)
            except Retry as error:
                reason, wait = error.reason, max(backoff.wait(), error.after or 0.0)
            except Paused as error:
                reason, wait = error.reason, max(backoff.wait(), _PAUSED_WAIT)
            except DriverError as error:
                tail.log.error("gap_not_filled", reason=error.reason)
                return
            except JournalError:
                raise
            except Exception as error:  # a bug in one driver must not silence the channel
                bugs += 1
                tail.log.exception("history_failed", attempt=bugs)
                if bugs >= _BUG_TRIES:
                    tail.log.error("gap_not_filled", reason=f"the driver failed: {type(error).__name__}")
                    return
                reason, wait = f"the driver failed: {type(error).__name__}", backoff.wait()
            else:
                return
            tail.log.warning("gap_postponed", reason=reason, in_seconds=round(wait, 1))
            await asyncio.sleep(wait)
            if tail.overflown:
                tail.overflown = False  # what was dropped is in the history that is asked for now

    async def _relay_history(self, tail: _Tail) -> None:
        channel = tail.channel
        cursor = tail.cursor_name and await self._journal.cursor(channel.instance, tail.cursor_name)
        if not cursor:
            return
        began = [
            (self._moments[rule, channel], rule)
            for rule in self._rules.rules_from(channel)
            if (rule, channel) in self._moments
        ]
        number = 0
        limits = self._limits()
        async with tail.history.history(channel.key, cursor, age=limits.age, most=limits.messages) as past:
            last: Awaitable[object] | None = None
            async for event, at in past.events:
                too_old = frozenset(rule for moment, rule in began if event.at <= moment)
                last = await self._relay.accept(_dated(event, past.now), at, live=False, without=too_old)
                if not number:
                    self._tell_over(tail, past)
                number += 1
            if not number:
                self._tell_over(tail, past)
            if last is not None:
                await asyncio.wait({asyncio.ensure_future(last)})
            await self._journal.move_cursor(channel.instance, past.end)
        if number:
            tail.log.info("gap_filled", messages=number)

    def _tell_over(self, tail: _Tail, past: Past) -> None:
        if past.over:
            self._tally.skipped(tail.channel.instance, "over_backfill", number=past.over)
            tail.log.warning(
                "messages_not_relayed",
                number=past.over,
                at_least=not past.counted,
                reason="they were posted while there was no connection, and are older than global.backfill or more "
                "than global.backfill_messages",
            )


def _dated(event: Event, now: int) -> Event:
    """The event, to be shown with its time where that is long past. Both times are the platform's."""
    if isinstance(event, Posted) and now - event.at > _LATE:
        return replace(event, late=True)
    return event


def _moment_key(rule: str, channel: Channel) -> str:
    return _SEPARATOR.join((rule, channel.instance, channel.key))
