"""Who forgets a person: in the journal, in the memory of the daemon that runs, and in rooms that it keeps itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from msgspec import Struct, structs

from nextbridge.bindings import Bindings
from nextbridge.config.platforms import InstalledPlatforms, PlatformUnusable
from nextbridge.control.protocol import ForgetPerson, Forgotten, Kept, Known
from nextbridge.driver import Forgets, Somebody
from nextbridge.envelope import ChannelKey, InstanceId, MessageId, UserId
from nextbridge.errors import DriverError
from nextbridge.identities import OwnIdentities
from nextbridge.instance import Instance
from nextbridge.journal import Authored, Did, Journal
from nextbridge.skips import Skips

__all__ = ["Forgetter"]

_AT_ONCE = 50
_SECONDS = 20.0
"""After which the asker is told how far it came."""
_RESTS = 0.02
"""Seconds between two steps, in which the journal does what messages need."""


class Forgetter(Struct, frozen=True):
    """Used on the loop of its journal."""

    journal: Journal
    identities: OwnIdentities
    bindings: Bindings
    instances: Mapping[InstanceId, Instance] = {}
    skips: Skips | None = None
    """None where no daemon runs."""

    @classmethod
    async def on_files(cls, journal: Journal) -> Forgetter:
        """One for a journal that no daemon has open."""
        identities = OwnIdentities(journal)
        await identities.load()
        bindings = Bindings(journal, identities)
        await bindings.load()
        return cls(journal, identities, bindings)

    async def answer(self, question: ForgetPerson) -> Forgotten:
        """Look what there is of a person, and forget it where that is asked. Raises JournalError.

        An event that is still needed stays. So does what was said in a room, or told there, whose instance cannot be
        asked now: else what the room keeps would not be known for theirs later.
        """
        instance = InstanceId(question.instance) if question.instance else None
        found = await self.journal.authored(question.person, instance)
        bound = self.bindings.called(question.person, instance)
        heard = (self.bindings.account(known.instance, known.user) for known in found.accounts)
        bound |= {each for each in heard if each is not None and self.bindings.accounts(each)}
        skipped = 0
        if self.skips is not None:
            skipped = self.skips.forget(question.person, instance, really=question.really)
        kept = await self._kept(found, question)
        unasked = {each.instance for each in kept if each.reason}
        later = [each for each in found.events if each.event > question.after]
        events = [each.event for each in later if unasked.isdisjoint(_instances(each))]
        left = 0 if question.after else len(later) - len(events)
        forgotten = reached = 0
        if question.really:
            for account in bound:
                await self.bindings.remove(account)
            # all that they reacted with the first step: it is found only by reading all reactions
            reactors = [f"{known.instance}/{known.user}" for known in found.accounts]
            until = time.monotonic() + _SECONDS
            while reached < len(events) and time.monotonic() < until:
                step = events[reached : reached + _AT_ONCE]
                forgotten += await self.journal.forget(step, [] if reached or question.after else reactors)
                reached += len(step)
                await asyncio.sleep(_RESTS)
        return Forgotten(
            accounts=tuple(Known(**structs.asdict(known)) for known in found.accounts),
            bindings=len(bound),
            forgotten=forgotten,
            left=left + reached - forgotten,
            skipped=skipped,
            kept=tuple(each for each in kept if each.reason or each.count),
            after=events[reached - 1] if 0 < reached < len(events) else None,
        )

    async def _kept(self, found: Authored, question: ForgetPerson) -> list[Kept]:
        """By each instance that keeps something of people itself, those of an earlier file among them."""
        platforms = InstalledPlatforms()
        kept = []
        for each in sorted({*self.instances, *self.identities.instances()}):
            driver: object = running.driver if (running := self.instances.get(each)) is not None else None
            if isinstance(driver, Forgets):
                kept.append(await _kept_by(each, driver, found, question))
            elif driver is None and (home := self.identities.home(each)) and _forgets(platforms, home.platform):
                kept.append(Kept(instance=each, reason="it does not run"))
        return kept


async def _kept_by(instance: InstanceId, driver: Forgets, found: Authored, question: ForgetPerson) -> Kept:
    names = {each.user for each in found.accounts if each.instance == instance}
    if question.instance in {"", instance}:
        names.add(UserId(question.person))
    copies: dict[ChannelKey, set[MessageId]] = {}
    for channel, message in (copy for each in found.events for copy in each.copies):
        if channel.instance == instance:
            copies.setdefault(channel.key, set()).add(message)
    who = Somebody(
        frozenset(names),
        "" if question.instance else question.person,
        {key: frozenset(ids) for key, ids in copies.items()},
    )
    try:
        return Kept(instance=instance, count=await driver.forget(who, really=question.really))
    except DriverError as error:
        return Kept(instance=instance, reason=error.reason)


def _instances(did: Did) -> set[str]:
    """Where it was said or done, and where it was told."""
    return {did.channel.instance, *(channel.instance for channel, _ in did.copies)}


def _forgets(platforms: InstalledPlatforms, platform: str) -> bool:
    try:
        return platform in platforms.names and issubclass(platforms.get(platform), Forgets)
    except PlatformUnusable:
        return False
