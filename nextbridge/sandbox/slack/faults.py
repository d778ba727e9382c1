"""What a test can make go wrong, and the count of what was asked. Everything is off until a test turns it on."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec import Struct, field

__all__ = ["Faults"]


class _Planned(Struct):
    method: str | None
    status: int = 200
    error: str = ""
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drops_answer: bool = False
    hangs: bool = False


class Faults:
    """Made by the server, as `sandbox.faults`. A method is named as the Web API does: `chat.postMessage`."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        """How often each method was called, refused and faulty answers included."""
        self._planned: deque[_Planned] = deque()
        self._release = asyncio.Event()

    def refuse(self, error: str, *, method: str | None = None, times: int = 1) -> None:
        """Answer the next calls with `ok: false` and this error, and do nothing of what they ask."""
        self._planned.extend(_Planned(method, error=error) for _ in range(times))

    def answer(
        self,
        status: int,
        body: str = "",
        *,
        method: str | None = None,
        times: int = 1,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer the next calls with this, which need not be JSON."""
        self._planned.extend(_Planned(method, status, body=body, headers=headers or {}) for _ in range(times))

    def limit(self, seconds: int, *, method: str | None = None, times: int = 1) -> None:
        """Answer the next calls with 429 and Retry-After."""
        body = '{"ok":false,"error":"ratelimited"}'
        self.answer(429, body, method=method, times=times, headers={"Retry-After": str(seconds)})

    def drop_answer(self, *, method: str | None = None, times: int = 1) -> None:
        """Do what the next calls ask, and cut the connection instead of answering."""
        self._planned.extend(_Planned(method, drops_answer=True) for _ in range(times))

    def hang(self, *, method: str | None = None, times: int = 1) -> None:
        """Take the next calls and do nothing until `release`."""
        self._planned.extend(_Planned(method, hangs=True) for _ in range(times))

    def release(self) -> None:
        """Let the calls that hang go on."""
        self._release.set()
        self._release = asyncio.Event()

    def forget(self) -> None:
        """Drop what is still planned."""
        self._planned.clear()

    async def around(
        self, method: str, request: web.Request, do: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        """Called by the server for each call."""
        self.requests[method] += 1
        planned = next((each for each in self._planned if each.method in {None, method}), None)
        if planned is None:
            return await do()
        self._planned.remove(planned)
        if planned.hangs:
            await self._release.wait()
            return await do()
        if planned.error:
            return web.json_response({"ok": False, "error": planned.error})
        if planned.drops_answer:
            response = await do()
            if request.transport is not None:
                request.transport.abort()
            return response
        kind = "application/json" if (planned.body or "").startswith("{") else "text/html"
        return web.Response(status=planned.status, text=planned.body or "", content_type=kind, headers=planned.headers)
