"""The WebSocket side: whose a socket is, what a client may ask over it, and writing a connection's frames to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
from aiohttp import WSMsgType, web
from msgspec import UNSET, Struct, UnsetType, field

from nextbridge.sandbox.mattermost.hub import Connection
from nextbridge.sandbox.mattermost.records import is_id
from nextbridge.sandbox.mattermost.refusals import Refusal
from nextbridge.sandbox.mattermost.rest.exchange import token_of
from nextbridge.sandbox.mattermost.settings import VERSION
from nextbridge.sandbox.mattermost.world import World

__all__ = ["Sockets"]

CHALLENGE_WITHIN = 5.0
"""Seconds that a socket has to say who it is, as on the real server."""


class ActionData(Struct):
    token: str = ""
    channel_id: str = ""
    parent_id: str = ""


class Action(Struct):
    """What a client sends."""

    seq: int = 0
    action: str = ""
    data: ActionData = field(default_factory=ActionData)


class ActionError(Struct):
    id: str
    message: str
    detailed_error: str
    status_code: int


class Answer(Struct):
    status: str
    data: dict[str, object] | UnsetType = UNSET
    seq_reply: int | UnsetType = UNSET
    error: ActionError | UnsetType = UNSET


class Socket:
    def __init__(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        self.ws = ws
        self.transport = request.transport
        self.thawed = asyncio.Event()
        self.thawed.set()

    def cut(self) -> None:
        self.thawed.set()
        if self.transport is not None:
            self.transport.abort()


class Sockets:
    """All sockets that are open now."""

    def __init__(self, world: World, on_change: Callable[[], None]) -> None:
        self.ignores_authorization = False
        self._world = world
        self._on_change = on_change
        self._open: set[Socket] = set()

    def __len__(self) -> int:
        return len(self._open)

    def cut(self) -> None:
        for socket in self._open:
            socket.cut()

    def freeze(self) -> None:
        for socket in self._open:
            socket.thawed.clear()
            if isinstance(socket.transport, asyncio.Transport):
                socket.transport.pause_reading()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(max_msg_size=64 * 1024)
        await ws.prepare(request)
        socket = Socket(request, ws)
        self._open.add(socket)
        connection: Connection | None = None
        writer: asyncio.Task[None] | None = None
        try:
            connection = self._by_header(request)
            if connection is None:
                connection = await self._by_challenge(socket)
            if connection is not None:
                self._world.hub.set_online(connection.user_id)
                self._on_change()
                writer = asyncio.create_task(self._write(socket, connection))
                await self._read(socket, connection)
        finally:
            self._open.discard(socket)
            if writer is not None:
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writer
            if connection is not None:
                self._world.hub.lose(connection)
            # The real server says goodbye with no close frame; a client sees 1006.
            socket.cut()
            self._on_change()
        return ws

    def _by_header(self, request: web.Request) -> Connection | None:
        """The connection that an Authorization header on the upgrade opens or resumes."""
        token = "" if self.ignores_authorization else token_of(request)
        user = self._world.people.signed_in(token)
        if user is None:
            return None
        wanted = request.query.get("connection_id", "")
        next_wanted = request.query.get("sequence_number", "")
        if is_id(wanted) and next_wanted.isdecimal():
            resumed = self._world.hub.resume(user.id, wanted, int(next_wanted))
            if resumed is not None:
                return resumed
        return self._world.hub.open(user.id, token)

    async def _by_challenge(self, socket: Socket) -> Connection | None:
        """The connection that an authentication challenge opens; None where the socket is to be closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHALLENGE_WITHIN):
                while (action := await self._next_action(socket)) is not None:
                    if action.action != "authentication_challenge":
                        answer = _refused(action, 401, "api.web_socket_router.not_authenticated.app_error")
                        await socket.ws.send_str(answer.decode())
                        continue
                    user = self._world.people.signed_in(action.data.token)
                    if user is None:
                        return None
                    connection = self._world.hub.open(user.id, action.data.token)
                    connection.reply(msgspec.json.encode(Answer("OK", seq_reply=action.seq)))
                    return connection
        return None

    async def _read(self, socket: Socket, connection: Connection) -> None:
        """Answer the client's actions until the socket ends."""
        while (action := await self._next_action(socket)) is not None:
            # With a session already, the real server passes over a challenge without a word.
            if action.action != "authentication_challenge" and not connection.reply(self._act(connection, action)):
                return

    def _act(self, connection: Connection, action: Action) -> bytes:
        if not action.action:
            return _refused(action, 400, "api.web_socket_router.no_action.app_error")
        if action.seq <= 0:
            return _refused(action, 400, "api.web_socket_router.bad_seq.app_error")
        if action.action == "ping":
            told: dict[str, object] = {
                "text": "pong",
                "version": VERSION,
                "server_time": int(self._world.clock() * 1000),
                "node_id": "",
            }
            return msgspec.json.encode(Answer("OK", told, action.seq))
        if action.action == "user_typing":
            user = self._world.people.user(connection.user_id)
            try:
                channel = self._world.channels.require_place_in(action.data.channel_id, user)
            except Refusal as refusal:
                return _refused(action, refusal.status, refusal.error_id)
            self._world.conversation.type(user, channel, action.data.parent_id)
            return msgspec.json.encode(Answer("OK", seq_reply=action.seq))
        return _refused(action, 500, "api.web_socket_router.bad_action.app_error")

    async def _next_action(self, socket: Socket) -> Action | None:
        """None when the socket ended, or what came is no action."""
        message = await socket.ws.receive()
        if message.type is not WSMsgType.TEXT:
            return None
        try:
            return msgspec.json.decode(message.data, type=Action)
        except msgspec.DecodeError:
            return None

    async def _write(self, socket: Socket, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await connection.next_text()) is not None:
                await socket.thawed.wait()
                await socket.ws.send_str(text.decode())
        socket.cut()


def _refused(action: Action, status: int, error_id: str) -> bytes:
    error = ActionError(error_id, error_id, "", status)
    return msgspec.json.encode(Answer("FAIL", seq_reply=action.seq or UNSET, error=error))
