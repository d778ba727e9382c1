"""The stand-in Bot API server itself: what a test starts, fills, and looks at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.telegram.acts import Acts
from nextbridge.sandbox.telegram.faults import Faults
from nextbridge.sandbox.telegram.methods import Methods
from nextbridge.sandbox.telegram.parameters import Parameters
from nextbridge.sandbox.telegram.records import Message
from nextbridge.sandbox.telegram.refusals import Parameters as Advice
from nextbridge.sandbox.telegram.refusals import Refusal
from nextbridge.sandbox.telegram.rooms import Room
from nextbridge.sandbox.telegram.sending import Sending

__all__ = ["SandboxTelegram"]

_LARGEST_BODY = 64 * 1024 * 1024


class _Answer(Struct, omit_defaults=True):
    ok: bool
    result: object = None
    error_code: int | None = None
    description: str | None = None
    parameters: Advice | None = None


class SandboxTelegram(Acts):
    """A server of the Bot API to run against: `async with SandboxTelegram() as sandbox`, or `start` and `stop`.

    What it holds may be set up before it is started. A stop and a start are a restart, on the same port.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, clock: Callable[[], float] = time.time) -> None:
        """`port` 0 takes a free one. `clock` gives seconds since 1970."""
        super().__init__(clock)
        self._host, self.port = host, port
        self._methods = {**Methods(self.world).table, **Sending(self.world).table}
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()
        self.faults = Faults()
        self.world.listeners.append(lambda _room, _message: self._notify())

    # --- running ------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What an operator writes as `api_url`, without a final slash."""
        return f"http://{self._host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        # who waits for updates and hangs up, waits no more
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.1, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more; webhooks are called no more."""
        self.faults.release()
        for bot in self.world.bots.values():
            bot.inbox.stop()
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

    async def until(self, condition: Callable[[], bool], *, within: float = 15.0) -> None:
        """Return once `condition()` holds: looked at with each call and each message. Raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    async def shown(self, room: Room, text: str, *, within: float = 15.0) -> Message:
        """The newest message that says `text`, once there is one."""
        await self.until(
            lambda: any(text == (each.text or each.caption) for each in self.messages(room)), within=within
        )
        return next(each for each in reversed(self.messages(room)) if text == (each.text or each.caption))

    # --- answering ----------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.StreamResponse:
        async def do() -> web.StreamResponse:
            self._notify()
            try:
                result = await self._result(request)
            except Refusal as refusal:
                answer = _Answer(
                    ok=False, error_code=refusal.status, description=refusal.description, parameters=refusal.parameters
                )
                return _as_json(answer, refusal.status)
            finally:
                self._notify()
            return _as_json(_Answer(ok=True, result=result), 200)

        return await self.faults.around(request.match_info["method"], request, do)

    async def _result(self, request: web.Request) -> object:
        bot = self.world.bots.get(request.match_info["token"])
        if bot is None:
            raise Refusal(401, "Unauthorized")
        # names of methods are the same in whatever letters
        wanted = request.match_info["method"].lower()
        method = next((method for name, method in self._methods.items() if name.lower() == wanted), None)
        if method is None:
            raise Refusal(404, "Not Found: method not found")
        try:
            parameters = await Parameters.of(request)
        except web.HTTPRequestEntityTooLarge as error:
            raise Refusal(413, "Request Entity Too Large") from error
        return await method(bot, parameters)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        async def do() -> web.StreamResponse:
            kept = self.world.files.at(request.match_info["path"])
            if request.match_info["token"] not in self.world.bots or kept is None:
                return _as_json(_Answer(ok=False, error_code=404, description="Not Found"), 404)
            return web.Response(body=kept.content, content_type="application/octet-stream")

        return await self.faults.around("file", request, do)

    def _notify(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        try:
            task = asyncio.get_running_loop().create_task(notify())
        except RuntimeError:
            return  # it is being set up before there is a loop
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)


def _as_json(answer: _Answer, status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), status=status, content_type="application/json")
