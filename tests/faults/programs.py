"""Programs in the town: some use the HTTP API, some webhooks. They outlive the daemon, and go on when it is back.

A program that gets no answer asks again under the same key until it gets one, as the documentation tells it to.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.places import Place
from tests.process import Daemon

__all__ = ["ApiSettlement", "WebhookSettlement"]

_LENGTHS = (1, 5, 30, 300)
_FILE_SIZES = (3_000, 30_000, 100_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20
_TOKEN = "token-of-the-town-s-programs"
_PAUSE = 0.1
_LONGEST = 16_000


class Program:
    """What all programs of a test share: their HTTP session, and where the daemon is now."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession, path: str) -> None:
        self._daemon = Daemon(folder)
        self._http = http
        self._path = path
        self._address = ""
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, doing: Any) -> None:
        self._tasks.append(asyncio.create_task(doing))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, method: str, path: str, read: Callable[[aiohttp.ClientResponse], Any], **more: Any) -> Any:
        """Ask until there is an answer that is a yes. `read` takes it."""
        while True:
            kwargs = {name: each() if callable(each) else each for name, each in more.items()}
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.request(method, f"{self._address}{path}", **kwargs) as response:
                    assert response.status in {200, 404, 503}, await response.text()
                    if response.status == 200:
                        return await read(response)
            await asyncio.sleep(_PAUSE)
            if self._daemon.log.exists() and (listening := self._daemon.events("http_listening")):
                self._address = f"{listening[-1]['address']}{self._path}"


class ApiSettlement:
    """An instance of the API, with a program in each room."""

    side = "programs"
    port = 0  # they reach the daemon, not the daemon them

    def __init__(self, program: Program) -> None:
        self._program = program

    @classmethod
    @asynccontextmanager
    async def joined(cls, folder: Path) -> AsyncIterator[ApiSettlement]:
        """`folder` is the daemon's."""
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {_TOKEN}"}) as http:
            program = Program(folder, http, f"/api/{cls.side}")
            try:
                yield cls(program)
            finally:
                await program.end()

    def place(self, name: str, rule: int) -> ApiPlace:
        return ApiPlace(name, rule, self._program)

    def block(self, _port: int) -> dict[str, object]:
        tokens = [{"name": "program", "token": _TOKEN}]
        limits = {"history": 10_000, "max_message": _LONGEST, "messages_per_minute": 60_000}
        return {"api": {self.side: {"tokens": tokens, **limits}}}


class ApiPlace(Place):
    """A room."""

    text_alone = False

    def __init__(self, name: str, rule: int, program: Program) -> None:
        super().__init__(name, rule)
        self._program = program
        self._room = f"/rooms/{name}"
        self._outbox: asyncio.Queue[tuple[str, Callable[[], Any], Entry | None]] = asyncio.Queue()
        self._editable: deque[tuple[Entry, int]] = deque(maxlen=_EDITABLE)
        self._shown: dict[int, Shown] = {}
        program.begin(self._post())
        program.begin(self._read())

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": ApiSettlement.side, "room": self.name}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        words = chance.choice(_LENGTHS)
        if self._editable and chance.random() < _EDITED:
            entry, message = chance.choice(self._editable)
            revised = {"message": message, "text": ledger.edit(entry.source, entry.number, words).text}
            self._outbox.put_nowait(("edit", lambda: {"json": revised}, None))
            return
        content = chance.randbytes(chance.choice(_FILE_SIZES)) if chance.random() < _WITH_FILES else None
        entry = ledger.entry(self.name, words, [] if content is None else [content])
        text, file_name = entry.text, entry.file_name(0)

        def body() -> dict[str, Any]:
            if content is None:
                return {"json": {"text": text}}
            form = aiohttp.FormData({"text": text})
            form.add_field("file", content, filename=file_name)
            return {"data": form}

        self._outbox.put_nowait(("message", body, entry))

    def shown(self) -> list[Shown]:
        return list(self._shown.values())

    async def _post(self) -> None:
        while True:
            what, body, entry = await self._outbox.get()
            headers = {"Idempotency-Key": uuid4().hex}
            (kind,) = body()
            done = await self._program.ask(
                "POST",
                f"{self._room}/{what}",
                aiohttp.ClientResponse.json,
                headers=headers,
                **{kind: lambda body=body, kind=kind: body()[kind]},
            )
            if entry is not None:
                self._editable.append((entry, done["message"]))

    async def _read(self) -> None:
        after = 0
        while True:
            query = {"after": after, "wait": 5}
            page = await self._program.ask("GET", f"{self._room}/messages", aiohttp.ClientResponse.json, params=query)
            assert not page["gap"]
            for each in page["entries"]:
                if "token" not in each:
                    await self._take(each)
            after = page["after"]

    async def _take(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "edit":
            number = entry["message"]
            self._shown[number] = self._shown[number]._replace(text=entry["text"])
        elif entry["kind"] == "message":
            files = []
            for file in entry.get("files", ()):
                content = await self._program.ask(
                    "GET", f"{self._room}/files/{file['id']}", aiohttp.ClientResponse.read
                )
                files.append((file["name"], digest(content)))
            self._shown[entry["id"]] = Shown(entry.get("text", ""), tuple(files))


class WebhookSettlement:
    """Hooks both ways, each with a program that posts to it and one that it posts to."""

    side = "hooks"
    port = 0

    def __init__(self, program: Program, server: BaseTestServer, places: dict[str, WebhookPlace]) -> None:
        self._program = program
        self._server = server
        self._places = places

    @classmethod
    @asynccontextmanager
    async def joined(cls, folder: Path) -> AsyncIterator[WebhookSettlement]:
        """`folder` is the daemon's."""
        places: dict[str, WebhookPlace] = {}

        async def take(request: web.Request) -> web.Response:
            places[request.match_info["hook"]].take(request.headers["Idempotency-Key"], (await request.json())["text"])
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_post("/{hook}", take)
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            program = Program(folder, http, f"/webhook/{cls.side}")
            try:
                yield cls(program, server, places)
            finally:
                await program.end()

    def place(self, name: str, rule: int) -> WebhookPlace:
        self._places[name] = WebhookPlace(name, rule, self._program)
        return self._places[name]

    def block(self, _port: int) -> dict[str, object]:
        hooks = {
            name: {
                "incoming": {"token": _TOKEN, "bot": False, "messages_per_minute": 60_000},
                "outgoing": {"url": str(self._server.make_url(f"/{name}")), "max_message": _LONGEST},
            }
            for name in self._places
        }
        # the receivers are on this machine
        general = {"http": {"port": 0}, "fetch_allow": ["127.0.0.0/8"]}
        return {"global": general, "webhook": {self.side: {"hooks": hooks}}}


class WebhookPlace(Place):
    """A hook: it takes and shows texts alone, and what it was sent twice bears the same key."""

    text_alone = True

    def __init__(self, name: str, rule: int, program: Program) -> None:
        super().__init__(name, rule)
        self._program = program
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._taken: dict[str, str] = {}
        self._again = 0
        program.begin(self._post())

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": WebhookSettlement.side, "hook": self.name}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        self._outbox.put_nowait(ledger.entry(self.name, chance.choice(_LENGTHS)).text)

    def take(self, key: str, text: str) -> None:
        """What is posted to it."""
        self._again += key in self._taken
        self._taken[key] = text

    def shown(self) -> list[Shown]:
        return [Shown(text) for text in self._taken.values()]

    @property
    def repeated_as_stated(self) -> int:
        return self._again

    async def _post(self) -> None:
        while True:
            body = {"text": await self._outbox.get()}
            headers = {"Idempotency-Key": uuid4().hex}
            path = f"/{self.name}/{_TOKEN}"
            await self._program.ask("POST", path, aiohttp.ClientResponse.text, json=body, headers=headers)
