"""Files on their way from and to browsers, over HTTP.

What a file says it is counts for nothing: only pictures that are known by their first bytes are shown in the page,
everything else is saved under its name, and nothing in it can run in the page's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from drivers.webchat.lobby import Lobby
from nextbridge.http.door import TurnedAway
from nextbridge.media.hosted import NoRoom

__all__ = ["Transfers"]

_PATIENCE = 30.0
"""Seconds for the next bytes of an upload."""
_CHUNK = 1 << 16
_MOST_AT_ONCE = 50
_MOST_AT_ONCE_OF_ONE = 4
"""Uploads under way, of all and of one author."""
_POLICY = "default-src 'none'; sandbox"


class _Broken(Exception):
    """An upload that did not come to its end."""


class Transfers:
    """Those of one web chat, while it runs. Who is let in is decided before."""

    def __init__(self, lobby: Lobby, log: FilteringBoundLogger) -> None:
        self._lobby = lobby
        self._log = log
        self._uploading: list[str] = []

    async def take(self, request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
        """Take in a file that somebody in a room wants to post; the body is the file. Raises TurnedAway."""
        author = self._lobby.authors.recognise(request.headers.get("X-Session"))
        if author is None or not self._lobby.present(author):
            raise TurnedAway(403, "Only who is in a room can upload a file.")
        size, largest = request.content_length, self._lobby.files.largest
        if size is None:
            raise TurnedAway(411, "The size of the file has to be said first.")
        if size > largest or largest == 0:
            raise TurnedAway(413, f"It is larger than {largest} bytes.")
        if len(self._uploading) >= _MOST_AT_ONCE or self._uploading.count(author) >= _MOST_AT_ONCE_OF_ONE:
            raise TurnedAway(429, "Too many files are on their way. Try again in a moment.")
        if self._lobby.uploads.take(author):
            raise TurnedAway(429, "That were a lot of files. Try again in a minute.")
        name = unquote(request.headers.get("X-File-Name", ""))
        self._uploading.append(author)
        try:
            file = await self._lobby.files.upload(author, name, _body(request, size))
        except NoRoom as error:
            raise TurnedAway(413, f"It {error}.") from None
        except (_Broken, ConnectionError, web.HTTPException):
            raise TurnedAway(400, "It did not arrive whole.") from None
        except OSError as error:
            self._log.warning("webchat_file_not_kept", reason=error.strerror or type(error).__name__)
            raise TurnedAway(507, "It cannot be kept just now. Try again later.") from None
        finally:
            self._uploading.remove(author)
        return web.Response(body=msgspec.json.encode(file), content_type="application/json", headers=headers)

    def give(self, id: str, headers: Mapping[str, str]) -> web.StreamResponse:  # noqa: A002 - the field's name
        """The file of a message, to be shown where it is a picture, else to be saved. Raises TurnedAway."""
        found = self._lobby.files.find(id)
        if found is None:
            raise TurnedAway(404, "This file is not kept any more.")
        file, path = found
        kind = "attachment" if file.image is None else "inline"
        own = {
            "Content-Type": file.image or "application/octet-stream",
            "Content-Disposition": f"{kind}; filename*=UTF-8''{quote(file.name, safe='')}",
            "Content-Security-Policy": _POLICY,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-cache",
        }
        return web.FileResponse(path, headers={**headers, **own})


async def _body(request: web.Request, size: int) -> AsyncIterator[bytes]:
    left = size
    while left:
        try:
            async with asyncio.timeout(_PATIENCE):
                chunk = await request.content.read(_CHUNK)
        except TimeoutError:
            raise _Broken from None
        if not chunk:
            raise _Broken
        left -= len(chunk)
        yield chunk
