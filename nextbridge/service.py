"""The daemon: builds everything from a valid file, starts it in order, supervises it, and stops it within a bound."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from nextbridge.alerts import Alerts
from nextbridge.backfill import Backfill, BackfillLimits
from nextbridge.bindings import Bindings
from nextbridge.channels import ChannelDirectory
from nextbridge.commands import AccountDirectory, Answers, Commands
from nextbridge.config import load as load_file
from nextbridge.config.loader import Loaded
from nextbridge.config.model import Config
from nextbridge.config.types import in_seconds
from nextbridge.config.watch import FileWatch
from nextbridge.control.desk import Desk, Running
from nextbridge.control.forgetter import Forgetter
from nextbridge.control.server import ControlServer
from nextbridge.control.tracer import Sight, Tracer
from nextbridge.crossings import Crossings
from nextbridge.delivery import Deliveries, Observer, Surroundings
from nextbridge.errors import ConfigError, JournalError
from nextbridge.guard import Guard
from nextbridge.http.door import Door
from nextbridge.http.server import HttpError, HttpServer
from nextbridge.identities import OwnIdentities
from nextbridge.in_force import InForce
from nextbridge.instances import Instances
from nextbridge.journal import Journal
from nextbridge.journal.sqlite import open_journal
from nextbridge.logs import Level
from nextbridge.media import Allowance, Links, Spool
from nextbridge.media.links import link_key
from nextbridge.media.pictures import Pictures
from nextbridge.media.server import MediaServer
from nextbridge.mentions import Mentions
from nextbridge.metrics import Metrics
from nextbridge.redaction import install_excepthooks
from nextbridge.relay import Relay
from nextbridge.reload import Reload
from nextbridge.retention import Retention
from nextbridge.rules import RuleTable
from nextbridge.skips import Skips
from nextbridge.status_page import StatusPage
from nextbridge.switchboard import Switchboard
from nextbridge.systemd import ServiceManager
from nextbridge.tally import Tally
from nextbridge.telemetry import Telemetry
from nextbridge.typing_signs import TypingSigns

__all__ = ["DRAIN_SECONDS", "Service"]

DRAIN_SECONDS = 10.0
"""How long the messages that are being sent may take after SIGTERM; the rest waits on disk for the next start."""
_READY_SECONDS = 60.0
"""After which systemd is told that the daemon is up, whoever has not said anything. It waits 90 by default."""


class Service:
    """One daemon on one state folder. `run` it once."""

    def __init__(
        self,
        config: Config,
        state: Path,
        *,
        observers: tuple[Observer, ...] = (),
        clock: Callable[[], float] = monotonic,
        load: Callable[[Path], Loaded] = load_file,
        set_level: Callable[[Level], None] | None = None,
    ) -> None:
        """`state` is the folder for everything that must survive; it is made if it is missing.

        `clock` gives the monotonic seconds by which failures are judged, `load` reads the file again for a reload, and
        `set_level` is told from what level on that file wants the log.
        """
        self._clock = clock
        self._config = config
        self._state = state
        self._observers = observers
        self._load = load
        self._set_level = set_level
        self._in_force = InForce(config.general)
        self._asked = asyncio.Event()
        self._asked_to_reload = asyncio.Event()
        self._manager = ServiceManager()
        self._log = structlog.get_logger()
        self.tally = Tally()
        self._skips = Skips(remember=self._in_force.remember)
        self.instances = Instances(state)
        self.http = HttpServer(config.general.http, self.instances.pages, self.instances.not_ready)

    def stop(self) -> None:
        """Ask for the end: `run` returns within a bound. May be called at any time, also twice."""
        self._asked.set()

    async def run(self, *, started: asyncio.Event | None = None) -> None:
        """Run until `stop`, SIGTERM or SIGINT. `started` is set once the HTTP server listens and every instance runs.

        Raises JournalError when the journal cannot be opened or fails later, HttpError when the HTTP server cannot
        listen. What was acknowledged is on disk, whatever ends it.
        """
        loop = asyncio.get_running_loop()
        install_excepthooks(loop)
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload.set)
        async with AsyncExitStack() as stack:
            journal = await open_journal(self._state)
            stack.push_async_callback(journal.close)
            deliveries, backfill, alerts, reload, control = await self._assemble(journal, stack)
            await self.http.start()
            stack.push_async_callback(self.http.stop)
            await deliveries.start()
            stack.push_async_callback(control.stop)
            await control.start()
            self._log.info("started", config=str(self._config.path), state=str(self._state), pid=os.getpid())
            self.instances.start()
            retention = Retention(journal, remember=self._in_force.remember)
            self._in_force.tell(retention.look_again)
            tasks = [
                asyncio.create_task(self._report_readiness()),
                asyncio.create_task(self._reload_when_asked(reload)),
                asyncio.create_task(self._manager.feed_watchdog()),
                asyncio.create_task(deliveries.give_up_deserted()),
                asyncio.create_task(alerts.run()),
                asyncio.create_task(retention.run()),
                asyncio.create_task(self._watch(FileWatch(self._config.path))),
            ]
            if started is not None:
                started.set()
            asked = asyncio.create_task(self._asked.wait())
            ends: set[asyncio.Future[Any]] = {asked, journal.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._manager.stopping("finishing what is being sent")
            await reload.stop()
            await backfill.stop()
            # the connections are needed for what is being sent, unless it could not be recorded any more
            await deliveries.stop(0.0 if journal.failed.done() else DRAIN_SECONDS)
            for task in (*tasks, asked):
                task.cancel()
            await asyncio.wait((*tasks, asked))
            await self.instances.stop(self.instances.keys())
            if journal.failed.done():
                raise journal.failed.result()
            for outcome, number in self.tally.lines():
                self._log.info("total", outcome=outcome.kind, **outcome.where(), number=number)
            self._log.info("stopped")

    async def _assemble(
        self, journal: Journal, stack: AsyncExitStack
    ) -> tuple[Deliveries, Backfill, Alerts, Reload, ControlServer]:
        """Make the parts and join them. Nothing runs yet."""
        disabled = {each.id for each in self._config.instances.values() if not each.enabled}
        rules = RuleTable(self._config.rules, without=disabled)
        in_force = self._in_force
        if (set_level := self._set_level) is not None:
            in_force.tell(lambda: set_level(in_force.general.log.level))
        key = await link_key(journal)

        def links() -> Links | None:
            return None if (address := in_force.general.address) is None else Links(address, key)

        def allowance() -> Allowance:
            general = in_force.general
            return Allowance(size=general.spool_size, links=links(), keep=in_seconds(general.media_keep))

        def limits() -> BackfillLimits:
            general = in_force.general
            return BackfillLimits(age=in_seconds(general.backfill), messages=general.backfill_messages)

        spool = Spool(self._state / "spool", journal, self.instances.drivers, allowance)
        identities = OwnIdentities(journal)
        guard = Guard(self.tally)
        crossings = Crossings()
        bindings = Bindings(journal, identities)
        deliveries = Deliveries(
            Surroundings(
                journal=journal,
                instances=self.instances,
                spool=spool,
                links=links,
                tally=self.tally,
                identities=identities,
                guard=guard,
                mentions=Mentions(self.instances, bindings, identities, self._clock),
                observers=(crossings, *await self._observing(journal, stack)),
                give_up_after=in_force.give_up_after,
                clock=self._clock,
            )
        )
        in_force.tell(deliveries.look_again)
        channels = ChannelDirectory(journal, rules, deliveries.rekey)
        accounts = AccountDirectory(self.instances, identities)
        answers = Answers(self.instances, journal, identities, guard)
        commands = Commands(in_force.command_prefix, rules, bindings, accounts, answers, self.tally, self._clock)
        stack.push_async_callback(commands.stop)
        relay = Relay(journal, rules, identities, deliveries, commands, self.tally, self._skips, in_force.logs_content)
        backfill = Backfill(journal, rules, relay, self.tally, self.instances.drivers, limits)
        typing = TypingSigns(rules, self.instances, identities, guard, self.tally)
        stack.push_async_callback(typing.stop)
        core = Switchboard(backfill, deliveries, channels, identities, self.tally, typing, self._skips)
        self.instances.adopt(self.instances.compare(self._config, core, journal))
        stack.push_async_callback(self.instances.close)
        await identities.load()
        await bindings.load()
        await channels.load()
        await spool.open()
        stack.push_async_callback(spool.close)
        pictures = Pictures(self._state / "pictures", self.instances.drivers.get)
        await pictures.open()
        stack.push_async_callback(pictures.close)
        self.http.mount("media", MediaServer(links, spool, pictures).handle)
        await backfill.load()
        stack.push_async_callback(backfill.stop)
        alerts = Alerts(
            self._config.ops,
            present=rules.present,
            instances=self.instances,
            deliveries=deliveries,
            journal=journal,
            tally=self.tally,
            answers=answers,
            clock=self._clock,
        )
        reload = Reload(
            self._config,
            self._load,
            in_force=in_force,
            http=self.http,
            journal=journal,
            instances=self.instances,
            core=core,
            rules=rules,
            deliveries=deliveries,
            backfill=backfill,
            alerts=alerts,
        )
        now = int(time.time() * 1000)
        running = Running(
            config=self._config.path,
            started_at=now,
            instances=self.instances,
            deliveries=deliveries,
            reload=reload,
            crossings=crossings,
            rules=rules,
            channels=channels,
            tracer=Tracer(
                journal, Sight(self.instances, rules, self._skips, links, in_force.makes_traces, deliveries.lanes)
            ),
            forgetter=Forgetter(journal, identities, bindings, self.instances, self._skips),
        )
        desk = Desk(journal, spool, running)
        await self._serve_status_page(desk)
        return deliveries, backfill, alerts, reload, ControlServer(self._state, desk.answer, desk.follow)

    async def _observing(self, journal: Journal, stack: AsyncExitStack) -> tuple[Observer, ...]:
        telemetry = Telemetry(journal.daemon_id, self._in_force.otel)
        metrics = Metrics(self.tally, self.instances, journal, self._in_force.metrics, telemetry.spans)
        self.http.add("metrics", metrics.handle)
        await telemetry.start()
        stack.push_async_callback(telemetry.stop)
        self._in_force.tell(telemetry.look_again)
        following = asyncio.create_task(telemetry.follow())
        stack.callback(following.cancel)
        return (*self._observers, metrics, telemetry)

    async def _serve_status_page(self, desk: Desk) -> None:
        def door() -> Door | None:
            general = self._in_force.general
            if (settings := general.status_page) is None:
                return None
            return Door(
                page="status page",
                token_key="global.status_page.token",  # noqa: S106 - where it stands
                token=settings.token,
                base_url=general.address,
            )

        page = StatusPage(desk, door)
        await page.load()
        self._in_force.tell(page.look_again)
        self.http.add("status", page.redirect)
        self.http.mount("status", page.answer, page.stop)

    async def _report_readiness(self) -> None:
        """Tell systemd once every instance has connected or has said why not, and again when that changes."""
        with suppress(TimeoutError):  # one that hangs silently must not keep the service from being started
            async with asyncio.timeout(_READY_SECONDS):
                await self.instances.reported()
        status = self._status()
        self._manager.ready(status)
        while True:
            await asyncio.sleep(5.0)
            if (now := self._status()) != status:
                status = now
                self._manager.status(status)

    async def _reload_when_asked(self, reload: Reload) -> None:
        """By SIGHUP, or because the file has changed. What is wrong with it stands in the log."""
        while True:
            await self._asked_to_reload.wait()
            self._asked_to_reload.clear()
            self._manager.reloading()
            try:
                await reload.now()
            except (ConfigError, HttpError, JournalError):
                pass  # the log says so already, or the journal has told the service
            except Exception:  # noqa: BLE001 - the next one may work
                self._log.exception("reload_failed")
            self._manager.ready(self._status())

    async def _watch(self, files: FileWatch) -> None:
        while True:
            await files.changed()
            if not self._in_force.general.watch:
                continue
            self._log.info("file_changed", config=str(self._config.path))
            self._asked_to_reload.set()

    def _status(self) -> str:
        """One line for `systemctl status`."""
        waiting = self.instances.not_ready()
        connected = f"{len(self.instances) - len(waiting)} of {len(self.instances)} instances connected"
        return "; ".join([connected, *(f"{instance} {reason}" for instance, reason in waiting.items())])
