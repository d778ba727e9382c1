"""A stand-in for the core: what a driver author runs a driver against, without relay, rules or journal."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from nextbridge.driver import ConfiguredChannel, Cursor, Listed, Position
from nextbridge.envelope import Author, ChannelKey, Event, InstanceId, MessageId, UserId

__all__ = ["MemoryStore", "RecordingHost"]


class MemoryStore:
    """A driver's durable state, kept in memory, and the folder for its files, for as long as this object is there."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    @cached_property
    def folder(self) -> Path:
        """Made when it is first asked for."""
        made = Path(tempfile.mkdtemp(prefix="nextbridge-"))
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return made

    async def get(self, key: str) -> str | None:
        return self.values.get(key)

    async def set(self, key: str, value: str | None) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


class RecordingHost:
    """Implements `nextbridge.driver.Host` by keeping everything that a driver says, to be looked at and waited for."""

    def __init__(self, instance: str, *, proxy: str | None = None, base_url: str | None = None) -> None:
        self.instance = InstanceId(instance)
        self.proxy = proxy
        self.base_url = base_url
        self.command_prefix = "nb"
        self.fetch_allow: tuple[str, ...] = ()
        self.store = MemoryStore()
        self.log: FilteringBoundLogger = structlog.get_logger().bind(instance=instance)
        self.events: list[Event] = []
        self.cursors: dict[str, str] = {}
        self.skips: dict[str, int] = {}
        self.gaps: list[tuple[ChannelKey, Position | None]] = []
        self.forgotten: list[ChannelKey] = []
        self.statuses: list[int | None] = []
        self.typists: list[tuple[ChannelKey, Author]] = []
        self.passed_over: dict[str, str] = {}
        """Why, by the ids of messages that were skipped."""
        self.me: UserId | None = None
        self.realm: str | None = None
        self.is_connected = False
        self.connections = 0
        self.resolutions: dict[ChannelKey, tuple[ChannelKey, str]] = {}
        self.sightings: list[Listed] = []
        self.unavailable_channels: dict[ChannelKey, str] = {}
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> Path:
        return self.store.folder

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
        self.events.append(event)
        if cursor is not None:
            self.cursors[cursor.name] = cursor.value
        self._notify()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def skipped(
        self, reason: str, *, cursor: Cursor | None = None, message: tuple[ChannelKey, MessageId] | None = None
    ) -> None:
        self.skips[reason] = self.skips.get(reason, 0) + 1
        if message is not None:
            self.passed_over[message[1]] = reason
        if cursor is not None:
            self.cursors[cursor.name] = cursor.value
        self._notify()

    def answered(self, status: int | None, date: str | None = None) -> None:  # noqa: ARG002
        self.statuses.append(status)

    def typing(self, channel: ChannelKey, author: Author) -> None:
        self.typists.append((channel, author))
        self._notify()

    def gap(self, channel: ChannelKey, newest: Position | None = None, *, forget: bool = False) -> None:
        self.gaps.append((channel, newest))
        if forget:
            self.forgotten.append(channel)
        self._notify()

    async def connected(self, me: UserId, *, realm: str) -> None:
        self.me, self.realm, self.is_connected = me, realm, True
        self.connections += 1
        self._notify()

    def disconnected(self, reason: str) -> None:
        self.is_connected = False
        self.log.info("disconnected", reason=reason)
        self._notify()

    async def resolved(self, configured: ConfiguredChannel[Any], key: ChannelKey, name: str) -> None:
        self.resolutions[configured.key] = (key, name)
        self._notify()

    async def sighted(self, channel: Listed, *, gone: bool = False) -> None:
        self.sightings = [each for each in self.sightings if not channel.keys.items() <= each.keys.items()]
        self.sightings += [] if gone else [channel]
        self._notify()

    def unavailable(self, channel: ChannelKey, reason: str) -> None:
        self.unavailable_channels[channel] = reason
        self._notify()

    def available(self, channel: ChannelKey) -> None:
        self.unavailable_channels.pop(channel, None)
        self._notify()

    async def until(self, condition: Callable[[], bool], *, within: float = 10.0) -> None:
        """Return once `condition()` holds; looked at whenever the driver says something. Raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    def _notify(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
