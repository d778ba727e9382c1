"""A Mattermost server with people on it, and drivers that run against it: what this folder's fixtures are made of."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
from msgspec import Struct

from drivers.mattermost import MattermostDriver
from drivers.mattermost.markdown import MARKDOWN
from drivers.mattermost.settings import MattermostChannel, MattermostSettings
from drivers.mattermost.socket import SocketTimes
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Cursor, Outgoing
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, Event, Mark, Posted, UserId
from nextbridge.errors import DriverError
from nextbridge.sandbox.host import MemoryStore, RecordingHost
from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost

_numbers = itertools.count(1)
RUN = os.urandom(4).hex()
"""Tells the texts and keys of this run from those that an earlier one left on a real server."""


class ImpatientDriver(MattermostDriver):
    """Waits a shorter while for a silent socket, so that tests take no longer than they must."""

    socket_times = SocketTimes(hello=0.3, authentication=5.0, heartbeat=1.0)


class TrustingDriver(MattermostDriver):
    """Waits for a hello as long as a test can last, so that no challenge is ever sent."""

    socket_times = SocketTimes(hello=60.0, authentication=60.0)


class HastyDriver(ImpatientDriver):
    """Gives a server half a second to answer."""

    patience = 0.5


class Clock:
    """The stand-in's time: the real one, until a test turns it on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Person(Struct, frozen=True):
    id: str
    username: str
    token: str


class Place:
    """A server, and people who act on it by its REST API."""

    def __init__(self, url: str, team: str, channels: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.url = url
        self.team = team
        self.channels = channels
        self.people: dict[str, Person] = {}
        self.http = http

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    async def meet(self, name: str, token: str) -> None:
        """Find out who a token belongs to."""
        me = await self.call(Person("", name, token), "GET", "users/me")
        self.people[name] = Person(me["id"], me["username"], token)

    async def call(self, who: Person, method: str, path: str, body: object = None) -> Any:
        """A request as somebody, which has to succeed."""
        headers = {"Authorization": f"Bearer {who.token}"}
        async with self.http.request(method, f"{self.url}/api/v4/{path}", json=body, headers=headers) as answer:
            content = await answer.read()
            assert answer.status < 300, content
            return json.loads(content) if content.startswith((b"{", b"[")) else content

    async def post(self, who: Person, channel: str, text: str, **more: object) -> dict[str, Any]:
        """A post by somebody."""
        body = {"channel_id": self.channels.get(channel, channel), "message": text, **more}
        made: dict[str, Any] = await self.call(who, "POST", "posts", body)
        return made

    async def posts(self, channel: str) -> list[dict[str, Any]]:
        """A channel's latest posts, the oldest first."""
        path = f"channels/{self.channels.get(channel, channel)}/posts?per_page=60"
        page = await self.call(self["boss"], "GET", path)
        return [page["posts"][post] for post in reversed(page["order"])]


class Scene:
    """The stand-in with the same people and channels, for tests that make it go wrong."""

    def __init__(self, clock: Clock, *, subpath: str = "", host: str = "127.0.0.1") -> None:
        self.clock = clock
        self.sandbox = SandboxMattermost(clock=clock, subpath=subpath, host=host)
        self.team = self.sandbox.add_team("main")
        self.relay = self.sandbox.add_bot("relay", team=self.team)
        self.alice = self.sandbox.add_user("alice", nickname="Ally", first_name="Alice", team=self.team)
        self.bob = self.sandbox.add_user("bob", first_name="Bob", last_name="Stone", team=self.team)
        self.boss = self.sandbox.add_user("boss", team=self.team, is_admin=True)
        people = [self.relay, self.alice, self.bob, self.boss]
        self.town = self.sandbox.add_channel(self.team, "town", members=people)
        self.dev = self.sandbox.add_channel(self.team, "dev", members=people)
        self.closed = self.sandbox.add_channel(
            self.team, "closed", display_name="Closed Room", is_private=True, members=[self.boss]
        )

    @property
    def faults(self) -> Any:
        return self.sandbox.faults

    def say(self, text: str, *, who: Account | None = None, channel: Channel | None = None, **more: Any) -> str:
        """A post by alice in town, or as said."""
        return str(self.sandbox.post_as(who or self.alice, channel or self.town, text, **more).id)

    async def call(self, who: Account, method: str, path: str, body: object = None) -> None:
        """A REST call as somebody, which has to succeed."""
        headers = {"Authorization": f"Bearer {who.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self.sandbox.url}/api/v4/{path}", json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()

    def channels(self) -> dict[str, str]:
        return {"town": self.town.id, "dev": self.dev.id, "closed": self.closed.id}


class StrictHost(RecordingHost):
    """Takes no event before it was told who we are."""

    async def accept(self, event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
        assert self.me is not None, "an event before Host.connected"
        return await super().accept(event, cursor=cursor)


class Running:
    """A driver that is run as the core runs it: again, a moment after each end."""

    def __init__(self, driver: MattermostDriver, host: RecordingHost) -> None:
        self.driver = driver
        self.host = host
        self.ends: list[DriverError | None] = []
        """How each run ended: with what it raised, or None where it returned."""
        self._task = asyncio.create_task(self._run())

    async def connected(self, times: int = 1) -> None:
        await self.until(lambda: self.host.is_connected and self.host.connections >= times)

    async def ended(self, times: int = 1) -> None:
        await self.until(lambda: len(self.ends) >= times)

    async def until(self, condition: Callable[[], bool]) -> None:
        """As `RecordingHost.until`; a bug in the driver ends the wait."""
        waiting = asyncio.ensure_future(self.host.until(condition))
        done, _ = await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._task in done:
            waiting.cancel()
            await self._task
        await waiting

    @property
    def texts(self) -> list[str]:
        """What was received, as it was written."""
        return [
            event.text.source.text if event.text.source else MARKDOWN.write(event.text.blocks) for event in self.posted
        ]

    @property
    def posted(self) -> list[Posted]:
        return [event for event in self.host.events if isinstance(event, Posted)]

    async def received(self, text: str) -> Posted:
        """The event with this text, once it is there."""
        await self.until(lambda: text in self.texts)
        return self.posted[self.texts.index(text)]

    async def event(self, message: str) -> Posted:
        """The event of the post with this id, once it is there."""
        await self.until(lambda: any(event.message == message for event in self.posted))
        return next(event for event in self.posted if event.message == message)

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.driver.run()
                self.ends.append(None)
            except DriverError as error:
                self.ends.append(error)
            self.host.disconnected("ended")
            await asyncio.sleep(0.05)


Drive = Callable[..., Running]
Start = Callable[..., Awaitable[Running]]


def make(
    url: str,
    token: str,
    *channels: str | MattermostChannel,
    general_proxy: str | None = None,
    base_url: str | None = None,
    store: MemoryStore | None = None,
    kind: type[MattermostDriver] = ImpatientDriver,
    **settings: Any,
) -> tuple[MattermostDriver, RecordingHost]:
    """A driver that is not running yet, and its host. The caller closes it."""
    made = MattermostSettings(server_url=url, token=Secret(token), **settings)
    named = [MattermostChannel(channel_id=each) if isinstance(each, str) else each for each in channels]
    host = StrictHost("mm", proxy=general_proxy, base_url=base_url)
    host.store = store or host.store
    configured = [ConfiguredChannel(MattermostDriver.channel_key(each), each, ("rule",)) for each in named]
    return kind(made, configured, host), host


def outgoing(channel: str, text: str, **changes: Any) -> Outgoing:
    """A message of Zed's from IRC, with a key of its own."""
    key = changes.pop("key", DeliveryKey(f"{RUN}-{next(_numbers)}-0"))
    return Outgoing(
        key=key,
        channel=ChannelKey(channel),
        text=text,
        mark=Mark("daemon-1", key, "irc/#town"),
        author=Author(UserId("zed"), "zed", "Zed"),
        **changes,
    )


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once `condition()` holds, for what tells nobody when it changes."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing to wait for
            await asyncio.sleep(0.005)


def milliseconds_ago(seconds: float) -> int:
    return int((time.time() - seconds) * 1000)


def unique(text: str) -> str:
    """`text`, so that nothing else ever says it."""
    return f"{text} {RUN}-{next(_numbers)}"
