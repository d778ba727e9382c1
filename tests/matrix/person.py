"""Another person on the homeserver: a client of the tests' own, which knows nothing of the driver."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from tests.matrix.synapse import Account, Synapse

__all__ = ["Person", "Shown", "shown"]

SECONDS = 15
_CLIENT = "/_matrix/client/v3"


class Person:
    """`async with Person(synapse, "alice") as alice`: registered, and listening."""

    def __init__(self, synapse: Synapse, account: Account | None = None, *, listens: bool = True) -> None:
        """One who does not listen only speaks: an application service is not answered when it asks what happened."""
        self._listens = listens
        self.account = account or synapse.register()
        self.id = self.account.user
        self._url = synapse.url
        self._stack = AsyncExitStack()
        self.heard: dict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        """What others sent, by room: the events of the timeline, without state."""
        self.invitations: asyncio.Queue[str] = asyncio.Queue()
        self.typists: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        """A room, and who types there."""
        self._since = ""
        self._came: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.account.token}"}
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        if not self._listens:
            return self
        self._since = (await self.call("GET", "/sync?timeout=0"))["next_batch"]
        listening = asyncio.create_task(self._listen())
        self._stack.callback(listening.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """One call of the client API. Raises aiohttp's ClientResponseError where it is refused."""
        data = {} if body is None and method in {"PUT", "POST"} else body
        async with self._http.request(method, URL(self._url + _CLIENT + path, encoded=True), json=data) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def call_by_name(self, name: str) -> None:
        """Take a display name."""
        await self.call("PUT", f"/profile/{quote(self.id)}/displayname", {"displayname": name})

    # --- rooms ---

    async def room(self, *invited: str, **more: Any) -> str:
        """A new room."""
        body = {"preset": "private_chat", "invite": list(invited), **more}
        return str((await self.call("POST", "/createRoom", body))["room_id"])

    async def join(self, room: str) -> None:
        await self.call("POST", f"/join/{quote(room)}")

    async def invite(self, room: str, user: str) -> None:
        await self.call("POST", f"/rooms/{quote(room)}/invite", {"user_id": user})

    async def state(self, room: str, kind: str, key: str = "") -> Any:
        return await self.call("GET", f"/rooms/{quote(room)}/state/{kind}/{quote(key)}")

    async def set_state(self, room: str, kind: str, content: dict[str, Any], key: str = "") -> str:
        return str((await self.call("PUT", f"/rooms/{quote(room)}/state/{kind}/{quote(key)}", content))["event_id"])

    # --- saying ---

    async def send(self, room: str, kind: str, content: dict[str, Any]) -> str:
        """The id of the event that was sent."""
        path = f"/rooms/{quote(room)}/send/{kind}/{secrets.token_hex(8)}"
        return str((await self.call("PUT", path, content))["event_id"])

    async def say(self, room: str, text: str, **more: Any) -> str:
        """Say something, in plain text."""
        return await self.send(room, "m.room.message", {"msgtype": "m.text", "body": text, **more})

    async def edit(self, room: str, event: str, text: str) -> str:
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": event}
        return await self.say(room, f"* {text}", **{"m.new_content": new, "m.relates_to": relation})

    async def take_back(self, room: str, event: str) -> None:
        await self.call("PUT", f"/rooms/{quote(room)}/redact/{quote(event)}/{secrets.token_hex(8)}", {})

    async def react(self, room: str, event: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
        return await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def upload(self, name: str, content: bytes, kind: str = "application/octet-stream") -> str:
        url = f"{self._url}/_matrix/media/v3/upload?filename={quote(name)}"
        async with self._http.post(url, data=content, headers={"Content-Type": kind}) as answer:
            return str((await answer.json())["content_uri"])

    async def download(self, place: str) -> bytes:
        path = place.removeprefix("mxc://")
        async with self._http.get(f"{self._url}/_matrix/client/v1/media/download/{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    # --- hearing ---

    async def hear(self, room: str) -> dict[str, Any]:
        """The next event of another person that is a message, and no edit. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self.heard[room].get()
                is_edit = event["content"].get("m.relates_to", {}).get("rel_type") == "m.replace"
                if event["type"] in {"m.room.message", "m.room.encrypted"} and not is_edit:
                    return event

    async def messages(self, room: str) -> list[dict[str, Any]]:
        """All events of a room, the oldest first."""
        events: list[dict[str, Any]] = []
        start = ""
        while True:
            page = await self.call("GET", f"/rooms/{quote(room)}/messages?dir=b&limit=500&from={start}")
            events += page["chunk"]
            start = page.get("end", "")
            if not page["chunk"] or not start:
                return events[::-1]

    async def member(self, room: str, user: str) -> None:
        """Return once somebody is in a room."""
        async with asyncio.timeout(SECONDS):
            while (room, user) not in self._came:
                await self._changed.wait()

    async def told(self, batch: dict[str, Any]) -> None:
        """A sync's answer, for what a further client has to know of it."""

    async def _listen(self) -> None:
        while True:
            batch = await self.call("GET", f"/sync?timeout=20000&since={self._since}")
            self._since = batch["next_batch"]
            await self.told(batch)
            rooms = batch.get("rooms", {})
            for room in rooms.get("invite", {}):
                self.invitations.put_nowait(room)
            for room, joined in rooms.get("join", {}).items():
                for event in joined["timeline"]["events"]:
                    if event["type"] == "m.room.member" and event["content"]["membership"] == "join":
                        self._came.add((room, event["state_key"]))
                    if event["sender"] != self.id and "state_key" not in event:
                        self.heard[room].put_nowait(event)
                for event in joined["ephemeral"]["events"]:
                    if event["type"] == "m.typing":
                        for user in event["content"]["user_ids"]:
                            self.typists.put_nowait((room, user))
            self._changed.set()
            self._changed = asyncio.Event()


def shown(content: dict[str, Any]) -> Shown:
    """What a client shows of a message: by its HTML where it has any."""
    if content.get("format") == "org.matrix.custom.html":
        return Shown(content["formatted_body"])
    body = Shown("")
    body.text = content["body"]
    return body


class Shown(HTMLParser):
    """What HTML shows, as its tags and its text: another reader than the driver's own."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self._text: list[str] = []
        self.feed(html)
        self.close()
        self.text = "".join(self._text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._text.append("\n")
        elif tag != "p":
            self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self._text.append(data)
