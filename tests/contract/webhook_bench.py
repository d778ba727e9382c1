"""Webhooks on the bench: a server that takes what is posted, and a program that posts for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from drivers.webhook import WebhookDriver
from drivers.webhook.settings import (
    HookChannel,
    HookSettings,
    IncomingSettings,
    OutgoingSettings,
    WebhookSettings,
)
from nextbridge.config.types import Secret
from nextbridge.driver import (
    Deletes,
    DirectMessages,
    Downloads,
    Edits,
    Forgets,
    History,
    Members,
    Portraits,
    Reactions,
    Recall,
    Threads,
    Topics,
    Typing,
    Uploads,
)
from nextbridge.sandbox.contract import Bench, Heard, Situation, Supervised

_SECONDS = 15
_HOOKS = ("Ops", "dev")
_TOKEN = "7b1d0c4be2f94f66a8d0"
_POSTED = "what is posted to an address is posted, and cannot be named"


class WebhookBench(Bench):
    driver = WebhookDriver
    example = (
        {
            "hooks": {
                "ci": {
                    "incoming": {"secret": "b3b5c7a19f6d4e1c", "template": "{{ body.text }}"},
                    "outgoing": {"url": "https://hooks.example.com/T0/B0", "secret": "b3b5c7a19f6d4e1d"},
                }
            }
        },
        {"hook": "ci"},
    )
    without: ClassVar = {
        Forgets: "not needed: nothing that is said is kept",
        Deletes: _POSTED,
        DirectMessages: "there is only the hook",
        Downloads: "what is posted has text alone",
        Edits: _POSTED,
        History: "a program that was not answered posts again by itself",
        Members: "a program does not say whom it posts for before it does",
        Portraits: "a picture is an address that the program gives",
        Reactions: _POSTED,
        Recall: _POSTED,
        Threads: _POSTED,
        Topics: "a hook has none",
        Typing: "a message is all that can be posted",
        Uploads: "a message with its text is all that can be posted",
        Situation.LARGE_FILE: "what is posted has text alone",
        Situation.NOISE: "a program posts messages, and what is none is refused",
        Situation.LOST_CONNECTION: "each message is a request of its own: there is no connection to lose",
        Situation.LOST_RECEIVING: "each message is a request of its own: there is no connection to lose",
        Situation.REFUSED_LOGIN: "the daemon logs in nowhere; what an answer to a message means has tests of its own",
        Situation.CLOSED_CHANNEL: "a hook is there because the file names it",
        Situation.EDITING: _POSTED,
        Situation.TOUCHING: _POSTED,
        Situation.DELETING: _POSTED,
        Situation.ANSWERING: _POSTED,
        Situation.REACTING: _POSTED,
        Situation.COMING_AND_GOING: "a message is all that can be posted",
        Situation.NEW_TOPIC: "a hook has none",
        Situation.TYPING: "a message is all that can be posted",
        Situation.WHISPERING: "there is only the hook",
    }

    def __init__(self) -> None:
        super().__init__()
        self._address = ""
        self._heard: dict[str, asyncio.Queue[Mapping[str, Any]]] = {hook: asyncio.Queue() for hook in _HOOKS}

    async def start(self) -> None:
        self._http = await self.stack.enter_async_context(aiohttp.ClientSession())
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/{hook}", self._hear)
        self._server = await self.stack.enter_async_context(TestServer(app))

    async def _hear(self, request: web.Request) -> web.Response:
        self._heard[request.match_info["hook"]].put_nowait(await request.json())
        return web.Response(text="ok")

    def settings(self) -> WebhookSettings:
        # all that the driver knows of a message, as a program reads it that shows it itself
        template = (
            '{"text": {{ text|tojson }}, "name": {{ name|tojson }}, "action": {{ "true" if action else "false" }}}'
        )
        return WebhookSettings(
            hooks={
                name: HookSettings(
                    incoming=IncomingSettings(token=Secret(_TOKEN), bot=False, messages_per_minute=60_000),
                    outgoing=OutgoingSettings(url=Secret(str(self._server.make_url(f"/{name}"))), template=template),
                )
                for name in _HOOKS
            }
        )

    def rooms(self) -> tuple[HookChannel, HookChannel]:
        return HookChannel(hook="ops"), HookChannel(hook="dev")

    @property
    def person(self) -> str:
        return "Ida"

    def make(self, **more: Any) -> Supervised:
        relay = super().make(**more)
        relay.host.fetch_allow = ("127.0.0.0/8",)
        return relay

    async def meet(self, relay: Supervised) -> None:
        self._address = await self.address(relay)

    async def say(self, text: str, room: int = 0) -> None:
        body = {"text": text, "username": self.person}
        async with self._http.post(f"{self._address}/{_HOOKS[room]}/{_TOKEN}", json=body) as response:
            assert (response.status, await response.text()) == (200, "ok")

    async def hear(self, room: int = 0) -> Heard:
        async with asyncio.timeout(_SECONDS):
            message = await self._heard[_HOOKS[room]].get()
        return Heard(author=message["name"], text=message["text"], action=message["action"])
