"""Rate limits: a bucket for each route and its channel, guild or webhook, and one for all that a bot asks.

By "Rate Limits" of the public documentation, which gives the headers and the answers and not the numbers; the numbers
are what clients are seen to meet, and tests set their own.
"""

from __future__ import annotations

import hashlib
import time

from msgspec import Struct, field

__all__ = ["Allowance", "Buckets", "Exceeded", "Limit"]


class Limit(Struct, frozen=True):
    """So many requests in so many seconds."""

    requests: int
    seconds: float


class Allowance(Struct):
    """Limits by route (`POST /channels/{channel}/messages`); what is not named has the limit of `others`."""

    routes: dict[str, Limit] = field(
        default_factory=lambda: {
            "POST /channels/{channel}/messages": Limit(5, 5.0),
            "PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me": Limit(1, 0.25),
            "PATCH /channels/{channel}": Limit(2, 600.0),
            "POST /webhooks/{webhook}/{token}": Limit(5, 2.0),
        }
    )
    others: Limit = Limit(50, 1.0)
    altogether: Limit = Limit(50, 1.0)

    @classmethod
    def generous(cls) -> Allowance:
        """For tests of something else: nothing is ever refused."""
        plenty = Limit(100_000, 1.0)
        return cls({}, plenty, plenty)


class Exceeded(Exception):
    """The answer is 429, with these headers and this body."""

    def __init__(self, headers: dict[str, str], retry_after: float, *, is_global: bool) -> None:
        super().__init__("rate limited")
        self.headers = headers
        self.body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": is_global}


class _Bucket:
    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.left = limit.requests
        self.resets = 0.0

    def take(self, now: float) -> bool:
        if now >= self.resets:
            self.left, self.resets = self.limit.requests, now + self.limit.seconds
        self.left -= 1
        return self.left >= 0


class Buckets:
    """All of them. `refused` counts the answers 429: a client that heeds the headers meets none."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.refused = 0
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, who: str, route: str, major: str) -> dict[str, str]:
        """Count one request; the headers of its answer. Raises Exceeded."""
        now = time.monotonic()
        if not self._bucket(who, "", self.allowance.altogether).take(now):
            self.refused += 1
            wait = round(self._bucket(who, "", self.allowance.altogether).resets - now, 3)
            headers = {"Retry-After": str(wait), "X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
            raise Exceeded(headers, wait, is_global=True)
        bucket = self._bucket(f"{route} {major}", who, self.allowance.routes.get(route, self.allowance.others))
        passes = bucket.take(now)
        wait = round(bucket.resets - now, 3)
        headers = {
            "X-RateLimit-Limit": str(bucket.limit.requests),
            "X-RateLimit-Remaining": str(max(bucket.left, 0)),
            "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": hashlib.blake2s(route.encode(), digest_size=16).hexdigest(),
        }
        if not passes:
            self.refused += 1
            raise Exceeded(headers | {"Retry-After": str(wait), "X-RateLimit-Scope": "user"}, wait, is_global=False)
        return headers

    def _bucket(self, route: str, who: str, limit: Limit) -> _Bucket:
        key = (route, who)
        if key not in self._buckets:
            self._buckets[key] = _Bucket(limit)
        return self._buckets[key]
