"""A Mattermost server with people on it, and drivers that run against it.

Tests that ask for `place` use REST calls alone to act as people, so they run against any server: the stand-in, or a
real one where NEXTBRIDGE_TEST_MATTERMOST names a JSON file of this form:

    {
      "url": "http://127.0.0.1:8065",
      "team": "main",
      "channels": {"town": "ID", "dev": "ID", "closed": "ID"},
      "tokens": {"relay": "…", "alice": "…", "bob": "…", "boss": "…"}
    }

Usernames and the names of channels are the keys; the channels are displayed as Town, Dev and Closed Room. `relay` is a
bot in town and dev, but not in closed, which is private; alice and bob are people in town and dev; alice is Alice with
the nickname Ally, bob is Bob Stone; boss is a system admin and in all three. Override of usernames and icons is on.
Tests that need a server to go wrong ask for `scene`, which is always the stand-in.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from drivers.mattermost import MattermostDriver
from drivers.mattermost.settings import MattermostChannel
from tests.mattermost.script import Play, Script, Server
from tests.mattermost.stage import Clock, Drive, ImpatientDriver, Place, Running, Scene, Start, make


@pytest.fixture
async def drive() -> AsyncIterator[Drive]:
    """Start a driver: `drive(url, token, channel ids or MattermostChannels, **settings)`. It is stopped at the end."""
    async with AsyncExitStack() as stack:

        def start(
            url: str,
            token: str,
            *channels: str | MattermostChannel,
            general_proxy: str | None = None,
            kind: type[MattermostDriver] = ImpatientDriver,
            **settings: Any,
        ) -> Running:
            driver, host = make(url, token, *channels, general_proxy=general_proxy, kind=kind, **settings)
            stack.push_async_callback(driver.close)
            running = Running(driver, host)
            stack.push_async_callback(running.stop)
            return running

        yield start


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """The stand-in, always."""
    made = Scene(Clock())
    async with made.sandbox:
        yield made


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """The server that NEXTBRIDGE_TEST_MATTERMOST says, else the stand-in."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        if path := os.environ.get("NEXTBRIDGE_TEST_MATTERMOST"):
            told = json.loads(await asyncio.to_thread(Path(path).read_text))
            place = Place(told["url"], told["team"], told["channels"], http)
            tokens = told["tokens"]
        else:
            scene = Scene(Clock())
            await stack.enter_async_context(scene.sandbox)
            place = Place(scene.sandbox.url, "main", scene.channels(), http)
            tokens = {each.username: each.token for each in (scene.relay, scene.alice, scene.bob, scene.boss)}
        for name, token in tokens.items():
            await place.meet(name, token)
        yield place


@pytest.fixture
def relay(place: Place, drive: Drive) -> Start:
    """Start the bot's driver at `place`, for town and dev or for what is said, and wait until it is connected."""

    async def start(*channels: str | MattermostChannel, who: str = "relay", **settings: Any) -> Running:
        names = channels or ("town", "dev")
        ids = [place.channels.get(each, each) if isinstance(each, str) else each for each in names]
        running = drive(place.url, place[who].token, *ids, **settings)
        await running.connected()
        return running

    return start


@pytest.fixture
def staged(scene: Scene, drive: Drive) -> Start:
    """The same on the stand-in of `scene`."""

    async def start(*channels: str | MattermostChannel, **settings: Any) -> Running:
        running = drive(scene.sandbox.url, scene.relay.token, *(channels or (scene.town.id, scene.dev.id)), **settings)
        await running.connected()
        return running

    return start


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def play(server: Server, drive: Drive) -> AsyncIterator[Play]:
    """Start a driver against a server that plays these scripts."""
    listening = TestServer(server.app())
    await listening.start_server()

    playing: list[Running] = []

    def start(*scripts: Script, channels: Sequence[str] = ()) -> Running:
        server.scripts = list(scripts)
        playing.append(drive(str(listening.make_url("")), "t" * 26, *channels))
        return playing[-1]

    yield start
    for running in playing:
        await running.stop()
    await listening.close()
