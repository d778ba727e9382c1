"""What stands before the homeserver in a test and passes calls on: it refuses some of them, when it is told to."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

__all__ = ["Gateway"]

_PASSED_ON = ("Authorization", "Content-Type")


class Gateway:
    """`async with Gateway(synapse.url) as gateway`: calls to `gateway.url` are the homeserver's."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._refused: dict[str, tuple[int, dict[str, Any]]] = {}
        self._times: dict[str, int] = {}
        self._stack = AsyncExitStack()
        self._transactions: dict[str, str] | None = None
        self.calls: list[str] = []
        """The method and path of each call, in order."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def refuse(self, part: str, status: int, errcode: str = "M_UNKNOWN", *, times: int = 10_000, **more: Any) -> None:
        """Answer calls whose method and path have that part so, for a number of times."""
        self._refused[part] = (status, {"errcode": errcode, "error": "refused by the test", **more})
        self._times[part] = times

    def forgive(self) -> None:
        """Refuse nothing any more."""
        self._refused.clear()

    def forget_transactions(self) -> None:
        """From now on the homeserver knows no transaction id that it was given before."""
        self._transactions = {}

    async def __aenter__(self) -> Self:
        self._http = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), auto_decompress=False)
        )
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        self.calls.append(call)
        for part, (status, said) in self._refused.items():
            if part in call and self._times[part] > 0:
                self._times[part] -= 1
                return web.json_response(said, status=status)
        path = request.raw_path
        if self._transactions is not None and request.method == "PUT" and "/send/" in path:
            place, _, transaction = path.rpartition("/")
            path = f"{place}/{self._transactions.setdefault(transaction, secrets.token_hex(8))}"
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        body = await request.read()
        async with self._http.request(
            request.method, URL(self._target + path, encoded=True), data=body or None, headers=headers
        ) as answer:
            kept = {name: answer.headers[name] for name in ("Content-Type", "Date") if name in answer.headers}
            return web.Response(body=await answer.read(), status=answer.status, headers=kept)
