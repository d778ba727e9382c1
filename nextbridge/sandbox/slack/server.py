"""The stand-in Slack itself: what a test starts, fills, and looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from nextbridge.sandbox.slack.calls import Call, Method
from nextbridge.sandbox.slack.chat import CHAT
from nextbridge.sandbox.slack.conversations import CONVERSATIONS
from nextbridge.sandbox.slack.delivering import Delivering
from nextbridge.sandbox.slack.faults import Faults
from nextbridge.sandbox.slack.files import FileStore
from nextbridge.sandbox.slack.parameters import Parameters
from nextbridge.sandbox.slack.rates import Rates
from nextbridge.sandbox.slack.records import App, Channel, Json, Message
from nextbridge.sandbox.slack.refusals import Refusal
from nextbridge.sandbox.slack.workspace import Workspace

__all__ = ["SandboxSlack"]

_LARGEST_BODY = 64 * 1024 * 1024


class SandboxSlack(Workspace):
    """A Slack to run against: `async with SandboxSlack() as sandbox`. What it holds may be set up before."""

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        super().__init__()
        self._host, self.port = host, 0
        self.faults = Faults()
        self.rates = Rates()
        self.uploads = FileStore(self)
        self._methods: dict[str, Method] = {**CHAT, **CONVERSATIONS, **self.uploads.table}
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()
        self.watchers.append(lambda _channel, _message: self.notify())

    # --- running ------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What an operator writes as `api_url`."""
        return f"{self.address}/api/"

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/link/", self._link)
        app.router.add_post("/upload/v1/{file}", self.uploads.upload)
        app.router.add_get("/files-pri/{team:[A-Z0-9]+}-{file}/{path:.+}", self.uploads.download)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        self.address = f"http://{self._host}:{self.port}"

    async def stop(self) -> None:
        self.faults.release()
        await self.uploads.stop()
        for delivery in self.deliveries.values():
            await delivery.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- looking ------------------------------------------------------------------------------------------------------

    def delivery(self, app: App) -> Delivering:
        """An app's events on their way."""
        return self.deliveries[app.id]

    def messages(self, channel: Channel) -> list[Message]:
        """What people see, the oldest first; without Slack's own notices."""
        return [each for each in channel.messages.values() if each.subtype in _SAID]

    async def until(self, condition: Callable[[], bool], *, within: float = 10.0) -> None:
        """Return once `condition()` holds; looked at after calls, messages and answers. Raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    def notify(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    # --- answering ----------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        try:
            return await self.faults.around(method, request, lambda: self._answer(method, request))
        finally:
            self.notify()

    async def _answer(self, method: str, request: web.Request) -> web.Response:
        headers = {}
        try:
            parameters = await Parameters.of(request)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ") or parameters.text("token")
            app = self._app(method, token)
            headers["X-OAuth-Scopes"] = ",".join(sorted(app.scopes))
            wait = self.rates.over(method, parameters.text("channel"))
            if wait is not None:
                answer: Json = {"ok": False, "error": "ratelimited"}
                return web.json_response(answer, status=429, headers={"Retry-After": str(wait)})
            address = f"http://{request.host}"
            if method == "apps.connections.open":
                return web.json_response({"ok": True, "url": self._link_of(app, request.host)})
            answer = {"ok": True, **await self._methods.get(method, _unknown)(Call(self, app, parameters, address))}
        except Refusal as refusal:
            answer = refusal.answer
        return web.json_response(answer, headers=headers)

    def _app(self, method: str, token: str) -> App:
        """Whose token it is. Raises Refusal."""
        if not token:
            raise Refusal("not_authed")
        app = next((each for each in self.apps.values() if token in {each.token, each.app_token}), None)
        if app is None:
            raise Refusal("invalid_auth")
        if app.revoked:
            raise Refusal("token_revoked")
        if (token == app.app_token) is not (method == "apps.connections.open"):
            raise Refusal("not_allowed_token_type")
        if method == "apps.connections.open" and not app.socket_mode:
            raise Refusal("forbidden_team")
        return app

    def _link_of(self, app: App, host: str) -> str:
        return f"ws://{host}/link/?ticket={self.delivery(app).ticket()}&app_id={app.id}"

    async def _link(self, request: web.Request) -> web.StreamResponse:
        app = self.apps.get(request.query.get("app_id", ""))
        ticket = request.query.get("ticket", "")
        if app is None or ticket not in self.delivery(app).tickets:
            return web.Response(status=403)
        delivery = self.delivery(app)
        delivery.tickets.discard(ticket)
        try:
            return await delivery.connect(request)
        finally:
            self.notify()


async def _unknown(_call: Call) -> Json:
    raise Refusal("unknown_method")


_SAID = {"", "bot_message", "file_share", "me_message", "thread_broadcast"}
