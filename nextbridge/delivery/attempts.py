"""One delivery on its way: rendered, sent part by part, and what is done about each way that a send can fail."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from functools import cached_property

import structlog
from structlog.typing import FilteringBoundLogger

from nextbridge.backoff import Backoff
from nextbridge.cancellation import is_ours_to_end
from nextbridge.delivery.surroundings import Surroundings
from nextbridge.driver import FileRejected, LocalFile, Outgoing, Paused, Receipt, Rejected, Retry, Uploads
from nextbridge.envelope import DeliveryKey, Mark, Posted
from nextbridge.errors import DriverError, EntryRefused
from nextbridge.instance import Instance
from nextbridge.journal import Delivery, PlannedPart
from nextbridge.markup import Dialect, RichText
from nextbridge.media import Missing
from nextbridge.redaction import redaction
from nextbridge.render import Origin, Rendered, label, render

__all__ = ["Attempts"]

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_PAUSED_WAIT = 60.0
_ALONE_SECONDS = 900.0
"""A message that fails for so long while its instance takes others is buried: it is the message."""
_MOST_PLACES = 16
"""Channels that a mark tells a message to have come through."""
_BUG_TRIES = 3
"""Attempts at a delivery that the driver answers with a bug, before it is buried with its traceback."""


class Attempts:
    """One delivery on its way: what is known from one attempt to the next."""

    def __init__(self, delivery: Delivery, around: Surroundings) -> None:
        self._delivery = delivery
        self._around = around
        self._event = delivery.event
        self._parts_done = delivery.parts_done
        self._plan = delivery.plan
        self._attempted = delivery.attempted
        self._failures = delivery.attempts
        self._bugs = 0
        self._reason = ""
        self._first_failure: tuple[float, int] | None = None
        """When it first failed in this run, and how many messages the instance had taken by then."""
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._refused: dict[int, str] = {}
        """Attachments (by place) that the target refused when they were sent."""

    @cached_property
    def _log(self) -> FilteringBoundLogger:
        """Made when there is something to say: most deliveries just arrive."""
        log: FilteringBoundLogger = structlog.get_logger().bind(**self._about())
        return log

    def _about(self) -> dict[str, object]:
        delivery = self._delivery
        return {
            "instance": delivery.target.instance,
            "channel": delivery.target.key,
            "rule": delivery.rule,
            "event_id": f"{delivery.event.channel}/{delivery.event.message}",
            "delivery": delivery.id,
        }

    async def attempt(self, instance: Instance) -> float | None:
        """Send what is not yet sent. Returns None at the end of the delivery, else seconds to wait before the next try.

        The wait may be cut short.
        """
        try:
            await self._send_all(instance)
        except Retry as error:
            return await self._retry(instance, error)
        except Paused as error:
            if error.scope == "channel":
                instance.unavailable(self._delivery.target.key, error.reason)
            else:
                instance.pause(error.reason)
            return self._postpone(error.reason, _PAUSED_WAIT)
        except DriverError as error:
            await self._bury(error.reason)
        except (Exception, asyncio.CancelledError) as error:  # a bug in the driver must not end the lane
            if isinstance(error, asyncio.CancelledError) and is_ours_to_end():
                raise
            self._bugs += 1
            self._log.exception("send_failed", attempt=self._bugs)
            if self._bugs < _BUG_TRIES:
                return self._postpone(f"the driver failed: {type(error).__name__}", self._backoff.wait())
            await self._bury(f"the driver failed: {type(error).__name__}", traceback.format_exc())
        return None

    def seconds_left(self) -> float:
        """Until it is given up, whatever it waits for."""
        since = self._delivery.retried_at or self._delivery.accepted_at
        return since / 1000 + self._around.give_up_after - time.time()

    async def give_up(self, waited_for: str) -> None:
        """Bury it because it waited too long; `waited_for` is the reason where no attempt gave one."""
        hours = self._around.give_up_after / 3600
        await self._bury(f"given up after {hours:g} h: {self._reason or waited_for or 'it was not its turn'}")

    async def _retry(self, instance: Instance, error: Retry) -> float | None:
        if error.after is None:  # a named wait is a limit, not a failure
            instance.circuit.failed(self._delivery.target)
        taken = instance.circuit.successes
        if self._first_failure is None:
            self._first_failure = (self._around.clock(), taken)
        since, taken_then = self._first_failure
        if taken > taken_then and self._around.clock() - since >= _ALONE_SECONDS:
            await self._bury(f"it alone keeps failing while others pass: {error.reason}")
            return None
        return self._postpone(error.reason, max(self._backoff.wait(), error.after or 0.0))

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
            instance.sent(self._delivery.target.key)
        self._finish(event, instance, shown=bool(parts))

    async def _prepare(self, event: Posted, instance: Instance) -> tuple[Rendered, Mapping[int, LocalFile]]:
        driver, channel = instance.driver, self._delivery.target.key
        files: dict[int, LocalFile] = {}
        missing = dict(self._refused)
        taker = None
        if event.attachments and isinstance(driver, Uploads) and driver.limits(channel).files > 0:
            taker = driver
        if event.attachments and taker is None:
            missing = dict.fromkeys(range(len(event.attachments)), "files cannot be sent there")
        elif taker is not None:
            for place, file in enumerate(await self._around.spool.files(self._delivery.event_id, event)):
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
        key = DeliveryKey(f"{self._around.journal.daemon_id}-{self._delivery.key or self._delivery.id}-{number}")
        sent_before, self._attempted = self._attempted, self._attempted or int(time.time() * 1000)
        source = self._around.instances.get(self._event.channel.instance)
        sendable = [place for place in part.files if place in files]
        message = Outgoing(
            key=key,
            channel=self._delivery.target.key,
            text=self._with_labels(part, files, instance.driver.dialect),
            mark=self._mark(key),
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

    def _mark(self, key: DeliveryKey) -> Mark:
        earlier = self._event.mark
        via = () if earlier is None else (*earlier.via, earlier.origin)[-_MOST_PLACES:]
        origin = self._around.identities.address(self._event.channel)
        return Mark(self._around.journal.daemon_id, key, origin, via)

    def _with_labels(self, part: PlannedPart, files: Mapping[int, LocalFile], dialect: Dialect) -> str:
        """The part's text; a file that it was planned with and that cannot go along after all has its label there."""
        assert isinstance(self._event, Posted)  # noqa: S101 - nothing else has parts
        labels = [label(self._event.attachments[place]) for place in part.files if place not in files]
        written = [dialect.write(RichText.plain(each).blocks) for each in labels]
        return "\n".join([*([part.text] if part.text else []), *written])

    def _record(self, receipt: Receipt, parts: int) -> None:
        record = self._around.journal.complete if self._parts_done == parts - 1 else self._around.journal.part_done
        part = self._parts_done
        recorded = record(self._delivery.id, part, receipt)
        recorded.add_done_callback(lambda done: self._look_at(done, record, part))
        self._parts_done += 1

    def _look_at(
        self, done: asyncio.Future[None], record: Callable[[int, int, Receipt], asyncio.Future[None]], part: int
    ) -> None:
        """A receipt that cannot be kept is kept without its id: better that than to send the message again."""
        if not done.cancelled() and isinstance(error := done.exception(), EntryRefused):
            self._log.error("receipt_without_id", reason=str(error))
            record(self._delivery.id, part, Receipt())

    def _finish(self, event: Posted, instance: Instance, *, shown: bool) -> None:
        target = self._delivery.target
        if not shown:  # lines of white space, on a platform that shows no empty line
            self._around.journal.complete(self._delivery.id, 0, Receipt())
            self._around.tally.skipped(event.channel.instance, "nothing_to_show", self._delivery.rule)
            return
        self._around.tally.delivered(target.instance, self._delivery.rule)
        instance.log.debug("message_delivered", **self._about(), late_ms=int(time.time() * 1000) - event.at)
        if event.attachments:
            self._around.spool.delivered()
        for observer in self._around.observers:
            observer.delivered(event, target)

    def _postpone(self, reason: str, wait: float) -> float:
        self._failures += 1
        self._reason = reason
        self._around.journal.postpone(self._delivery.id, attempts=self._failures, reason=redaction.mask(reason))
        self._log.warning("delivery_postponed", reason=reason, attempt=self._failures, in_seconds=round(wait, 1))
        return wait

    async def _bury(self, reason: str, detail: str = "") -> None:
        self._log.error("delivery_buried", reason=reason)
        # a traceback may hold anything, and is shown to operators by a command that knows no secrets
        reason, detail = redaction.mask(reason), redaction.mask(detail)
        await self._around.journal.bury(self._delivery.id, reason=_storable(reason), detail=_storable(detail))
        self._around.tally.buried(self._delivery.target.instance, self._delivery.rule)


def _storable(text: str) -> str:
    """Without what no journal can write (halves of surrogate pairs, which a driver may quote from a server)."""
    return text.encode("utf-8", "replace").decode("utf-8")
