"""How the relay answers: to one person alone where the platform can, else where it was asked. Beside the lanes.

An answer is tried once. One that cannot be given is lost and counted, and disturbs nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping

from structlog.typing import FilteringBoundLogger

from nextbridge.commands.requests import Caller
from nextbridge.driver import DirectMessages, DriverError, Outgoing
from nextbridge.envelope import Author, Channel, DeliveryKey, InstanceId, Mark, UserId
from nextbridge.guard import About, Guard
from nextbridge.identities import OwnIdentities
from nextbridge.instance import Instance
from nextbridge.journal import Journal
from nextbridge.markup import Dialect, RichText
from nextbridge.markup.split import lines, split

__all__ = ["Answers"]

_SECONDS = 30.0


class Answers:
    """Speaks for the relay itself."""

    def __init__(
        self, instances: Mapping[InstanceId, Instance], journal: Journal, identities: OwnIdentities, guard: Guard
    ) -> None:
        self._instances = instances
        self._journal = journal
        self._identities = identities
        self._guard = guard

    def can_tell_alone(self, caller: Caller) -> bool:
        """Whether something can be said to the caller that nobody else sees."""
        return caller.direct or isinstance(self._driver(caller.place.instance), DirectMessages)

    async def say(self, caller: Caller, text: str, *, alone: bool = False) -> bool:
        """Say it, in as many messages as it takes; false where that cannot be done. `alone`: to nobody else."""

        async def answer(instance: Instance) -> bool:
            return await self._tell(instance, caller, text) or (
                (caller.direct or not alone) and await self._post(instance, caller, text)
            )

        def failed(log: FilteringBoundLogger, reason: str) -> None:
            log.warning("command_not_answered", channel=caller.place.key, reason=reason)

        return await self._try(caller.place.instance, answer, failed)

    async def announce(self, place: Channel, text: str) -> bool:
        """Say it in a channel, to everybody there, once; false where that cannot be done."""

        async def write(instance: Instance) -> bool:
            await self._write(instance, place, text)
            return True

        def failed(log: FilteringBoundLogger, reason: str) -> None:
            log.warning("alert_not_sent", channel=place.key, reason=reason)

        return await self._try(place.instance, write, failed)

    def can_speak(self, instance: InstanceId) -> bool:
        """Whether it takes messages now."""
        found = self._instances.get(instance)
        return found is not None and found.can_send.is_set()

    async def _try(
        self,
        name: InstanceId,
        speak: Callable[[Instance], Awaitable[bool]],
        failed: Callable[[FilteringBoundLogger, str], object],
    ) -> bool:
        """Whether `speak` says that it was said: once, within a bound, and only where the instance takes messages."""
        if not self.can_speak(name):
            return False
        instance = self._instances[name]
        try:
            async with asyncio.timeout(_SECONDS):
                return await speak(instance)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the trouble of what was said alone
            failed(instance.log, error.reason if isinstance(error, DriverError) else type(error).__name__)
            return False

    async def _tell(self, instance: Instance, caller: Caller, text: str) -> bool:
        driver = self._driver(instance.instance)
        if not isinstance(driver, DirectMessages):
            return False
        pieces = self._pieces(instance, caller.place, text)
        try:
            for piece in pieces:
                await self._guard.tell(instance.driver, caller.account.user, piece, _about(caller))
        except DriverError as error:
            instance.log.debug("cannot_tell", reason=error.reason)
            return False
        return True

    async def _post(self, instance: Instance, caller: Caller, text: str) -> bool:
        if not caller.direct:
            text = f"{instance.driver.display_name(caller.name)}: {text}"
        await self._write(instance, caller.place, text)
        return True

    async def _write(self, instance: Instance, place: Channel, text: str) -> None:
        driver = instance.driver
        me = Author(id=UserId(""), username=driver.own_name, name=driver.own_name, bot=True)
        origin = self._identities.address(place)
        for piece in self._pieces(instance, place, text):
            key = DeliveryKey(f"{self._journal.daemon_id}-answer-{secrets.token_hex(8)}")
            mark = Mark(self._journal.daemon_id, key, origin)
            message = Outgoing(key=key, channel=place.key, text=piece, mark=mark, author=me)
            await self._guard.send(driver, message, lambda: {"instance": place.instance, "channel": place.key})

    def _pieces(self, instance: Instance, place: Channel, text: str) -> list[str]:
        """The text in the driver's dialect, in parts that fit."""
        dialect: Dialect = instance.driver.dialect
        limits = instance.driver.limits(place.key)
        blocks = RichText.plain(text).blocks
        cut = [
            piece
            for line in ([blocks] if dialect.multiline else lines(blocks))
            for piece in split(line, write=dialect.write, size=limits.unit.measure, limit=limits.text)
        ]
        return [dialect.write(piece) for piece in cut]

    def _driver(self, instance: InstanceId) -> object:
        running = self._instances.get(instance)
        return None if running is None else running.driver


def _about(caller: Caller) -> About:
    return lambda: {"instance": caller.place.instance, "channel": caller.place.key}
