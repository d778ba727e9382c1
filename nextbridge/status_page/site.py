"""The status page over HTTP: its files, its feed, and what its buttons do.

What it tells and does is what the commands tell and do, through the same desk and in the same protocol; nothing of it
is text of a message. A page on another site can neither read it nor press its buttons: there is no cookie to ride on,
the token stands in a header that only the page itself can send, and without a token the address, the origin and the
kind of what is sent are looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from aiohttp import web

from nextbridge.control.desk import Desk
from nextbridge.control.protocol import (
    ControlError,
    DeadIds,
    DropDead,
    FollowCrossings,
    ListDead,
    Question,
    Refused,
    RetryDead,
    ShowDead,
    TraceMessage,
    read_question,
    write_answer,
)
from nextbridge.errors import JournalError
from nextbridge.http.door import Door, TurnedAway, peer_of
from nextbridge.http.page import Page
from nextbridge.pace import Pace
from nextbridge.status_page.feed import Feed

__all__ = ["StatusPage"]

_MOST_PAGES = 8
"""Open at once; half as many as may listen to what crosses, so that `nextbridge tail` always can."""
_PATIENCE = 20.0
"""Seconds in which a page has to read what it is told."""


class StatusPage:
    """What browsers find below `/status/`."""

    def __init__(self, desk: Desk, door: Callable[[], Door | None]) -> None:
        """`door` gives who may open it now; None where nobody may."""
        self._desk = desk
        self._door = door
        self._last_door = door()
        self._feed = Feed(desk)
        self._page = Page(Path(__file__).parent / "page", "NextBridge")
        self._guesses = Pace(3, burst=10)
        """Wrong tokens by where they come from: ten, then one every twenty seconds."""
        self._logged = Pace(6, burst=5)
        self._open: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    async def load(self) -> None:
        """Read the files of the page. Before the first request."""
        await self._page.load()

    async def stop(self) -> None:
        """Let go of the open pages; they come back by themselves."""
        self._let_go()
        await asyncio.gather(*self._open, return_exceptions=True)

    def look_again(self) -> None:
        """Perhaps others may open it now: whoever has it open has to come in again then."""
        if (door := self._door()) != self._last_door:
            self._last_door = door
            self._let_go()

    def _let_go(self) -> None:
        for task in tuple(self._open):
            task.cancel()

    async def redirect(self, _request: web.Request) -> web.StreamResponse:
        """Answer a request for `/status`."""
        if self._door() is None:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        # relative, so that it also holds where a reverse proxy adds a path of its own before ours
        raise web.HTTPPermanentRedirect("./status/")

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request for what follows `/status/` in the address."""
        if (door := self._door()) is None:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        try:
            needs_token = door.needs_token(request)
            if path not in {"live", "ask"}:
                return self._file(request, f"/{path}")
            _check_sender(request, door)
            if needs_token:
                self._check_token(request, door)
            return await (self._live(request) if path == "live" else self._ask(request))
        except TurnedAway as turned:
            if path in {"live", "ask"}:  # the page's own code shows it
                return web.Response(status=turned.status, text=turned.text, headers=self._page.headers)
            return self._page.notice(turned.status, turned.text)

    def _file(self, request: web.Request, path: str) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            raise TurnedAway(405, "This page is only to be looked at.")
        if (file := self._page.file(path)) is None:
            raise TurnedAway(404, "There is no such page.")
        return file

    def _check_token(self, request: web.Request, door: Door) -> None:
        peer = peer_of(request)
        if (wait := self._guesses.wait(peer)) > 0:
            raise TurnedAway(429, f"Too many wrong tokens came from your address. Try again in {wait:.0f} seconds.")
        if door.opened_by_header(request):
            return
        if "Authorization" not in request.headers:
            raise TurnedAway(401, "This needs the token of the status page.")
        self._guesses.take(peer)
        if not self._logged.take(""):
            self._log.warning("status_page_token_refused", peer=peer)
        raise TurnedAway(401, "This is not the token of the status page.")

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            raise TurnedAway(405, "This address is only read.")
        if len(self._open) >= _MOST_PAGES:
            raise TurnedAway(503, f"{_MOST_PAGES} status pages are open already. Close one of them.")
        headers = {**self._page.headers, "Content-Type": "application/x-ndjson", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        telling = asyncio.create_task(self._tell(request, response))
        self._open.add(telling)
        telling.add_done_callback(self._open.discard)
        try:
            await asyncio.wait({telling})
        finally:
            telling.cancel()
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        async def write(lines: bytes) -> None:
            async with asyncio.timeout(_PATIENCE):
                await response.write(lines)

        await response.prepare(request)
        try:
            await self._feed.tell(write)
        except (ControlError, JournalError, OSError, TimeoutError):
            return  # it comes back, if it is still there

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        # a page of another site can send a form unasked, and JSON only once it was allowed to, which it never is
        if request.method != "POST" or request.content_type != "application/json":
            raise TurnedAway(405, "This address takes JSON.")
        try:
            answer = await self._desk.answer(_allowed(read_question(await request.read())))
        except ControlError as error:
            answer = Refused(reason=str(error))
        except JournalError as error:
            raise TurnedAway(503, str(error)) from error
        return web.Response(body=write_answer(answer), content_type="application/json", headers=self._page.headers)


def _check_sender(request: web.Request, door: Door) -> None:
    door.check_origin(request)
    # Fetch Metadata: a browser says so itself, and no page can make it say otherwise
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise TurnedAway(403, "The connection was opened by the page of another site.")


def _allowed(question: Question | FollowCrossings) -> Question:
    """Raises ControlError for what the page has no button for: to forget somebody, or to see what was written."""
    match question:
        case ListDead() | DeadIds() | RetryDead() | DropDead() | TraceMessage(text=False) | ShowDead(text=False):
            return question
    raise ControlError("The status page does not do that. The nextbridge command does.")
