"""All lanes: what the relay hands deliveries to, and the service starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import structlog

from nextbridge.delivery.lane import Lane, LaneState
from nextbridge.delivery.surroundings import Surroundings
from nextbridge.driver import Uploads
from nextbridge.envelope import Channel, ChannelKey, InstanceId, Posted
from nextbridge.filters import filter_of
from nextbridge.journal import Delivery, Waiting

__all__ = ["Deliveries"]

_LONGEST_SLEEP = 3600.0
"""Seconds after which the lanes of instances that are not in the file are looked at again: clocks are set."""


class Deliveries:
    """All lanes. Used on the event loop: by the relay (`enqueue`) and by the service."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lanes: dict[Channel, Lane] = {}
        self._moved: set[Channel] = set()
        """Keys that are no lane's any more: what was accepted for them is found on disk under the new key."""
        self._deserted: set[Channel] = set()
        """Lanes on disk whose instance is not running."""
        self._held: frozenset[InstanceId] = frozenset()
        """Instances that nothing is sent to, because they are being replaced."""
        self._merging: set[Channel] = set()
        """Lanes that are held because they get another key."""
        self._another_time = asyncio.Event()
        """A delivery is given up after another time than the last look went by, perhaps."""
        self._stopping = False
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Take up what an earlier run left. Before the first event is accepted."""
        for waiting in await self._around.journal.waiting():
            if waiting.target.instance in self._around.instances:
                self._lane(waiting.target).resume()
            else:
                self._desert(waiting)

    async def hold(self, instances: Collection[InstanceId], within: float) -> None:
        """Send nothing to `instances` before `release`; what is under way has so many seconds to come to its end.

        What is accepted for them meanwhile waits on disk.
        """
        self._held = frozenset(instances)
        ended = [self._lanes.pop(target) for target in tuple(self._lanes) if target.instance in self._held]
        await asyncio.gather(*(self._interrupt(lane, "its instance is replaced", within) for lane in ended))

    async def release(self) -> None:
        """Go on, with the instances that there are now, from disk."""
        for waiting in await self._around.journal.waiting():
            target = waiting.target
            if target.instance not in self._around.instances:
                if target not in self._deserted:
                    self._desert(waiting)
            elif target in self._deserted or target.instance in self._held:
                self._deserted.discard(target)
                self._lane(target, held=True)
        # nothing is awaited from here on: what comes next goes to lanes that read on from disk
        self._held = frozenset()
        for target, lane in tuple(self._lanes.items()):
            if target.instance not in self._around.instances:
                del self._lanes[target]
                self._deserted.add(target)
            elif lane.is_held and target not in self._merging:
                lane.resume()

    def _desert(self, waiting: Waiting) -> None:
        self._log.warning(
            "lane_without_instance",
            instance=waiting.target.instance,
            channel=waiting.target.key,
            waiting=waiting.depth,
            reason="the file no longer has this instance, or it is disabled; its messages wait",
        )
        self._deserted.add(waiting.target)

    async def give_up_deserted(self) -> None:
        """Bury what waits too long for an instance that is not in the file any more. To be run for ever."""
        while True:
            soonest = _LONGEST_SLEEP
            for target in tuple(self._deserted):  # of a copy: what an operator retries may go to such a lane, too
                if target not in self._deserted:
                    continue  # its instance is there again
                wait = await Lane(target, self._around).give_up_overdue()
                if wait is None:
                    self._deserted.discard(target)
                else:
                    soonest = min(soonest, wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(soonest):
                    await self._another_time.wait()
            self._another_time.clear()

    def look_again(self) -> None:
        """Perhaps it is another time after which a delivery is given up."""
        self._another_time.set()
        for target, lane in self._lanes.items():
            instance = self._around.instances.get(target.instance)
            if instance is not None and not instance.can_send.is_set():
                lane.wake()  # the others look before each attempt

    def enqueue(self, deliveries: tuple[Delivery, ...]) -> None:
        """Deliver what was just accepted, in this order."""
        for observer in self._around.observers:
            observer.accepted(deliveries)
        for delivery in deliveries:
            target = delivery.target
            if target.instance not in self._around.instances:
                self._deserted.add(target)  # it went while this was on its way to the disk
                continue
            self._fetch_files(delivery)
            if target not in self._moved and not self._stopping:
                self._lane(target, held=target.instance in self._held).append(delivery)

    def retry(self, dead: Sequence[int]) -> asyncio.Future[Mapping[int, Channel]]:
        """Put dead letters at the end of their lanes: see `Journal.retry`."""
        asked = self._around.journal.retry(dead)
        # as a callback, like the relay's: what is accepted next must not overtake it
        asked.add_done_callback(self._retried)
        return asked

    def _retried(self, asked: asyncio.Future[Mapping[int, Channel]]) -> None:
        if asked.cancelled() or asked.exception() is not None:
            return
        for target in set(asked.result().values()):
            if target.instance not in self._around.instances:
                self._deserted.add(target)
            elif target not in self._moved:
                self._lane(target, held=target.instance in self._held).look()

    def lanes(self) -> dict[Channel, LaneState]:
        """How every lane that had anything to do since the start stands at this moment."""
        return {target: lane.state for target, lane in self._lanes.items()}

    def wake(self, instance: InstanceId, channel: ChannelKey | None) -> None:
        """Something that lanes of the instance (or one of its channels) may wait for has happened."""
        if channel is not None:
            if lane := self._lanes.get(Channel(instance, channel)):
                lane.wake()
            return
        for target, lane in self._lanes.items():
            if target.instance == instance:
                lane.wake()

    async def rekey(self, old: Channel, new: Channel) -> None:
        """`old` is known as `new` from now on: what waits goes on there, in order, from disk."""
        self._moved.add(old)
        self._moved.discard(new)
        ended = [lane for lane in (self._lanes.pop(old, None), self._lanes.pop(new, None)) if lane is not None]
        merged = self._lanes[new] = Lane(new, self._around)
        merged.hold()  # what comes meanwhile is behind what is on disk
        self._merging.add(new)
        try:
            for lane in ended:
                await self._interrupt(lane, "its channel got another key")
            await self._around.journal.rekey(old, new)
        finally:
            self._merging.discard(new)
        if new.instance not in self._held:
            merged.resume()

    async def _interrupt(self, lane: Lane, reason: str, within: float = 5.0) -> None:
        if (interrupted := await lane.stop(within)) is not None:
            self._around.journal.postpone(interrupted.id, attempts=interrupted.attempts + 1, reason=reason)

    async def stop(self, within: float) -> None:
        """Finish what is being sent right now, for at most `within` seconds; the rest waits on disk."""
        self._stopping = True
        if lanes := list(self._lanes.values()):
            await asyncio.gather(*(lane.stop(within) for lane in lanes))

    def _fetch_files(self, delivery: Delivery) -> None:
        """Start at once, whatever the state of the target: addresses of files expire."""
        event = delivery.event
        rule = filter_of(delivery.settings)
        if rule is not None and not rule.takes_files:
            return
        if isinstance(event, Posted) and event.attachments and not self._stopping:
            target: object = self._around.instances[delivery.target.instance].driver
            if isinstance(target, Uploads) or self._around.spool.publishes:
                self._around.spool.start(delivery.event_id, event)

    def _lane(self, target: Channel, *, held: bool = False) -> Lane:
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = Lane(target, self._around)
            if held:
                lane.hold()
        return lane
