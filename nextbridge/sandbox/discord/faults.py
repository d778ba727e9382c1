"""What goes wrong on request: answers instead of the API's own, and answers that are held back."""

from __future__ import annotations

import asyncio

from aiohttp import web
from msgspec import Struct

__all__ = ["Faults"]


class _Fault(Struct):
    status: int
    route: str
    left: int
    body: str
    headers: dict[str, str]


class Faults:
    """Set by tests, asked by the server for each request."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []
        self._held: dict[str, asyncio.Event] = {}

    def answer(
        self, status: int, *, route: str = "", times: int = 1, body: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Answer the next requests of a route (`GET /gateway`; any, where it is empty) with this and do nothing."""
        self._faults.append(_Fault(status, route, times, body, headers or {}))

    def hold(self, route: str) -> asyncio.Event:
        """Do what the next requests of a route ask and keep the answer back until the event is set."""
        return self._held.setdefault(route, asyncio.Event())

    def forget(self) -> None:
        """Everything works again."""
        self._faults.clear()
        for event in self._held.values():
            event.set()
        self._held.clear()

    def instead(self, route: str) -> web.Response | None:
        """The answer to give, where one is set."""
        for fault in self._faults:
            if fault.left and fault.route in {"", route}:
                fault.left -= 1
                return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        return None

    async def wait(self, route: str) -> None:
        """Before an answer goes out."""
        if route in self._held:
            await self._held[route].wait()
