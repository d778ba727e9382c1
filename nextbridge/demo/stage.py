"""The demo's page: the two sides of the bridge in two frames. Serves static files and nothing else."""

from __future__ import annotations

import os
from importlib.resources import files
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web
from msgspec import Struct

from nextbridge.errors import NextBridgeError

__all__ = ["Frame", "Stage", "StageError"]

_FILES = {
    "/": ("index.html", "text/html"),
    "/stage.css": ("stage.css", "text/css"),
    "/stage.js": ("stage.js", "text/javascript"),
}


class StageError(NextBridgeError):
    """The page's port cannot be had."""


class Frame(Struct, frozen=True):
    """One side: its heading and the page to show."""

    title: str
    address: str


class Stage:
    """Listens on 127.0.0.1 as an async context; shows what `show` was given last."""

    def __init__(self, port: int) -> None:
        """`port` 0 takes a free one."""
        self._port = port
        self._frames: tuple[Frame, ...] = ()
        self._runner: web.AppRunner | None = None
        self.origin = ""

    def show(self, *frames: Frame) -> None:
        """The frames of the page, from left to right."""
        self._frames = frames

    async def __aenter__(self) -> Self:
        app = web.Application()
        for path in _FILES:
            app.router.add_get(path, self._file)
        app.router.add_get("/frames", self._list)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise StageError(
                f"the page cannot be served on 127.0.0.1:{self._port}: {_why(error)}; "
                "choose another with --port, or --port 0 for any free one"
            ) from error
        self._runner = runner
        self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _file(self, request: web.Request) -> web.Response:
        name, kind = _FILES[request.path]
        shown = " ".join(f"{part.scheme}://{part.netloc}" for part in (urlsplit(each.address) for each in self._frames))
        frames = shown or "'none'"
        return web.Response(
            body=files(__package__).joinpath("page", name).read_bytes(),
            content_type=kind,
            charset="utf-8",
            headers={
                "Cache-Control": "no-store",
                "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
                f"connect-src 'self'; frame-src {frames}; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([{"title": each.title, "address": each.address} for each in self._frames])


def _why(error: OSError) -> str:
    """In the system's words alone: the event loop adds the address, which is said already."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
