"""What the file's `global` says at this moment. Parts read it at each use, so a reload changes it for all at once.

No part keeps a value of it for longer than the step that it takes. Who has to act when something changes is told.
"""

from __future__ import annotations

from collections.abc import Callable

from nextbridge.config.model import GlobalSettings, MetricsSettings, OtelSettings
from nextbridge.config.types import in_seconds

__all__ = ["InForce"]


class InForce:
    """The one of a daemon. Its methods are given to the parts as the look-ups of what they need."""

    TAKEN_UP = frozenset(
        {
            "backfill",
            "backfill_messages",
            "base_url",
            "command_prefix",
            "fetch_allow",
            "give_up_after",
            "http",
            "log",
            "media_keep",
            "metrics",
            "otel",
            "proxy",
            "remember",
            "spool_size",
            "status_page",
            "watch",
        }
    )
    """The keys of `global` that take effect at a reload; any other does at the next start."""

    def __init__(self, general: GlobalSettings) -> None:
        self.general = general
        self._at_start = general
        self._told: list[Callable[[], object]] = []

    def replace(self, general: GlobalSettings) -> tuple[str, ...]:
        """This holds from now on. Returns the keys that say something else than before. Awaits nothing."""
        before, self.general = self.general, general
        changed = tuple(key for key in general.__struct_fields__ if getattr(general, key) != getattr(before, key))
        if changed:
            for each in self._told:
                each()
        return changed

    def tell(self, changed: Callable[[], object]) -> None:
        """Call `changed` whenever something in it has changed. It has to be quick."""
        self._told.append(changed)

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """The keys that say something else than at the start, and take effect at the next one only."""
        return tuple(
            key
            for key in self.general.__struct_fields__
            if key not in self.TAKEN_UP and getattr(self.general, key) != getattr(self._at_start, key)
        )

    def command_prefix(self) -> str:
        """The word that begins a command, without its exclamation mark."""
        return self.general.command_prefix

    def give_up_after(self) -> float:
        """Seconds that a delivery may wait before it becomes a dead letter."""
        return in_seconds(self.general.give_up_after)

    def remember(self) -> float:
        """Seconds that what was delivered is kept in the journal."""
        return in_seconds(self.general.remember)

    def logs_content(self) -> bool:
        """Whether what is said stands in the log."""
        return self.general.log.content

    def metrics(self) -> MetricsSettings | None:
        """None where nobody may scrape."""
        return self.general.metrics

    def makes_traces(self) -> bool:
        """Whether messages have traces for OpenTelemetry."""
        return self.general.otel is not None

    def otel(self) -> OtelSettings | None:
        """None where no traces are made."""
        return self.general.otel
