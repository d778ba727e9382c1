"""Which sent message the server has taken: by its label, by its echo or by a PONG that can only follow it.

Sources: https://ircv3.net/specs/extensions/labeled-response, https://ircv3.net/specs/extensions/echo-message. A server
works through a connection's lines in order, so an answer to a PING sent after a message says that the message was read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from nextbridge.errors import DriverError

__all__ = ["Pending", "Receipts"]

_PREFIX = "nb-"
_MOST_ECHOES = 64
"""Echoes awaited in one channel; only messages whose sender gave up waiting can be so many."""


class Pending:
    """One message on its way. `outcome` is its id (or None) once it was taken, or the error."""

    __slots__ = ("channel", "label", "outcome", "text")

    def __init__(self, channel: str, text: str, label: str) -> None:
        self.channel = channel
        self.text = text
        self.label = label
        self.outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def taken(self, message: str | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result(message)

    def refused(self, error: DriverError) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)
            self.outcome.exception()  # its sender may have heard of it on another way


class Receipts:
    """The messages of one connection that wait for their acknowledgement. `ping` sends a PING with a token."""

    def __init__(self, caps: set[str], ping: Callable[[str], None]) -> None:
        self._caps = caps
        self._ping = ping
        self._count = 0
        self._labelled: dict[str, Pending] = {}
        self._echoes: dict[str, deque[Pending]] = {}
        self._asked: list[Pending] = []  # the PING that is out covers these
        self._asked_token: str | None = None
        self._unasked: list[Pending] = []

    def expect(self, channel: str, text: str) -> Pending:
        """Await the acknowledgement of a message that is written next, without a break. `channel` is folded."""
        self._count += 1
        label = f"{_PREFIX}{self._count}" if "labeled-response" in self._caps else ""
        pending = Pending(channel, text, label)
        if label:
            self._labelled[label] = pending
        elif "echo-message" in self._caps:
            self._echoes.setdefault(channel, deque(maxlen=_MOST_ECHOES)).append(pending)
        else:
            self._unasked.append(pending)
        return pending

    def sent(self) -> None:
        """The message is written: ask for its acknowledgement where the server does not give one unasked."""
        if self._unasked and self._asked_token is None:
            self._count += 1
            self._asked, self._unasked = self._unasked, []
            self._asked_token = f"{_PREFIX}{self._count}"
            self._ping(self._asked_token)

    def forget(self, pending: Pending) -> None:
        """Its sender has its outcome or waits no longer. (An unlabelled one stays: its echo may yet come.)"""
        self._labelled.pop(pending.label, None)

    def echoed(self, channel: str, text: str, label: str, message: str | None) -> bool:
        """A message of ours came back. Whether it was awaited here (else another client of ours sent it)."""
        if label:
            pending = self._labelled.pop(label, None)
            if pending is not None:
                pending.taken(message)
            return pending is not None
        waiting = self._echoes.get(channel)
        if not waiting:
            return False
        # a server may change a text (strip its colours): then it is the first, for echoes come in order
        place = next((place for place, pending in enumerate(waiting) if pending.text == text), 0)
        waiting[place].taken(message)
        del waiting[place]
        return True

    def acknowledged(self, label: str) -> None:
        """The server has nothing to say of a labelled message but that it took it."""
        pending = self._labelled.pop(label, None)
        if pending is not None:
            pending.taken(None)

    def answered(self, token: str) -> None:
        """A PONG."""
        if token != self._asked_token:
            return
        for pending in self._asked:
            pending.taken(None)
        self._asked, self._asked_token = [], None
        self.sent()

    def refused(self, channel: str, label: str, error: DriverError) -> bool:
        """The server refused a message. Whether there was one to refuse."""
        pending = self._labelled.pop(label, None) if label else self._first(channel)
        if pending is None:
            return False
        pending.refused(error)
        return True

    def _first(self, channel: str) -> Pending | None:
        waiting = self._echoes.get(channel)
        if waiting:
            return waiting.popleft()
        for pending in (*self._asked, *self._unasked, *self._labelled.values()):
            if pending.channel == channel and not pending.outcome.done():
                return pending
        return None

    def closed(self, error: DriverError) -> None:
        """The connection is gone: nothing more will be acknowledged."""
        for waiting in self._echoes.values():
            for pending in waiting:
                pending.refused(error)
        for pending in (*self._asked, *self._unasked, *self._labelled.values()):
            pending.refused(error)
