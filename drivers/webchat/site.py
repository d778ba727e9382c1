"""The web chat over HTTP: the page, its files, its live connections, and what people are told who may not in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from drivers.webchat.lobby import Lobby
from drivers.webchat.session import Session
from drivers.webchat.transfers import Transfers
from nextbridge.http.door import Door, TurnedAway
from nextbridge.http.page import Page

__all__ = ["Site"]

_UPLOAD = "/upload"
_FILES = "/files/"


class Site:
    """What browsers find below the instance's address."""

    def __init__(self, door: Door, embed_from: Sequence[str], log: FilteringBoundLogger) -> None:
        self._door = door
        self._page = Page(Path(__file__).parent / "page", "Web chat", embed_from)
        self._log = log
        self._lobby: Lobby | None = None
        self._transfers: Transfers | None = None

    async def load(self) -> None:
        """Read the page. A second call does nothing."""
        await self._page.load()

    def open(self, lobby: Lobby) -> None:
        """From now on people come into this lobby."""
        self._lobby, self._transfers = lobby, Transfers(lobby, self._log)

    def close(self) -> None:
        """Nobody comes in any more."""
        self._lobby = self._transfers = None

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request for the page, one of its files, its live connection, or a file of a message."""
        try:
            return await self._answer(request, path)
        except TurnedAway as turned:
            return self._page.notice(turned.status, turned.text)

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        needs_token = self._door.needs_token(request)
        if request.method not in {"GET", "HEAD"} and (request.method, path) != ("POST", _UPLOAD):
            raise TurnedAway(405, "This page is only to be looked at.")
        if path == "":
            # Relative, so that it also holds where a reverse proxy adds a path of its own before ours.
            name = quote(request.path.rpartition("/")[2], safe="")
            return web.Response(status=308, headers={**self._page.headers, "Location": f"./{name}/"})
        lobby, transfers = self._lobby, self._transfers
        if lobby is None or transfers is None:
            raise TurnedAway(503, "The web chat is being started. Try again in a moment.")
        if path == "/live":
            return await self._live(request, lobby, needs_token=needs_token)
        if path == _UPLOAD or path.startswith(_FILES):
            if needs_token:
                await self._check_token(request, lobby)
            return await self._transfer(request, path, transfers)
        if (file := self._page.file(path)) is None:
            raise TurnedAway(404, "There is no such page.")
        return file

    async def _live(self, request: web.Request, lobby: Lobby, *, needs_token: bool) -> web.StreamResponse:
        self._door.check_origin(request)
        if not web.WebSocketResponse().can_prepare(request).ok:
            raise TurnedAway(426, "Only the page itself connects here.")
        admitted = not needs_token or self._door.opened_by_header(request)
        if lobby.full(admitted=admitted):
            raise TurnedAway(503, "The web chat is full. Try again later.")
        return await Session(request, lobby, self._log, admitted=admitted).serve()

    async def _check_token(self, request: web.Request, lobby: Lobby) -> None:
        if self._door.opened_by_header(request):
            return
        if "Authorization" in request.headers:
            await lobby.refuse_token(self._log, request)
        raise TurnedAway(401, "This needs the token of the chat.")

    async def _transfer(self, request: web.Request, path: str, transfers: Transfers) -> web.StreamResponse:
        self._door.check_origin(request)
        if path != _UPLOAD:
            return transfers.give(path.removeprefix(_FILES), self._page.headers)
        if request.method != "POST":
            raise TurnedAway(405, "This address only takes files.")
        return await transfers.take(request, self._page.headers)
