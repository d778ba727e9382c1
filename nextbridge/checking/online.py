"""What `nextbridge check --online` looks at: every instance, and what the daemon does by itself, all at once."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from nextbridge.checking.probing import Probed, probe
from nextbridge.checking.surroundings import look_around
from nextbridge.config.model import Config
from nextbridge.driver import Finding

__all__ = ["Found", "look"]


class Found(Struct, frozen=True):
    """What stands in the way, or does not."""

    instances: tuple[Probed, ...]
    general: tuple[Finding, ...]
    """Of `global`."""

    @property
    def ok(self) -> bool:
        return all(each.ok for each in self.instances) and all(each.ok for each in self.general)


async def look(config: Config) -> Found:
    """Look with every enabled instance of a valid file. Does I/O, raises nothing; a running daemon is not disturbed."""
    probed, general = await asyncio.gather(probe(config), look_around(config))
    return Found(tuple(probed), tuple(general))
