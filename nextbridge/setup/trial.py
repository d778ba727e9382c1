"""Whether an instance of a draft works: what its driver finds out, and which channels it can see. Nothing is posted."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from nextbridge.checking.probing import look_through, probe
from nextbridge.config.loader import Loaded
from nextbridge.driver import Finding, Listed
from nextbridge.envelope import InstanceId
from nextbridge.setup.draft import Draft

__all__ = ["Trial", "tried"]


class Trial(Struct, frozen=True):
    """What came out."""

    mistakes: tuple[str, ...] = ()
    """Of what was answered; nothing was connected then."""
    findings: tuple[Finding, ...] = ()
    channels: tuple[Listed, ...] = ()
    note: str = ""
    """Why there are no channels, or what is not among them."""

    @property
    def ok(self) -> bool:
        return not self.mistakes and all(each.ok for each in self.findings)


def tried(draft: Draft, instance: str) -> Trial:
    """Connect as the instance does. Blocks, for a minute at most. Raises nothing that a driver does."""
    if mistakes := draft.mistakes():
        return Trial(mistakes=mistakes)
    return asyncio.run(_tried(draft.read(), InstanceId(instance)))


async def _tried(loaded: Loaded, name: InstanceId) -> Trial:
    config = loaded.config
    (found,) = await probe(config, {name})
    if not found.ok:
        return Trial(findings=found.findings)
    (seen,) = await look_through(config, [config.instances[name]])
    return Trial(findings=found.findings, channels=seen.channels or (), note=seen.reason or seen.note)
