"""Matrix on the bench as the relay is an application service there: a real Synapse pushes what happens to it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from aiohttp import web

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import MatrixSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Identity
from nextbridge.sandbox.contract.supervised import Supervised
from tests.contract.matrix_bench import MatrixBench
from tests.matrix.person import SECONDS
from tests.matrix.services import LOOPBACK
from tests.matrix.synapse import Account


class MatrixServiceBench(MatrixBench):
    example = (
        {
            "homeserver": "https://matrix.example.com",
            "user_id": "@nextbridge:example.com",
            "application_service": {"as_token": "as-token-of-the-example", "hs_token": "hs-token-of-the-example"},
        },
        {"room_id": "!AbCdEfGhIjKlMnOpQr:example.com"},
    )
    lacking: ClassVar = {}
    depends: ClassVar = {Identity: "the relay is an application service"}

    async def start(self) -> None:
        self._service = self._synapse.services.take()
        self._made: list[Supervised] = []
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False
        self._seen: list[list[dict[str, Any]]] = []
        self._told = asyncio.Event()
        await self._serve()
        await super().start()
        # what happened so far is told to nobody: the relay is not there yet
        async with asyncio.timeout(SECONDS):
            while not all(self._came_into(room) for room in self.town):
                await self._told.wait()
                self._told.clear()

    def _came_into(self, room: str) -> bool:
        """Whether the homeserver has told that the relay is in a room."""
        return any(
            (event["room_id"], event.get("state_key"), event["content"].get("membership"))
            == (room, self.bot.user, "join")
            for batch in self._seen
            for event in batch
        )

    def enter(self) -> Account:
        token, name = self._service.settings.as_token.reveal(), self._service.name
        body = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
        self._synapse.request("POST", "/_matrix/client/v3/register", body, token)
        return Account(self._service.user, "", token, "")

    def make(self, **more: Any) -> Supervised:
        relay = super().make(**more)
        self._made.append(relay)
        # it sees at once that the homeserver is gone
        self._driver(relay).pulse = 0.3
        return relay

    @staticmethod
    def _driver(relay: Supervised) -> MatrixDriver:
        assert isinstance(relay.driver, MatrixDriver)
        return relay.driver

    async def cut(self) -> None:
        self._passes.clear()
        await super().cut()

    async def lose_answers(self) -> None:
        # Zoë has spoken before: what is lost is the answer to her message, and not to what makes her account
        relay = self._made[-1]
        await self._driver(relay).puppet(relay.outgoing(""))
        self._passes.clear()
        await super().lose_answers()

    async def cut_receiving(self) -> None:
        self._refuses = True

    async def mend(self) -> None:
        self._passes.set()
        self._refuses = False
        await super().mend()

    def _settings(self, token: str, **more: Any) -> MatrixSettings:
        service = self._service
        url = f"http://127.0.0.1:{self.cable.port}"
        if token == self.bot.token:
            return service.block(url, **more)
        wrong = type(service.settings)(
            Secret(token), service.settings.hs_token, service.settings.puppets, service.settings.url
        )
        return MatrixSettings(homeserver=url, user_id=service.user, application_service=wrong, reconnect_delay=0.1)

    async def _name_of(self, user: str) -> str:
        return str((await self.alice.call("GET", f"/profile/{user}"))["displayname"])

    # --- where the homeserver calls -----------------------------------------------------------------------------------

    async def _serve(self) -> None:
        application = web.Application(client_max_size=0)
        application.router.add_route("*", f"/matrix/{self._service.name}{{path:/.*}}", self._called)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, LOOPBACK, self._service.port, reuse_address=True, reuse_port=True).start()

    async def _called(self, request: web.Request) -> web.StreamResponse:
        await self._passes.wait()
        if self._refuses:
            return web.json_response({}, status=503)
        if not self._made:
            self._seen.append((await request.json()).get("events", []))
            self._told.set()
            return web.json_response({})
        # the daemon has one; of several in a test that which is connected, or is about to be
        relay = next((each for each in reversed(self._made) if each.host.is_connected), self._made[-1])
        return await self._driver(relay).handle(request, request.match_info["path"])
