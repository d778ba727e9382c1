"""A web chat driver on a real HTTP server, as the daemon mounts it, and a client that speaks its frames."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestServer

from drivers.webchat import WebChatDriver
from drivers.webchat.settings import RoomSettings, WebChatSettings
from nextbridge.driver import ConfiguredChannel, Outgoing, Receipt
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, Mark, UserId
from nextbridge.sandbox.host import RecordingHost

Frame = dict[str, Any]
_numbers = itertools.count(1)


class Chat:
    """A running web chat."""

    def __init__(self, driver: WebChatDriver, host: RecordingHost, server: TestServer, http: ClientSession) -> None:
        self.running = asyncio.create_task(driver.run())
        self.driver = driver
        self.host = host
        self.server = server
        self.http = http
        self.path = f"/webchat/{host.instance}"

    @property
    def url(self) -> str:
        return str(self.server.make_url(f"{self.path}/"))

    @asynccontextmanager
    async def connect(self, **headers: str) -> AsyncIterator[Browser]:
        """A WebSocket to the page's live address, with nothing said yet."""
        async with self.http.ws_connect(f"{self.url}live", headers=headers, max_msg_size=0) as socket:
            yield Browser(socket)

    @asynccontextmanager
    async def joined(
        self, name: str, room: str = "lobby", *, session: str | None = None, **more: object
    ) -> AsyncIterator[Browser]:
        """A browser that is in a room, and has read the room's history."""
        async with self.connect() as browser:
            await browser.hello(session=session)
            await browser.join(name, room, **more)
            yield browser

    def outgoing(self, text: str, **changes: object) -> Outgoing:
        """A message from a Mattermost instance to the lobby."""
        message = Outgoing(
            key=DeliveryKey(f"key-{next(_numbers)}"),
            channel=ChannelKey("lobby"),
            text=text,
            mark=Mark("daemon", DeliveryKey("d"), "mm_main/abc"),
            author=Author(UserId("u1"), "ada", "Ada"),
            name="Ada",
        )
        return msgspec.structs.replace(message, **changes)

    async def send(self, text: str, **changes: object) -> Receipt:
        """Have the driver send it."""
        return await self.driver.send(self.outgoing(text, **changes))

    async def stop(self) -> None:
        """The core ends it."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.driver.close()


class Browser:
    """The other end of the WebSocket."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.welcome: Frame = {}
        self.history: list[Frame] = []

    async def say(self, **frame: object) -> None:
        await self.socket.send_json(frame)

    async def next(self) -> Frame:
        async with asyncio.timeout(10):
            received = await self.socket.receive()
        assert received.type is WSMsgType.TEXT, f"the connection ended: {received!r}"
        frame: Frame = msgspec.json.decode(received.data)
        return frame

    async def until(self, kind: str) -> Frame:
        """The next frame of this type; those before it are passed over."""
        while (frame := await self.next())["type"] != kind:
            pass
        return frame

    async def ended(self) -> int | None:
        """Wait for the end of the connection; its close code."""
        async with asyncio.timeout(10):
            while (await self.socket.receive()).type is WSMsgType.TEXT:
                pass
        return self.socket.close_code

    async def hello(self, **frame: object) -> Frame:
        await self.say(type="hello", **frame)
        self.welcome = await self.next()
        return self.welcome

    async def join(self, name: str, room: str = "lobby", **more: object) -> Frame:
        """Join; returns the answer. `history` is what came with it."""
        await self.say(type="join", room=room, name=name, **more)
        answer = await self.next()
        if answer["type"] == "joined":
            # What comes before the answer to a ping is the whole history.
            await self.say(type="ping")
            self.history = []
            while (frame := await self.next())["type"] != "pong":
                self.history += frame.get("messages", [])
        return answer

    async def post(self, text: str, id: str | None = None) -> Frame:  # noqa: A002 - the frame's own word
        """Post and return the answer."""
        await self.say(type="post", id=id or f"post-{next(_numbers):08}", text=text)
        while (frame := await self.next())["type"] not in {"sent", "unsent"}:
            pass
        return frame


class Start(Protocol):
    """What the fixture `start` gives."""

    async def __call__(
        self,
        *rooms: str,
        settings: WebChatSettings | None = None,
        host: RecordingHost | None = None,
        base_url: str | None = None,
        port: int | None = None,
    ) -> Chat: ...


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a web chat with the rooms and settings named. The same host again is the same daemon's next start."""
    async with AsyncExitStack() as stack:

        async def begin(
            *rooms: str,
            settings: WebChatSettings | None = None,
            host: RecordingHost | None = None,
            base_url: str | None = None,
            port: int | None = None,
        ) -> Chat:
            kept = host or RecordingHost("web", base_url=base_url)
            kept.is_connected = False
            channels = [
                ConfiguredChannel(WebChatDriver.channel_key(each), each, ("r1",))
                for each in (RoomSettings(room=room) for room in rooms or ("lobby",))
            ]
            driver = WebChatDriver(settings or WebChatSettings(), channels, kept)

            async def dispatch(request: web.Request) -> web.StreamResponse:
                assert request.match_info["instance"] == kept.instance
                return await driver.handle(request, request.match_info["path"])

            app = web.Application()
            app.router.add_route("*", "/webchat/{instance}{path:(/.*)?}", dispatch)
            server = TestServer(app, port=port)
            await server.start_server()
            stack.push_async_callback(server.close)
            http = await stack.enter_async_context(ClientSession())
            chat = Chat(driver, kept, server, http)
            stack.push_async_callback(chat.stop)
            await kept.until(lambda: kept.is_connected)
            return chat

        yield begin
