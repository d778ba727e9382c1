"""Two web chats, bridged by the daemon as a process: what people do in one is done in the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from tests.process import Daemon
from tests.webchat.conftest import Browser, Frame

FILE: dict[str, Any] = {
    "global": {"http": {"port": 0}},
    "webchat": {"one": {}, "two": {}},
    "rules": [{"type": "connect", "channels": {"one": {"room": "lobby"}, "two": {"room": "lobby"}}}],
}


class Side:
    """One of the web chats, while the daemon runs."""

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
    await browser.say(id=f"does-{id(frame):020}", **frame)
    return int((await browser.until("sent"))["message"])


async def test_what_is_done_to_messages_crosses_both_ways_and_over_a_kill(daemon: Daemon) -> None:
    """Answers, files, edits, reactions and deletions, of what was said before the daemon was killed and after."""
    content = bytes(range(256)) * 1000
    await daemon.start(FILE)
    async with aiohttp.ClientSession() as http:
        one, two = Side(daemon, http, "one"), Side(daemon, http, "two")
        async with one.joined("Ada") as ada, two.joined("Ida") as ida:
            ada_was, ida_was = ada.welcome["session"], ida.welcome["session"]
            question = await does(ada, type="post", text="a question")
            photo = await one.upload(ada, "notes.bin", content)
            await does(ada, type="post", text="a file", files=[photo])
            history = await two.shows(("a question", None, (), ()), ("a file", None, (), ("notes.bin",)))
            assert await two.content(history[1]["files"][0]["id"]) == content
            await does(ida, type="post", text="an answer", reply_to=history[0]["id"])
            await one.shows(
                ("a question", None, (), ()),
                ("a file", None, (), ("notes.bin",)),
                ("an answer", "a question", (), ()),
            )
        await daemon.kill()
        await daemon.start(FILE)
        one, two = Side(daemon, http, "one"), Side(daemon, http, "two")
        async with one.joined("Ada", ada_was) as ada, two.joined("Ida", ida_was) as ida:
            answer = next(each["id"] for each in ida.history if each["text"] == "an answer")
            await does(ada, type="edit", message=question, text="a better question")
            await does(ida, type="edit", message=answer, text="a better answer")
            await does(ida, type="react", message=ida.history[0]["id"], emoji="👍")
            await does(ada, type="react", message=question, emoji="🎉")
            await does(ada, type="delete", message=question + 1)
            for side in (one, two):
                await side.shows(
                    ("a better question", None, ("🎉", "👍"), ()), ("a better answer", "a better question", (), ())
                )
            await does(ida, type="react", message=ida.history[0]["id"], emoji="👍", add=False)
            await one.shows(("a better question", None, ("🎉",), ()), ("a better answer", "a better question", (), ()))
