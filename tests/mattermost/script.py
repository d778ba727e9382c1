"""A server that says on its socket exactly what a test tells it to, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from tests.mattermost.stage import Running

ME, CHANNEL, CONNECTION = "m" * 26, "c" * 26, "n" * 26

Script = Callable[["Socket"], Awaitable[None]]


class Socket:
    """The server's side of one WebSocket."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request) -> None:
        self.ws = ws
        self.query = dict(request.query)

    async def hello(self, connection_id: str = CONNECTION) -> None:
        await self.say("hello", {"connection_id": connection_id, "server_version": "5.37.0"}, 0)

    async def posted(self, text: str, seq: int) -> None:
        post = {"id": text, "create_at": 1, "user_id": "a" * 26, "channel_id": CHANNEL, "message": text}
        await self.say("posted", {"post": json.dumps(post), "sender_name": "@alice"}, seq)

    async def say(self, event: str, data: object, seq: int) -> None:
        await self.ws.send_json({"event": event, "data": data, "broadcast": {"channel_id": CHANNEL}, "seq": seq})

    async def asked(self, action: str) -> dict[str, Any]:
        """The client's next request of this kind."""
        while True:
            request: dict[str, Any] = await self.ws.receive_json(timeout=10)
            if request["action"] == action:
                return request

    async def linger(self) -> None:
        """Answer pings and nothing else, until the client goes."""
        while (message := await self.ws.receive()).type is WSMsgType.TEXT:
            await self.ws.send_json({"status": "OK", "seq_reply": json.loads(message.data)["seq"]})

    async def ignore(self) -> None:
        """Say nothing more, until the client goes. Pings of the WebSocket protocol are still answered."""
        while (await self.ws.receive()).type is WSMsgType.TEXT:
            pass


class Server:
    """Plays one script for each socket that is opened, the last one for ever."""

    def __init__(self) -> None:
        self.me = ME
        self.people: dict[str, object] = {}
        self.scripts: list[Script] = []
        self.sockets: list[Socket] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v4/users/me", self._me)
        app.router.add_get("/api/v4/users/{user_id}", self._user)
        app.router.add_get("/api/v4/config/client", self._config)
        app.router.add_get("/api/v4/channels/{channel_id}", self._channel)
        app.router.add_get("/api/v4/channels/{channel_id}/members/me", self._member)
        app.router.add_get("/api/v4/websocket", self._socket)
        return app

    async def _me(self, _: web.Request) -> web.Response:
        return web.json_response({"id": self.me, "username": "relay"})

    async def _user(self, request: web.Request) -> web.Response:
        user = self.people.get(request.match_info["user_id"])
        error = {"id": "app.user.missing_account.const", "message": "Unable to find the user.", "status_code": 404}
        return web.json_response(error, status=404) if user is None else web.json_response(user)

    async def _config(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _channel(self, request: web.Request) -> web.Response:
        return web.json_response({"id": request.match_info["channel_id"], "name": "town", "type": "O"})

    async def _member(self, request: web.Request) -> web.Response:
        return web.json_response({"channel_id": request.match_info["channel_id"], "user_id": self.me})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.sockets.append(Socket(ws, request))
        await script(self.sockets[-1])
        await ws.close()
        return ws


Play = Callable[..., Running]
