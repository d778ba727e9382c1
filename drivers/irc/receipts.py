"""Which sent command the server has taken: by its label, by its echo or by a PONG that can only follow it.

Sources: https://ircv3.net/specs/extensions/labeled-response, https://ircv3.net/specs/extensions/echo-message. A server
works through a connection's lines in order, so an answer to a PING sent after a command says that the command was read.
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
    """One command on its way: a message, mostly. `outcome` is its id (or None) once it was taken, or the error."""

    __slots__ = ("command", "label", "outcome", "target", "text")

    def __init__(self, command: str, target: str, text: str, label: str) -> None:
        self.command = command
        self.target = target
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
    """The commands of one connection that wait for their acknowledgement. `ping` sends a PING with a token."""

    def __init__(self, caps: set[str], ping: Callable[[str], None]) -> None:
        self._caps = caps
        self._ping = ping
        self._count = 0
        self._labelled: dict[str, Pending] = {}
        self._echoes: dict[str, deque[Pending]] = {}
        self._asked: list[Pending] = []  # the PING that is out covers these
        self._asked_token: str | None = None
        self._unasked: list[Pending] = []

    def expect(self, command: str, target: str, text: str) -> Pending:
        """Await the acknowledgement of a command that is written next, without a break.

        `target` is the channel or nick that it is about, folded.
        """
        self._count += 1
        label = f"{_PREFIX}{self._count}" if "labeled-response" in self._caps else ""
        pending = Pending(command, target, text, label)
        if label:
            self._labelled[label] = pending
        elif command == "PRIVMSG" and "echo-message" in self._caps:
            self._echoes.setdefault(target, deque(maxlen=_MOST_ECHOES)).append(pending)
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

    def echoed(self, target: str, text: str, label: str, message: str | None) -> bool:
        """A message of ours came back. Whether it was awaited here (else another client of ours sent it)."""
        if label:
            pending = self._labelled.pop(label, None)
            if pending is not None:
                pending.taken(message)
            return pending is not None
        waiting = self._echoes.get(target)
        if not waiting:
            return False
        # a server may change a text (strip its colours): then it is the first, for echoes come in order
        place = next((place for place, pending in enumerate(waiting) if pending.text == text), 0)
        waiting[place].taken(message)
        del waiting[place]
        if not waiting:
            del self._echoes[target]
        return True

    def acknowledged(self, label: str, message: str | None = None) -> None:
        """The server took a labelled command, and has nothing to say of it but its id at most."""
        pending = self._labelled.pop(label, None)
        if pending is not None:
            pending.taken(message)

    def answered(self, token: str) -> None:
        """A PONG."""
        if token != self._asked_token:
            return
        for pending in self._asked:
            pending.taken(None)
        self._asked, self._asked_token = [], None
        self.sent()

    def refused(self, target: str, label: str) -> Pending | None:
        """The command that the server refuses, to be told why; None where none of ours was meant."""
        return self._labelled.pop(label, None) if label else self._first(target)

    def _first(self, target: str) -> Pending | None:
        # what is asked for in another way than by an echo is there for a moment, and is answered first
        for pending in (*self._asked, *self._unasked, *self._labelled.values()):
            if pending.target == target and not pending.outcome.done():
                return pending
        waiting = self._echoes.get(target)
        if not waiting:
            return None
        pending = waiting.popleft()
        if not waiting:
            del self._echoes[target]
        return pending

    def closed(self, error: DriverError) -> None:
        """The connection is gone: nothing more will be acknowledged."""
        for waiting in self._echoes.values():
            for pending in waiting:
                pending.refused(error)
        for pending in (*self._asked, *self._unasked, *self._labelled.values()):
            pending.refused(error)
