"""The running instances: those that the file enables, each with its task; made, replaced and ended here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
from msgspec import UNSET, Struct

from nextbridge.config.model import Config, Endpoint, GlobalSettings
from nextbridge.config.model import Instance as ConfiguredInstance
from nextbridge.config.types import Settings, effective_proxy
from nextbridge.driver import ConfiguredChannel, Driver, Pages
from nextbridge.envelope import Channel, ChannelKey, InstanceId
from nextbridge.instance import Core, Given, Instance, State
from nextbridge.journal import Journal

__all__ = ["Changes", "Instances", "configured_channels"]

T = TypeVar("T")

_CLOSE_SECONDS = 5.0


class _Shape(Struct, frozen=True):
    """What an instance was made of: where that differs in the new file, it has to be made anew."""

    driver: type[Driver[Any, Any]]
    settings: Settings
    channels: dict[ChannelKey, Settings]
    sources: frozenset[ChannelKey]
    """Those that messages are taken from: its gaps are told of from the connection on."""


class Changes(Struct, frozen=True):
    """How the instances of a file differ from those that run."""

    ending: frozenset[InstanceId]
    """Those that are not in the file any more, are disabled there, or have other settings or channels.

    What of `global` a driver goes by counts as its settings.
    """
    made: Mapping[InstanceId, Instance]
    """Those that are new, or take the place of one that ends. They do not run yet."""
    shapes: Mapping[InstanceId, _Shape]
    given: Mapping[InstanceId, Given]


class Instances(Mapping[InstanceId, Instance]):
    """Used on the event loop: by the service, and as a mapping by all who look an instance up."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._running: dict[InstanceId, Instance] = {}
        self._shapes: dict[InstanceId, _Shape] = {}
        self._tasks: dict[InstanceId, asyncio.Task[None]] = {}
        self.drivers: Mapping[InstanceId, Driver[Any, Any]] = _Seen(self._running, lambda each: each.driver)
        self.pages = _Mounted(self)

    def __getitem__(self, instance: InstanceId) -> Instance:
        return self._running[instance]

    def __iter__(self) -> Iterator[InstanceId]:
        return iter(self._running)

    def __len__(self) -> int:
        return len(self._running)

    def not_ready(self) -> dict[InstanceId, str]:
        """Those that are not connected, each with the reason."""
        return {
            each.instance: f"{each.state.value}: {each.reason}"
            for each in self._running.values()
            if each.state is not State.CONNECTED
        }

    def compare(self, config: Config, core: Core, journal: Journal) -> Changes:
        """What has to change for `config`; nothing does yet. Raises what a driver's constructor raises."""
        enabled = [each for each in config.instances.values() if each.enabled]
        channels, sources = configured_channels(config), _sources(config)
        shapes = {
            each.id: _Shape(
                each.driver,
                each.settings,
                {channel.key: channel.settings for channel in channels.get(each.id, ())},
                frozenset(sources.get(each.id, ())),
            )
            for each in enabled
        }
        given = {each.id: _given(config.general, each) for each in enabled}
        begin = [
            each
            for each in enabled
            if self._shapes.get(each.id) != shapes[each.id] or self._running[each.id].would_notice(given[each.id])
        ]
        made = {each.id: self._make(each, channels.get(each.id, ()), given[each.id], core, journal) for each in begin}
        ending = frozenset(each for each in self._running if each in made or each not in shapes)
        return Changes(ending, made, shapes, given)

    def give(self, changes: Changes) -> None:
        """Those that go on find what the file says now when they ask; at once, before one asks and keeps the old."""
        for name in self._running.keys() - changes.ending:
            self._running[name].given = changes.given[name]

    def adopt(self, changes: Changes) -> list[Instance]:
        """Look-ups find what `changes` made from now on; returns those that ended. They are still to be closed."""
        ended = [self._running.pop(each) for each in changes.ending]
        self._running.update(changes.made)
        self._shapes = dict(changes.shapes)
        return ended

    def start(self) -> None:
        """Run those that do not run yet."""
        for each in self._running.values():
            if each.instance not in self._tasks:
                self._tasks[each.instance] = asyncio.create_task(each.run(), name=f"instance {each.instance}")

    async def reported(self) -> None:
        """Return once each has connected or has said why not."""
        for each in tuple(self._running.values()):
            await each.reported.wait()

    async def stop(self, which: Collection[InstanceId]) -> None:
        """End the connections of `which`, within a bound; they can still be looked up."""
        tasks = [task for each in which if (task := self._tasks.pop(each, None)) is not None]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
        if late:
            reason = f"it did not end in {_CLOSE_SECONDS:.0f} seconds"
            structlog.get_logger().warning("still_running", tasks=[task.get_name() for task in late], reason=reason)

    async def close(self, which: Iterable[Instance] | None = None) -> None:
        """Let `which` go of what they hold: by default all of them, at the end."""
        await asyncio.gather(*(_close(each) for each in (self._running.values() if which is None else which)))

    def _make(
        self,
        configured: ConfiguredInstance,
        channels: Sequence[ConfiguredChannel[Any]],
        given: Given,
        core: Core,
        journal: Journal,
    ) -> Instance:
        folder = self._state / "instances" / configured.id
        instance = Instance(configured.id, core, journal, folder=folder, given=given)
        instance.supervise(configured.driver(configured.settings, channels, instance))
        return instance


def _given(general: GlobalSettings, instance: ConfiguredInstance) -> Given:
    # one that has a proxy of its own, or none, does not go by the general one
    own = getattr(instance.settings, "proxy", UNSET)
    return Given(
        proxy=effective_proxy(own, general.proxy),
        base_url=general.address,
        command_prefix=general.command_prefix,
        fetch_allow=general.fetch_allow,
    )


class _Seen(Mapping[InstanceId, T]):
    """One thing of each running instance."""

    def __init__(self, running: Mapping[InstanceId, Instance], look: Callable[[Instance], T]) -> None:
        self._running = running
        self._look = look

    def __getitem__(self, instance: InstanceId) -> T:
        return self._look(self._running[instance])

    def __iter__(self) -> Iterator[InstanceId]:
        return iter(self._running)

    def __len__(self) -> int:
        return len(self._running)


class _Mounted:
    """The running instances that serve pages, as the HTTP server looks them up."""

    def __init__(self, instances: Mapping[InstanceId, Instance]) -> None:
        self._instances = instances

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        running = self._instances.get(instance)
        if running is None or running.driver.platform != platform:
            return None
        driver: object = running.driver
        return driver if isinstance(driver, Pages) else None


def configured_channels(config: Config) -> dict[InstanceId, list[ConfiguredChannel[Any]]]:
    """The channels that the enabled rules name, and that of the operators, by instance, each once."""
    found: dict[Channel, tuple[Endpoint, list[str]]] = {}
    for rule in config.rules:
        if not rule.enabled:
            continue
        for endpoint in (*rule.sources, *rule.targets):
            named_by = found.setdefault(endpoint.channel, (endpoint, []))[1]
            if not named_by or named_by[-1] != rule.id:
                named_by.append(rule.id)
    if config.ops is not None:
        found.setdefault(config.ops.endpoint.channel, (config.ops.endpoint, ["global.ops_channel"]))
    channels: dict[InstanceId, list[ConfiguredChannel[Any]]] = {}
    for channel, (endpoint, named_by) in found.items():
        configured = ConfiguredChannel(channel.key, endpoint.settings, tuple(named_by))
        channels.setdefault(channel.instance, []).append(configured)
    return channels


def _sources(config: Config) -> dict[InstanceId, set[ChannelKey]]:
    """The channels that messages are taken from, by instance."""
    found: dict[InstanceId, set[ChannelKey]] = {}
    for rule in config.rules:
        for endpoint in rule.sources if rule.enabled else ():
            found.setdefault(endpoint.instance, set()).add(endpoint.key)
    return found


async def _close(instance: Instance) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await instance.driver.close()
    except Exception:
        instance.log.exception("close_failed")
