"""One delivery on its way: who carries it, and what is done about each way in which that can fail."""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import Literal, TypeAlias

from nextbridge.backoff import Backoff
from nextbridge.cancellation import is_ours_to_end
from nextbridge.delivery.announcing import Announcing
from nextbridge.delivery.behind import BEHIND
from nextbridge.delivery.changing import Deleting, Editing
from nextbridge.delivery.errand import Carrier, Errand
from nextbridge.delivery.posting import Posting
from nextbridge.delivery.reacting import Reacting
from nextbridge.delivery.surroundings import Came, Surroundings
from nextbridge.driver import Paused, Retry
from nextbridge.envelope import Deleted, Edited, Joined, Left, Posted, Reacted, TopicChanged
from nextbridge.errors import DriverError, JournalError
from nextbridge.instance import Instance
from nextbridge.journal import Delivery
from nextbridge.redaction import redaction

__all__ = ["Attempts"]

Why: TypeAlias = Literal["paused", "limit", "failure", "bug"]
"""Why an attempt is to be repeated: a word for the tally."""

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_PAUSED_WAIT = 60.0
_ALONE_SECONDS = 900.0
"""A message that fails for so long while its instance takes others is buried: it is the message."""
_BUG_TRIES = 3
"""Attempts at a delivery that the driver answers with a bug, before it is buried with its traceback."""


class Attempts:
    """One delivery on its way: what is known from one attempt to the next."""

    def __init__(self, delivery: Delivery, around: Surroundings) -> None:
        self._delivery = delivery
        self._around = around
        self._errand = Errand(delivery, around)
        self._carrier = _carrier(self._errand)
        self._failures = delivery.attempts
        self._bugs = 0
        self._reason = ""
        self._first_failure: tuple[float, int] | None = None
        """When it first failed in this run, and how many messages the instance had taken by then."""
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._began: float | None = None
        """When the attempt that is under way was begun, in seconds since 1970."""
        self.has_begun = False
        """The driver may have been asked for something."""
        self.was_requeued = False
        """It stands at the end of its lane again."""

    async def attempt(self, instance: Instance) -> float | None:
        """Do what is not yet done. Returns None at the end of the delivery, else seconds to wait before the next try.

        The wait may be cut short.
        """
        self.has_begun = True
        self._began = time.time()
        try:
            self._finish(instance, await self._carrier.carry(instance))
        except Retry as error:
            return await self._retry(instance, error)
        except Paused as error:
            if error.scope == "channel":
                instance.unavailable(self._delivery.target.key, error.reason)
            else:
                instance.pause(error.reason)
            return self._postpone(error.reason, _PAUSED_WAIT, "paused")
        except DriverError as error:
            await self._bury(error.reason)
        except JournalError:
            raise  # which ends the daemon: it says so itself
        except (Exception, asyncio.CancelledError) as error:  # a bug in the driver must not end the lane
            if isinstance(error, asyncio.CancelledError) and is_ours_to_end():
                raise
            self._bugs += 1
            self._errand.log.exception("send_failed", attempt=self._bugs)
            if self._bugs < _BUG_TRIES:
                return self._postpone(f"the driver failed: {type(error).__name__}", self._backoff.wait(), "bug")
            await self._bury(f"the driver failed: {type(error).__name__}", traceback.format_exc())
        return None

    def seconds_left(self) -> float:
        """Until it is given up, whatever it waits for."""
        since = self._delivery.retried_at or self._delivery.accepted_at
        return since / 1000 + self._around.give_up_after() - time.time()

    async def give_up(self, waited_for: str) -> None:
        """Bury it because it waited too long; `waited_for` is the reason where no attempt gave one."""
        hours = self._around.give_up_after() / 3600
        self._began = None
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
        why: Why = "failure" if error.after is None else "limit"
        return self._postpone(error.reason, max(self._backoff.wait(), error.after or 0.0), why)

    def _finish(self, instance: Instance, reason: str | None) -> None:
        event, target = self._delivery.event, self._delivery.target
        if reason == BEHIND:
            self.was_requeued = True
            return
        if reason is not None:
            self._around.tally.skipped(event.channel.instance, reason, self._delivery.rule)
            instance.log.debug("message_not_shown", **self._errand.about(), reason=reason)
            self._around.tell(Came(self._delivery, "skipped", reason, reason, self._began))
            self._around.ended(self._delivery, "skipped", reason)
            return
        self._around.tally.delivered(target.instance, self._delivery.rule)
        instance.log.debug("message_delivered", **self._errand.about(), late_ms=int(time.time() * 1000) - event.at)
        self._around.tell(Came(self._delivery, "delivered", began=self._began))
        if not isinstance(event, Posted):  # whose receipt says it
            self._around.ended(self._delivery, "delivered")

    def _postpone(self, reason: str, wait: float, why: Why) -> float:
        self._around.tally.postponed(self._delivery.target.instance, why)
        self._failures += 1
        self._reason = reason
        self._around.journal.postpone(self._delivery.id, attempts=self._failures, reason=redaction.mask(reason))
        self._errand.log.warning("delivery_postponed", reason=reason, attempt=self._failures, in_seconds=round(wait, 1))
        self._around.tell(Came(self._delivery, "postponed", reason, why, self._began, wait))
        return wait

    async def _bury(self, reason: str, detail: str = "") -> None:
        self._errand.log.error("delivery_buried", reason=reason)
        # a traceback may hold anything, and is shown to operators by a command that knows no secrets
        reason, detail = redaction.mask(reason), redaction.mask(detail)
        await self._around.journal.bury(self._delivery.id, reason=_storable(reason), detail=_storable(detail))
        self._around.tally.buried(self._delivery.target.instance, self._delivery.rule)
        self._around.tell(Came(self._delivery, "buried", reason, began=self._began))


def _carrier(errand: Errand) -> Carrier:
    match errand.shown(errand.delivery.event):
        case Posted() as event:
            return Posting(errand, event)
        case Edited() as event:
            return Editing(errand, event)
        case Deleted() as event:
            return Deleting(errand, event)
        case Reacted() as event:
            return Reacting(errand, event)
        case Joined() | Left() | TopicChanged() as event:
            return Announcing(errand, event)


def _storable(text: str) -> str:
    """Without what no journal can write (halves of surrogate pairs, which a driver may quote from a server)."""
    return text.encode("utf-8", "replace").decode("utf-8")
