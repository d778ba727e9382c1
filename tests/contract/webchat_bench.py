"""The web chat on the bench: its page on the daemon's HTTP server, and a browser's connection in each room."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, ClassVar

import aiohttp
import msgspec

from drivers.webchat import WebChatDriver
from drivers.webchat.settings import RoomSettings, WebChatSettings
from nextbridge.driver import (
    Deletes,
    DirectMessages,
    Downloads,
    Edits,
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

_NOT_YET = "not implemented yet"
_SECONDS = 15


class WebChatBench(Bench):
    driver = WebChatDriver
    example = ({"title": "Lobby", "token": "b3b5c7a19f6d4e1c"}, {"room": "lobby"})
    without: ClassVar = {
        Uploads: _NOT_YET,
        Downloads: _NOT_YET,
        Edits: _NOT_YET,
        Deletes: _NOT_YET,
        Reactions: _NOT_YET,
        Threads: _NOT_YET,
        Typing: _NOT_YET,
        DirectMessages: _NOT_YET,
        Members: _NOT_YET,
        Portraits: "people have no pictures",
        Recall: _NOT_YET,
        Topics: _NOT_YET,
        History: "the rooms live in the daemon: there is no time without a connection",
        Situation.NOISE: "a browser sends nothing else that is meant for the room",
        Situation.LOST_CONNECTION: "the rooms live in the daemon: there is no connection to lose",
        Situation.LOST_RECEIVING: "the rooms live in the daemon: there is no connection to lose",
        Situation.REFUSED_LOGIN: "the daemon logs in nowhere",
        Situation.CLOSED_CHANNEL: "a room is there because a rule names it",
        Situation.EDITING: _NOT_YET,
        Situation.DELETING: _NOT_YET,
        Situation.ANSWERING: _NOT_YET,
        Situation.REACTING: _NOT_YET,
        Situation.COMING_AND_GOING: _NOT_YET,
        Situation.NEW_TOPIC: _NOT_YET,
        Situation.TYPING: _NOT_YET,
        Situation.TOUCHING: "there is nothing of the kind",
        Situation.WHISPERING: "there is only the room",
    }

    def __init__(self) -> None:
        super().__init__()
        self._browsers: list[_Browser] = []
        self._shown: dict[int, int] = {}

    async def start(self) -> None:
        self._http = await self.stack.enter_async_context(aiohttp.ClientSession())

    def settings(self) -> WebChatSettings:
        return WebChatSettings(messages_per_minute=6000)

    def rooms(self) -> tuple[RoomSettings, RoomSettings]:
        return RoomSettings(room="Lobby"), RoomSettings(room="dev")

    @property
    def person(self) -> str:
        return "Ida"

    async def meet(self, relay: Supervised) -> None:
        await self._close_browsers()
        address = await self.address(relay)
        for number, room in enumerate(("lobby", "dev")):
            self._browsers.append(await _Browser.open(self._http, address, room, self.person, self._shown.get(number)))

    async def say(self, text: str, room: int = 0) -> None:
        await self._browsers[room].post(text)

    async def hear(self, room: int = 0) -> Heard:
        async with asyncio.timeout(_SECONDS):
            message = await self._browsers[room].heard.get()
        self._shown[room] = message["id"]
        # the page shows each of these as characters; its own tests watch that it does
        return Heard(author=message["name"], text=message["text"], action=message.get("action", False))

    async def leave(self) -> None:
        await self._close_browsers()
        await super().leave()

    async def _close_browsers(self) -> None:
        browsers, self._browsers = self._browsers, []
        for browser in browsers:
            await browser.close()


class _Browser:
    """The page's side of the connection."""

    _numbers = itertools.count(1)

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._socket = socket
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, address: str, room: str, name: str, after: int | None) -> _Browser:
        """Enter a room as the page does, where `after` is the newest message that it shows already."""
        browser = cls(await http.ws_connect(f"{address}/live", max_msg_size=0))
        await browser._socket.send_json({"type": "hello"})
        assert (await browser._answer())["type"] == "welcome"
        await browser._socket.send_json({"type": "join", "room": room, "name": name, "after": after})
        assert (await browser._answer())["type"] == "joined"
        return browser

    async def post(self, text: str) -> None:
        """Return once the room has it; what is to come later is offered again then, as the page does."""
        post = {"type": "post", "id": f"post-{next(self._numbers):08}", "text": text}
        while True:
            await self._socket.send_json(post)
            answer = await self._answer()
            if answer["type"] == "sent":
                return
            assert answer.get("retry_after"), answer
            await asyncio.sleep(answer["retry_after"])

    async def close(self) -> None:
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _answer(self) -> dict[str, Any]:
        async with asyncio.timeout(_SECONDS):
            return await self._answers.get()

    async def _read(self) -> None:
        async for received in self._socket:
            frame = msgspec.json.decode(received.data)
            messages = {"message": [frame.get("message")], "history": frame.get("messages", [])}.get(frame["type"])
            if messages is None:
                self._answers.put_nowait(frame)
            for message in messages or ():
                # what bears no origin was typed in a browser
                if "origin" in message:
                    self.heard.put_nowait(message)
