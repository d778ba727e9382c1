"""The daemon's HTTP server: whether it is alive and ready, what else of the core is mounted, and drivers' pages.

Loopback by default. It adds nothing to what a driver answers but headers that every answer should have.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol, TypeAlias

import structlog
from aiohttp import web

from nextbridge.config.model import HttpSettings
from nextbridge.driver import Pages
from nextbridge.envelope import InstanceId
from nextbridge.errors import NextBridgeError
from nextbridge.redaction import redaction

__all__ = ["NAME", "Handler", "HttpError", "HttpServer", "Mounted", "can_listen"]

NAME = "NextBridge"
"""What the server calls itself in each answer."""
_MOST_BODY = 1 << 20
"""Bytes of a request's body, unless the driver that answers reads it as a stream."""


class Mounted(Protocol):
    """Who serves pages."""

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        """The running instance of that name and platform, if it serves pages."""


Exact: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers a request of one address."""
Handler: TypeAlias = Callable[[web.Request, str], Awaitable[web.StreamResponse]]
"""Answers a request; beside it what follows the place where it is mounted, percent-encoded."""


class HttpError(NextBridgeError):
    """The server cannot listen where the file says."""


class HttpServer:
    """Listens from `start` to `stop`. Drivers' pages are below `/<platform>/<instance>`."""

    def __init__(
        self,
        settings: HttpSettings,
        pages: Mounted,
        not_ready: Callable[[], Mapping[InstanceId, str]],
    ) -> None:
        """`not_ready` gives the instances that are not connected, each with the reason."""
        self._settings = settings
        self._pages = pages
        self._not_ready = not_ready
        self._mounted: dict[str, Handler] = {}
        self._exact: dict[str, Exact] = {}
        self._stops: list[Callable[[], Awaitable[None]]] = []
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._log = structlog.get_logger()
        self.address = ""
        """`http://host:port` while it listens."""

    def mount(self, name: str, handler: Handler, stop: Callable[[], Awaitable[None]] | None = None) -> None:
        """Have `handler` answer what is below `/<name>/`. Before `start`.

        `stop` is awaited before the server closes: it ends those answers that would have no end.
        """
        self._mounted[name] = handler
        if stop is not None:
            self._stops.append(stop)

    def add(self, name: str, handler: Exact) -> None:
        """Have `handler` answer a GET of `/<name>`. Before `start`."""
        self._exact[name] = handler

    async def start(self) -> None:
        """Listen. Raises HttpError when the address cannot be had."""
        app = web.Application(client_max_size=_MOST_BODY)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        for name, exact in self._exact.items():
            app.router.add_get(f"/{name}", exact)
        for name, handler in self._mounted.items():
            app.router.add_route("*", f"/{name}/{{path:.*}}", _below(name, handler))
        app.router.add_route("*", "/{platform}/{instance}{path:(/.*)?}", self._page)
        app.on_response_prepare.append(_harden)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            self._site = await self._listen(self._runner, self._settings)
        except HttpError:
            await self._runner.cleanup()
            raise

    async def move(self, settings: HttpSettings) -> None:
        """Listen there, and not where it did. What is being answered goes on. While it listens.

        Raises HttpError when that address cannot be had; then it listens where it did.
        """
        if settings == self._settings or self._runner is None or self._site is None:
            return
        before = self._site
        if settings.port == self._settings.port:
            await before.stop()  # one address and all addresses of a machine cannot be had at once
            try:
                self._site = await self._listen(self._runner, settings)
            except HttpError:
                self._site = await self._listen(self._runner, self._settings)
                raise
        else:
            self._site = await self._listen(self._runner, settings)
            await before.stop()
        self._settings = settings

    async def _listen(self, runner: web.AppRunner, settings: HttpSettings) -> web.TCPSite:
        host, port = settings.host, settings.port
        site = web.TCPSite(runner, host, port, reuse_address=True)
        others = len(runner.addresses)
        try:
            await site.start()
        except (OSError, UnicodeError) as error:
            await site.stop()  # the runner counts it among its own already
            raise _error(settings, error) from error
        bound = runner.addresses[others]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        self.address = f"http://{shown}:{bound[1]}"
        self._log.info("http_listening", address=self.address)
        return site

    async def stop(self) -> None:
        """Close, letting what is being answered finish for two seconds."""
        if self._runner is not None:
            for stop in self._stops:
                await stop()
            with suppress(TimeoutError):
                await self._runner.cleanup()
            self._runner = None

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        # a server's address may hold a secret, and a server's own words may repeat one
        waiting = {instance: redaction.mask(reason) for instance, reason in self._not_ready().items()}
        if not waiting:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "instances": waiting}, status=503)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        pages = self._pages.get(request.match_info["platform"], InstanceId(request.match_info["instance"]))
        if pages is None:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        return await pages.handle(request, request.match_info["path"])


def _below(name: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        # as it stands in the address, where an encoded slash is none
        return await handler(request, request.rel_url.raw_path.removeprefix(f"/{name}/"))

    return answer


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = NAME


async def can_listen(settings: HttpSettings) -> None:
    """Raises HttpError where a server could not listen there now. It does not listen; nothing else notices."""
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, settings.host, settings.port, reuse_address=True, start_serving=False
        )
    except (OSError, UnicodeError) as error:
        raise _error(settings, error) from error
    server.close()
    await server.wait_closed()


def _error(settings: HttpSettings, error: OSError | UnicodeError) -> HttpError:
    where = f"{settings.host}:{settings.port}"
    return HttpError(f"the HTTP server cannot listen on {where}: {_why(error)}; {_advice(error)}")


def _why(error: OSError | UnicodeError) -> str:
    """In the system's words alone: the event loop adds the address, which is said already."""
    if isinstance(error, socket.gaierror | UnicodeError):  # it is none, or cannot be one
        return "there is no such name"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _advice(error: OSError | UnicodeError) -> str:
    match error:
        case socket.gaierror() | UnicodeError() | OSError(errno=errno.EADDRNOTAVAIL):
            return "set global.http.host to an address of this machine: 127.0.0.1, or 0.0.0.0 for all"
        case OSError(errno=errno.EACCES):
            return "set global.http.port to one above 1023, and have a reverse proxy lead there"
        case _:
            return "set global.http.port to a free port"
