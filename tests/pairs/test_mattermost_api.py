"""A Mattermost channel and a room of the HTTP API, bridged by the daemon as a process, and a program in the room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from nextbridge.sandbox.mattermost import Post, SandboxMattermost
from tests.process import Daemon

CONTENT = bytes(range(256)) * 500
TOKEN = "token-of-the-program-in-the-room"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Program:
    """Uses the room `ops` of the instance `tools`."""

    def __init__(self, daemon: Daemon, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.address = f"{daemon.events('http_listening')[-1]['address']}/api/tools/rooms/ops"

    async def do(self, what: str, **fields: object) -> int:
        body = {"username": "Steve", **fields}
        async with self._http.post(f"{self.address}/{what}", json=body, headers=BEARER) as response:
            assert response.status == 200, await response.text()
            return int((await response.json())["message"])

    async def upload(self, name: str, content: bytes) -> int:
        form = aiohttp.FormData({"username": "Steve", "text": "a file"})
        form.add_field("file", content, filename=name)
        async with self._http.post(f"{self.address}/message", data=form, headers=BEARER) as response:
            assert response.status == 200, await response.text()
            return int((await response.json())["message"])

    async def log(self, until: Callable[[list[Any]], bool]) -> list[Any]:
        """All entries, once they are so."""
        entries: list[Any] = []
        async with asyncio.timeout(20):
            while not until(entries):
                query = {"after": entries[-1]["id"] if entries else 0, "wait": 20}
                async with self._http.get(f"{self.address}/messages", params=query, headers=BEARER) as response:
                    assert response.status == 200, await response.text()
                    entries += (await response.json())["entries"]
        return entries

    async def content(self, file: str) -> bytes:
        async with self._http.get(f"{self.address}/files/{file}", headers=BEARER) as response:
            assert response.status == 200
            return await response.read()


async def test_the_conversation_crosses_both_ways_before_and_after_a_restart(daemon: Daemon) -> None:
    """Answers, edits, deletions, reactions and files; the program reads on at its cursor."""
    async with SandboxMattermost() as server, aiohttp.ClientSession() as http:
        team = server.add_team("main")
        bot, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada])
        file: dict[str, object] = {
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": server.url, "token": bot.token}},
            "api": {"tools": {"tokens": [{"name": "game", "token": TOKEN}]}},
            "rules": [{"type": "connect", "channels": {"mm": {"channel_id": town.id}, "tools": {"room": "ops"}}}],
        }

        def saying(text: str) -> Post:
            (found,) = [post for post in server.posts(town) if post.message == text]
            return found

        def reactions(text: str) -> list[str]:
            return sorted(server.reactions_of(saying(text)))

        async def shows(*texts: str) -> None:
            await server.until(lambda: server.messages(town) == list(texts), within=15)

        await daemon.start(file)
        program = Program(daemon, http)
        question = await program.do("message", text="a question")
        named = await program.upload("notes.bin", CONTENT)
        await shows("a question", "a file")
        assert server.files_of(saying("a file")) == [("notes.bin", CONTENT)]
        server.post_as(ada, town, "an answer", root=saying("a question"))
        theirs = server.upload_as(ada, town, "theirs.txt", b"plain words")
        server.post_as(ada, town, "their file", files=[theirs])
        entries = await program.log(lambda found: len(found) == 4)
        answer, picture = entries[2:]
        assert (answer["author"]["name"], answer["origin"], answer["reply_to"]) == ("Ada", "Mattermost", question)
        assert await program.content(picture["files"][0]["id"]) == b"plain words"
        assert await daemon.stop() == 0

        await daemon.start(file)
        program = Program(daemon, http)
        await program.do("edit", message=question, text="a better question")
        await program.do("reaction", message=answer["id"], emoji="\N{PARTY POPPER}")
        await program.do("message", text="and thanks", reply_to=answer["id"])
        await program.do("delete", message=named)
        await shows("a better question", "an answer", "their file", "and thanks")
        await server.until(lambda: reactions("an answer") == ["tada"])
        server.edit(saying("an answer"), "a better answer")
        server.react_as(ada, saying("a better question"), "+1")
        server.delete(saying("their file"))
        told = [
            each for each in await program.log(lambda found: len(found) == 11) if each["id"] > 4 and "token" not in each
        ]
        assert [(each["kind"], each["message"]) for each in told] == [
            ("edit", answer["id"]),
            ("reaction", question),
            ("delete", picture["id"]),
        ]
        assert (told[0]["text"], told[1]["emoji"]) == ("a better answer", "\N{THUMBS UP SIGN}")
        assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []
