"""The API over HTTP: which address means what, who is let in, and how the answers look."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from drivers.api.access import Caller
from drivers.api.forms import read_form
from drivers.api.log import Log
from drivers.api.matterbridge import Matterbridge
from drivers.api.openapi import document
from drivers.api.readers import Readers
from drivers.api.refusals import Problem, Refused
from drivers.api.requests import (
    DeleteRequest,
    EditRequest,
    MessageRequest,
    ReactionRequest,
    Request,
    read_body,
    read_key,
)
from drivers.api.rooms import LONGEST_WAIT, MOST_ENTRIES, Rooms, RoomView
from nextbridge.pace import Pace

__all__ = ["Site"]

_WRITES: Mapping[str, type[Request]] = {
    "message": MessageRequest,
    "edit": EditRequest,
    "delete": DeleteRequest,
    "reaction": ReactionRequest,
}
_READS = ("messages", "stream", "socket")
_FILE_POLICY = "default-src 'none'; sandbox"


class Site:
    """What programs find below the instance's address."""

    def __init__(self, rooms: Rooms) -> None:
        self.readers = Readers(rooms.settings.max_readers)
        self._rooms = rooms
        self._matterbridge = Matterbridge(rooms, self.readers)
        self._warnings = Pace(6, burst=5)
        self._document = b""
        self._is_open = False

    def open(self) -> None:
        """From now on requests are answered."""
        self._document = self._document or msgspec.json.encode(document(self._rooms.settings, self._rooms.address))
        self._is_open = True

    def close(self) -> None:
        """Nobody comes in any more."""
        self._is_open = False

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request. Whatever is refused is refused in JSON, with the reason."""
        try:
            return await self._answer(request, path)
        except Refused as refused:
            return _json(Problem(refused.text), refused.status, refused.headers)

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        match path.split("/")[1:]:
            case ["openapi.json"]:
                _only(request, "GET")
                self._must_be_open()
                return web.Response(body=self._document, content_type="application/json")
            case ["api", "health"]:
                _only(request, "GET")
                return web.Response(text="OK")
            case ["api", ("messages" | "stream" | "websocket" | "message") as what]:
                return await self._answer_as_matterbridge(request, what)
            case ["rooms"]:
                caller = self._enter(request, "GET")
                return _json([self._view(key, log, caller) for key, log in self._rooms.of(caller).items()])
            case ["rooms", room, what] if what in _READS:
                return await self._read(request, what, *self._room(request, room, "GET"))
            case ["rooms", room, what] if what in _WRITES:
                return await self._write(request, _WRITES[what], *self._room(request, room, "POST"))
            case ["rooms", room, "files", file]:
                return self._file(file, *self._room(request, room, "GET"))
            case _:
                raise Refused(404, "There is nothing here.")

    async def _answer_as_matterbridge(self, request: web.Request, what: str) -> web.StreamResponse:
        caller = self._enter(request, "POST" if what == "message" else "GET")
        match what:
            case "messages":
                return await self._matterbridge.messages(request, caller)
            case "stream":
                return await self._matterbridge.stream(request, caller)
            case "websocket":
                return await self._matterbridge.websocket(request, caller)
            case _:
                return await self._matterbridge.message(request, caller)

    def _enter(self, request: web.Request, method: str) -> Caller:
        _only(request, method)
        try:
            caller = self._rooms.gate.caller(request)
        except Refused:
            if "Authorization" in request.headers and not self._warnings.take(""):
                self._rooms.log.warning("api_token_refused", peer=request.remote)
            raise
        self._must_be_open()
        return caller

    def _must_be_open(self) -> None:
        if not self._is_open:
            raise Refused(503, "The API is being started.", {"Retry-After": "2"})

    def _room(self, request: web.Request, room: str, method: str) -> tuple[Log, Caller]:
        caller = self._enter(request, method)
        log = self._rooms.of(caller).get(room.lower())
        if log is None:
            raise Refused(404, "There is no such room for this token.")
        return log, caller

    def _view(self, key: str, log: Log, caller: Caller) -> RoomView:
        return RoomView(self._rooms.names[key], log.topic, log.last, reads=caller.reads, writes=caller.writes)

    async def _read(self, request: web.Request, what: str, log: Log, caller: Caller) -> web.StreamResponse:
        caller.must_read()
        bounds = {"after": (0, 2**53 - 1)}
        if what == "messages":
            bounds |= {"limit": (1, MOST_ENTRIES), "wait": (0, LONGEST_WAIT)}
        numbers = _numbers(request, bounds)
        after = numbers.get("after")
        if what == "messages":
            return _json(
                await self.readers.page(request, log, after, numbers.get("limit", 100), numbers.get("wait", 0))
            )
        if what == "stream":
            # a client of server-sent events says so itself where it goes on
            last = request.headers.get("Last-Event-ID", "")
            if re.fullmatch("[0-9]{1,16}", last):
                after = int(last)
            return await self.readers.events(request, log, after)
        if not web.WebSocketResponse().can_prepare(request).ok:
            raise Refused(426, "Only a WebSocket can be opened here.", {"Upgrade": "websocket"})
        return await self.readers.socket(request, log, after)

    async def _write(self, request: web.Request, kind: type[Request], log: Log, caller: Caller) -> web.StreamResponse:
        self._rooms.keep_pace(caller)
        key = read_key(request)
        writer = self._rooms.writer(log, caller)
        if kind is MessageRequest and request.content_type == "multipart/form-data":
            form = await read_form(request, self._rooms.files, caller.name)
            asked: Request = form.message
            done = await writer.do(asked, key, form.files, form.digests)
        else:
            asked = await read_body(request, kind)
            done = await writer.do(asked, key)
        return _json(done)

    def _file(self, id: str, log: Log, caller: Caller) -> web.StreamResponse:  # noqa: A002 - the field's name
        caller.must_read()
        found = self._rooms.files.find(id)
        if found is None or found[0] not in log.files():
            raise Refused(404, "This file is not kept any more.")
        file, path = found
        return web.FileResponse(
            path,
            headers={
                "Content-Type": file.image or "application/octet-stream",
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
                "Content-Security-Policy": _FILE_POLICY,
                "Cache-Control": "private, no-cache",
            },
        )


def _only(request: web.Request, method: str) -> None:
    if request.method != method:
        raise Refused(405, f"This address takes {method} only.", {"Allow": method})


def _numbers(request: web.Request, bounds: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """The query's numbers. Raises Refused for what is none of these."""
    found: dict[str, int] = {}
    for name, text in request.query.items():
        if name not in bounds:
            raise Refused(400, f"There is no such parameter; known are {', '.join(bounds)}.")
        least, most = bounds[name]
        if name in found or re.fullmatch("[0-9]{1,16}", text) is None or not least <= int(text) <= most:
            raise Refused(400, f"{name} is a whole number from {least} to {most}, once.")
        found[name] = int(text)
    return found


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:  # noqa: ANN401
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)
