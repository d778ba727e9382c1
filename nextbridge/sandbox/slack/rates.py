"""Rate limits: so many calls of a method in so many seconds, then 429 with Retry-After until the window is over.

Slack counts by method, app and workspace, and messages by channel besides: https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

import math
import time
from collections import deque

__all__ = ["Rates"]


class Rates:
    """None until a test sets some."""

    def __init__(self) -> None:
        self._limits: dict[str, tuple[int, float]] = {}
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def set(self, method: str, calls: int, seconds: float) -> None:
        self._limits[method] = (calls, seconds)

    def over(self, method: str, about: str) -> int | None:
        """The whole seconds to wait, where this call is one too many; else it is counted. `about` is the channel."""
        limit = self._limits.get(method)
        if limit is None:
            return None
        calls, seconds = limit
        now = time.monotonic()
        earlier = self._calls.setdefault((method, about if method == "chat.postMessage" else ""), deque())
        while earlier and earlier[0] <= now - seconds:
            earlier.popleft()
        if len(earlier) >= calls:
            return max(1, math.ceil(earlier[0] + seconds - now))
        earlier.append(now)
        return None
