"""One lane: what waits for one target channel, and the task that sends it in order."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Literal

import structlog
from msgspec import Struct
from msgspec.structs import replace

from nextbridge.backoff import Backoff
from nextbridge.delivery.attempts import Attempts
from nextbridge.delivery.surroundings import Came, Surroundings
from nextbridge.envelope import Channel, Deleted, Edited, Posted
from nextbridge.errors import JournalError
from nextbridge.instance import State
from nextbridge.journal import Delivery, NewDelivery

__all__ = ["Lane", "LaneState"]

_WINDOW = 100
"""Deliveries of a lane that are held in memory; what is more is read from the journal when its turn comes."""
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_CLOSED_WAIT = 60.0
"""Seconds after which a message is tried although its channel was said to be closed."""
_END_SECONDS = 5.0
"""For a driver's send to end that was cancelled."""
_GRACE = 600.0
"""Seconds that a lane has after the start before it gives anything up: what is overdue then may pass now."""


class LaneState(Struct, frozen=True):
    """How a lane stands right now, for the operator."""

    word: Literal["idle", "sending", "retrying", "paused", "waiting", "stopped"]
    """`paused`: the platform refuses us there; `waiting`: for its instance to connect; `stopped`: no daemon runs."""
    reason: str = ""
    """Why it is paused or waits."""
    retry_in: float | None = None
    """Seconds to the next attempt, where that has a time."""


class Lane:
    """What waits for one target channel. A task works while there is anything to do."""

    def __init__(self, target: Channel, around: Surroundings) -> None:
        self._target = target
        self._name = f"lane {target}"
        self._around = around
        self._window: deque[Delivery] = deque()
        self._behind = False
        """There is more on disk than in the window."""
        self._newest_change: float = 0
        """The last edit or deletion that may be waiting, behind its message; infinite while nobody knows."""
        self._folded: set[int] = set()
        """Edits whose text their message took along."""
        self._newest = 0
        """The last delivery that came into the window."""
        self._last = 0
        """The last delivery that came to its end."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._held = False
        self._sending: Delivery | None = None
        self._retry_at: float | None = None
        self._started = around.clock()
        self._log = structlog.get_logger()

    @property
    def state(self) -> LaneState:
        """How it stands at this moment."""
        if self._task is None or self._task.done():
            return LaneState("idle")
        instance = self._around.instances[self._target.instance]
        if not instance.can_send.is_set():
            return LaneState("paused" if instance.state is State.PAUSED else "waiting", instance.reason)
        retry_in = None if self._retry_at is None else max(0.0, self._retry_at - monotonic())
        if (reason := instance.closed_channels.get(self._target.key)) is not None:
            return LaneState("paused", reason, retry_in)
        return LaneState("sending" if retry_in is None else "retrying", "", retry_in)

    def append(self, delivery: Delivery) -> None:
        if delivery.id <= self._newest:
            return  # the journal handed it out before the news of its commit came
        if self._behind or len(self._window) >= _WINDOW:
            self._behind = True
        else:
            self._window.append(delivery)
            self._newest = delivery.id
        if isinstance(delivery.event, Edited | Deleted):
            self._newest_change = max(self._newest_change, delivery.id)
        self._work()

    @property
    def is_held(self) -> bool:
        """Whether it takes deliveries without sending any."""
        return self._held

    def hold(self) -> None:
        """Take deliveries, but send nothing before `resume`."""
        self._held = self._behind = True

    def resume(self) -> None:
        """Go on with what is on disk."""
        self._held, self._behind = False, True
        self._newest_change = math.inf
        self._work()

    def look(self) -> None:
        """Something was put at its end on disk."""
        self._behind = True
        self._newest_change = math.inf
        self._work()

    def wake(self) -> None:
        self._woken.set()

    async def stop(self, within: float = 5.0) -> Delivery | None:
        """Let a send that is under way finish within so many seconds; the delivery that was cut short, if one was."""
        self._stopping = True
        self._woken.set()
        task = self._task
        if task is None or task.done():
            return None
        if self._sending is None:
            task.cancel()
        await asyncio.wait({task}, timeout=within)
        interrupted = self._sending
        task.cancel()
        await asyncio.wait({task}, timeout=_END_SECONDS)
        return interrupted

    def _work(self) -> None:
        if (self._task is None or self._task.done()) and not (self._stopping or self._held):
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def _run(self) -> None:
        backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        while not self._stopping:
            try:
                delivery = await self._next()
                if delivery is None:
                    return
                await self._deliver(delivery)
                self._last = delivery.id
                backoff.reset()
            except JournalError:
                return  # the journal has told the service, which ends the daemon
            except Exception:  # noqa: BLE001 - whatever it is, the lane goes on
                self._log.exception("lane_failed", instance=self._target.instance, channel=self._target.key)
                self._window.clear()  # what was being delivered is on disk, and comes first again
                self._behind = True
                self._woken.clear()
                await self._wait_until_woken(backoff.wait())

    async def _next(self) -> Delivery | None:
        while True:
            while self._behind and not self._window:
                await self._load()
            if not self._window:
                return None
            delivery = self._window.popleft()
            if delivery.id not in self._folded:
                return delivery
            self._folded.discard(delivery.id)

    async def _load(self) -> None:
        self._behind = False  # what is accepted while the journal is being read sets it again
        loaded = await self._around.journal.load(self._target, after=self._last, limit=_WINDOW)
        if len(loaded) == _WINDOW:
            self._behind = True
        if self._behind:
            self._window.clear()  # what was appended meanwhile comes after more that is on disk
        newest = loaded[-1].id if loaded else 0
        appended = [each for each in self._window if each.id > newest]
        self._window = deque([*loaded, *appended])
        self._folded.intersection_update([each.id for each in appended])  # what is on disk is what there is
        self._newest = self._window[-1].id if self._window else self._last
        if not self._behind and self._newest_change == math.inf:
            changes = [each.id for each in self._window if isinstance(each.event, Edited | Deleted)]
            self._newest_change = max(changes, default=0)

    async def _deliver(self, delivery: Delivery) -> None:
        """Until it is delivered or buried; or the lane stops, and it stays on disk."""
        attempts = Attempts(delivery, self._around)
        instance = self._around.instances[self._target.instance]
        waited = False
        while not self._stopping:
            left = max(attempts.seconds_left(), self._grace_left())
            if left <= 0:
                await attempts.give_up(instance.closed_channels.get(self._target.key) or instance.reason)
                return
            self._woken.clear()
            if not instance.can_send.is_set():
                await self._wait_until_woken(left)
            elif self._target.key in instance.closed_channels and not waited:
                waited = True  # then it is tried all the same: not every driver hears of it when a channel opens
                await self._wait_until_woken(min(_CLOSED_WAIT, left))
            elif wait := instance.circuit.wait(self._target):
                await self._wait_until_woken(min(wait, left))
            else:
                if delivery.attempted is None and self._newest_change > delivery.id and not attempts.has_begun:
                    changed = await self._with_changes(delivery)
                    if changed is None:
                        return
                    if changed is not delivery:
                        delivery, attempts = changed, Attempts(changed, self._around)
                self._sending = delivery
                try:
                    wait_or_done = await attempts.attempt(instance)
                finally:
                    self._sending = None
                if wait_or_done is None:
                    if attempts.was_requeued:
                        self._behind = True
                    return
                waited = True
                await self._wait_until_woken(min(wait_or_done, left))

    def _grace_left(self) -> float:
        """Seconds in which nothing is given up, since the lane may just have been started."""
        return self._started + min(self._around.give_up_after(), _GRACE) - self._around.clock()

    async def _with_changes(self, delivery: Delivery) -> Delivery | None:
        """A message that was never sent takes along what was done to it meanwhile. None where it was deleted."""
        event = delivery.event
        if not isinstance(event, Posted):
            return delivery
        edits = after = 0
        while changes := await self._around.journal.changes(delivery, after=after, limit=_WINDOW):
            if any(isinstance(each.event, Deleted) for each in changes):
                await self._forget(delivery, changes)
                return None
            await self._around.journal.supersede(delivery.id, changes)
            self._folded.update(each.id for each in changes)
            for each in changes:
                self._skip(each, "edited_before_sent")
            last = changes[-1].event
            assert isinstance(last, Edited)  # noqa: S101 - there are no other changes
            event = replace(event, text=last.text, action=last.action)
            edits, after = edits + len(changes), changes[-1].id
            if len(changes) < _WINDOW:
                break
        if not edits:
            return delivery
        self._around.tally.skipped(event.channel.instance, "edited_before_sent", delivery.rule, number=edits)
        return replace(delivery, event=event, amended=True)

    async def _forget(self, delivery: Delivery, changes: Sequence[Delivery]) -> None:
        """A message was deleted before it was sent; with its thread, what answers it does not go out either."""
        journal, tally, event = self._around.journal, self._around.tally, delivery.event
        # one that takes a thread along has its turn, too: answers may have arrived without their root
        folded = [each.id for each in changes if not (isinstance(each.event, Deleted) and each.event.with_thread)]
        has_files = isinstance(event, Posted) and bool(event.attachments)
        if len(folded) < len(changes):
            for channel, message in await journal.thread(event.channel, event.message):
                answer = await journal.fate(self._target, channel, message)
                if answer is not None and answer.waiting is not None and not answer.parts:
                    folded.append(answer.waiting)
                    has_files = has_files or bool(answer.event.attachments)
                    tally.skipped(channel.instance, "deleted_before_sent", delivery.rule)
                    way = NewDelivery(delivery.target, delivery.rule, delivery.settings)
                    journal.ended(answer.event_id, way, "skipped", "deleted_before_sent")
        journal.withdraw([delivery.id, *folded])
        tally.skipped(event.channel.instance, "deleted_before_sent", delivery.rule)
        for each in (delivery, *changes):
            if each is delivery or each.id in folded:
                self._skip(each, "deleted_before_sent")
        self._folded.update(folded)
        if has_files:
            self._around.spool.delivered()

    def _skip(self, delivery: Delivery, reason: str) -> None:
        """It ends without an attempt."""
        self._around.tell(Came(delivery, "skipped", reason, reason))
        self._around.ended(delivery, "skipped", reason)

    async def give_up_overdue(self) -> float | None:
        """Bury what has waited too long for an instance that does not run.

        Returns the seconds until the next is overdue, or None where nothing is left.
        """
        while loaded := await self._around.journal.load(self._target, limit=_WINDOW):
            for delivery in loaded:
                attempts = Attempts(delivery, self._around)
                if (left := attempts.seconds_left()) > 0:
                    return left
                await attempts.give_up("its instance is not in the file any more, or is disabled")
        return None

    async def _wait_until_woken(self, seconds: float) -> None:
        if self._stopping:
            return
        self._retry_at = monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._retry_at = None
