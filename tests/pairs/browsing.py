"""A web chat in a daemon that is a process: somebody in a browser, and what a room shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp
import msgspec

from tests.process import Daemon
from tests.webchat.conftest import Browser, Frame

__all__ = ["Side", "does"]


class Side:
    """One web chat, while the daemon runs."""

    def __init__(self, daemon: Daemon, http: aiohttp.ClientSession, name: str) -> None:
        self._http = http
        self.address = f"{daemon.events('http_listening')[-1]['address']}/webchat/{name}"

    @asynccontextmanager
    async def joined(self, name: str, session: str | None = None) -> AsyncIterator[Browser]:
        async with self._http.ws_connect(f"{self.address}/live", max_msg_size=0) as socket:
            browser = Browser(socket)
            await browser.hello(session=session)
            await browser.join(name)
            yield browser

    async def shows(self, *messages: tuple[object, ...]) -> list[Frame]:
        """Wait until somebody who comes in sees this: text, what it answers, reactions and files' names."""
        seen: list[tuple[object, ...]] = []
        try:
            async with asyncio.timeout(20):
                while True:
                    async with self.joined("Somebody who looks") as browser:
                        history = browser.history
                    texts = {each["id"]: each["text"] for each in history}
                    seen = [
                        (
                            each["text"],
                            texts.get(each.get("reply_to")),
                            tuple(sorted(reaction["emoji"] for reaction in each.get("reactions", ()))),
                            tuple(file["name"] for file in each.get("files", ())),
                        )
                        for each in history
                    ]
                    if seen == list(messages):
                        return history
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"seen: {seen}") from None

    async def upload(self, browser: Browser, name: str, content: bytes) -> str:
        headers = {"X-Session": browser.welcome["session"], "X-File-Name": name}
        async with self._http.post(f"{self.address}/upload", data=content, headers=headers) as response:
            assert response.status == 200
            return str(msgspec.json.decode(await response.read())["id"])

    async def content(self, file: str) -> bytes:
        async with self._http.get(f"{self.address}/files/{file}") as response:
            assert response.status == 200
            return await response.read()


async def does(browser: Browser, **frame: object) -> int:
    """Ask for something that is done."""
    await browser.say(id=f"does-{uuid4().hex}", **frame)
    return int((await browser.until("sent"))["message"])
