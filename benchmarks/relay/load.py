"""What is posted, how fast, and what arrives: the load of one run, counted and timed by the server's clock."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence

from msgspec import Struct

from benchmarks.relay.server import Server

__all__ = ["Load", "Outcome", "Way"]

_TEXT = "of the load. The quick brown fox jumps over the lazy dog, and 120 characters are a message of usual length."
_NUMBER = re.compile(r"Message (\d+) of")


class Way(Struct, frozen=True):
    """What is posted in one channel arrives in the other."""

    source: str
    target: str


class Outcome(Struct, frozen=True):
    """What became of the messages of some ways."""

    posted: int
    arrived: int
    repeated: int
    disordered: int
    seconds: float
    """From the first post to the last arrival."""
    latencies: tuple[float, ...]
    """Seconds from a post's frame to its arrival, sorted."""

    @property
    def lost(self) -> int:
        """Posted and not arrived."""
        return self.posted - self.arrived

    @property
    def is_clean(self) -> bool:
        """Nothing lost, repeated or out of order."""
        return not (self.lost or self.repeated or self.disordered)

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.arrived / self.seconds if self.seconds else 0.0

    def latency(self, share: float) -> float:
        """A percentile in milliseconds; `share` is 0 to 1."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)] * 1000


class _Message(Struct):
    place: int
    posted: float
    arrived: float | None = None


class Load:
    """Posts on ways and counts on them. One after the other on a server; each has numbers of its own."""

    def __init__(self, server: Server, ways: Sequence[Way]) -> None:
        self._server = server
        self._ways = ways
        self._messages: list[_Message] = []
        self._last = [-1] * len(ways)
        self._repeated = [0] * len(ways)
        self._disordered = [0] * len(ways)
        self._saturated: Sequence[int] = ()
        self._left = 0
        """Messages that are still to be posted on the saturated ways."""
        self._targets = {way.target: place for place, way in enumerate(ways)}
        self._outstanding = [0] * len(ways)
        self._changed = asyncio.Event()
        server.arrived = self._arrived

    async def pace(self, rate: float, count: int, places: Sequence[int] | None = None) -> None:
        """Post so many messages, evenly, so many a second, on the ways (by place) in turn."""
        places = range(len(self._ways)) if places is None else places
        started = time.monotonic()
        for number in range(count):
            wait = started + number / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._post(places[number % len(places)])

    def saturate(self, count: int, places: Sequence[int] | None = None, *, window: int) -> None:
        """Keep `window` messages on their way, on these ways in turn, until `count` were posted."""
        self._saturated = range(len(self._ways)) if places is None else places
        self._left = count
        for _ in range(window):
            self._go_on()

    async def finished(self, places: Sequence[int] | None = None, *, within: float = 60.0) -> None:
        """Return once everything posted on the ways has arrived, or after so many seconds without an arrival."""
        chosen = range(len(self._ways)) if places is None else places
        while self._left or any(self._outstanding[place] for place in chosen):
            self._changed.clear()
            try:
                async with asyncio.timeout(within):
                    await self._changed.wait()
            except TimeoutError:
                return

    def outcome(self, places: Sequence[int] | None = None) -> Outcome:
        """What became of the ways' messages so far."""
        chosen = set(range(len(self._ways)) if places is None else places)
        mine = [message for message in self._messages if message.place in chosen]
        arrivals = [message.arrived for message in mine if message.arrived is not None]
        return Outcome(
            posted=len(mine),
            arrived=len(arrivals),
            repeated=sum(self._repeated[place] for place in chosen),
            disordered=sum(self._disordered[place] for place in chosen),
            seconds=max(arrivals, default=0.0) - min((message.posted for message in mine), default=0.0),
            latencies=tuple(sorted(each.arrived - each.posted for each in mine if each.arrived is not None)),
        )

    def _go_on(self) -> None:
        if self._left:
            self._left -= 1
            self._post(self._saturated[self._left % len(self._saturated)])

    def _post(self, place: int) -> None:
        number = len(self._messages)
        self._outstanding[place] += 1
        self._messages.append(_Message(place, time.monotonic()))
        self._server.say(number, self._ways[place].source, f"Message {number} {_TEXT}")

    def _arrived(self, channel: str, text: str) -> None:
        now = time.monotonic()
        found = _NUMBER.search(text)
        if found is None:
            return
        number = int(found[1])
        message, place = self._messages[number], self._targets[channel]
        if message.arrived is not None:
            self._repeated[place] += 1
            return
        message.arrived = now
        if number < self._last[place] or place != message.place:
            self._disordered[place] += 1
        self._last[place] = number
        self._outstanding[place] -= 1
        self._changed.set()
        if place in self._saturated:
            self._go_on()
