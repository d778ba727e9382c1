"""The web chat on the bench: its page on the daemon's HTTP server, and a browser's connection in each room."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, ClassVar
from urllib.parse import quote

import aiohttp
import msgspec

from drivers.webchat import WebChatDriver
from drivers.webchat.settings import RoomSettings, WebChatSettings
from nextbridge.driver import History, Portraits
from nextbridge.sandbox.contract import Bench, Heard, Situation, Supervised

_SECONDS = 15


class WebChatBench(Bench):
    driver = WebChatDriver
    example = ({"title": "Lobby", "token": "b3b5c7a19f6d4e1c"}, {"room": "lobby"})
    without: ClassVar = {
        History: "the rooms live in the daemon: there is no time without a connection",
        Portraits: "people have no pictures",
        Situation.LARGE_FILE: "a file that is over the limit cannot be uploaded at all",
        Situation.NOISE: "a browser sends nothing else that is meant for the room",
        Situation.LOST_CONNECTION: "the rooms live in the daemon: there is no connection to lose",
        Situation.LOST_RECEIVING: "the rooms live in the daemon: there is no connection to lose",
        Situation.REFUSED_LOGIN: "the daemon logs in nowhere",
        Situation.CLOSED_CHANNEL: "a room is there because a rule names it",
        Situation.COMING_AND_GOING: "a browser comes and goes with each lost connection, whatever its person does",
        Situation.NEW_TOPIC: "the relay alone gives a room its topic",
        Situation.TOUCHING: "there is nothing of the kind",
        Situation.WHISPERING: "there is only the room",
    }

    def __init__(self) -> None:
        super().__init__()
        self._browsers: list[_Browser] = []
        self._shown: dict[int, int] = {}
        self._said = 0
        """The message that the other person said last, and the one that they heard last."""
        self._heard = 0

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
        self._said = await self._browsers[room].post(text)

    async def hear(self, room: int = 0) -> Heard:
        async with asyncio.timeout(_SECONDS):
            message = await self._browsers[room].heard.get()
        self._shown[room] = message["revision"]
        self._heard = message["id"]
        return await self._as_heard(message, {})

    async def _as_heard(self, message: dict[str, Any], others: dict[int, dict[str, Any]]) -> Heard:
        # the page shows each of these as characters; its own tests watch that it does
        answered = others.get(message.get("reply_to", 0))
        return Heard(
            author=message["name"],
            text=message["text"],
            action=message.get("action", False),
            files=tuple([await self._browsers[0].fetch(file["id"]) for file in message.get("files", ())]),
            answers=None if answered is None else answered["text"],
            reactions=tuple(sorted(each["emoji"] for each in message.get("reactions", ()) for _ in each["by"])),
        )

    async def look(self) -> list[Heard]:
        _, messages = await self._browsers[0].look_again()
        others = {message["id"]: message for message in messages}
        return [await self._as_heard(message, others) for message in messages]

    async def revise(self, text: str) -> None:
        await self._browsers[0].ask(type="edit", message=self._said, text=text)

    async def take_back(self) -> None:
        await self._browsers[0].ask(type="delete", message=self._said)

    async def answer(self, text: str) -> None:
        await self._browsers[0].post(text, reply_to=self._heard)

    async def react(self, emoji: str, *, add: bool) -> None:
        await self._browsers[0].ask(type="react", message=self._heard, emoji=emoji, add=add)

    async def be_typing(self) -> None:
        await self._browsers[0].be_typing()

    async def topic(self) -> str:
        topic, _ = await self._browsers[0].look_again()
        return topic

    async def see_typing(self) -> None:
        async with asyncio.timeout(_SECONDS):
            await self._browsers[0].typists.get()

    async def be_told(self) -> Heard:
        async with asyncio.timeout(_SECONDS):
            told = await self._browsers[0].told.get()
        return Heard(author="", text=told["text"])

    async def say_file(self, name: str, content: bytes) -> None:
        browser = self._browsers[0]
        await browser.post("", files=[await browser.upload(name, content)])

    def settings_with_largest_file(self, size: int) -> WebChatSettings:
        return WebChatSettings(messages_per_minute=6000, max_file_size=size)

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

    def __init__(self, http: aiohttp.ClientSession, address: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.typists: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._http = http
        self._address = address
        self._socket = socket
        self._session = ""
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, address: str, room: str, name: str, after: int | None) -> _Browser:
        """Enter a room as the page does, where `after` is the newest revision that it has seen."""
        browser = cls(http, address, await http.ws_connect(f"{address}/live", max_msg_size=0))
        await browser._socket.send_json({"type": "hello"})
        welcome = await browser._answer()
        assert welcome["type"] == "welcome"
        browser._session = welcome["session"]
        await browser._socket.send_json({"type": "join", "room": room, "name": name, "after": after})
        assert (await browser._answer())["type"] == "joined"
        return browser

    async def post(self, text: str, **more: object) -> int:
        """The message's number, once the room has it."""
        return await self.ask(type="post", text=text, **more)

    async def ask(self, **frame: object) -> int:
        """Return once it is done; what is to come later is asked for again then, as the page does."""
        frame["id"] = f"request-{next(self._numbers):08}"
        while True:
            await self._socket.send_json(frame)
            answer = await self._answer()
            if answer["type"] == "sent":
                return int(answer["message"])
            assert answer.get("retry_after"), answer
            await asyncio.sleep(answer["retry_after"])

    async def be_typing(self) -> None:
        await self._socket.send_json({"type": "typing"})

    async def look_again(self) -> tuple[str, list[dict[str, Any]]]:
        """The room's topic and its messages, as somebody sees them who comes in now."""
        async with self._http.ws_connect(f"{self._address}/live", max_msg_size=0) as socket:
            await socket.send_json({"type": "hello"})
            await socket.send_json({"type": "join", "room": "lobby", "name": "Somebody who looks"})
            await socket.send_json({"type": "ping"})
            topic, messages = "", []
            async with asyncio.timeout(_SECONDS):
                while (frame := msgspec.json.decode(await socket.receive_str()))["type"] != "pong":
                    topic = frame.get("topic", topic)
                    messages += frame.get("messages", [])
        return topic, messages

    async def upload(self, name: str, content: bytes) -> str:
        """The id of the file, to be posted."""
        headers = {"X-Session": self._session, "X-File-Name": quote(name)}
        async with self._http.post(f"{self._address}/upload", data=content, headers=headers) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["id"])

    async def fetch(self, file: str) -> tuple[str, bytes]:
        """A file's name and content, as a browser saves it."""
        async with self._http.get(f"{self._address}/files/{file}") as response:
            assert response.status == 200, await response.text()
            assert response.content_disposition is not None
            return response.content_disposition.filename or "", await response.read()

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
            if (queue := {"typing": self.typists, "told": self.told}.get(frame["type"])) is not None:
                queue.put_nowait(frame)
                continue
            if frame["type"] in {"changed", "topic"}:
                continue
            messages = {"message": [frame.get("message")], "history": frame.get("messages", [])}.get(frame["type"])
            if messages is None:
                self._answers.put_nowait(frame)
            for message in messages or ():
                # what bears no origin was typed in a browser
                if "origin" in message:
                    self.heard.put_nowait(message)
