"""The HTTP API on the bench: its rooms on the daemon's HTTP server, and a program in each that posts for a person."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import aiohttp

from drivers.api import ApiDriver
from drivers.api.settings import ApiSettings, RoomSettings, TokenSettings
from nextbridge.config.types import Secret
from nextbridge.driver import DirectMessages, History, Members, Portraits, Typing
from nextbridge.sandbox.contract import Bench, Heard, Situation, Supervised

_SECONDS = 15
_TOKEN = "7b1d0c4be2f94f66a8d0"


class ApiBench(Bench):
    driver = ApiDriver
    example = (
        {"tokens": [{"name": "game", "token": "b3b5c7a19f6d4e1c", "rights": "read_write", "rooms": ["ops"]}]},
        {"room": "ops"},
    )
    without: ClassVar = {
        DirectMessages: "whoever a program posts for is known by a name alone",
        History: "the rooms live in the daemon: there is no time without a connection",
        Members: "a program does not say whom it posts for before it does",
        Portraits: "a picture is an address that the program gives",
        Typing: "a room's log holds what lasts",
        Situation.LARGE_FILE: "a file that is over the limit cannot be posted at all",
        Situation.NOISE: "a program sends nothing else that is meant for the room",
        Situation.LOST_CONNECTION: "the rooms live in the daemon: there is no connection to lose",
        Situation.LOST_RECEIVING: "the rooms live in the daemon: there is no connection to lose",
        Situation.REFUSED_LOGIN: "the daemon logs in nowhere",
        Situation.CLOSED_CHANNEL: "a room is there because a rule names it",
        Situation.COMING_AND_GOING: "nobody is in a room but by what they say",
        Situation.NEW_TOPIC: "the relay alone gives a room its topic",
        Situation.TOUCHING: "there is nothing of the kind",
        Situation.TYPING: "a room's log holds what lasts",
        Situation.WHISPERING: "there is only the room",
    }
    page = "/openapi.json"

    def __init__(self) -> None:
        super().__init__()
        self._address = ""
        self._cursors = {"ops": 0, "dev": 0}
        self._said = 0
        """The message that the other person said last, and the one that they heard last."""
        self._heard = 0

    async def start(self) -> None:
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        self._http = await self.stack.enter_async_context(aiohttp.ClientSession(headers=headers))

    def settings(self) -> ApiSettings:
        return ApiSettings(tokens=(TokenSettings(name="program", token=Secret(_TOKEN)),), messages_per_minute=60_000)

    def rooms(self) -> tuple[RoomSettings, RoomSettings]:
        return RoomSettings(room="Ops"), RoomSettings(room="dev")

    @property
    def person(self) -> str:
        return "Ida"

    async def meet(self, relay: Supervised) -> None:
        self._address = await self.address(relay)

    async def say(self, text: str, room: int = 0) -> None:
        self._said = await self._post("message", room, text=text)

    async def hear(self, room: int = 0) -> Heard:
        name = list(self._cursors)[room]
        async with asyncio.timeout(_SECONDS):
            while True:
                page = await self._get(room, after=self._cursors[name], limit=1, wait=_SECONDS)
                self._cursors[name] = page["after"]
                for entry in page["entries"]:
                    if entry["kind"] == "message" and "token" not in entry:
                        self._heard = entry["id"]
                        return await self._as_heard(entry, {}, [])

    async def look(self) -> list[Heard]:
        entries = (await self._get(0, limit=1000))["entries"]
        messages = {each["id"]: each for each in entries if each["kind"] == "message" and not each.get("gone")}
        for each in entries:
            if each["kind"] == "edit" and each["message"] in messages:
                messages[each["message"]] |= {"text": each["text"], "action": each.get("action", False)}
        reactions = [each for each in entries if each["kind"] == "reaction"]
        return [await self._as_heard(each, messages, reactions) for each in messages.values()]

    async def _as_heard(
        self, message: dict[str, Any], others: dict[int, dict[str, Any]], reactions: list[dict[str, Any]]
    ) -> Heard:
        borne: dict[tuple[str, str], bool] = {}
        for each in reactions:
            if each["message"] == message["id"]:
                borne[each["emoji"], each.get("author", {}).get("name", "")] = each.get("added", True)
        answered = others.get(message.get("reply_to", 0))
        return Heard(
            author=message["author"]["name"],
            text=message.get("text", ""),
            action=message.get("action", False),
            files=tuple([(file["name"], await self._fetch(file["id"])) for file in message.get("files", ())]),
            answers=None if answered is None else answered["text"],
            reactions=tuple(sorted(emoji for (emoji, _), added in borne.items() if added)),
        )

    async def revise(self, text: str) -> None:
        await self._post("edit", message=self._said, text=text)

    async def take_back(self) -> None:
        await self._post("delete", message=self._said)

    async def answer(self, text: str) -> None:
        await self._post("message", text=text, reply_to=self._heard)

    async def react(self, emoji: str, *, add: bool) -> None:
        await self._post("reaction", message=self._heard, emoji=emoji, add=add)

    async def topic(self) -> str:
        async with self._http.get(f"{self._address}/rooms") as response:
            return str((await response.json())[0]["topic"])

    async def say_file(self, name: str, content: bytes) -> None:
        form = aiohttp.FormData({"username": self.person}, quote_fields=False)
        form.add_field("file", content, filename=name)
        async with self._http.post(f"{self._address}/rooms/ops/message", data=form) as response:
            assert response.status == 200, await response.text()

    async def _post(self, what: str, room: int = 0, **fields: object) -> int:
        address = f"{self._address}/rooms/{list(self._cursors)[room]}/{what}"
        async with self._http.post(address, json={"username": self.person, **fields}) as response:
            assert response.status == 200, await response.text()
            return int((await response.json())["message"])

    async def _get(self, room: int, **query: int) -> dict[str, Any]:
        address = f"{self._address}/rooms/{list(self._cursors)[room]}/messages"
        async with self._http.get(address, params=query) as response:
            assert response.status == 200, await response.text()
            found: dict[str, Any] = await response.json()
            return found

    async def _fetch(self, file: str) -> bytes:
        async with self._http.get(f"{self._address}/rooms/ops/files/{file}") as response:
            assert response.status == 200, await response.text()
            return await response.read()
