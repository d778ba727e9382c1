"""What has to be known of a delivery by whoever carries it: its names, its marks, where it comes from."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, TypeVar

import structlog
from structlog.typing import FilteringBoundLogger

from nextbridge.config.model import Terms
from nextbridge.delivery.surroundings import Surroundings
from nextbridge.driver import Excerpt
from nextbridge.envelope import DeliveryKey, Edited, Event, Mark, Posted
from nextbridge.filters import filter_of
from nextbridge.instance import Instance
from nextbridge.journal import Delivery
from nextbridge.render import Origin, terms_of

__all__ = ["Carrier", "Errand"]

E = TypeVar("E", bound=Event)
M = TypeVar("M", Posted, Edited)

_MOST_PLACES = 16
"""Channels that a mark tells a message to have come through."""


class Carrier(Protocol):
    """Brings one kind of event to its target."""

    async def carry(self, instance: Instance) -> str | None:
        """Do what is not yet done, and have the journal record it as the delivery's end.

        Returns None where the target now shows it, else the short reason why there is nothing to show. Raises what the
        driver raises; then it is called again, or the delivery is buried.
        """


class Errand:
    """One delivery on its way, from one attempt to the next."""

    def __init__(self, delivery: Delivery, around: Surroundings) -> None:
        self.delivery = delivery
        self.around = around

    @cached_property
    def log(self) -> FilteringBoundLogger:
        """Made when there is something to say: most deliveries just arrive."""
        log: FilteringBoundLogger = structlog.get_logger().bind(**self.about())
        return log

    @property
    def terms(self) -> Terms:
        """What it was accepted under."""
        return terms_of(self.delivery.settings)

    def shown(self, event: E) -> E:
        """What of `event` is to be shown: what the rule's filter leaves, without secrets."""
        found = filter_of(self.delivery.settings)
        return self.around.guard.event(event if found is None else found.applied(event), self.about)

    def quoted(self, quote: Excerpt | None) -> Excerpt | None:
        """Likewise of what is quoted."""
        found = filter_of(self.delivery.settings)
        if quote is not None and found is not None:
            quote = found.quoted(quote)
        return None if quote is None else self.around.guard.quote(quote, self.about)

    async def called(self, event: M) -> M:
        """`event` as it calls people in the target. Does I/O where it calls anybody."""
        everybody = self.terms.rule.allow_mass_mentions
        return await self.around.mentions.resolved(event, self.delivery.target, everybody=everybody)

    def about(self) -> dict[str, object]:
        """What a log line says of it."""
        delivery = self.delivery
        return {
            "instance": delivery.target.instance,
            "channel": delivery.target.key,
            "rule": delivery.rule,
            "event_id": f"{delivery.event.channel}/{delivery.event.message}",
            "delivery": delivery.id,
        }

    def key(self, part: int) -> DeliveryKey:
        """The name of one part, the same at each attempt."""
        return DeliveryKey(f"{self.around.journal.daemon_id}-{self.delivery.key or self.delivery.id}-{part}")

    def mark(self, key: DeliveryKey) -> Mark:
        """What is left on a message that we make of it."""
        event = self.delivery.event
        earlier = event.mark
        via = () if earlier is None else (*earlier.via, earlier.origin)[-_MOST_PLACES:]
        return Mark(self.around.journal.daemon_id, key, self.around.identities.address(event.channel), via)

    @property
    def platform(self) -> str:
        """What people call the platform that it comes from; empty where its instance is not in the file any more."""
        source = self.around.instances.get(self.delivery.event.channel.instance)
        return source.driver.title if source else ""

    @property
    def origin(self) -> Origin:
        """Where it comes from, by the names of the file."""
        instance = self.delivery.event.channel.instance
        source = self.around.instances.get(instance)
        return Origin(source.driver.platform if source else "", instance, self.around.links())
