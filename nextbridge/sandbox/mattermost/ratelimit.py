"""The real server's rate limit, which is off by default there and here: so many requests a second, and a burst."""

from __future__ import annotations

import math

from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.mattermost.clock import Clock

__all__ = ["RateLimit", "limited"]


class Verdict(Struct):
    is_allowed: bool
    headers: dict[str, str]


class RateLimit:
    """Counts by address, as the real server does by default. All its times are told in whole seconds, rounded up."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock = clock
        self._interval = 1.0 / per_second
        self._size = burst + 1
        self._full_again_at: dict[str, float] = {}

    def judge(self, address: str) -> Verdict:
        now = self._clock()
        self._full_again_at = {who: at for who, at in self._full_again_at.items() if at > now}
        used_until = self._full_again_at.get(address, now) + self._interval
        over = used_until - now - self._size * self._interval
        # A request that is refused takes nothing from the bucket.
        is_allowed = over <= 1e-9
        if is_allowed:
            self._full_again_at[address] = used_until
        else:
            used_until -= self._interval
        used = (used_until - now) / self._interval
        headers = {
            "X-RateLimit-Limit": str(self._size),
            "X-RateLimit-Remaining": str(max(0, math.floor(self._size - used + 1e-9))),
            "X-RateLimit-Reset": str(math.ceil(used_until - now)),
        }
        if not is_allowed:
            headers["Retry-After"] = str(math.ceil(over))
        return Verdict(is_allowed, headers)


def limited(verdict: Verdict) -> web.Response:
    """It is the limiter in front of the API that refuses: plain text, and no error id."""
    return web.Response(
        status=429,
        body=b"limit exceeded\n",
        headers={**verdict.headers, "Content-Type": "text/plain; charset=utf-8"},
    )
