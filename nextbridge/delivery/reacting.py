"""A reaction on its way. Where we can only put our own on a message, it stands for all, and goes with the last."""

from __future__ import annotations

from nextbridge.delivery.answering import NOTHING
from nextbridge.delivery.behind import go_behind, is_behind
from nextbridge.delivery.errand import Errand
from nextbridge.delivery.lines import reaction
from nextbridge.delivery.posting import Posting
from nextbridge.driver import Gone, Reactions, Rejected
from nextbridge.envelope import MessageId, Reacted
from nextbridge.instance import Instance
from nextbridge.journal import Fate

__all__ = ["Reacting"]


class Reacting:
    """Carries a `Reacted`."""

    def __init__(self, errand: Errand, event: Reacted) -> None:
        self._errand = errand
        self._event = event
        self._line: Posting | None = None

    async def carry(self, instance: Instance) -> str | None:  # noqa: PLR0911 - one for each end
        if self._line is not None:
            return await self._line.carry(instance)
        event, delivery = self._event, self._errand.delivery
        journal = self._errand.around.journal
        fate = await journal.fate(delivery.target, event.channel, event.message)
        if fate is not None and is_behind(fate, self._errand):
            return await go_behind(self._errand)
        if fate is None or not fate.parts:
            return self._skip("not_relayed")
        if delivery.key is not None and await journal.reacted_again(delivery.event_id):
            # it went to the end of its lane, and what was done since had its turn before it
            return self._skip("changed_again")
        driver: object = instance.driver
        message = next((part for part in fate.parts if part is not None), None)
        if not isinstance(driver, Reactions) or message is None:
            return await self._degrade(instance, fate)
        reactor = f"{event.channel.instance}/{event.author.id}"
        others = await journal.reactors(delivery.target, fate.event_id, event.emoji)
        if not event.added and reactor not in others:
            return self._skip("reaction_not_shown")
        try:
            if not await self._as_themselves(instance, MessageId(message)):
                is_due = not others if event.added else len(others) == 1
                if is_due:
                    await driver.react(delivery.target.key, MessageId(message), event.emoji, add=event.added)
        except Rejected as error:
            self._errand.log.debug("reaction_refused", reason=error.reason)
            return await self._degrade(instance, fate)
        except Gone:
            return self._skip("gone")
        instance.sent(delivery.target.key)
        journal.react(delivery.id, fate.event_id, event.emoji, reactor, added=event.added)
        return None

    async def _as_themselves(self, instance: Instance, message: MessageId) -> bool:
        """Whether the one who reacts has an account of their own there, which has done so now."""
        event, target = self._event, self._errand.delivery.target.key
        home = self._errand.around.identities.address(event.channel).partition("/")[0]
        return await instance.driver.react_for(target, message, event.emoji, event.author, home, add=event.added)

    async def _degrade(self, instance: Instance, fate: Fate) -> str | None:
        if self._errand.terms.rule.on_reaction == "nothing" or not self._event.added:
            return self._skip("reaction_not_shown")
        self._line = Posting(self._errand, reaction(self._event, self._errand.shown(fate.event)), answer=NOTHING)
        return await self._line.carry(instance)

    def _skip(self, reason: str) -> str:
        """There is nothing to show of it, for this reason."""
        self._errand.around.journal.withdraw([self._errand.delivery.id])
        return reason
