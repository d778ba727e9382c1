"""What a server says on the socket, frame by frame: a server that says exactly what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from nextbridge.errors import Paused
from tests.mattermost.stage import Drive, Running

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
        """Answer nothing more, until the client goes."""
        while (await self.ws.receive()).type is WSMsgType.TEXT:
            pass


class Server:
    """Plays one script for each socket that is opened, the last one for ever."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.sockets: list[Socket] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/v4/users/me", self._me)
        app.router.add_get("/api/v4/config/client", self._config)
        app.router.add_get("/api/v4/websocket", self._socket)
        return app

    async def _me(self, _: web.Request) -> web.Response:
        return web.json_response({"id": ME, "username": "relay"})

    async def _config(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.sockets.append(Socket(ws, request))
        await script(self.sockets[-1])
        await ws.close()
        return ws


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def play(server: Server, drive: Drive) -> AsyncIterator[Callable[..., Running]]:
    """Start a driver against a server that plays these scripts."""
    listening = TestServer(server.app())
    await listening.start_server()

    def start(*scripts: Script) -> Running:
        server.scripts = list(scripts)
        return drive(str(listening.make_url("")), "t" * 26)

    yield start
    await listening.close()


Play = Callable[..., Running]


async def test_a_gap_in_the_sequence_is_noticed(play: Play) -> None:
    """Frames that never came are counted in the log, and what follows is received."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)
        await socket.posted("five", 5)
        await socket.posted("six", 6)
        await socket.linger()

    with capture_logs() as logs:
        running = play(script)
        await running.received("six")
    assert running.texts == ["one", "five", "six"]
    gaps = [each for each in logs if each["event"] == "gap"]
    assert [(each["missed"], each["log_level"]) for each in gaps] == [(3, "warning")]


async def test_a_reconnection_asks_for_the_next_number(play: Play, server: Server) -> None:
    """It names the connection and the first frame that it has not had; a clean close is followed by a new socket."""

    async def first(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)

    async def second(socket: Socket) -> None:
        await socket.posted("two", 2)
        await socket.linger()

    running = play(first, second)
    await running.received("two")
    assert server.sockets[0].query == {}
    assert server.sockets[1].query == {"connection_id": CONNECTION, "sequence_number": "2"}
    assert running.ends == [None]


async def test_a_resumed_socket_that_missed_nothing_is_taken_for_open(play: Play) -> None:
    """A server that has nothing to tell says no word on resuming: its answer to a ping is enough."""

    async def first(socket: Socket) -> None:
        await socket.hello()

    async def second(socket: Socket) -> None:
        # authenticated by the header, the server passes over the challenge
        ping = await socket.asked("ping")
        await socket.ws.send_json({"status": "OK", "data": {"text": "pong"}, "seq_reply": ping["seq"]})
        await socket.posted("live", 1)
        await socket.linger()

    with capture_logs() as logs:
        running = play(first, second)
        await running.received("live")
    assert [each for each in logs if each["event"] == "gap"] == []


async def test_a_challenge_is_sent_only_where_the_server_is_silent(play: Play) -> None:
    """Without a hello the token goes over the socket, as the first request and with the number one."""
    seen: list[dict[str, Any]] = []

    async def script(socket: Socket) -> None:
        seen.append(await socket.ws.receive_json(timeout=10))
        await socket.hello()
        await socket.ws.send_json({"status": "OK", "seq_reply": 1})
        await socket.posted("in", 1)
        await socket.linger()

    running = play(script)
    await running.received("in")
    assert seen == [{"seq": 1, "action": "authentication_challenge", "data": {"token": "t" * 26}}]


async def test_a_token_that_is_revoked_while_the_socket_is_open_is_noticed(play: Play) -> None:
    """The server closes no socket for that and only falls silent; our ping is refused, and the instance pauses."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        ping = await socket.asked("ping")
        error = {"id": "api.web_socket_router.not_authenticated.app_error", "message": "", "status_code": 401}
        await socket.ws.send_json({"status": "FAIL", "seq_reply": ping["seq"], "error": error})
        await socket.linger()

    running = play(script)
    await running.ended()
    assert isinstance(running.ends[0], Paused)


async def test_a_server_that_knows_no_ping_is_no_trouble(play: Play) -> None:
    """Another refusal of our ping is not taken for a refused token."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        ping = await socket.asked("ping")
        error = {"id": "api.web_socket_router.bad_action.app_error", "message": "", "status_code": 500}
        await socket.ws.send_json({"status": "FAIL", "seq_reply": ping["seq"], "error": error})
        await socket.posted("going on", 1)
        await socket.linger()

    running = play(script)
    await running.received("going on")
    assert running.ends == []


async def test_frames_that_cannot_be_read_are_counted_or_logged(play: Play) -> None:
    """A frame of another form than any known one costs itself and nothing else."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.say("posted", {"post": "{"}, 1)
        await socket.say("posted", {"post": 5}, 2)
        await socket.say("user_updated", {"user": 5}, 3)
        await socket.ws.send_str("no JSON")
        await socket.ws.send_bytes(b"\x00")
        await socket.say("of_a_later_version", {"x": 1}, 4)
        await socket.posted("fine", 5)
        await socket.linger()

    with capture_logs() as logs:
        running = play(script)
        await running.received("fine")
    assert running.host.skips == {"unreadable": 3}
    assert [each["event"] for each in logs].count("frame_unreadable") == 4
    assert running.ends == []


async def test_a_connection_that_is_refused_to_be_resumed_is_begun_anew(play: Play, server: Server) -> None:
    """A server that closes every resumed socket at once is asked for a new one after three times."""

    async def first(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)

    async def refusing(socket: Socket) -> None:
        if not socket.query:
            await socket.hello("o" * 26)
            await socket.posted("anew", 1)
            await socket.linger()

    running = play(first, refusing)
    await running.received("anew")
    assert [bool(socket.query) for socket in server.sockets] == [False, True, True, True, False]


async def test_the_token_is_in_no_error_and_no_log(play: Play, server: Server) -> None:
    """Whatever ends a connection, neither its words nor the log say the token."""

    async def script(socket: Socket) -> None:
        await socket.hello()

    with capture_logs() as logs:
        running = play(script)
        await running.ended(3)
    assert server.sockets
    assert "t" * 26 not in repr(logs)
    assert "t" * 26 not in repr(running.ends)
    assert "t" * 26 not in repr(running.driver.settings)
