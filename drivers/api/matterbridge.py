"""The addresses and fields of Matterbridge's API, for the programs that were written for it (games, other bridges).

What they are is said by Matterbridge's wiki (page API) and shown by `bridge/api/api.go` of its release 1.26: a program
gets what it has not got yet, from `/api/messages` at once or from `/api/stream` and `/api/websocket` as it comes, and
posts to `/api/message`. A gateway's name is a room's name here. Where its cursor is such a program does not say, so it
is kept here, for each token and room: it moves once an answer was written whole.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import msgspec
from aiohttp import WSMsgType, web
from msgspec import Struct, field

from drivers.api.access import Caller
from drivers.api.entries import Edit, Entry, Message
from drivers.api.log import Log, NotThere
from drivers.api.readers import GLANCE, GOODBYE, Readers, cut, is_gone
from drivers.api.refusals import Refused
from drivers.api.requests import LONGEST_NAME, MessageRequest, cleaned, one_line, read_data, read_key
from drivers.api.rooms import Rooms
from nextbridge.media.hosted import MOST_FILES, File, NoRoom

__all__ = ["Matterbridge", "Wire"]

_MOST_AT_ONCE = 1000


class _WireFile(Struct, frozen=True):
    name: str = field(default="file", name="Name")
    data: str | None = field(default=None, name="Data")
    """In base64."""


class Wire(Struct, frozen=True, kw_only=True):
    """A message as it is there. What else a program sends is passed over."""

    text: str = ""
    channel: str = ""
    username: str = ""
    userid: str = ""
    avatar: str = ""
    account: str = ""
    event: str = ""
    protocol: str = ""
    gateway: str = ""
    parent_id: str = ""
    timestamp: str = "0001-01-01T00:00:00Z"
    id: str = ""
    extra: dict[str, list[_WireFile]] | None = field(default=None, name="Extra")


class _Received(Struct, frozen=True):
    """What a program sends, as far as it is used."""

    text: str = ""
    username: str = ""
    userid: str = ""
    avatar: str = ""
    event: str = ""
    gateway: str = ""
    parent_id: str = ""
    extra: dict[str, list[_WireFile]] | None = field(default=None, name="Extra")


class Matterbridge:
    """Those addresses, of one instance, below `api/`."""

    def __init__(self, rooms: Rooms, readers: Readers) -> None:
        self._rooms = rooms
        self._readers = readers
        self._account = f"api.{rooms.instance}"
        self._turns: dict[str, asyncio.Lock] = {}
        """Of each token, so that two requests at once do not get the same."""
        self._cursors: dict[tuple[str, str], int] = {}

    # --- reading ---

    async def messages(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """What the token has not got yet; it counts as got once it was written."""
        caller.must_read()
        async with self._turns.setdefault(caller.name, asyncio.Lock()):
            ends: dict[str, int] = {}
            found: list[Wire] = []
            for key, log in self._rooms.of(caller).items():
                entries, _ = log.since(await self._cursor(caller, key), _MOST_AT_ONCE)
                found += self._shown(key, entries, caller)
                if entries:
                    ends[key] = entries[-1].id
            response = web.Response(body=msgspec.json.encode(found), content_type="application/json")
            try:
                await response.prepare(request)
                await self._readers.in_time(response.write_eof())
            except (TimeoutError, ConnectionError):
                cut(request)
                return response
            for key, end in ends.items():
                await self._move(caller, key, end)
            return response

    async def stream(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """The same and what comes from then on, a line each, after a greeting."""
        caller.must_read()
        with self._readers.place():
            response = web.StreamResponse(headers={"Content-Type": "application/json", "X-Accel-Buffering": "no"})
            await response.prepare(request)
            try:
                await self._readers.in_time(response.write(_line(_greeting())))
                async with aclosing(self._follow(caller)) as following:
                    async for key, entries in following:
                        for each in self._shown(key, entries, caller):
                            await self._readers.in_time(response.write(_line(each)))
                        if entries:
                            await self._move(caller, key, entries[-1].id)
                        elif is_gone(request):
                            break
                await self._readers.in_time(response.write_eof())
            except (TimeoutError, ConnectionError):
                cut(request)
            return response

    async def websocket(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """The same by a WebSocket, on which a program may post as well."""
        caller.must_read()
        socket = web.WebSocketResponse(timeout=GOODBYE, heartbeat=30, max_msg_size=1 << 20, compress=False)
        if not socket.can_prepare(request).ok:
            raise Refused(426, "Only a WebSocket can be opened here.", {"Upgrade": "websocket"})
        with self._readers.place():
            await socket.prepare(request)
            await self._readers.converse(request, socket, self._take(socket, caller), self._give(socket, caller))
            return socket

    async def _give(self, socket: web.WebSocketResponse, caller: Caller) -> None:
        await self._readers.in_time(socket.send_str(_line(_greeting()).decode()))
        async with aclosing(self._follow(caller)) as following:
            async for key, entries in following:
                for each in self._shown(key, entries, caller):
                    await self._readers.in_time(socket.send_str(_line(each).decode()))
                if entries:
                    await self._move(caller, key, entries[-1].id)

    async def _take(self, socket: web.WebSocketResponse, caller: Caller) -> None:
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                return
            try:
                await self._post(_read(frame.data.encode()), caller, None)
            except Refused as refused:
                failure = Wire(text=refused.text, event="failure", timestamp=_now())
                await self._readers.in_time(socket.send_str(_line(failure).decode()))

    async def _follow(self, caller: Caller) -> AsyncGenerator[tuple[str, Sequence[Entry]], None]:
        """Rooms with what the token has not got of them; nothing of one, where it is silent for a moment."""
        rooms = self._rooms.of(caller)
        if not rooms:
            return
        at = {key: await self._cursor(caller, key) for key in rooms}
        while True:
            silent = True
            for key, log in rooms.items():
                entries, _ = log.since(at[key], _MOST_AT_ONCE)
                if entries:
                    silent = False
                    at[key] = entries[-1].id
                    yield key, entries
            if silent:
                waiting = [asyncio.ensure_future(log.follow(at[key])) for key, log in rooms.items()]
                done, _ = await asyncio.wait(waiting, timeout=GLANCE, return_when=asyncio.FIRST_COMPLETED)
                for each in waiting:
                    each.cancel()
                if not all(each.result() for each in done):
                    return
                if not done:
                    yield next(iter(rooms)), ()

    async def _cursor(self, caller: Caller, key: str) -> int:
        at = self._cursors.get((caller.name, key))
        if at is None:
            at = int(await self._rooms.store.get(_cursor_name(caller, key)) or 0)
            self._cursors[caller.name, key] = at
        return at

    async def _move(self, caller: Caller, key: str, end: int) -> None:
        # of two streams of one token each goes its own way; the one that is ahead says what was got
        if end > self._cursors.get((caller.name, key), 0):
            self._cursors[caller.name, key] = end
            await self._rooms.store.set(_cursor_name(caller, key), str(end))

    def _shown(self, key: str, entries: Sequence[Entry], caller: Caller) -> list[Wire]:
        """What of it there is there: messages and edits, and none of what the program said itself."""
        return [
            self._wire(key, entry)
            for entry in entries
            if isinstance(entry, Message | Edit) and not entry.gone and entry.token != caller.name
        ]

    def _wire(self, key: str, entry: Message | Edit) -> Wire:
        protocol = "api" if entry.token else "".join(entry.origin.lower().split())
        labels = [f"[{file.name}]" for file in entry.files]
        is_edit = isinstance(entry, Edit)
        text = "\n".join(filter(None, [entry.text, *labels]))
        author = entry.author
        return Wire(
            text=f"{text} (edited)" if is_edit else text,
            channel="api" if entry.token else self._rooms.names[key],
            username=author.name if author else "",
            userid=author.id if author else "",
            avatar=(author.avatar or "") if author else "",
            account=self._account if entry.token else f"{protocol}.nextbridge",
            event="user_action" if entry.action else "",
            protocol=protocol,
            gateway=self._rooms.names[key],
            parent_id="" if isinstance(entry, Edit) or entry.reply_to is None else str(entry.reply_to),
            timestamp=_time(entry.at),
            id=str(entry.message if isinstance(entry, Edit) else entry.id),
        )

    # --- writing ---

    async def message(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Post what the body says. Answers with the message, as it is there."""
        key = read_key(request)
        posted = await self._post(_read(await read_data(request)), caller, key)
        return web.Response(body=msgspec.json.encode(posted), content_type="application/json")

    async def _post(self, received: _Received, caller: Caller, key: str | None) -> Wire:
        self._rooms.keep_pace(caller)
        log = self._room(received.gateway, caller)
        text = cleaned(received.text)
        data = [each for each in (received.extra or {}).get("file", ()) if each.data is not None]
        if not text and not data:
            raise Refused(400, "There is no text in it.")
        avatar = received.avatar if received.avatar.startswith(("http://", "https://")) else ""
        asked = MessageRequest(
            text=text,
            username=one_line(received.username)[:LONGEST_NAME] or None,
            user_id=one_line(received.userid)[:LONGEST_NAME] or None,
            avatar=avatar if avatar.isprintable() and len(avatar) <= 2000 else None,
            action=received.event == "user_action",
            reply_to=_answered(received.parent_id, log),
        )
        uploaded: list[File] = []
        try:
            for each in data[:MOST_FILES]:
                uploaded.append(await self._upload(each, caller))  # noqa: PERF401 - those before a failure count
            await self._rooms.writer(log, caller).do(asked, key, uploaded)
        finally:
            for file in uploaded:
                await self._rooms.files.withdraw(caller.name, file.id)
        return Wire(
            text=text,
            channel="api",
            username=received.username,
            userid=received.userid,
            avatar=received.avatar,
            account=self._account,
            event=received.event,
            protocol="api",
            gateway=received.gateway,
            parent_id=received.parent_id,
            timestamp=_now(),
        )

    def _room(self, gateway: str, caller: Caller) -> Log:
        rooms = self._rooms.of(caller)
        if gateway.lower() in rooms:
            return rooms[gateway.lower()]
        if not gateway and len(rooms) == 1:
            return next(iter(rooms.values()))
        raise Refused(404, "There is no such gateway for this token: it is the name of a room.")

    async def _upload(self, file: _WireFile, caller: Caller) -> File:
        try:
            content = base64.b64decode(file.data or "", validate=True)
        except (binascii.Error, ValueError):
            raise Refused(400, "A file is not in base64.") from None
        try:
            return await self._rooms.files.upload(caller.name, file.name, _once(content))
        except NoRoom as error:
            raise Refused(413, f"A file {error}.") from None
        except OSError:
            raise Refused(507, "The files cannot be kept just now. Try again later.") from None


def _read(data: bytes) -> _Received:
    try:
        return msgspec.json.decode(data, type=_Received)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"The message is not as it should be: {error}") from None


def _answered(parent: str, log: Log) -> int | None:
    """The message that it answers, where there is one of this id."""
    if not parent.isascii() or not parent.isdecimal() or len(parent) > 16:
        return None
    try:
        return log.get(int(parent)).id
    except NotThere:
        return None


async def _once(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content


def _greeting() -> Wire:
    return Wire(event="api_connected", timestamp=_now())


def _line(message: Wire) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def _cursor_name(caller: Caller, key: str) -> str:
    return f"matterbridge/{caller.name}/{key}"


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
