"""The media server: what signed links open, below `/media/` on the daemon's HTTP server.

Whatever a chat user sent is served so that it can do nothing: its type is what its content proves, only pictures, sound
and film are shown by a browser and all else is saved, nothing in it runs, and no name in an address is a path on disk.
Whoever asks for what there is not learns nothing but that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from nextbridge.markup.plain import one_line
from nextbridge.media.content import is_shown_inline, signature
from nextbridge.media.links import FileAsked, Links, PictureAsked
from nextbridge.media.pictures import Pictures
from nextbridge.media.spool import Spool

__all__ = ["MediaServer"]

_A_SECOND = 200.0
_BURST = 1000.0
"""Requests: a page of a chat asks for the picture of everybody who speaks in it."""
_TRANSFERS = 64
"""Files that are being sent at a time."""
_SLOWEST = 20_000
"""Bytes a second; whoever takes a file more slowly is cut off."""
_LEAST_SECONDS = 60.0
_CACHED = "private, max-age=86400"
_SAVED_AS = "application/octet-stream"


class MediaServer:
    """Answers requests below `/media/`."""

    def __init__(self, links: Callable[[], Links | None], spool: Spool, pictures: Pictures) -> None:
        """`links` gives those that hold now; where there are none, nothing is here."""
        self._links = links
        self._spool = spool
        self._pictures = pictures
        self._tokens = _BURST
        self._filled_at = time.monotonic()
        self._transfers = 0

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer one request. `path` is what follows `/media/`, as it stands in the address."""
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_GET, hdrs.METH_HEAD])
        links = self._links()
        asked = None if links is None else links.read(path)
        if asked is None:
            raise _nothing()
        if not self._has_turn() or self._transfers >= _TRANSFERS:
            raise web.HTTPTooManyRequests(text="Too much is asked for at once.\n", headers={hdrs.RETRY_AFTER: "2"})
        match asked:
            case FileAsked():
                return await self._file(asked)
            case PictureAsked():
                return await self._picture(asked)

    async def _file(self, asked: FileAsked) -> web.StreamResponse:
        found = await asyncio.to_thread(self._spool.published, asked.event_id, asked.place)
        if found is None:
            raise _nothing()
        shown = is_shown_inline(found.head)
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: (signature(found.head) if shown else None) or _SAVED_AS,
            hdrs.CONTENT_DISPOSITION: _disposition("inline" if shown else "attachment", found.name),
        }
        return _Transfer(self, found.path, headers, seconds=_LEAST_SECONDS + found.size / _SLOWEST)

    async def _picture(self, asked: PictureAsked) -> web.StreamResponse:
        found = await self._pictures.get(asked)
        if found is None:
            raise _nothing()
        return _Transfer(self, found.path, {hdrs.CONTENT_TYPE: found.media_type}, seconds=_LEAST_SECONDS)

    def _has_turn(self) -> bool:
        now = time.monotonic()
        self._tokens = min(_BURST, self._tokens + (now - self._filled_at) * _A_SECOND)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def begun(self) -> None:
        """A transfer begins."""
        self._transfers += 1

    def ended(self) -> None:
        """It is over."""
        self._transfers -= 1


class _Transfer(web.FileResponse):
    """A file on its way, with ranges and conditions as aiohttp does them; cut off when it takes too long."""

    def __init__(self, server: MediaServer, path: Path, headers: dict[str, str], *, seconds: float) -> None:
        super().__init__(path, headers=headers | _HARMLESS)
        self._server = server
        self._seconds = seconds

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        # aiohttp sends the whole file in here
        self._server.begun()
        try:
            async with asyncio.timeout(self._seconds):
                return await super().prepare(request)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("it is taken too slowly") from None
        finally:
            self._server.ended()


_HARMLESS = {
    # what a browser's own viewer of pictures and film needs, which is of no origin in the sandbox, and nothing else
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
    ),
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    hdrs.CACHE_CONTROL: _CACHED,
}


def _nothing() -> web.HTTPNotFound:
    return web.HTTPNotFound(text="There is nothing here.\n")


def _disposition(kind: str, name: str) -> str:
    """With the name as its author wrote it, less what a browser might take for a folder."""
    name = one_line(name.replace("/", "_").replace("\\", "_"), 200) or "file"
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
