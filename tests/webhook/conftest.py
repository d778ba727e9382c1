"""Hooks on the daemon's HTTP server, a program that posts to them, and a server that they post to."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from drivers.webhook import WebhookDriver
from drivers.webhook.settings import HookChannel, HookSettings, IncomingSettings, OutgoingSettings, WebhookSettings
from nextbridge.config.model import HttpSettings
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Outgoing, Pages, Receipt
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, InstanceId, Mark, Posted, UserId
from nextbridge.http.server import HttpServer
from nextbridge.markup import PLAIN
from nextbridge.sandbox.host import MemoryStore, RecordingHost

TOKEN = "a-token-of-the-tests"
SECRET = "a-secret-of-the-tests"
_numbers = itertools.count(1)


class Receiver:
    """A server that takes what is posted to it, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        """Method, headers in small letters, body."""
        self.answers: list[web.Response] = []
        """The next ones; 200 where there is none."""

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.taken.append((request.method, headers, await request.read()))
        return self.answers.pop(0) if self.answers else web.Response(text="ok")

    @property
    def bodies(self) -> list[Any]:
        return [msgspec.json.decode(body) for _, _, body in self.taken]


class Hooks:
    """An instance that runs."""

    def __init__(self, driver: WebhookDriver, host: RecordingHost, http: aiohttp.ClientSession) -> None:
        self.driver = driver
        self.host = host
        self.http = http
        self.server = HttpServer(HttpSettings(port=0), self, dict)
        self.running = asyncio.create_task(driver.run())

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        """As `Mounted`."""
        return self.driver if (platform, instance) == ("webhook", "hooks") else None

    async def post(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.http.post(f"{self.server.address}/webhook/hooks{path}", **more) as response:
            return response.status, await response.text()

    @property
    def posted(self) -> list[Posted]:
        return [event for event in self.host.events if isinstance(event, Posted)]

    @property
    def texts(self) -> list[str]:
        return [PLAIN.write(event.text.blocks) for event in self.posted]

    def outgoing(self, text: str, **changes: object) -> Outgoing:
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
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.driver.close()
        await self.server.stop()


Serve = Callable[..., Any]


@pytest.fixture
def receiver() -> Receiver:
    """Where `Serve` sends what goes out."""
    return Receiver()


@pytest.fixture
async def serve(receiver: Receiver) -> AsyncIterator[Serve]:
    """Start an instance with a hook `ops`; `incoming` and `outgoing` are keys of its settings."""
    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", receiver.handle)
        server = await stack.enter_async_context(TestServer(app))
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def start(
            *,
            incoming: dict[str, Any] | None = None,
            outgoing: dict[str, Any] | None = None,
            store: MemoryStore | None = None,
            allow: tuple[str, ...] = ("127.0.0.0/8",),
        ) -> Hooks:
            host = RecordingHost("hooks")
            host.store = store or host.store
            host.fetch_allow = allow
            hook = HookSettings(
                incoming=None if incoming is None else IncomingSettings(**incoming),
                outgoing=None
                if outgoing is None
                else OutgoingSettings(**{"url": Secret(str(server.make_url("/in"))), **outgoing}),
            )
            settings = WebhookSettings(hooks={"Ops": hook})
            channel = HookChannel(hook="ops")
            driver = WebhookDriver(settings, [ConfiguredChannel(driver_key(channel), channel, ("rule",))], host)
            hooks = Hooks(driver, host, http)
            await hooks.server.start()
            stack.push_async_callback(hooks.stop)
            await host.until(lambda: host.is_connected)
            return hooks

        yield start


def driver_key(channel: HookChannel) -> ChannelKey:
    return WebhookDriver.channel_key(channel)
