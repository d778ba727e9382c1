"""What crosses, as it happens: each delivery's outcome, for whoever watches. Nobody's text is in it.

Not a log and not a count: nothing is kept, and while nobody listens nothing is made.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Self

from msgspec import Struct

from nextbridge.delivery import Came, Outcome
from nextbridge.envelope import Channel, InstanceId
from nextbridge.errors import NextBridgeError
from nextbridge.journal import Delivery

__all__ = ["Crossing", "Crossings", "FellBehind", "Listening", "TooManyListeners"]

_MOST_LISTENERS = 16
_MOST_UNREAD = 1000
"""Crossings that a listener may leave unread before it is dropped."""


class TooManyListeners(NextBridgeError):
    """So many listen that nobody else may."""


class FellBehind(NextBridgeError):
    """This listener left so much unread that it was dropped."""


class Crossing(Struct, frozen=True):
    """What became of one delivery, or of one attempt at it. Times are in milliseconds since 1970."""

    at: int
    outcome: Outcome
    kind: str
    """As the event's key has it: `posted`, `edited` and so on."""
    author: str
    """The name that its platform shows; chosen by a chat user."""
    source: Channel
    message: str
    target: Channel
    rule: str
    said_at: int
    """By the source platform's clock."""
    reason: str = ""
    """Why it is skipped, to be tried again or given up; may quote a server, and is not masked."""
    retry_in: float | None = None
    """Seconds to the next attempt, where it is postponed."""


class Crossings:
    """An observer of the deliveries that tells whoever listens. Used on the event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listening] = set()

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """See `nextbridge.delivery.Observer`: what becomes of them is told."""

    def came(self, came: Came) -> None:
        """See `nextbridge.delivery.Observer`. Never waits for a listener."""
        if not self._listeners:
            return
        delivery, event = came.delivery, came.delivery.event
        crossing = Crossing(
            at=int(time.time() * 1000),
            outcome=came.outcome,
            kind=event.key.kind,
            author=event.author.name,
            source=event.channel,
            message=event.message,
            target=delivery.target,
            rule=delivery.rule,
            said_at=event.at,
            reason=came.reason,
            retry_in=came.retry_in,
        )
        for listener in tuple(self._listeners):
            listener.hear(crossing)

    def listen(self, *, instance: InstanceId | None = None, rule: str | None = None) -> Listening:
        """Hear from now on what crosses, from or to `instance` and by `rule` where they are given.

        It is heard until `Listening.close`. Raises TooManyListeners.
        """
        if len(self._listeners) >= _MOST_LISTENERS:
            raise TooManyListeners(f"{_MOST_LISTENERS} listen already, and more may not. End one of them.")
        listener = Listening(self._listeners, instance, rule)
        self._listeners.add(listener)
        return listener


class Listening:
    """What one listener has not read yet: iterate over it, within its context."""

    def __init__(self, listeners: set[Listening], instance: InstanceId | None, rule: str | None) -> None:
        """Made by `Crossings.listen`."""
        self._listeners = listeners
        self._instance = instance
        self._rule = rule
        self._unread: deque[Crossing] = deque()
        self._news = asyncio.Event()
        self._fell_behind = False

    def close(self) -> None:
        """Hear nothing more. May be called twice."""
        self._listeners.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Crossing:
        """The next one. Raises FellBehind after the last that was still heard."""
        while not self._unread:
            if self._fell_behind:
                raise FellBehind(f"More than {_MOST_UNREAD} lines were waiting to be read, and the rest was dropped.")
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()

    def hear(self, crossing: Crossing) -> None:
        """Called by `Crossings`: what this listener has not asked for is nothing to it."""
        if self._rule is not None and crossing.rule != self._rule:
            return
        if self._instance is not None and self._instance not in (crossing.source.instance, crossing.target.instance):
            return
        if len(self._unread) >= _MOST_UNREAD:
            self._fell_behind = True
            self.close()
        else:
            self._unread.append(crossing)
        self._news.set()
