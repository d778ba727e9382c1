"""Channels that an account was met in, where its platform does not tell an account which channels it is in.

They are kept beside the journal's messages, of each instance the newest ones, until the account is gone from there.
`nextbridge channels` shows them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from nextbridge.driver import Listed
from nextbridge.envelope import InstanceId
from nextbridge.journal import Journal

__all__ = ["Sighting", "Sightings", "sightings_of"]

_NAMESPACE = "sightings"
_MOST = 100
"""Of one instance: anybody may take a bot into as many channels as they like."""
_LONGEST_NAME = 200


class Sighting(Struct, frozen=True):
    """A channel that the account was met in."""

    name: str
    keys: Mapping[str, str | int]
    """What a rule has to say of it."""
    at: int
    """When it was met first under this name, in milliseconds since 1970."""


class Sightings:
    """Those of one instance, as its driver meets them."""

    def __init__(self, journal: Journal, instance: InstanceId) -> None:
        self._journal = journal
        self._instance = instance
        self._known: list[Sighting] | None = None

    async def see(self, channel: Listed) -> None:
        """It is there. Writes only where that is new. Raises JournalError."""
        known = await self._load()
        name = channel.name[:_LONGEST_NAME]
        if any(each.keys == channel.keys and each.name == name for each in known):
            return
        kept = [each for each in known if each.keys != channel.keys]
        await self._keep([*kept, Sighting(name, dict(channel.keys), int(time.time() * 1000))][-_MOST:])

    async def lose(self, keys: Mapping[str, str | int]) -> None:
        """The account is gone from the channels of which a rule would say this, and perhaps more. Likewise."""
        known = await self._load()
        kept = [each for each in known if not keys.items() <= each.keys.items()]
        if len(kept) < len(known):
            await self._keep(kept)

    async def _load(self) -> list[Sighting]:
        if self._known is None:
            found = await sightings_of(self._journal, self._instance)
            if self._known is None:
                self._known = found
        return self._known

    async def _keep(self, known: list[Sighting]) -> None:
        self._known = known
        await self._journal.write(_NAMESPACE, self._instance, msgspec.json.encode(known).decode())


async def sightings_of(journal: Journal, instance: InstanceId) -> list[Sighting]:
    """Those of an instance, the oldest first. Raises JournalError."""
    kept = await journal.read(_NAMESPACE, instance)
    return [] if kept is None else msgspec.json.decode(kept, type=list[Sighting])
