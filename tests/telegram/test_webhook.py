"""Updates that Telegram brings: with its secret, in order, each until it is kept."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from nextbridge.config.model import HttpSettings
from nextbridge.driver import Pages
from nextbridge.envelope import InstanceId
from nextbridge.errors import Paused
from nextbridge.http.server import HttpServer
from nextbridge.sandbox.contract import Supervised
from tests.telegram.stage import Town


class Mounted:
    """The pages of one driver, which may be made later."""

    def __init__(self) -> None:
        self.relay: Supervised | None = None

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        driver: object = self.relay.driver if self.relay is not None else None
        return driver if (platform, instance) == ("telegram", "tg") and isinstance(driver, Pages) else None


@pytest.fixture
async def mounted() -> AsyncIterator[tuple[Mounted, str]]:
    """The daemon's HTTP server, and its address."""
    pages = Mounted()
    server = HttpServer(HttpSettings(port=0), pages, dict)
    await server.start()
    yield pages, server.address
    await server.stop()


async def test_messages_come_by_the_webhook(town: Town, mounted: tuple[Mounted, str]) -> None:
    """In order, an album as one, and nobody asks for updates; everything is confirmed."""
    pages, address = mounted
    async with town.relay(webhook=True, base_url=address) as relay:
        pages.relay = relay
        for number in range(20):
            town.sandbox.say(town.ann, town.room, f"line {number}")
        town.sandbox.say_album(town.ann, town.room, [("a.jpg", b"x"), ("b.jpg", b"y")], caption="both")
        await relay.received("both")
        assert relay.texts == [*(f"line {number}" for number in range(20)), "both"]
        assert len(relay.posted[-1].attachments) == 2
        assert town.bot.inbox.waiting == []
        assert town.sandbox.faults.requests["getUpdates"] == 0


async def test_only_telegram_is_heard(town: Town, mounted: tuple[Mounted, str]) -> None:
    """Without the secret of this run nothing is taken, whatever it says; nor is anything but updates."""
    pages, address = mounted
    async with town.relay(webhook=True, base_url=address) as relay, aiohttp.ClientSession() as http:
        pages.relay = relay
        await town.sandbox.until(lambda: town.bot.inbox.webhook is not None)
        hook = town.bot.inbox.webhook
        assert hook is not None
        assert len(hook.secret) > 30
        forged = {"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": {"id": town.room.id}, "text": "x"}}
        header = "X-Telegram-Bot-Api-Secret-Token"
        for headers, body, status in (
            ({}, forged, 403),
            ({header: "wrong"}, forged, 403),
            ({header: hook.secret}, ["no update"], 400),
            ({header: hook.secret}, "x" * (2 << 20), 413),
        ):
            content = io.BytesIO(json.dumps(body).encode())
            async with http.post(hook.url, data=content, headers=headers) as response:
                assert response.status == status, status
        assert relay.posted == []
        town.sandbox.say(town.ann, town.room, "hello")
        await relay.received("hello")


async def test_what_could_not_be_taken_comes_again(town: Town, mounted: tuple[Mounted, str]) -> None:
    """While the relay is away Telegram keeps it; when it is back, by a new secret, everything comes, once."""
    pages, address = mounted
    async with town.relay(webhook=True, base_url=address) as relay:
        pages.relay = relay
        town.sandbox.say(town.ann, town.room, "heard")
        await relay.received("heard")
        store = relay.host.store
    for number in range(3):
        town.sandbox.say(town.ann, town.room, f"missed {number}")
    async with town.relay(webhook=True, base_url=address, store=store) as relay:
        pages.relay = relay
        await relay.received("missed 2")
        assert relay.texts == ["missed 0", "missed 1", "missed 2"]


async def test_asking_for_updates_ends_our_own_webhook_and_no_other(town: Town, mounted: tuple[Mounted, str]) -> None:
    """After `webhook` was taken out of the file nothing is lost; another program's webhook is told of, and stays."""
    pages, address = mounted
    async with town.relay(webhook=True, base_url=address) as relay:
        pages.relay = relay
        store = relay.host.store
        await town.sandbox.until(lambda: town.bot.inbox.webhook is not None)
    pages.relay = None
    town.sandbox.say(town.ann, town.room, "between")
    async with town.relay(store=store) as relay:
        await relay.received("between")
        assert town.bot.inbox.webhook is None
    async with aiohttp.ClientSession() as http:
        url = f"{town.sandbox.url}/bot{town.bot.token}/setWebhook?url=https://127.0.0.1:1/other"
        async with http.get(url) as response:
            assert response.status == 200
    relay = town.driven()
    relay.start()
    await relay.until(lambda: bool(relay.ends))
    assert isinstance(relay.ends[0], Paused)
    assert any(not finding.ok and finding.subject == "updates" for finding in await relay.driver.probe())
    await relay.close()
    assert town.bot.inbox.webhook is not None


async def test_a_webhook_without_an_address_is_told_of(town: Town) -> None:
    """It needs global.base_url, and says so."""
    relay = town.driven(webhook=True)
    relay.start()
    await relay.until(lambda: bool(relay.ends))
    assert "global.base_url" in str(relay.ends[0])
    assert any("global.base_url" in finding.text for finding in await relay.driver.probe() if not finding.ok)
    await asyncio.wait_for(relay.close(), 5)
