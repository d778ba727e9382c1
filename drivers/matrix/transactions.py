"""What a homeserver pushes to an application service: the calls to the daemon's HTTP server, and a connection of them.

The homeserver sends one transaction after the other and keeps each until it is answered, through a stop of either side.
It is answered once all that is in it is on disk; one that comes again is known by its id, and what is in it by its ids.
A room's cursor is the id of the newest event that was heard there.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Raw

from drivers.matrix import wire
from drivers.matrix.account import Account
from drivers.matrix.api import Refusal
from drivers.matrix.direct import DIRECT
from drivers.matrix.events import EventReader
from drivers.matrix.people import People
from drivers.matrix.registration import identifier
from drivers.matrix.rooms import Rooms, position
from drivers.matrix.settings import ApplicationService
from drivers.matrix.syncing import Listener
from nextbridge.driver import Cursor, Host
from nextbridge.envelope import ChannelKey, Event
from nextbridge.errors import EntryRefused, NextBridgeError, Retry

__all__ = ["Pushed"]

_TRANSACTION = re.compile(r"/_matrix/app/v1/transactions/([^/]{1,1000})\Z")
_PING = "/_matrix/app/v1/ping"
_ASKED = re.compile(r"/_matrix/app/v1/(users|rooms|thirdparty)/")
_LONGEST = 32 * 1024 * 1024
"""Bytes of a transaction: Synapse puts a hundred events into one, of 64 KiB each."""
_SECONDS = 20.0
"""For reading one, and for becoming ready to take it."""
_REMEMBERED = 100
_STORED = "transactions"
_TIDIED_EVERY = 3600.0
_UNREACHED = "the homeserver does not reach us; look at url and hs_token in its registration"


class Pushed(Listener):
    """One instance's. Its `listen` holds the connection, `handle` takes what comes."""

    def __init__(
        self, host: Host, rooms: Rooms, people: People, service: ApplicationService, pulse: Callable[[], float]
    ) -> None:
        """`pulse` says after how many seconds it looks again whether the homeserver is there and reaches us."""
        super().__init__(host, rooms, people)
        self._service = service
        self._pulse = pulse
        self._newest: dict[ChannelKey, str] = {}
        self._ready = asyncio.Event()
        self._account: Account | None = None
        self._turn = asyncio.Lock()
        self._done: list[str] | None = None
        self._kept: list[Awaitable[object]] = []
        self._closed = False
        self._pings: dict[str, None] = {}
        """Those that we asked for and that have not come."""

    def heard(self, room: ChannelKey) -> str:
        return self._newest.get(room, "")

    async def listen(self, account: Account, realm: str) -> None:
        api = account.api
        self._people.forget_all()
        is_first = self.since is None
        if is_first:
            self._rooms.began()
            with suppress(Refusal):  # it keeps no list yet
                kept = await api.account_data(account.me, DIRECT)
                account.direct.take([Raw(msgspec.json.encode({"type": "m.direct", "content": kept}))])
        await self._resolve(account, is_first=is_first)
        await self._reaches_us(account)
        self.since = "pushed"
        self._account = account
        await self._host.connected(account.me, realm=realm)
        # what is held back for us now comes behind what was said of the connection
        self._ready.set()
        try:
            await self._hold(account)
        finally:
            self._ready.clear()
            await self._end()

    def close(self) -> None:
        """Nothing is taken any more; what waits for us to be ready is to be sent again."""
        self._closed = True
        self._ready.set()

    async def _hold(self, account: Account) -> None:
        """Look again and again whether it is there. Raises Retry, and Paused, where it is not."""
        loop = asyncio.get_running_loop()
        tidied = -_TIDIED_EVERY
        while True:
            if account.puppets is not None and loop.time() > tidied + _TIDIED_EVERY:
                tidied = loop.time()
                await account.puppets.tidy(self._rooms.open_rooms())
            await asyncio.sleep(self._pulse())
            await self._reaches_us(account)

    async def _reaches_us(self, account: Account) -> None:
        """Ask the homeserver to call us, whereafter it sends what it could not before. Raises Retry and Paused."""
        number = secrets.token_hex(8)
        self._pings[number] = None
        try:
            await account.api.ping(identifier(account.me), number)
        except Refusal as refusal:
            if refusal.is_unknown_call:  # a server from before version 1.7 is only asked whether it is there
                await account.api.versions()
            elif number in self._pings:
                raise Retry(f"{_UNREACHED}: {refusal.message}") from refusal
        except Retry as error:
            # Synapse answers 502 though it has reached us, where it is about to send something again
            if number in self._pings:
                raise Retry(f"{_UNREACHED}: {error.reason}", after=error.after) from error
        finally:
            self._pings.pop(number, None)

    async def _resolve(self, account: Account, *, is_first: bool) -> None:
        """Look for the rooms, and say from where on those are heard that were not before."""
        before = self._rooms.open_rooms()
        await self._rooms.resolve(account.api, account.me)
        for room in self._rooms.open_rooms() - (set() if is_first else before):
            moved_at = self._rooms.succeeded_at(room)
            try:
                page = await account.api.messages(room, start=None, to=None, backwards=moved_at is None, most=1)
            except Refusal:
                continue
            for event in wire.events_of(page.chunk):
                at = min(event.origin_server_ts, account.api.clock.now()) if moved_at is None else moved_at
                self._newest[room] = event.event_id
                is_joined_now = not is_first and moved_at is None
                self._rooms.gap(room, position(room, event.event_id, at), forget=is_joined_now)

    # --- calls --------------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a call of the homeserver."""
        path = path.rstrip("/") or "/"
        if path == "/" and request.method == "GET":
            return web.Response(text="This is an application service of a Matrix homeserver.\n")
        found = _TRANSACTION.match(path)
        if found is None and path != _PING and not _ASKED.match(path):
            return _refused(404, "M_UNRECOGNIZED", "there is nothing here")
        if not self._is_genuine(request):
            return _refused(403, "M_FORBIDDEN", "the hs_token is not that of the registration")
        if path == _PING:
            return await self._ping(request)
        if found is None:
            return _refused(404, "M_NOT_FOUND", "there is none")
        if request.method != "PUT":
            return _refused(405, "M_UNRECOGNIZED", "a transaction is PUT")
        return await self._transaction(request, unquote(found[1]))

    def _is_genuine(self, request: web.Request) -> bool:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        wanted = self._service.hs_token.reveal().encode()
        return hmac.compare_digest(token.strip().encode("utf-8", "replace"), wanted) and kind.lower() == "bearer"

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        with suppress(*wire.UNREADABLE):
            body = await _read(request) or b"{}"
            self._pings.pop(wire.Content(Raw(body)).text("transaction_id"), None)
        return web.json_response({})

    async def _transaction(self, request: web.Request, number: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(_SECONDS):
                body = await _read(request)
                await self._ready.wait()
            if self._closed:
                return _refused(503, "M_UNKNOWN", "the relay stops; send it again")
        except TimeoutError:
            return _refused(503, "M_UNKNOWN", "the relay is not ready; send it again")
        if body is None:
            return _refused(413, "M_TOO_LARGE", "a transaction has at most 32 MiB")
        try:
            batch = msgspec.json.decode(body, type=wire.Transaction)
        except wire.UNREADABLE:
            return _refused(400, "M_NOT_JSON", "it is no transaction")
        async with self._turn:
            done = await self._done_before()
            if number not in done:
                try:
                    await self._take_all(batch)
                except NextBridgeError as error:
                    self._host.log.warning("transaction_not_taken", reason=str(error)[:200])
                    return _refused(503, "M_UNKNOWN", "it could not be kept; send it again")
                done.append(number)
                del done[:-_REMEMBERED]
                await self._host.store.set(_STORED, msgspec.json.encode(done).decode())
        return web.json_response({})

    async def _done_before(self) -> list[str]:
        if self._done is None:
            kept = await self._host.store.get(_STORED)
            self._done = [] if kept is None else msgspec.json.decode(kept, type=list[str])
        return self._done

    async def _take_all(self, batch: wire.Transaction) -> None:
        """Tell the core all of it, and return once that is on disk."""
        account = self._account
        assert account is not None  # noqa: S101 - it is ready
        reader = EventReader(account)
        self._kept.clear()
        moved = False
        for raw in batch.events:
            room = _room_of(raw)
            if room is None:
                self._host.skipped("unreadable")
                continue
            moved = await self._pushed(room, raw, account, reader) or moved
        for raw in (*batch.ephemeral, *batch.earlier_ephemeral):
            if (room := _room_of(raw)) is not None:
                await self._typing(room, [raw], account)
        for each in self._kept:
            with suppress(EntryRefused):  # it never will be kept, and was counted
                await each
        self._kept.clear()
        if moved:
            await self._resolve(account, is_first=False)

    async def _pushed(self, room: ChannelKey, raw: Raw, account: Account, reader: EventReader) -> bool:
        for event in wire.events_of([raw]):
            if event.type == "m.room.member":
                await self._member(room, event, raw, account)
            if event.event_id:
                self._newest[room] = event.event_id
        return await self._event(room, raw, Cursor(room, self._newest.get(room, "")), account, reader)

    async def _member(self, room: ChannelKey, event: wire.Event, raw: Raw, account: Account) -> None:
        """Somebody of ours was invited, or is in the room no more."""
        membership = wire.Content(event.content).text("membership")
        if event.state_key == account.me:
            if membership == "invite":
                self._invited(room, wire.Invitation(wire.Events([raw])), account)
            elif membership in {"leave", "ban"}:
                self._rooms.left(room, account.me)
        elif membership in {"leave", "ban"} and account.puppets is not None and event.state_key:
            await account.puppets.gone(room, event.state_key)

    async def _tell(self, made: Event, cursor: Cursor) -> None:
        self._kept.append(await self._host.accept(made, cursor=cursor))


def _room_of(raw: Raw) -> ChannelKey | None:
    try:
        return ChannelKey(msgspec.json.decode(raw, type=wire.Placed).room_id) or None
    except wire.UNREADABLE:
        return None


async def _read(request: web.Request) -> bytes | None:
    """The body; None where it is too long."""
    content = bytearray()
    async for chunk in request.content.iter_chunked(65536):
        content += chunk
        if len(content) > _LONGEST:
            return None
    return bytes(content)


def _refused(status: int, code: str, reason: str) -> web.Response:
    return web.json_response({"errcode": code, "error": reason}, status=status)
