"""A stand-in Mattermost with a few people, and clients that act as them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from nextbridge.sandbox.mattermost import Account, SandboxMattermost
from tests.sandbox.recorded import HandClock


class Answer:
    """A status, the headers and what the body decodes to."""

    def __init__(self, status: int, headers: dict[str, str], body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def error(self) -> tuple[int, str]:
        """The status and the error id of a refusal."""
        return self.status, self.body["id"]


class Client:
    """Somebody with a token."""

    def __init__(self, sandbox: SandboxMattermost, account: Account, http: ClientSession) -> None:
        self.sandbox = sandbox
        self.account = account
        self._http = http
        self._sockets = AsyncExitStack()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.account.token}"}

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        url = f"{self.sandbox.url}/api/v4/{path}"
        if body is not None:
            more["json"] = body
        async with self._http.request(method, url, headers=self.headers, **more) as response:
            content = await response.read()
            is_json = response.content_type == "application/json" and content
            return Answer(response.status, dict(response.headers), json.loads(content) if is_json else content)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, channel_id: str, message: str, **more: Any) -> Answer:
        return await self.call("POST", "posts", {"channel_id": channel_id, "message": message, **more})

    async def connect(self, *, connection_id: str = "", sequence_number: int | None = None) -> Ear:
        """A socket, authenticated by the header on the upgrade."""
        wanted = f"?connection_id={connection_id}&sequence_number={sequence_number}" if connection_id else ""
        socket = self._http.ws_connect(f"{self.sandbox.url}/api/v4/websocket{wanted}", headers=self.headers)
        return Ear(await self._sockets.enter_async_context(socket))

    async def close(self) -> None:
        await self._sockets.aclose()


class Ear:
    """A socket that is listened to."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws

    async def frame(self) -> dict[str, Any]:
        heard: dict[str, Any] = await self.ws.receive_json(timeout=5)
        return heard

    async def until(self, event: str) -> dict[str, Any]:
        """The next frame of that event; what comes before is passed over."""
        while (heard := await self.frame()).get("event") != event:
            pass
        return heard

    async def posted(self) -> str:
        """The text of the next post that is told of."""
        message: str = json.loads((await self.until("posted"))["data"]["post"])["message"]
        return message

    async def action(self, seq: int, action: str, **data: Any) -> dict[str, Any]:
        """The answer to an action; events that come before it are passed over."""
        await self.ws.send_json({"seq": seq, "action": action, "data": data})
        while "seq_reply" not in (heard := await self.frame()):
            pass
        return heard

    async def quiet(self) -> list[str]:
        """The events that have come so far: those before the answer to a ping."""
        await self.ws.send_json({"seq": 1, "action": "ping"})
        heard = []
        while "seq_reply" not in (frame := await self.frame()):
            heard.append(frame["event"])
        return heard

    async def end(self) -> int | None:
        """The code that the socket is closed with; what comes before is passed over."""
        while (await self.ws.receive(timeout=5)).type not in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR}:
            pass
        return self.ws.close_code


class Town:
    """The stand-in, its people, and a client for each of them."""

    def __init__(self, sandbox: SandboxMattermost, clock: HandClock, http: ClientSession) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.http = http
        self.team = sandbox.add_team("main")
        self.alice = Client(sandbox, sandbox.add_user("alice", nickname="Ally", team=self.team), http)
        self.bob = Client(sandbox, sandbox.add_user("bob", team=self.team), http)
        self.boss = Client(sandbox, sandbox.add_user("boss", team=self.team, is_admin=True), http)
        self.relay = Client(sandbox, sandbox.add_bot("relay", team=self.team), http)
        self.stranger = Client(sandbox, Account(self.bob.account.id, "bob", "wrong"), http)
        people = [self.alice, self.boss, self.relay]
        self.town = sandbox.add_channel(self.team, "town", members=[each.account for each in people])
        self.staff = sandbox.add_channel(self.team, "staff", is_private=True, members=[self.boss.account])
        self.clients = [*people, self.bob]

    def say(self, text: str) -> None:
        """Alice posts in town."""
        self.sandbox.post_as(self.alice.account, self.town, text)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    clock = HandClock()
    async with SandboxMattermost(clock=clock) as sandbox, ClientSession() as http:
        place = Town(sandbox, clock, http)
        try:
            yield place
        finally:
            sandbox.faults.release()
            async with asyncio.timeout(5):
                for client in place.clients:
                    await client.close()
