"""Takes a daemon from one valid file to another while it runs, without losing or repeating anything.

Rules and what `global` says change between two messages. Only instances whose own settings or channels changed are
connected anew: what is being sent to them comes to its end first, what is accepted for them meanwhile waits on disk,
and what is said there in that time comes by the history of the platform, where it has one. All else goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec import Struct, structs

from nextbridge.alerts import Alerts
from nextbridge.backfill import Backfill
from nextbridge.config.loader import Loaded
from nextbridge.config.model import Config
from nextbridge.config.problem import render
from nextbridge.delivery import Deliveries
from nextbridge.envelope import InstanceId
from nextbridge.errors import ConfigError
from nextbridge.http.server import HttpError, HttpServer
from nextbridge.in_force import InForce
from nextbridge.instance import Core
from nextbridge.instances import Instances
from nextbridge.journal import Journal
from nextbridge.rules import RuleTable

__all__ = ["Reload", "Reloaded"]

_FINISH_SECONDS = 10.0
"""What is being sent to an instance that is replaced may take so long; else it is cut short, and sent again."""


class Reloaded(Struct, frozen=True, kw_only=True):
    """What a reload did."""

    ended: tuple[InstanceId, ...] = ()
    """Instances that are not there any more."""
    reconnected: tuple[InstanceId, ...] = ()
    begun: tuple[InstanceId, ...] = ()
    rules_changed: bool = False
    general_changed: tuple[str, ...] = ()
    """Keys of `global` that say something else than before."""
    needs_restart: tuple[str, ...] = ()
    """Keys of `global` that have changed and take effect at the next start only."""
    warnings: str = ""
    """What `check` would warn of."""


class Reload:
    """Reloads the file, one time after the other. Used on the event loop by the service."""

    def __init__(  # noqa: PLR0913 - it joins all that looks something up in the file
        self,
        running: Config,
        load: Callable[[Path], Loaded],
        *,
        in_force: InForce,
        http: HttpServer,
        journal: Journal,
        instances: Instances,
        core: Core,
        rules: RuleTable,
        deliveries: Deliveries,
        backfill: Backfill,
        alerts: Alerts,
    ) -> None:
        """`running` is what the parts were made of; `load` reads a file, and may block."""
        self._config = running
        self._load = load
        self._in_force = in_force
        self._http = http
        self._journal = journal
        self._instances = instances
        self._core = core
        self._rules = rules
        self._deliveries = deliveries
        self._backfill = backfill
        self._alerts = alerts
        self.last_at: int | None = None
        """When it was last done, in milliseconds since 1970."""
        self._one_at_a_time = asyncio.Lock()
        self._under_way: set[asyncio.Task[Reloaded]] = set()
        self._log = structlog.get_logger()

    async def now(self) -> Reloaded:
        """Read the file again and do what it says. Raises ConfigError or HttpError, and then nothing has changed.

        Raises JournalError where that fails.

        It is done whole, whoever gives up waiting for it.
        """
        task = asyncio.create_task(self._next())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """The daemon ends: what a reload has not done yet is for the next start."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _next(self) -> Reloaded:
        async with self._one_at_a_time:
            path = self._config.path
            try:
                loaded = await asyncio.to_thread(self._load, path)
            except ConfigError as error:
                mistakes = [each for each in error.problems if each.severity == "error"]
                self._log.error(
                    "reload_refused",
                    config=str(path),
                    mistakes=len(mistakes),
                    first=f"{mistakes[0].place}: {mistakes[0].sentence}",
                    reason="the file is wrong, so all stays as it is; nextbridge check shows every mistake",
                )
                raise
            try:
                done = await self._apply(loaded)
            except HttpError as error:
                self._log.error("reload_refused", config=str(path), reason=f"{error}; all stays as it is")
                raise
            self.last_at = int(time.time() * 1000)
            about = structs.asdict(done)
            self._log.info("reloaded", config=str(path), **{key: about[key] for key in about if key != "warnings"})
            return done

    async def _apply(self, loaded: Loaded) -> Reloaded:
        old, new = self._config, loaded.config
        changes = self._instances.compare(new, self._core, self._journal)
        await self._http.move(new.general.http)
        self._instances.give(changes)
        if changes.ending:
            await self._deliveries.hold(changes.ending, _FINISH_SECONDS)
            await self._instances.stop(changes.ending)
            await self._backfill.forget(changes.ending)
        # up to the next await whatever looks up a rule, an instance or a setting goes over to the new file, all at once
        general_changed = self._in_force.replace(new.general)
        ended = self._instances.adopt(changes)
        self._rules.replace(new.rules, without={each.id for each in new.instances.values() if not each.enabled})
        self._alerts.replace(new.ops)
        written = self._backfill.rules_changed()
        self._config = new
        await self._instances.close(ended)
        await written
        await self._deliveries.release()
        self._instances.start()
        return Reloaded(
            ended=tuple(sorted(changes.ending - changes.made.keys())),
            reconnected=tuple(sorted(changes.ending & changes.made.keys())),
            begun=tuple(sorted(changes.made.keys() - changes.ending)),
            rules_changed=old.rules != new.rules,
            general_changed=general_changed if old.ops == new.ops else (*general_changed, "ops_channel"),
            needs_restart=self._in_force.needs_restart,
            warnings=render(loaded.warnings),
        )
