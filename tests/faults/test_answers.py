"""A server, or a proxy before it, that answers wrongly, late, in part or not at all: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from nextbridge.sandbox.mattermost import Faults
from tests.faults.town import Town

POSTS = "POST /api/v4/posts"


async def misbehave(faults: Faults, moments: random.Random) -> None:
    """One misfortune after another for posts, and cut sockets, until cancelled."""
    while True:
        match moments.randrange(7) if moments.random() < 0.97 else 7:
            case 0:
                faults.answer(500, body='{"id": "x", "message": "Internal error.", "status_code": 500}', route=POSTS)
            case 1:
                faults.answer(502, body="<html><h1>Bad Gateway</h1></html>", content_type="text/html", route=POSTS)
            case 2:
                headers = {"Retry-After": "1", "X-RateLimit-Reset": "1"}
                faults.answer(429, body="limit exceeded", content_type="text/plain", headers=headers, route=POSTS)
            case 3:
                faults.answer(201, body='{"id": "4xp9fdt77pncb', route=POSTS)
            case 4 | 5:
                faults.drop_answer(route=POSTS)
            case 6:
                faults.delay(moments.uniform(0.1, 0.5), route=POSTS)
            case _:
                faults.cut_sockets()
        await asyncio.sleep(moments.uniform(0.05, 0.25))


async def test_wrong_late_and_lost_answers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Errors, HTML, truncated JSON, limits, dropped answers, delays and cut sockets, all the time, on both servers."""
    async with Town.standing(tmp_path, seed=3) as town:
        await town.daemon.start(town.file)
        moments = random.Random(4)
        at_work = [
            asyncio.create_task(town.talk(per_second=25)),
            *(asyncio.create_task(misbehave(each.faults, moments)) for each in town.servers.values()),
        ]
        await asyncio.wait(at_work, timeout=8, return_when=asyncio.FIRST_EXCEPTION)
        for task in at_work:
            task.cancel()
        await asyncio.wait(at_work)
        for server in town.servers.values():
            server.faults.forget()
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert town.daemon.events("delivery_postponed"), "there was something to overcome"
        assert town.daemon.events("delivery_buried") == []
