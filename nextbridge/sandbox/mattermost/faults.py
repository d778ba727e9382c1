"""What a test can make go wrong, and the count of what was asked. Everything is off until a test turns it on.

A route is named by method and path, with names in place of ids and without a subpath:
`"POST /api/v4/posts"`, `"GET /api/v4/channels/{channel_id}"`. `None` stands for every route.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from aiohttp import web
from msgspec import Struct, field

from nextbridge.sandbox.mattermost.listener import Listener
from nextbridge.sandbox.mattermost.websocket import Sockets

__all__ = ["Faults"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Planned(Struct):
    """What happens to one request to come."""

    route: str | None
    status: int | None = None
    """Answer with this instead of doing what was asked; None does it."""
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hangs: bool = False
    drops_answer: bool = False


class Faults:
    """Made by the server, as `sandbox.faults`."""

    def __init__(self, listener: Listener, sockets: Sockets) -> None:
        self.requests: Counter[str] = Counter()
        """How often each route was asked for, refused and faulty answers included."""
        self.post_creation_delay = 0.0
        """Seconds for which a post is being made: a second one with its `pending_post_id` meanwhile gets a 500."""
        self._listener = listener
        self._sockets = sockets
        self._planned: deque[Planned] = deque()
        self._release = asyncio.Event()

    # --- requests -------------------------------------------------------------------------------------------------

    def answer(
        self,
        status: int,
        *,
        body: str | bytes = "",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        delay: float = 0.0,
        times: int = 1,
        route: str | None = None,
    ) -> None:
        """Answer the next requests with this, and do nothing of what they ask. `delay` is in seconds."""
        content = body.encode() if isinstance(body, str) else body
        for _ in range(times):
            self._planned.append(
                Planned(
                    route, status=status, body=content, content_type=content_type, headers=headers or {}, delay=delay
                )
            )

    def delay(self, seconds: float, *, times: int = 1, route: str | None = None) -> None:
        """Do what the next requests ask, that much later."""
        self._planned.extend(Planned(route, delay=seconds) for _ in range(times))

    def hang(self, *, times: int = 1, route: str | None = None) -> None:
        """Take the next requests and do nothing until `release`."""
        self._planned.extend(Planned(route, hangs=True) for _ in range(times))

    def drop_answer(self, *, times: int = 1, route: str | None = None) -> None:
        """Do what the next requests ask, and cut the connection instead of answering."""
        self._planned.extend(Planned(route, drops_answer=True) for _ in range(times))

    def release(self) -> None:
        """Let the requests that hang go on."""
        self._release.set()
        self._release = asyncio.Event()

    def forget(self) -> None:
        """Drop what is still planned."""
        self._planned.clear()
        self.post_creation_delay = 0.0

    async def around(self, route: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Called by the server for each request, once it is counted."""
        planned = self._take(route)
        if planned is None:
            return await handler(request)
        if planned.hangs:
            await self._release.wait()
        if planned.delay:
            await asyncio.sleep(planned.delay)
        if planned.status is not None:
            return web.Response(
                status=planned.status, body=planned.body, content_type=planned.content_type, headers=planned.headers
            )
        response = await handler(request)
        if planned.drops_answer and request.transport is not None:
            request.transport.abort()
        return response

    def _take(self, route: str) -> Planned | None:
        for planned in self._planned:
            if planned.route in {None, route}:
                self._planned.remove(planned)
                return planned
        return None

    async def refuse_connections(self) -> None:
        """Close the port and cut every connection, sockets included, as a server that is down."""
        await self._listener.close_port()

    async def accept_connections(self) -> None:
        """Open the same port again."""
        await self._listener.open_port()

    # --- sockets --------------------------------------------------------------------------------------------------

    def cut_sockets(self) -> None:
        """Cut every WebSocket's TCP connection, without a close frame. They can be resumed."""
        self._sockets.cut()

    def freeze_sockets(self) -> None:
        """The sockets that are open now stay open, and nothing more is read from them or written to them."""
        self._sockets.freeze()

    @property
    def strips_authorization_from_upgrades(self) -> bool:
        """Behave like a proxy that passes no Authorization header on with an upgrade: only the challenge works."""
        return self._sockets.ignores_authorization

    @strips_authorization_from_upgrades.setter
    def strips_authorization_from_upgrades(self, value: bool) -> None:
        self._sockets.ignores_authorization = value
