"""The daemon: builds everything from a valid file, starts it in order, supervises it, and stops it within a bound."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from nextbridge.backfill import Backfill, BackfillLimits
from nextbridge.bindings import Bindings
from nextbridge.channels import ChannelDirectory
from nextbridge.commands import AccountDirectory, Answers, Commands
from nextbridge.config.model import Config, Endpoint
from nextbridge.config.model import Instance as ConfiguredInstance
from nextbridge.config.types import in_seconds
from nextbridge.control.desk import Desk
from nextbridge.control.server import ControlServer
from nextbridge.delivery import Deliveries, Observer, Surroundings
from nextbridge.driver import ConfiguredChannel, Driver, Pages
from nextbridge.envelope import ChannelKey, InstanceId
from nextbridge.guard import Guard
from nextbridge.http.server import HttpServer
from nextbridge.identities import OwnIdentities
from nextbridge.instance import Core, Instance, State
from nextbridge.journal import Journal
from nextbridge.journal.sqlite import open_journal
from nextbridge.media import Links, Publishing, Spool
from nextbridge.media.links import link_key
from nextbridge.media.pictures import Pictures
from nextbridge.media.server import MediaServer
from nextbridge.mentions import Mentions
from nextbridge.redaction import install_excepthooks
from nextbridge.relay import Relay
from nextbridge.retention import Retention
from nextbridge.rules import RuleTable
from nextbridge.switchboard import Switchboard
from nextbridge.systemd import ServiceManager
from nextbridge.tally import Tally
from nextbridge.typing_signs import TypingSigns

__all__ = ["DRAIN_SECONDS", "Service"]

DRAIN_SECONDS = 10.0
"""How long the messages that are being sent may take after SIGTERM; the rest waits on disk for the next start."""
_CLOSE_SECONDS = 5.0
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
    ) -> None:
        """`state` is the folder for everything that must survive; it is made if it is missing.

        `clock` gives the monotonic seconds by which failures are judged.
        """
        self._clock = clock
        self._config = config
        self._state = state
        self._base_url = None if config.general.base_url is None else config.general.base_url.rstrip("/")
        self._observers = observers
        self._asked = asyncio.Event()
        self._manager = ServiceManager()
        self._log = structlog.get_logger()
        self.tally = Tally()
        self.instances: dict[InstanceId, Instance] = {}
        self.http = HttpServer(config.general.http, _Mounted(self.instances), self.not_ready)

    def stop(self) -> None:
        """Ask for the end: `run` returns within a bound. May be called at any time, also twice."""
        self._asked.set()

    def not_ready(self) -> dict[InstanceId, str]:
        """The enabled instances that are not connected, each with the reason."""
        return {
            each.instance: f"{each.state.value}: {each.reason}"
            for each in self.instances.values()
            if each.state is not State.CONNECTED
        }

    async def run(self, *, started: asyncio.Event | None = None) -> None:
        """Run until `stop`, SIGTERM or SIGINT. `started` is set once the HTTP server listens and every instance runs.

        Raises JournalError when the journal cannot be opened or fails later, HttpError when the HTTP server cannot
        listen. What was acknowledged is on disk, whatever ends it.
        """
        loop = asyncio.get_running_loop()
        install_excepthooks(loop)
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.stop)
        async with AsyncExitStack() as stack:
            journal = await open_journal(self._state)
            stack.push_async_callback(journal.close)
            deliveries, backfill, control = await self._assemble(journal, stack)
            await self.http.start()
            stack.push_async_callback(self.http.stop)
            await deliveries.start()
            stack.push_async_callback(control.stop)
            await control.start()
            self._log.info("started", config=str(self._config.path), state=str(self._state), pid=os.getpid())
            tasks = [asyncio.create_task(each.run()) for each in self.instances.values()]
            tasks += [
                asyncio.create_task(self._report_readiness()),
                asyncio.create_task(self._manager.feed_watchdog()),
                asyncio.create_task(deliveries.give_up_deserted()),
                asyncio.create_task(Retention(journal, remember=in_seconds(self._config.general.remember)).run()),
            ]
            if started is not None:
                started.set()
            asked = asyncio.create_task(self._asked.wait())
            ends: set[asyncio.Future[Any]] = {asked, journal.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._manager.stopping("finishing what is being sent")
            await backfill.stop()
            # the connections are needed for what is being sent, unless it could not be recorded any more
            await deliveries.stop(0.0 if journal.failed.done() else DRAIN_SECONDS)
            await self._end([*tasks, asked])
            if journal.failed.done():
                raise journal.failed.result()
            for outcome, number in self.tally.lines():
                self._log.info("total", outcome=outcome.kind, **outcome.where(), number=number)
            self._log.info("stopped")

    async def _end(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
        if late:
            self._log.warning(
                "still_running", tasks=len(late), reason=f"it did not end in {_CLOSE_SECONDS:.0f} seconds"
            )

    async def _assemble(self, journal: Journal, stack: AsyncExitStack) -> tuple[Deliveries, Backfill, ControlServer]:
        """Make the parts and join them. Nothing runs yet."""
        drivers: dict[InstanceId, Driver[Any, Any]] = {}
        enabled = {each.id: each for each in self._config.instances.values() if each.enabled}
        rules = RuleTable(self._config.rules, without=self._config.instances.keys() - enabled.keys())
        links = None if self._base_url is None else Links(self._base_url, await link_key(journal))
        spool = self._spool(journal, drivers, links)
        identities = OwnIdentities(journal)
        guard = Guard(self.tally)
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
                observers=self._observers,
                give_up_after=in_seconds(self._config.general.give_up_after),
                clock=self._clock,
            )
        )
        channels = ChannelDirectory(journal, rules, deliveries.rekey)
        general = self._config.general
        accounts = AccountDirectory(self.instances, identities)
        answers = Answers(self.instances, journal, identities, guard)
        commands = Commands(general.command_prefix, rules, bindings, accounts, answers, self.tally, self._clock)
        stack.push_async_callback(commands.stop)
        relay = Relay(journal, rules, identities, deliveries, commands, self.tally)
        limits = BackfillLimits(age=in_seconds(general.backfill), messages=general.backfill_messages)
        backfill = Backfill(journal, rules, relay, self.tally, drivers, limits)
        platforms = {each.id: each.driver.platform for each in enabled.values()}
        typing = TypingSigns(rules, self.instances, identities, guard, self.tally)
        stack.push_async_callback(typing.stop)
        core = Switchboard(backfill, deliveries, channels, identities, self.tally, typing, platforms=platforms)
        for instance in enabled.values():
            running = self.instances[instance.id] = self._instance(instance, core, journal)
            drivers[instance.id] = running.driver
            stack.push_async_callback(_close, running)
        await identities.load()
        await bindings.load()
        await channels.load()
        await spool.open()
        stack.push_async_callback(spool.close)
        if links is not None:
            await self._serve_media(links, spool, stack)
        await backfill.load()
        stack.push_async_callback(backfill.stop)
        return deliveries, backfill, ControlServer(self._state, Desk(journal, spool, deliveries).answer)

    def _spool(self, journal: Journal, drivers: dict[InstanceId, Driver[Any, Any]], links: Links | None) -> Spool:
        general = self._config.general
        publishing = None if links is None else Publishing(links, in_seconds(general.media_keep))
        return Spool(self._state / "spool", journal, drivers, size=general.spool_size, publishing=publishing)

    async def _serve_media(self, links: Links, spool: Spool, stack: AsyncExitStack) -> None:
        def driver_of(instance: InstanceId) -> object:
            running = self.instances.get(instance)
            return running.driver if running else None

        pictures = Pictures(self._state / "pictures", driver_of)
        await pictures.open()
        stack.push_async_callback(pictures.close)
        self.http.mount("media", MediaServer(links, spool, pictures).handle)

    def _instance(self, configured: ConfiguredInstance, core: Core, journal: Journal) -> Instance:
        general = self._config.general
        folder = self._state / "instances" / configured.id
        instance = Instance(
            configured.id,
            core,
            journal,
            folder=folder,
            proxy=general.proxy,
            base_url=self._base_url,
            command_prefix=general.command_prefix,
            fetch_allow=general.fetch_allow,
        )
        instance.supervise(configured.driver(configured.settings, self._channels_of(configured.id), instance))
        return instance

    def _channels_of(self, instance: InstanceId) -> list[ConfiguredChannel[Any]]:
        found: dict[ChannelKey, tuple[Endpoint, list[str]]] = {}
        for rule in self._config.rules:
            if not rule.enabled:
                continue
            for endpoint in (*rule.sources, *rule.targets):
                if endpoint.instance == instance:
                    named_by = found.setdefault(endpoint.key, (endpoint, []))[1]
                    if rule.id not in named_by:
                        named_by.append(rule.id)
        return [
            ConfiguredChannel(key, endpoint.settings, tuple(named_by)) for key, (endpoint, named_by) in found.items()
        ]

    async def _report_readiness(self) -> None:
        """Tell systemd once every instance has connected or has said why not, and again when that changes."""
        with suppress(TimeoutError):  # one that hangs silently must not keep the service from being started
            async with asyncio.timeout(_READY_SECONDS):
                for each in self.instances.values():
                    await each.reported.wait()
        waiting = self.not_ready()
        self._manager.ready(_status(len(self.instances), waiting))
        while True:
            await asyncio.sleep(5.0)
            if (now := self.not_ready()) != waiting:
                waiting = now
                self._manager.status(_status(len(self.instances), waiting))


class _Mounted:
    """The running instances that serve pages, as the HTTP server looks them up."""

    def __init__(self, instances: dict[InstanceId, Instance]) -> None:
        self._instances = instances

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        running = self._instances.get(instance)
        if running is None or running.driver.platform != platform:
            return None
        driver: object = running.driver
        return driver if isinstance(driver, Pages) else None


def _status(instances: int, waiting: dict[InstanceId, str]) -> str:
    connected = f"{instances - len(waiting)} of {instances} instances connected"
    return "; ".join([connected, *(f"{instance} {reason}" for instance, reason in waiting.items())])


async def _close(instance: Instance) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await instance.driver.close()
    except Exception:
        instance.log.exception("close_failed")
