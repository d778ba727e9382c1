"""Discord's rate limits, kept before they are met: a bucket for each route and channel, and one for everything.

By "Rate Limits" of the public documentation: which bucket a route has and how much is left in it is told with each
answer. Where it would take long, the caller is told to come back, so that other channels of the lane's instance go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping

from drivers.discord.wire import LONGEST_LIMIT
from nextbridge.errors import Retry

__all__ = ["Pace"]

_KEPT = 5000
_LONGEST_WAIT = 8.0
"""Seconds that are waited here; for longer the caller is told to come back."""


class _Bucket:
    def __init__(self) -> None:
        self.left = 1
        self.resets = 0.0


class Pace:
    """One bot's."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        """By route, what Discord calls its bucket; as many as there are routes in this driver."""
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._closed_until = 0.0
        """For everything that bears the token."""

    async def begin(self, route: str, major: str, *, has_token: bool) -> None:
        """Return once a request may be made, and count it. Raises Retry where that takes long."""
        while True:
            now = time.monotonic()
            bucket = self._buckets.get((self._names.get(route, route), major))
            wait = self._closed_until - now if has_token else 0.0
            if bucket is not None and bucket.left <= 0:
                wait = max(wait, bucket.resets - now)
            if wait <= 0:
                break
            if wait > _LONGEST_WAIT:
                raise Retry("Discord's rate limit is used up", after=wait)
            await asyncio.sleep(wait)
        if bucket is not None:
            if bucket.left <= 0:
                bucket.left = 1  # it is full again, and the answer will tell how full
            bucket.left -= 1

    def heard(self, route: str, major: str, headers: Mapping[str, str]) -> None:
        """Take note of what an answer says of its bucket."""
        name, left, after = (headers.get(f"X-RateLimit-{each}") for each in ("Bucket", "Remaining", "Reset-After"))
        if name is None or left is None or after is None:
            return
        self._names[route] = name
        key = (name, major)
        bucket = self._buckets.setdefault(key, _Bucket())
        self._buckets.move_to_end(key)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        try:
            seconds = float(after)
            if not 0 <= seconds <= LONGEST_LIMIT:
                return
            resets = time.monotonic() + seconds
            # of answers that overtake each other the one that leaves less counts
            same_window = abs(resets - bucket.resets) < 0.05
            bucket.left = min(int(left), bucket.left) if same_window else int(left)
            bucket.resets = resets
        except ValueError:
            return

    def refused(self, route: str, major: str, wait: float, *, is_global: bool) -> None:
        """An answer was 429."""
        until = time.monotonic() + wait
        if is_global:
            self._closed_until = max(self._closed_until, until)
            return
        bucket = self._buckets.setdefault((self._names.get(route, route), major), _Bucket())
        bucket.left, bucket.resets = 0, until
