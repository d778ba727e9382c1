"""An HTTP API on the daemon's HTTP server, and programs that use it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from drivers.api import ApiDriver
from drivers.api.settings import ApiSettings, RoomSettings, TokenSettings
from nextbridge.config.model import HttpSettings
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Outgoing, Pages, Receipt
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, InstanceId, Mark, UserId
from nextbridge.http.server import HttpServer
from nextbridge.sandbox.host import MemoryStore, RecordingHost

TOKENS = (
    TokenSettings(name="game", token=Secret("token-of-the-game")),
    TokenSettings(name="screen", token=Secret("token-of-the-screen"), rights="read"),
    TokenSettings(name="sensor", token=Secret("token-of-the-sensor"), rights="write", rooms=("ops",)),
)
_numbers = itertools.count(1)


class Api:
    """A running API with the rooms `ops` and `dev`."""

    def __init__(self, driver: ApiDriver, host: RecordingHost, http: aiohttp.ClientSession) -> None:
        self.driver = driver
        self.host = host
        self.http = http
        self.server = HttpServer(HttpSettings(port=0), self, dict)
        self.running = asyncio.create_task(driver.run())

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        """As `Mounted`."""
        return self.driver if (platform, instance) == ("api", "tools") else None

    @property
    def url(self) -> str:
        return f"{self.server.address}/api/tools"

    @property
    def readers(self) -> int:
        """How many wait."""
        return len(self.driver._site.readers._tasks)

    async def ask(self, method: str, path: str, token: str | None = "game", **more: Any) -> tuple[int, Any]:
        """The status of an answer, and its JSON."""
        headers = {**bearer(token), **more.pop("headers", {})}
        async with self.http.request(method, f"{self.url}{path}", headers=headers, **more) as response:
            assert response.content_type == "application/json", await response.text()
            return response.status, msgspec.json.decode(await response.read())

    async def post(self, text: str, room: str = "ops", token: str = "game", **more: object) -> int:
        """The number of the message."""
        status, done = await self.ask("POST", f"/rooms/{room}/message", token, json={"text": text, **more})
        assert status == 200, done
        return int(done["message"])

    async def do(self, what: str, token: str = "game", **fields: object) -> Any:
        status, done = await self.ask("POST", f"/rooms/ops/{what}", token, json=fields)
        assert status == 200, done
        return done

    async def entries(self, room: str = "ops", **query: int) -> list[dict[str, Any]]:
        status, page = await self.ask("GET", f"/rooms/{room}/messages", params=query)
        assert status == 200, page
        found: list[dict[str, Any]] = page["entries"]
        return found

    def outgoing(self, text: str, **changes: object) -> Outgoing:
        """A message from Mattermost to `ops`."""
        message = Outgoing(
            key=DeliveryKey(f"key-{next(_numbers)}"),
            channel=ChannelKey("ops"),
            text=text,
            mark=Mark("daemon", DeliveryKey("d"), "mattermost:x/abc"),
            author=Author(UserId("u1"), "ada", "Ada"),
            platform="Mattermost",
            name="Ada",
        )
        return msgspec.structs.replace(message, **changes)

    async def send(self, text: str, **changes: object) -> Receipt:
        return await self.driver.send(self.outgoing(text, **changes))

    async def stop(self) -> None:
        """The core ends it."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.driver.close()
        await self.server.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Return once it holds: what a server notices of its readers it tells nobody."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer token-of-the-{token}"}


def configured(*rooms: str) -> list[ConfiguredChannel[RoomSettings]]:
    settings = [RoomSettings(room=room) for room in rooms]
    return [ConfiguredChannel(ApiDriver.channel_key(each), each, ("rule",)) for each in settings]


@asynccontextmanager
async def serving(store: MemoryStore | None = None, **settings: Any) -> AsyncIterator[Api]:
    """An API that runs; `store` is an earlier one's: then it is that one after a restart."""
    host = RecordingHost("tools")
    host.store = store or host.store
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        defaults = {"tokens": TOKENS, "messages_per_minute": 60_000}
        driver = ApiDriver(ApiSettings(**{**defaults, **settings}), configured("ops", "dev"), host)
        api = Api(driver, host, http)
        await api.server.start()
        stack.push_async_callback(api.stop)
        await host.until(lambda: host.is_connected)
        yield api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


Serve = Callable[..., Awaitable[Api]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start an API with settings of the test's own."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Api:
            return await stack.enter_async_context(serving(**settings))

        yield start
