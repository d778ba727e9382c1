"""What every lane works with, and who is told what becomes of messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from nextbridge.envelope import InstanceId
from nextbridge.guard import Guard
from nextbridge.identities import OwnIdentities
from nextbridge.instance import Instance
from nextbridge.journal import Delivery, Journal, NewDelivery
from nextbridge.media import Links, Spool
from nextbridge.mentions import Mentions
from nextbridge.tally import Tally

__all__ = ["Came", "Observer", "Outcome", "Surroundings"]

Outcome: TypeAlias = Literal["delivered", "skipped", "postponed", "buried"]
"""In the words of the tally."""


class Came(Struct, frozen=True, gc=False):
    """What came of a delivery, or of one attempt at it."""

    delivery: Delivery
    outcome: Outcome
    reason: str = ""
    """Why it is skipped, to be tried again or given up; may quote a server, and is not masked."""
    word: str = ""
    """Why it is skipped or to be tried again, as a short stable word."""
    began: float | None = None
    """When the attempt was begun, in seconds since 1970; None where it ended without one."""
    retry_in: float | None = None
    """Seconds to the next attempt, where it is postponed."""


class Observer(Protocol):
    """Is told what becomes of messages, on the event loop. Must be quick and raise nothing."""

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """An event is on disk, with these."""

    def came(self, came: Came) -> None:
        """Something came of a delivery, or of one attempt at it."""


class Surroundings(Struct, frozen=True, kw_only=True):
    """What every lane works with."""

    journal: Journal
    instances: Mapping[InstanceId, Instance]
    spool: Spool
    links: Callable[[], Links | None]
    """None where nothing is shown by links."""
    tally: Tally
    identities: OwnIdentities
    guard: Guard
    mentions: Mentions
    observers: tuple[Observer, ...]
    give_up_after: Callable[[], float]
    """Seconds that a delivery may wait before it becomes a dead letter, whatever it waits for."""
    clock: Callable[[], float]
    """Monotonic seconds."""

    def tell(self, came: Came) -> None:
        """Tell the observers."""
        for observer in self.observers:
            observer.came(came)

    def ended(self, delivery: Delivery, outcome: Literal["delivered", "skipped"], reason: str = "") -> None:
        """Keep how a delivery ended that leaves no receipt of its own."""
        self.journal.ended(
            delivery.event_id, NewDelivery(delivery.target, delivery.rule, delivery.settings), outcome, reason
        )
