"""The outbound half: one lane for each target channel, in the order of acceptance; retries, pauses and giving up.

A lane that is slow, limited or down delays no other. What is on disk is the truth; a lane holds a window of it.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import structlog
from msgspec import Struct

from nextbridge.backoff import Backoff
from nextbridge.driver import FileRejected, LocalFile, Outgoing, Paused, Receipt, Rejected, Retry, Uploads
from nextbridge.envelope import Channel, ChannelKey, DeliveryKey, Event, InstanceId, Mark, Posted
from nextbridge.errors import DriverError
from nextbridge.instance import Instance
from nextbridge.journal import Delivery, Journal, PlannedPart
from nextbridge.markup import Dialect, RichText
from nextbridge.media import Missing, Spool
from nextbridge.render import Origin, Rendered, label, render
from nextbridge.tally import Tally

__all__ = ["Deliveries", "Observer"]

_WINDOW = 100
"""Deliveries of a lane that are held in memory; what is more is read from the journal when its turn comes."""
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_PAUSED_WAIT = 60.0
_BUG_TRIES = 3
"""Attempts at a delivery that the driver answers with a bug, before it is buried with its traceback."""


class Observer(Protocol):
    """Is told what becomes of messages: for a live view of the traffic. Must be quick and raise nothing."""

    def delivered(self, event: Event, target: Channel) -> None:
        """`target` shows the message."""


class _Surroundings(Struct, frozen=True):
    """What every lane works with."""

    journal: Journal
    instances: Mapping[InstanceId, Instance]
    spool: Spool
    tally: Tally
    observers: tuple[Observer, ...]


class Deliveries:
    """All lanes. Used on the event loop: by the relay (`enqueue`) and by the service."""

    def __init__(
        self,
        journal: Journal,
        instances: Mapping[InstanceId, Instance],
        spool: Spool,
        tally: Tally,
        observers: tuple[Observer, ...] = (),
    ) -> None:
        self._around = _Surroundings(journal, instances, spool, tally, observers)
        self._lanes: dict[Channel, _Lane] = {}
        self._moved: set[Channel] = set()
        """Keys that are no lane's any more: what was accepted for them is found on disk under the new key."""
        self._stopping = False
        self._log = structlog.get_logger()

    async def start(self) -> None:
        """Take up what an earlier run left. Before the first event is accepted."""
        for waiting in await self._around.journal.waiting():
            if waiting.target.instance not in self._around.instances:
                self._log.warning(
                    "lane_without_instance",
                    instance=waiting.target.instance,
                    channel=waiting.target.key,
                    waiting=waiting.depth,
                    reason="the file no longer has this instance, or it is disabled; its messages wait",
                )
                continue
            self._lane(waiting.target).resume()

    def enqueue(self, deliveries: tuple[Delivery, ...]) -> None:
        """Deliver what was just accepted, in this order."""
        for delivery in deliveries:
            if delivery.target not in self._moved:
                self._lane(delivery.target).append(delivery)

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
        merged = self._lanes[new] = _Lane(new, self._around)
        merged.hold()  # what comes meanwhile is behind what is on disk
        for lane in ended:
            if (interrupted := await lane.stop()) is not None:
                self._around.journal.postpone(
                    interrupted.id, attempts=interrupted.attempts + 1, reason="its channel got another key"
                )
        await self._around.journal.rekey(old, new)
        merged.resume()

    async def stop(self, within: float) -> None:
        """Finish what is being sent right now, for at most `within` seconds; the rest waits on disk."""
        self._stopping = True
        if lanes := list(self._lanes.values()):
            await asyncio.gather(*(lane.stop(within) for lane in lanes))

    def _lane(self, target: Channel) -> _Lane:
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = _Lane(target, self._around)
        return lane


class _Lane:
    """What waits for one target channel. A task works while there is anything to do."""

    def __init__(self, target: Channel, around: _Surroundings) -> None:
        self._target = target
        self._around = around
        self._window: deque[Delivery] = deque()
        self._behind = False
        """There is more on disk than in the window."""
        self._newest = 0
        """The last delivery that came into the window."""
        self._last = 0
        """The last delivery that came to its end."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._held = False
        self._sending: Delivery | None = None

    def append(self, delivery: Delivery) -> None:
        if delivery.id <= self._newest:
            return  # the journal handed it out before the news of its commit came
        if self._behind or len(self._window) >= _WINDOW:
            self._behind = True
        else:
            self._window.append(delivery)
            self._newest = delivery.id
        self._work()

    def hold(self) -> None:
        """Take deliveries, but send nothing before `resume`."""
        self._held = self._behind = True

    def resume(self) -> None:
        """Go on with what is on disk."""
        self._held, self._behind = False, True
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
        await asyncio.wait({task})
        return interrupted

    def _work(self) -> None:
        if (self._task is None or self._task.done()) and not (self._stopping or self._held):
            self._task = asyncio.create_task(self._run(), name=f"lane {self._target}")

    async def _run(self) -> None:
        while not self._stopping and (delivery := await self._next()) is not None:
            await self._deliver(delivery)
            self._last = delivery.id

    async def _next(self) -> Delivery | None:
        if self._window:
            return self._window.popleft()
        if not self._behind:
            return None
        self._behind = False  # what is accepted while the journal is being read sets it again
        loaded = await self._around.journal.load(self._target, after=self._last, limit=_WINDOW)
        if len(loaded) == _WINDOW:
            self._behind = True
        if self._behind:
            self._window.clear()  # what was appended meanwhile comes after more that is on disk
        newest = loaded[-1].id if loaded else 0
        appended = [each for each in self._window if each.id > newest]
        self._window = deque([*loaded, *appended])
        self._newest = self._window[-1].id if self._window else self._last
        return self._window.popleft() if self._window else None

    async def _deliver(self, delivery: Delivery) -> None:
        """Until it is delivered or buried; or the lane stops, and it stays on disk."""
        task = _Attempts(delivery, self._around)
        while not self._stopping:
            instance = self._around.instances[self._target.instance]
            if not instance.can_send.is_set():
                self._woken.clear()
                await self._wait_until_woken(None)
                continue
            self._woken.clear()
            self._sending = delivery
            try:
                wait = await task.attempt(instance)
            finally:
                self._sending = None
            if wait is None:
                return
            await self._wait_until_woken(wait)

    async def _wait_until_woken(self, seconds: float | None) -> None:
        if self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return


class _Attempts:
    """One delivery on its way: what is known from one attempt to the next."""

    def __init__(self, delivery: Delivery, around: _Surroundings) -> None:
        self._delivery = delivery
        self._around = around
        self._event = delivery.event
        self._parts_done = delivery.parts_done
        self._plan = delivery.plan
        self._attempted = delivery.attempted
        self._failures = delivery.attempts
        self._bugs = 0
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._refused: dict[int, str] = {}
        """Attachments (by place) that the target refused when they were sent."""
        self._log = structlog.get_logger().bind(
            instance=delivery.target.instance,
            channel=delivery.target.key,
            rule=delivery.rule,
            event_id=f"{delivery.event.channel}/{delivery.event.message}",
            delivery=delivery.id,
        )

    async def attempt(self, instance: Instance) -> float | None:
        """Send what is not yet sent. Returns None at the end of the delivery, else seconds to wait before the next try.

        The wait may be cut short.
        """
        try:
            await self._send_all(instance)
        except Retry as error:
            return self._postpone(error.reason, max(self._backoff.wait(), error.after or 0.0))
        except Paused as error:
            if error.scope == "channel":
                instance.unavailable(self._delivery.target.key, error.reason)
            else:
                self._log.error("delivery_paused", reason=error.reason)
            return self._postpone(error.reason, _PAUSED_WAIT)
        except DriverError as error:
            await self._bury(error.reason)
        except Exception as error:  # noqa: BLE001 - a bug in the driver must not end the lane
            self._bugs += 1
            self._log.exception("send_failed", attempt=self._bugs)
            if self._bugs < _BUG_TRIES:
                return self._postpone(f"the driver failed: {type(error).__name__}", self._backoff.wait())
            await self._bury(f"the driver failed: {type(error).__name__}", traceback.format_exc())
        return None

    async def _send_all(self, instance: Instance) -> None:
        event = self._event
        if not isinstance(event, Posted):
            raise Rejected(f"a {type(event).__name__} is not relayed")
        rendered, files = await self._prepare(event, instance)
        parts = self._plan or rendered.parts
        if len(parts) > 1 and self._plan is None:
            await self._around.journal.plan(self._delivery.id, parts)
            self._plan = parts
        while self._parts_done < len(parts):
            receipt = await self._send_part(instance, rendered, parts[self._parts_done], files)
            self._record(receipt, len(parts))
        self._finish(event, shown=bool(parts))

    async def _prepare(self, event: Posted, instance: Instance) -> tuple[Rendered, Mapping[int, LocalFile]]:
        driver, channel = instance.driver, self._delivery.target.key
        files: dict[int, LocalFile] = {}
        missing = dict(self._refused)
        taker = driver if isinstance(driver, Uploads) and driver.limits(channel).files > 0 else None
        if event.attachments and taker is None:
            missing = dict.fromkeys(range(len(event.attachments)), "files cannot be sent there")
        elif event.attachments and taker is not None:
            for place, file in enumerate(await self._around.spool.fetch(self._delivery.event_id, event)):
                reason = file.reason if isinstance(file, Missing) else taker.refuses_file(channel, file)
                if reason is not None:
                    missing.setdefault(place, reason)
                    self._log.warning("file_not_relayed", file=event.attachments[place].name, reason=reason)
                elif place not in missing and isinstance(file, LocalFile):
                    files[place] = file
        source = self._around.instances.get(event.channel.instance)
        origin = Origin(source.driver.platform if source else "", event.channel.instance)
        return render(event, self._delivery.settings, driver, channel, origin, missing=missing), files

    async def _send_part(
        self,
        instance: Instance,
        rendered: Rendered,
        part: PlannedPart,
        files: Mapping[int, LocalFile],
    ) -> Receipt:
        number = self._parts_done
        key = DeliveryKey(f"{self._around.journal.daemon_id}-{self._delivery.id}-{number}")
        sent_before, self._attempted = self._attempted, self._attempted or int(time.time() * 1000)
        source = self._around.instances.get(self._event.channel.instance)
        sendable = [place for place in part.files if place in files]
        message = Outgoing(
            key=key,
            channel=self._delivery.target.key,
            text=self._with_labels(part, files, instance.driver.dialect),
            mark=Mark(self._around.journal.daemon_id, key, str(self._event.channel)),
            author=self._event.author,
            platform=source.driver.title if source else "",
            name=rendered.name,
            avatar=rendered.avatar,
            action=rendered.action,
            files=tuple(files[place] for place in sendable),
            attempted=sent_before,
        )
        try:
            receipt = await instance.driver.send(message)
        except FileRejected as error:
            place = sendable[error.index]
            self._log.warning("file_refused", file=files[place].name, reason=error.reason)
            self._refused[place] = error.reason
            raise Retry(error.reason, after=0.0) from error
        if self._delivery.attempted is None:
            self._attempted = None  # the next part is new to the platform
        return receipt

    def _with_labels(self, part: PlannedPart, files: Mapping[int, LocalFile], dialect: Dialect) -> str:
        """The part's text; a file that it was planned with and that cannot go along after all has its label there."""
        assert isinstance(self._event, Posted)  # noqa: S101 - nothing else has parts
        labels = [label(self._event.attachments[place]) for place in part.files if place not in files]
        written = [dialect.write(RichText.plain(each).blocks) for each in labels]
        return "\n".join([*([part.text] if part.text else []), *written])

    def _record(self, receipt: Receipt, parts: int) -> None:
        record = self._around.journal.complete if self._parts_done == parts - 1 else self._around.journal.part_done
        record(self._delivery.id, self._parts_done, receipt)
        self._parts_done += 1

    def _finish(self, event: Posted, *, shown: bool) -> None:
        target = self._delivery.target
        if not shown:  # lines of white space, on a platform that shows no empty line
            self._around.journal.complete(self._delivery.id, 0, Receipt())
            self._around.tally.skipped(event.channel.instance, "nothing_to_show", self._delivery.rule)
            return
        self._around.tally.delivered(target.instance, self._delivery.rule)
        self._log.debug("message_delivered", late_ms=int(time.time() * 1000) - event.at)
        if event.attachments:
            self._around.spool.delivered()
        for observer in self._around.observers:
            observer.delivered(event, target)

    def _postpone(self, reason: str, wait: float) -> float:
        self._failures += 1
        self._around.journal.postpone(self._delivery.id, attempts=self._failures, reason=reason)
        self._log.warning("delivery_postponed", reason=reason, attempt=self._failures, in_seconds=round(wait, 1))
        return wait

    async def _bury(self, reason: str, detail: str = "") -> None:
        self._log.error("delivery_buried", reason=reason)
        await self._around.journal.bury(self._delivery.id, reason=reason, detail=detail)
        self._around.tally.buried(self._delivery.target.instance, self._delivery.rule)
