"""What every lane works with, and who is told what becomes of messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from nextbridge.crossings import Crossings, Outcome
from nextbridge.envelope import InstanceId
from nextbridge.guard import Guard
from nextbridge.identities import OwnIdentities
from nextbridge.instance import Instance
from nextbridge.journal import Delivery, Journal, NewDelivery
from nextbridge.media import Links, Spool
from nextbridge.mentions import Mentions
from nextbridge.tally import Tally

__all__ = ["Observer", "Surroundings"]


class Observer(Protocol):
    """Is told what becomes of messages, on the event loop. Must be quick and raise nothing."""

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """An event is on disk, with these."""

    def came(self, delivery: Delivery, outcome: Outcome, reason: str, began: float | None) -> None:
        """What came of a delivery, or of one attempt at it.

        `reason` is a short stable word: why it is skipped, or to be tried again; empty for others. `began` is when the
        attempt was begun, in seconds since 1970; None where it ended without one.
        """


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
    crossings: Crossings
    give_up_after: Callable[[], float]
    """Seconds that a delivery may wait before it becomes a dead letter, whatever it waits for."""
    clock: Callable[[], float]
    """Monotonic seconds."""

    def came(self, delivery: Delivery, outcome: Outcome, reason: str = "", began: float | None = None) -> None:
        """Tell the observers: see `Observer.came`."""
        for observer in self.observers:
            observer.came(delivery, outcome, reason, began)

    def ended(self, delivery: Delivery, outcome: Literal["delivered", "skipped"], reason: str = "") -> None:
        """Keep how a delivery ended that leaves no receipt of its own."""
        self.journal.ended(
            delivery.event_id, NewDelivery(delivery.target, delivery.rule, delivery.settings), outcome, reason
        )
