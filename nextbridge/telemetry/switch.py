"""Traces while the file wants them: a reload turns them on and off, and sends them elsewhere."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from nextbridge.config.model import OtelSettings
from nextbridge.delivery import Came
from nextbridge.journal import Delivery

if TYPE_CHECKING:
    from nextbridge.telemetry.pipeline import Pipeline

__all__ = ["Telemetry"]


class Telemetry:
    """An observer of the deliveries (see `nextbridge.delivery.Observer`). Used on the event loop, by the service."""

    def __init__(self, daemon_id: str, wanted: Callable[[], OtelSettings | None]) -> None:
        """`wanted` is what the file says now; None where it wants no traces."""
        self._daemon_id = daemon_id
        self._wanted = wanted
        self._pipeline: Pipeline | None = None
        self._changed = asyncio.Event()
        self._log = structlog.get_logger()
        self.spans: Counter[str] = Counter()
        """How many were `sent`, and how many were lost: for want of room (`queue_full`), or `not_taken`."""

    async def start(self) -> None:
        """Begin, before the first message is accepted. Takes a second where there is something to import."""
        settings = self._wanted()
        if settings is None:
            return
        try:
            pipeline = await asyncio.to_thread(_made, settings, self._daemon_id, self.spans)
        except Exception:  # noqa: BLE001 - messages are relayed without it
            self._log.exception("telemetry_failed")
            return
        pipeline.begin()
        self._pipeline = pipeline

    async def follow(self) -> None:
        """Do what the file says, whenever that changes. Ends by cancellation."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._wanted() != (None if self._pipeline is None else self._pipeline.settings):
                await self.stop()
                await self.start()

    def look_again(self) -> None:
        """The file may want something else now."""
        self._changed.set()

    async def stop(self) -> None:
        """Make no more spans, and send what there is, within a bound."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            await pipeline.close()

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """See `nextbridge.delivery.Observer`."""
        if self._pipeline is not None and deliveries:
            self._pipeline.accepted(deliveries)

    def came(self, came: Came) -> None:
        """See `nextbridge.delivery.Observer`."""
        if self._pipeline is not None:
            self._pipeline.came(came)


def _made(settings: OtelSettings, daemon_id: str, spans: Counter[str]) -> Pipeline:
    from nextbridge.telemetry.pipeline import Pipeline

    return Pipeline(settings, daemon_id, spans)
