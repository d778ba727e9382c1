"""What goes wrong on request: answers instead of the API's own."""

from __future__ import annotations

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

    def answer(
        self, status: int, *, route: str = "", times: int = 1, body: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Answer the next requests of a route (`GET /gateway`; any, where it is empty) with this and do nothing."""
        self._faults.append(_Fault(status, route, times, body, headers or {}))

    def forget(self) -> None:
        """Everything works again."""
        self._faults.clear()

    def instead(self, route: str) -> web.Response | None:
        """The answer to give, where one is set."""
        for fault in self._faults:
            if fault.left and fault.route in {"", route}:
                fault.left -= 1
                return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        return None
