"""The daemon's HTTP server: alive, ready, and the pages of drivers."""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

import aiohttp
import pytest
from aiohttp import web

from nextbridge.config.model import HttpSettings
from nextbridge.driver import Paused, Retry
from nextbridge.envelope import InstanceId
from nextbridge.http.server import HttpError, HttpServer
from nextbridge.redaction import redaction
from tests.core.script import LateDriver, RunDaemon, ScriptDriver, rule


class PagedDriver(ScriptDriver):
    """A script platform with a page that says which path it was asked for."""

    platform: ClassVar[str] = "paged"

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        return web.Response(text=f"{self.host.instance}:{request.method}:{path}")


async def get(address: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        return response.status, await response.text()


async def test_it_is_alive_at_once_and_ready_when_every_instance_is_connected(daemon: RunDaemon) -> None:
    """`/healthz` is 200 from the start; `/readyz` is 503 with the names of those that are missing, then 200."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=LateDriver) as running:
        address = running.service.http.address
        await running.service.instances[InstanceId("a")].reported.wait()
        assert (await get(f"{address}/healthz"))[0] == 200
        status, body = await get(f"{address}/readyz")
        assert status == 503
        assert '"b"' in body
        assert '"a"' not in body
        running["b"].connects.set()
        await running.service.instances[InstanceId("b")].reported.wait()
        assert (await get(f"{address}/readyz"))[0] == 200


async def test_a_driver_answers_below_its_platform_and_instance(daemon: RunDaemon) -> None:
    """What follows the instance's name is the driver's; other names are not found."""
    async with daemon(rule("r", "a/1", "b/1"), a=PagedDriver, b=ScriptDriver) as running:
        address = running.service.http.address
        assert await get(f"{address}/paged/a/x/y") == (200, "a:GET:/x/y")
        assert await get(f"{address}/paged/a") == (200, "a:GET:")
        assert (await get(f"{address}/paged/b/"))[0] == 404
        assert (await get(f"{address}/script/b/"))[0] == 404
        assert (await get(f"{address}/script/a/"))[0] == 404


async def test_it_listens_on_loopback_by_default() -> None:
    """Nothing outside the machine reaches it unless the operator says so."""
    assert HttpSettings().host == "127.0.0.1"


async def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    """The error names the address and the key to change."""

    class Nobody:
        def get(self, platform: str, instance: InstanceId) -> None:
            return None

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HttpError, match=rf"127\.0\.0\.1:{port}: Address already in use; .*global\.http\.port"):
            await HttpServer(HttpSettings(port=port), Nobody(), dict).start()


async def test_readiness_gives_the_reason_of_a_paused_instance(daemon: RunDaemon) -> None:
    """An operator who asks reads why."""

    class Refused(ScriptDriver):
        async def run(self) -> None:
            raise Paused("the token is refused", scope="instance")

    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=Refused) as running:
        for instance in running.service.instances.values():
            async with asyncio.timeout(5):
                await instance.reported.wait()
        _, body = await get(f"{running.service.http.address}/readyz")
        assert "paused: the token is refused" in body


async def test_readiness_shows_no_secret(daemon: RunDaemon) -> None:
    """A secret in a server's address, or in what a server said, is masked in the reason."""
    redaction.add("a-token-in-an-address")

    class Refused(ScriptDriver):
        async def run(self) -> None:
            raise Retry("https://example.com/a-token-in-an-address cannot be reached", after=1000)

    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=Refused) as running:
        async with asyncio.timeout(5):
            await running.service.instances[InstanceId("b")].reported.wait()
        _, body = await get(f"{running.service.http.address}/readyz")
        assert "https://example.com/*** cannot be reached" in body
