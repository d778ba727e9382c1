"""A Mattermost channel and webhooks, bridged by the daemon as a process: it is posted to, and it posts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.process import Daemon

SECRET = "secret-of-the-build-server"


async def test_messages_cross_both_ways_before_and_after_a_restart(daemon: Daemon) -> None:
    """What is posted again is taken once, what the receiver refuses for now is there in the end, in order."""
    told: list[dict[str, Any]] = []
    told_all = asyncio.Event()
    refusals = [503, 429]

    async def take(request: web.Request) -> web.Response:
        if refusals:
            return web.Response(status=refusals.pop(), headers={"Retry-After": "1"})
        told.append(await request.json())
        told_all.set()
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/in", take)
    async with SandboxMattermost() as server, TestServer(app) as receiver, aiohttp.ClientSession() as http:
        team = server.add_team("main")
        bot, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada])
        hook = {
            "incoming": {"secret": SECRET, "template": "**{{ body.project }}** is {{ body.state }}", "username": "CI"},
            "outgoing": {"url": str(receiver.make_url("/in")), "style": "slack"},
        }
        file: dict[str, object] = {
            "global": {"http": {"port": 0}, "fetch_allow": ["127.0.0.1"]},
            "mattermost": {"mm": {"server_url": server.url, "token": bot.token}},
            "webhook": {"hooks": {"hooks": {"ci": hook}}},
            "rules": [{"type": "connect", "channels": {"mm": {"channel_id": town.id}, "hooks": {"hook": "ci"}}}],
        }

        async def post(state: str) -> int:
            body = json.dumps({"project": "engine", "state": state}).encode()
            digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            address = f"{daemon.events('http_listening')[-1]['address']}/webhook/hooks/ci"
            headers = {"X-Hub-Signature-256": f"sha256={digest}"}
            async with http.post(address, data=body, headers=headers) as response:
                return response.status

        async def hears(number: int) -> None:
            async with asyncio.timeout(20):
                while len(told) < number:
                    told_all.clear()
                    await told_all.wait()

        for run, state in enumerate(("red", "green")):
            await daemon.start(file)
            assert await post(state) == 200
            await server.until(lambda run=run: len(server.posts(town)) == 3 * run + 1, within=15)  # type: ignore[misc]
            for each in ("<!here> one", "two"):
                server.post_as(ada, town, f"{each} {run}")
            await hears(2 * run + 2)
            assert await post("red") == 200
            assert await daemon.stop() == 0
    # Mattermost shows what was plain text there as it is
    posted = [text for text in server.messages(town) if "engine" in text]
    assert [text.replace("\\", "") for text in posted] == ["**engine** is red", "**engine** is green"]
    assert [(each["text"], each["username"]) for each in told] == [
        ("&lt;!here&gt; one 0", "Ada"),
        ("two 0", "Ada"),
        ("&lt;!here&gt; one 1", "Ada"),
        ("two 1", "Ada"),
    ]
    assert daemon.events("delivery_buried") == []
