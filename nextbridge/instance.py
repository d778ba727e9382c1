"""A running instance: supervises one driver, and is the core as that driver sees it (its Host).

Each instance stands alone: one that crashes, hangs or cannot connect is tried again with backoff and holds up nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import structlog
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from nextbridge.backoff import Backoff
from nextbridge.cancellation import is_ours_to_end
from nextbridge.circuit import Circuit
from nextbridge.driver import ConfiguredChannel, Cursor, Driver, DriverError, Listed, Paused, Position, Retry
from nextbridge.envelope import Author, Channel, ChannelKey, Event, InstanceId, MessageId, UserId
from nextbridge.errors import JournalError
from nextbridge.journal import Journal
from nextbridge.sightings import Sightings

__all__ = ["Core", "Given", "Instance", "State"]

_LONGEST_WAIT = 60.0
_PAUSED_WAIT = 60.0
_UNANSWERED = 30.0
"""Seconds for which it is asked nothing that a message can go without, once it did not answer in time."""
_STEADY = 60.0
"""Seconds after which a connection counts as one that worked, so that the next wait is the first again."""


class State(Enum):
    """How an instance stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    """The connection ended or could not be made; it is made again after a delay."""
    PAUSED = "paused"
    """The platform refuses us (a token, a right): tried again slowly."""
    STOPPED = "stopped"


_NOT_YET = {State.CONNECTING, State.WAITING, State.PAUSED}
"""One after the other for as long as there is no connection."""


class Core(Protocol):
    """What an instance needs of the rest of the core."""

    async def accept(self, event: Event, cursor: Cursor | None) -> Awaitable[object]:
        """See Host.accept."""

    def skipped(
        self, instance: InstanceId, reason: str, cursor: Cursor | None, message: tuple[ChannelKey, MessageId] | None
    ) -> None:
        """See Host.skipped."""

    def typing(self, channel: Channel, author: Author) -> None:
        """See Host.typing."""

    def gap(self, channel: Channel, newest: Position | None, *, forget: bool) -> None:
        """See Host.gap."""

    async def identified(self, instance: InstanceId, platform: str, realm: str, me: UserId) -> None:
        """See Host.connected."""

    async def resolved(self, configured: Channel, key: ChannelKey, name: str) -> None:
        """See Host.resolved."""

    def wake(self, instance: InstanceId, channel: ChannelKey | None) -> None:
        """What waits for the instance (or for one of its channels) can go out."""


class Given(Struct, frozen=True, kw_only=True):
    """What drivers can ask of the file's `global`: see Host."""

    proxy: str | None
    base_url: str | None
    command_prefix: str
    fetch_allow: tuple[str, ...]


class _DriverStore:
    """A driver's own part of the journal's small store."""

    def __init__(self, journal: Journal, instance: InstanceId) -> None:
        self._journal = journal
        self._namespace = f"driver/{instance}"

    async def get(self, key: str) -> str | None:
        return await self._journal.read(self._namespace, key)

    async def set(self, key: str, value: str | None) -> None:
        await self._journal.write(self._namespace, key, value)


class Instance:
    """One account on one platform, running."""

    def __init__(
        self,
        instance: InstanceId,
        core: Core,
        journal: Journal,
        *,
        folder: Path,
        given: Given,
    ) -> None:
        self.instance = instance
        self.folder = folder
        self.given = given
        """What its driver finds when it asks; another one may be put here where `would_notice` is false."""
        self._asked: set[str] = set()
        """What of it the driver has asked for, and may have kept."""
        self.log: FilteringBoundLogger = structlog.get_logger().bind(instance=instance)
        self.store = _DriverStore(journal, instance)
        self.state = State.CONNECTING
        self.reason = "it has not connected yet"
        self.since = int(time.time() * 1000)
        """When it was connected, or since when it has not been, in milliseconds since 1970."""
        self.can_send = asyncio.Event()
        self.reported = asyncio.Event()
        """Set once it has connected, or has said why not."""
        self.closed_channels: dict[ChannelKey, str] = {}
        """Channels that nothing can be sent to for now, with the reason."""
        self.circuit = Circuit()
        self.answers_from = 0.0
        """By the clock of the lanes: when it is asked again what a message can also go without (`did_not_answer`)."""
        self.connections_ended = 0
        """Connections that ended or could not be made, since this instance was made."""
        self.api_answers: Counter[str] = Counter()
        """Answers of the platform's API since this instance was made: 2xx and so on, 429 by itself, `none` for none."""
        self._core = core
        self._sightings = Sightings(journal, instance)
        self._connected_at: float | None = None
        self._trouble: tuple[State, str] | None = None
        """The last one that was told since it was connected."""
        self._is_refused = False
        """A send was refused for the whole instance, and none has passed since."""
        self._trial: asyncio.TimerHandle | None = None
        """When sending is tried again after that."""
        self._driver: Driver[Any, Any] | None = None

    @property
    def driver(self) -> Driver[Any, Any]:
        """The driver that this instance supervises."""
        if self._driver is None:
            raise RuntimeError(f"{self.instance} has no driver yet")
        return self._driver

    def supervise(self, driver: Driver[Any, Any]) -> None:
        """Give it its driver, once; `run` then runs it."""
        self._driver = driver
        self.log = self.log.bind(platform=driver.platform)

    def would_notice(self, given: Given) -> bool:
        """Whether the driver goes by something that is otherwise in `given`: then it has to be made anew."""
        return any(getattr(given, each) != getattr(self.given, each) for each in self._asked)

    def did_not_answer(self, now: float) -> None:
        """A look-up that a message waited for took too long: for a while the others go without.

        Else each message that needs one would be as late, in channels of other instances, too.
        """
        self.answers_from = now + _UNANSWERED

    def wake_lanes(self) -> None:
        """What waits for this instance can go out: it takes messages (again)."""
        self._core.wake(self.instance, None)

    def pause(self, reason: str) -> None:
        """A send found that nothing passes on this instance for now: it waits for a minute, or until it reconnects."""
        if self._is_news(State.PAUSED, reason):
            self.log.error("instance_paused", reason=reason, in_seconds=_PAUSED_WAIT)
        self._stand(State.PAUSED, reason)
        self.can_send.clear()
        self._forget_pause()
        self._is_refused = True
        self._trial = asyncio.get_running_loop().call_later(_PAUSED_WAIT, self._try_again)

    def _try_again(self) -> None:
        self.can_send.set()
        self.wake_lanes()

    def _forget_pause(self) -> None:
        """What a send found out is overtaken."""
        self._is_refused = False
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None

    def sent(self, channel: ChannelKey) -> None:
        """A message went through: neither the channel nor the instance refuses us (any more)."""
        if self.circuit.succeeded():
            self.wake_lanes()
        if channel in self.closed_channels:
            self.available(channel)
        if self._is_refused:
            self._forget_pause()
            self._trouble = None
            self._stand(State.CONNECTED)
            self.can_send.set()
            self.wake_lanes()

    async def run(self) -> None:
        """Run the driver for ever. Ends by cancellation only."""
        backoff = Backoff(first=self.driver.reconnect_delay, longest=_LONGEST_WAIT)
        try:
            while True:
                await asyncio.sleep(await self._run_once(backoff))
                self._stand(State.CONNECTING, self.reason)
        finally:
            self._forget_pause()
            self.can_send.clear()
            self._stand(State.STOPPED, "it is being ended")

    async def _run_once(self, backoff: Backoff) -> float:
        self._connected_at = None
        state, named_wait = State.WAITING, None
        lasting, bug = False, None
        try:
            await self.driver.run()
            reason = "the connection was closed"
        except Retry as error:
            reason, named_wait = error.reason, error.after
        except Paused as error:
            state, reason, named_wait = State.PAUSED, error.reason, _PAUSED_WAIT
        except DriverError as error:
            reason, lasting = error.reason, True
        except JournalError:
            reason = "the journal cannot be used"
            self._trouble = (state, reason)  # which ends the daemon: the journal has told the service
        except (Exception, asyncio.CancelledError) as error:  # a bug in one driver must not end the others
            if isinstance(error, asyncio.CancelledError) and is_ours_to_end():
                raise
            reason, bug = f"the driver failed: {type(error).__name__}", error
        self.connections_ended += 1
        if self._was_steady():
            backoff.reset()
        self._forget_pause()
        self._stand(state, reason)
        if state is State.PAUSED or not self.driver.guarantees.sends_while_reconnecting:
            self.can_send.clear()
        self.reported.set()
        wait = max(backoff.wait(), named_wait or 0.0)
        self._tell_end(state, reason, wait, lasting=lasting, bug=bug)
        return wait

    def _tell_end(self, state: State, reason: str, wait: float, *, lasting: bool, bug: BaseException | None) -> None:
        """In the log, but not again and again for as long as it is the same trouble."""
        about = {"reason": reason, "in_seconds": round(wait, 1)}
        if not self._is_news(state, reason):
            self.log.debug("still_not_connected", **about)
        elif bug is not None:
            self.log.error("driver_failed", **about, exc_info=bug)
        elif state is State.PAUSED:
            self.log.error("instance_paused", **about)
        elif lasting:
            self.log.error("connection_ended", **about)
        else:
            self.log.warning("connection_ended", **about)

    def _is_news(self, state: State, reason: str) -> bool:
        """Whether this is another trouble than the last one, or the first since it was connected."""
        known, self._trouble = self._trouble, (state, reason)
        return self._trouble != known

    def _stand(self, state: State, reason: str = "") -> None:
        if state is not self.state and not {state, self.state} <= _NOT_YET:
            self.since = int(time.time() * 1000)
        self.state, self.reason = state, reason

    def _was_steady(self) -> bool:
        return self._connected_at is not None and monotonic() - self._connected_at >= _STEADY

    # --- Host -----------------------------------------------------------------------------------------------------

    @property
    def proxy(self) -> str | None:
        self._asked.add("proxy")
        return self.given.proxy

    @property
    def base_url(self) -> str | None:
        self._asked.add("base_url")
        return self.given.base_url

    @property
    def command_prefix(self) -> str:
        self._asked.add("command_prefix")
        return self.given.command_prefix

    @property
    def fetch_allow(self) -> tuple[str, ...]:
        self._asked.add("fetch_allow")
        return self.given.fetch_allow

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> Awaitable[object]:
        return await self._core.accept(event, cursor)

    def answered(self, status: int | None, date: str | None = None) -> None:  # noqa: ARG002 - not asked here
        if status is None:
            kind = "none"
        elif status == HTTPStatus.TOO_MANY_REQUESTS:
            kind = str(status)
        else:
            kind = f"{min(9, max(0, status // 100))}xx"  # a server may say any number
        self.api_answers[kind] += 1

    def skipped(
        self, reason: str, *, cursor: Cursor | None = None, message: tuple[ChannelKey, MessageId] | None = None
    ) -> None:
        self._core.skipped(self.instance, reason, cursor, message)
        about = {}
        if message is not None:
            about = {"channel": message[0], "event_id": f"{self.instance}/{message[0]}/{message[1]}"}
        self.log.debug("message_skipped", **about, reason=reason)

    def typing(self, channel: ChannelKey, author: Author) -> None:
        self._core.typing(Channel(self.instance, channel), author)

    def gap(self, channel: ChannelKey, newest: Position | None = None, *, forget: bool = False) -> None:
        self._core.gap(Channel(self.instance, channel), newest, forget=forget)

    async def connected(self, me: UserId, *, realm: str) -> None:
        await self._core.identified(self.instance, self.driver.platform, realm, me)
        if self.state is not State.CONNECTED:
            self.log.info("connected", realm=realm)
        self._forget_pause()
        self._connected_at = monotonic()
        self._trouble = None
        self._stand(State.CONNECTED)
        self.can_send.set()
        self.circuit.close()
        self.reported.set()
        self.wake_lanes()

    def disconnected(self, reason: str) -> None:
        self.log.warning("disconnected", reason=reason)
        self._forget_pause()
        self._stand(State.WAITING, reason)
        self.can_send.clear()

    async def resolved(self, configured: ConfiguredChannel[Any], key: ChannelKey, name: str) -> None:
        await self._core.resolved(Channel(self.instance, configured.key), key, name)

    async def sighted(self, channel: Listed, *, gone: bool = False) -> None:
        if gone:
            await self._sightings.lose(channel.keys)
        else:
            await self._sightings.see(channel)

    def unavailable(self, channel: ChannelKey, reason: str) -> None:
        if self.closed_channels.get(channel) != reason:
            self.log.error("channel_unavailable", channel=channel, reason=reason)
        self.closed_channels[channel] = reason

    def available(self, channel: ChannelKey) -> None:
        if self.closed_channels.pop(channel, None) is not None:
            self.log.info("channel_available", channel=channel)
        self._core.wake(self.instance, channel)
