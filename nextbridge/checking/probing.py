"""What `nextbridge check --online` and `channels` do with instances: they look what is there for them, all at once.

No daemon is needed, none is disturbed, and nothing is posted or kept.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from msgspec import UNSET, Struct
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from nextbridge.checking.doubts import doubt, skew
from nextbridge.config.model import Config, Instance
from nextbridge.config.types import effective_proxy
from nextbridge.driver import Address, ConfiguredChannel, Cursor, Driver, Finding, Listed, Position, Unlisted
from nextbridge.envelope import Author, ChannelKey, Event, InstanceId, MessageId, UserId
from nextbridge.errors import DriverError
from nextbridge.http.clock import ServerClock
from nextbridge.instances import configured_channels

__all__ = ["Bystander", "Probed", "Seen", "look_through", "probe"]

PATIENCE = 45.0
"""Seconds that one instance may take."""
_CLOSE_SECONDS = 5.0
_MOST_LISTED = 1_000
"""Channels of one instance that are shown."""


class Probed(Struct, frozen=True):
    """What one instance found out."""

    instance: InstanceId
    platform: str
    title: str
    """What people call the platform."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(each.ok for each in self.findings)


class Seen(Struct, frozen=True):
    """Which channels an instance can see."""

    instance: InstanceId
    platform: str
    title: str
    """What people call the platform."""
    channels: tuple[Listed, ...] | None = None
    """None where it could not look."""
    left_out: int = 0
    """How many more there are."""
    note: str = ""
    """What is not among them: a sentence."""
    reason: str = ""
    """Why there are none, and what is to be done: a sentence."""


async def probe(
    config: Config, only: Collection[InstanceId] | None = None, *, patience: float = PATIENCE
) -> list[Probed]:
    """Probe the enabled instances of the file, in its order, or `only` some.

    Does I/O, raises nothing that a driver does.
    """
    channels = configured_channels(config)
    enabled = [each for each in config.instances.values() if each.enabled and (only is None or each.id in only)]
    with tempfile.TemporaryDirectory(prefix="nextbridge-check-") as folder:
        looks = (_probe(each, channels.get(each.id, ()), config, Path(folder) / each.id, patience) for each in enabled)
        return list(await asyncio.gather(*looks))


async def _probe(
    instance: Instance,
    channels: Sequence[ConfiguredChannel[Any]],
    config: Config,
    folder: Path,
    patience: float,
) -> Probed:
    bystander = Bystander(instance.id, config, folder)
    try:
        async with _looking(instance, channels, bystander, patience) as driver:
            findings = (*await driver.probe(), *bystander.clock())
    except TimeoutError:
        findings = (Finding(False, "connection", f"it found nothing out within {patience:.0f} seconds"),)
    except Exception as error:  # noqa: BLE001 - a bug in one driver hides nothing about the others
        findings = (Finding(False, "driver", _bug(error)),)
    if not all(each.ok for each in findings) and (address := _first_address(instance, config)):
        text = await doubt(address)
        findings = (*findings, *([Finding(False, address.key, text)] if text else ()))
    return Probed(instance.id, instance.driver.platform, instance.driver.title, findings)


def _first_address(instance: Instance, config: Config) -> Address | None:
    """Where an instance connects to first: its proxy, else its server."""
    proxy = effective_proxy(getattr(instance.settings, "proxy", UNSET), config.general.proxy)
    if proxy is None:
        return instance.driver.address(instance.settings)
    found = Address.of("proxy", proxy)
    return None if found is None else replace(found, tls=None)  # an http proxy is none for its TLS


async def look_through(config: Config, instances: Sequence[Instance], *, patience: float = PATIENCE) -> list[Seen]:
    """Which channels each of these instances can see. Does I/O, raises nothing that a driver does."""
    channels = configured_channels(config)
    with tempfile.TemporaryDirectory(prefix="nextbridge-check-") as folder:
        looks = (_see(each, channels.get(each.id, ()), config, Path(folder) / each.id, patience) for each in instances)
        return list(await asyncio.gather(*looks))


async def _see(
    instance: Instance,
    channels: Sequence[ConfiguredChannel[Any]],
    config: Config,
    folder: Path,
    patience: float,
) -> Seen:
    about = instance.id, instance.driver.platform, instance.driver.title
    try:
        async with _looking(instance, channels, Bystander(instance.id, config, folder), patience) as driver:
            found = await driver.directory()
    except TimeoutError:
        return Seen(*about, reason=f"nothing was told within {patience:.0f} seconds")
    except DriverError as error:
        return Seen(*about, reason=error.reason)
    except Exception as error:  # noqa: BLE001 - likewise
        return Seen(*about, reason=_bug(error))
    if isinstance(found, Unlisted):
        return Seen(*about, channels=(), reason=f"its channels cannot be listed: {found.because}. {found.instead}")
    shown = tuple(found.channels[:_MOST_LISTED])
    left_out = found.left_out + len(found.channels) - len(shown)
    return Seen(*about, channels=shown, left_out=left_out, note=found.note)


@asynccontextmanager
async def _looking(
    instance: Instance,
    channels: Sequence[ConfiguredChannel[Any]],
    bystander: Bystander,
    patience: float,
) -> AsyncIterator[Driver[Any, Any]]:
    """A driver that does not run, for so many seconds. Raises TimeoutError, and what the driver raises."""
    driver = instance.driver(instance.settings, channels, bystander)
    try:
        async with asyncio.timeout(patience):
            yield driver
    finally:
        await _close(driver)


def _bug(error: Exception) -> str:
    return f"the driver failed ({type(error).__name__}): this is a bug in it; please report it"


async def _close(driver: Driver[Any, Any]) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await driver.close()
    except Exception as error:  # noqa: BLE001 - what was found out holds all the same
        structlog.get_logger().debug("close_failed", reason=type(error).__name__)


class _Memory:
    """A Store that begins empty and is forgotten."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self._values.get(key)

    async def set(self, key: str, value: str | None) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value


class Bystander:
    """A Host for a driver that only looks: what it has of the file is there, what it says goes nowhere."""

    def __init__(self, instance: InstanceId, config: Config, folder: Path) -> None:
        general = config.general
        self.instance = instance
        self.folder = folder
        self.store = _Memory()
        self.log: FilteringBoundLogger = structlog.get_logger().bind(instance=instance)
        self.proxy = general.proxy
        self.base_url = general.address
        self.command_prefix = general.command_prefix
        self.fetch_allow = general.fetch_allow
        self._clock = ServerClock()

    def answered(self, status: int | None, date: str | None = None) -> None:  # noqa: ARG002 - the driver tells of it
        self._clock.heard(date)

    def clock(self) -> list[Finding]:
        """What the answers' dates tell of the two clocks."""
        return skew(self._clock.ahead())

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:  # noqa: ARG002
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def skipped(
        self, reason: str, *, cursor: Cursor | None = None, message: tuple[ChannelKey, MessageId] | None = None
    ) -> None: ...

    def typing(self, channel: ChannelKey, author: Author) -> None: ...

    def gap(self, channel: ChannelKey, newest: Position | None = None, *, forget: bool = False) -> None: ...

    async def connected(self, me: UserId, *, realm: str) -> None: ...

    def disconnected(self, reason: str) -> None: ...

    async def resolved(self, configured: ConfiguredChannel[Any], key: ChannelKey, name: str) -> None: ...

    async def sighted(self, channel: Listed, *, gone: bool = False) -> None: ...

    def unavailable(self, channel: ChannelKey, reason: str) -> None: ...

    def available(self, channel: ChannelKey) -> None: ...
