"""Somebody came, went, or changed the topic: a line about it, or the target's own topic where it is to be the same."""

from __future__ import annotations

from nextbridge.delivery.errand import Errand
from nextbridge.delivery.lines import notice
from nextbridge.delivery.posting import Posting
from nextbridge.driver import Rejected, Topics
from nextbridge.envelope import Joined, Left, TopicChanged
from nextbridge.instance import Instance
from nextbridge.markup.legible import legible

__all__ = ["Announcing"]


class Announcing:
    """Carries a `Joined`, a `Left` or a `TopicChanged`."""

    def __init__(self, errand: Errand, event: Joined | Left | TopicChanged) -> None:
        self._errand = errand
        self._event = event
        self._line = Posting(errand, notice(event))
        self._refused = False
        """The target does not let us set its topic."""

    async def carry(self, instance: Instance) -> str | None:
        event, rule, delivery = self._event, self._errand.terms.rule, self._errand.delivery
        driver: object = instance.driver
        around = self._errand.around
        if isinstance(event, TopicChanged) and rule.sync_topic and isinstance(driver, Topics) and not self._refused:
            try:
                await around.guard.set_topic(driver, delivery.target.key, legible(event.topic), self._errand.about)
            except Rejected as error:
                self._refused = True
                self._errand.log.warning("topic_not_set", reason=error.reason)
            else:
                instance.sent(delivery.target.key)
                around.journal.withdraw([delivery.id])
                return None
        if isinstance(event, TopicChanged) and not rule.topics:
            around.journal.withdraw([delivery.id])
            return "topic_not_shown"
        return await self._line.carry(instance)
