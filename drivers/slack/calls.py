"""The Events API: what Slack posts to the daemon's HTTP server, believed by its signature and taken once.

https://docs.slack.dev/apis/events-api: each request is answered within three seconds, else it is made again, up to
three times. Here it is answered with 200 once the event is on disk, and with 503 where that takes longer: then it comes
again, and is known by its `event_id`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from drivers.slack import wire
from nextbridge.driver import Host

if TYPE_CHECKING:
    from drivers.slack.web import Signatures

__all__ = ["EventCalls"]

_PATH = "/events"
_WITHIN = 2.5
"""Seconds until a request is answered, whatever comes of it; Slack waits for 3."""
_KNOWN = 10_000
_VALID = 310.0
"""Seconds for which a signature is good, and then some: after that no verifier takes it."""

_HERE = "Events of Slack are received here.\n"
_NOT_HERE = "This app's events come by Socket Mode; nothing is received here.\n"


class EventCalls:
    """One app's. `take` hands an event over, and returns what is done once it is on disk."""

    def __init__(
        self,
        signatures: Signatures | None,
        host: Host,
        take: Callable[[msgspec.Raw], Awaitable[Awaitable[object] | None]],
        missed: Callable[[], None],
    ) -> None:
        """`missed` is called where Slack says that it has left events out."""
        self._signatures = signatures
        self._host = host
        self._take = take
        self._missed = missed
        self._in_order = asyncio.Lock()
        self._taken: OrderedDict[str, asyncio.Task[None]] = OrderedDict()
        """By event_id: what is being taken, and what was."""
        self._seen: OrderedDict[str, float] = OrderedDict()
        """The signatures of requests that were answered with 200, and until when they are good."""
        self.is_open = False
        """Whether events are taken: while the driver runs."""

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse:
        """As `Pages.handle`."""
        if path != _PATH:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        if request.method == "GET":
            return web.Response(text=_NOT_HERE if self._signatures is None else _HERE)
        if request.method != "POST" or self._signatures is None:
            raise web.HTTPMethodNotAllowed(request.method, ["GET"] if self._signatures is None else ["GET", "POST"])
        body = await request.read()
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        if not self._signatures.are_right(body, timestamp, signature):
            self._host.skipped("forged_request")
            raise web.HTTPUnauthorized(text="The signature is not Slack's, or too old.\n")
        if self._is_repeated(signature):
            self._host.skipped("repeated_request")
            raise web.HTTPForbidden(text="This very request was answered already.\n")
        response = await self._answer(body)
        if response.status == 200:
            self._seen[signature] = time.monotonic() + _VALID
        return response

    def _is_repeated(self, signature: str) -> bool:
        now = time.monotonic()
        while self._seen and (len(self._seen) > _KNOWN or next(iter(self._seen.values())) < now):
            self._seen.popitem(last=False)
        return signature in self._seen

    async def _answer(self, body: bytes) -> web.Response:
        try:
            callback = msgspec.json.decode(body, type=wire.Callback)
        except wire.UNREADABLE:
            return web.Response(status=400, text="This is no event.\n")
        if callback.type == "url_verification":
            return web.json_response({"challenge": callback.challenge})
        if callback.type == "app_rate_limited":
            self._host.log.warning("events_left_out", reason="Slack sends no more than 30,000 events an hour")
            self._missed()
            return web.Response()
        if callback.type != "event_callback" or not callback.event_id:
            return web.Response()
        if not self.is_open:
            return web.Response(status=503, text="The relay is not connected to Slack.\n")
        task = self._taken.get(callback.event_id)
        if task is None:
            task = self._taken[callback.event_id] = asyncio.create_task(self._taking(callback))
            if len(self._taken) > _KNOWN:
                self._taken.popitem(last=False)
        try:
            async with asyncio.timeout(_WITHIN):
                await asyncio.shield(task)
        except TimeoutError:
            return web.Response(status=503, text="It is not on disk yet.\n")
        except Exception as error:  # noqa: BLE001 - the event is not kept, whatever went wrong
            self._taken.pop(callback.event_id, None)
            self._host.log.warning("event_not_kept", reason=f"{type(error).__name__}: {error}")
            return web.Response(status=503, text="It could not be kept.\n")
        return web.Response()

    async def _taking(self, callback: wire.Callback) -> None:
        async with self._in_order:
            kept = await self._take(callback.event)
        if kept is not None:
            await kept

    async def close(self) -> None:
        """Take nothing more, and let go of what is being taken."""
        self.is_open = False
        tasks = [task for task in self._taken.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._taken = OrderedDict((key, task) for key, task in self._taken.items() if task not in tasks)
