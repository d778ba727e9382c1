"""What the core offers a driver in return."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from nextbridge.driver.exchange import ConfiguredChannel, Cursor, Listed, Position
from nextbridge.envelope import Author, ChannelKey, Event, InstanceId, MessageId, UserId

__all__ = [
    "Host",
    "Store",
]


class Store(Protocol):
    """A driver's own small durable state, under its instance's name. Values are text."""

    async def get(self, key: str) -> str | None:
        """The value last set, or None."""

    async def set(self, key: str, value: str | None) -> None:
        """Keep `value` (None removes it). Returns once it is on disk."""


class Host(Protocol):
    """The core, as one instance's driver sees it. Everything here is called on the event loop."""

    @property
    def instance(self) -> InstanceId: ...

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger that already bears the instance. Never log a message's text, nor a secret."""

    @property
    def store(self) -> Store: ...

    @property
    def folder(self) -> Path:
        """A folder of the instance's own in the state folder, for files too large for `store`.

        The driver makes it where it is not there, bounds what is in it, and does its I/O off the event loop.
        """

    @property
    def proxy(self) -> str | None:
        """The general proxy of the file; an instance's own setting overrides it (see `effective_proxy`)."""

    @property
    def base_url(self) -> str | None:
        """Where the daemon's HTTP server is reached from outside, without a final slash, if the operator says so."""

    @property
    def command_prefix(self) -> str:
        """The word that begins a command to the relay, behind an exclamation mark: `nb`."""

    @property
    def fetch_allow(self) -> tuple[str, ...]:
        """What may be fetched though it is not on the public internet: for `open_guarded_session`.

        That is what fetches the addresses that chat users give.
        """

    def answered(self, status: int | None, date: str | None = None) -> None:
        """Count an answer of the platform's API by its HTTP status, None where there was none: for `open_session`.

        `date` is when it was made, by the server's clock (the header Date).
        """

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> Awaitable[object]:
        """Hand over an event, in the platform's order. Waits only while too many are not yet on disk.

        What it returns is done once the event and the cursor are on disk (or the event was skipped, for a counted
        reason): await that before telling the platform that the event was received; otherwise let it go. An exception
        in it means that the event is not kept: tell the platform so, where it can be told. An event of a channel in no
        rule costs next to nothing.
        """

    def skipped(
        self, reason: str, *, cursor: Cursor | None = None, message: tuple[ChannelKey, MessageId] | None = None
    ) -> None:
        """Count something received that is no event, under a short stable reason (`system_post`).

        The cursor moves as by `accept`. `message` is where it was and its id, where it has one that people see in links
        and the like: so that an operator who asks for it finds the reason.
        """

    def typing(self, channel: ChannelKey, author: Author) -> None:
        """Somebody is typing in `channel`. To be called as often as the platform says so; nothing is kept of it."""

    def gap(self, channel: ChannelKey, newest: Position | None = None, *, forget: bool = False) -> None:
        """What happened in `channel` since the last cursor may not have reached us. For drivers with History.

        To be called before the first event after it is accepted: when a connection was made that resumes none (the
        first of all too), and when the platform's numbering shows that something was missed. From here on what is
        accepted in the channel is held, and follows what History gives back; what both bring is one event.

        `newest` is where the channel stands now, as far as that is known: a rule that begins only now begins there.
        With `forget`, what lies in the gap is none of ours (we were no member) and is not asked for; it needs `newest`.
        """

    async def connected(self, me: UserId, *, realm: str) -> None:
        """It can receive and send now. To be called by `run` before its first `accept`.

        `me` is our own user id there, `realm` the server or network that ids belong to (two instances on one server
        give the same): what any of our instances posts never comes back.
        """

    def disconnected(self, reason: str) -> None:
        """It cannot send now, and `run` goes on trying. (The end of `run` says the same.)"""

    async def resolved(self, configured: ConfiguredChannel[Any], key: ChannelKey, name: str) -> None:
        """`configured` is the channel with the stable id `key`, which people call `name`. Once a connection is enough.

        What was accepted for it under its stand-in moves along in one step, and the answer is remembered over restarts.
        """

    async def sighted(self, channel: Listed, *, gone: bool = False) -> None:
        """We are in `channel`, which no rule names, or `gone` from it: for `nextbridge channels` to show.

        For drivers whose `directory` is Unlisted, to be called with whatever they hear from there: what is known is not
        written again.
        """

    def unavailable(self, channel: ChannelKey, reason: str) -> None:
        """Nothing can be sent there for now (not a member, kicked, not found): its lane waits. The operator is told."""

    def available(self, channel: ChannelKey) -> None:
        """It can be sent there (again): what waits goes out at once."""
