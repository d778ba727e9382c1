"""Who is typing: shown at once where a rule wants it, and forgotten. Nothing of it is kept or waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic

from nextbridge.driver import Typing
from nextbridge.envelope import Author, Channel, InstanceId
from nextbridge.guard import Guard
from nextbridge.identities import OwnIdentities
from nextbridge.instance import Instance
from nextbridge.rules import RuleTable
from nextbridge.tally import Tally

__all__ = ["TypingSigns"]

_EVERY = 2.0
"""Seconds between two signs in one target; platforms show one for some seconds."""
_BOUND = 5.0
"""Seconds that a driver may take to show one."""
_CHANNELS = 10_000


class TypingSigns:
    """Hands them on. Used on the event loop by the instances."""

    def __init__(
        self,
        rules: RuleTable,
        instances: Mapping[InstanceId, Instance],
        identities: OwnIdentities,
        guard: Guard,
        tally: Tally,
    ) -> None:
        self._rules = rules
        self._instances = instances
        self._identities = identities
        self._guard = guard
        self._tally = tally
        self._shown: dict[Channel, float] = {}
        self._at_work: dict[Channel, asyncio.Task[None]] = {}

    def show(self, channel: Channel, author: Author) -> None:
        """`author` is typing in `channel`."""
        if self._identities.is_ours(channel.instance, author.id):
            return
        ways = [
            way
            for way in self._rules.routes(channel).ways
            if way.switches.typing and (way.filter is None or way.filter.about_author(author, channel) is None)
        ]
        if not ways:
            self._tally.skipped(channel.instance, "typing_off")
            return
        now = monotonic()
        for way in ways:
            target = way.target
            instance = self._instances.get(target.instance)
            driver: object = None if instance is None else instance.driver
            if instance is None or not isinstance(driver, Typing) or not instance.can_send.is_set():
                continue
            if target in self._at_work or now - self._shown.get(target, 0.0) < _EVERY:
                continue
            if len(self._shown) >= _CHANNELS:
                self._shown.clear()
            self._shown[target] = now
            task = self._at_work[target] = asyncio.create_task(self._tell(driver, instance, target, author))
            task.add_done_callback(lambda _, target=target: self._at_work.pop(target, None))  # type: ignore[misc]

    async def stop(self) -> None:
        """Show no more."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, driver: Typing, instance: Instance, target: Channel, author: Author) -> None:
        try:
            async with asyncio.timeout(_BOUND):
                await self._guard.typing(driver, target.key, author)
        except Exception as error:  # noqa: BLE001 - a sign that is not shown is no loss
            instance.log.debug("typing_not_shown", channel=target.key, reason=type(error).__name__)
