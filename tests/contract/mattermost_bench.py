"""Mattermost on the bench: the stand-in server, and Alice with a WebSocket and REST of her own."""

from __future__ import annotations

import asyncio
from collections import deque
from html.parser import HTMLParser
from typing import Any, ClassVar

import aiohttp
import msgspec
from markdown_it import MarkdownIt

from drivers.mattermost import MattermostDriver
from drivers.mattermost.settings import MattermostChannel, MattermostSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Forgets, Pages
from nextbridge.markup.emoji import character, shortcode
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard
from nextbridge.sandbox.mattermost import Account, Post, SandboxMattermost

_SECONDS = 15
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class MattermostBench(Bench):
    driver = MattermostDriver
    example = (
        {"server_url": "https://mattermost.example.com", "token": "9xuqwrwgstrb3mzrxb83nb357a"},
        {"channel_id": "4xp9fdt77pncbef59f4k1qe83o"},
    )
    page = "/command"
    without: ClassVar = {
        Forgets: "not needed: what is said is kept on the platform's server",
    }
    depends: ClassVar = {
        Pages: "`global.base_url` is set: the slash command",
    }

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = SandboxMattermost()
        team = self.sandbox.add_team("main")
        self.bot = self.sandbox.add_bot("relay", team=team)
        self.alice = self.sandbox.add_user("alice", nickname="Ally", team=team)
        members = [self.bot, self.alice]
        self.channels = tuple(self.sandbox.add_channel(team, name, members=members) for name in ("town", "dev"))
        self.private = self.sandbox.add_channel(team, "closed", is_private=True, members=[self.alice])
        self.newcomer = self.sandbox.add_user("newcomer", nickname="Newt", team=team)
        self.direct = self.sandbox.add_direct_channel(self.alice, self.bot)
        self._heard: dict[str, asyncio.Queue[dict[str, Any]]] = {
            each.id: asyncio.Queue() for each in (*self.channels, self.direct)
        }
        self._saw_typing = asyncio.Event()
        self._said: Post | None = None
        self._last_heard = ""

    async def start(self) -> None:
        await self.stack.enter_async_context(self.sandbox)
        port = int(self.sandbox.url.rpartition(":")[2])
        self.cable = await self.stack.enter_async_context(Cable("127.0.0.1", port))
        headers = {"Authorization": f"Bearer {self.alice.token}"}
        self._http = await self.stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        address = f"{self.sandbox.url}/api/v4/websocket"
        socket = await self.stack.enter_async_context(self._http.ws_connect(address))
        listening = asyncio.create_task(self._listen(socket))
        self.stack.callback(listening.cancel)

    def settings(self) -> MattermostSettings:
        return self._settings(self.bot)

    def rooms(self) -> tuple[MattermostChannel, MattermostChannel]:
        town, dev = (MattermostChannel(channel_id=each.id) for each in self.channels)
        return town, dev

    @property
    def person(self) -> str:
        return "Ally"

    async def say(self, text: str, room: int = 0) -> None:
        self._said = self.sandbox.post_as(self.alice, self.channels[room], text)

    async def hear(self, room: int = 0) -> Heard:
        return await self._hear(self.channels[room].id)

    async def look(self) -> list[Heard]:
        posts = self.sandbox.posts(self.channels[0])
        texts = {str(post.id): _Shown(_MARKDOWN.render(post.message)).text for post in posts}
        return [await self._as_seen(post, texts) for post in posts if not post.is_system]

    async def revise(self, text: str) -> None:
        self._said = self.sandbox.edit(self._theirs, text)

    async def touch(self) -> None:
        self.sandbox.pin(self._theirs)

    async def take_back(self) -> None:
        self.sandbox.delete(self._theirs)

    async def answer(self, text: str) -> None:
        self.sandbox.post_as(self.alice, self.channels[0], text, root=self._heard_last)

    async def react(self, emoji: str, *, add: bool) -> None:
        name = shortcode(emoji)
        assert name is not None
        act = self.sandbox.react_as if add else self.sandbox.take_back_reaction
        act(self.alice, self._heard_last, name)

    async def come(self) -> str:
        self.sandbox.add_member(self.channels[0], self.newcomer, by=self.newcomer)
        return "Newt"

    async def go(self) -> None:
        self.sandbox.remove_member(self.channels[0], self.newcomer, by=self.newcomer)

    async def set_topic(self, topic: str) -> None:
        self.sandbox.change_header(self.alice, self.channels[0], topic)

    async def be_typing(self) -> None:
        self.sandbox.type_as(self.alice, self.channels[0])

    async def whisper(self, text: str) -> None:
        self.sandbox.post_as(self.alice, self.direct, text)

    async def topic(self) -> str:
        return _Shown(_MARKDOWN.render(self.sandbox.header(self.channels[0]))).text

    async def see_typing(self) -> None:
        async with asyncio.timeout(_SECONDS):
            await self._saw_typing.wait()

    async def be_told(self) -> Heard:
        return await self._hear(self.direct.id)

    @property
    def _theirs(self) -> Post:
        assert self._said is not None
        return self._said

    @property
    def _heard_last(self) -> Post:
        return next(post for post in self.sandbox.posts(self.channels[0]) if post.id == self._last_heard)

    async def _hear(self, channel: str) -> Heard:
        async with asyncio.timeout(_SECONDS):
            frame = await self._heard[channel].get()
        post = msgspec.json.decode(frame["post"], type=Post)
        self._last_heard = post.id
        seen = await self._as_seen(post, {})
        notation = seen.notation | ({"a call"} if "mentions" in frame and channel != self.direct.id else set())
        return msgspec.structs.replace(seen, author=frame["sender_name"], notation=notation)

    async def _as_seen(self, post: Post, texts: dict[str, str]) -> Heard:
        shown = _Shown(_MARKDOWN.render(post.message))
        is_action = shown.tags == ["p", "em"] and post.message.startswith("*")
        reactions = post.metadata.reactions if post.metadata else ()
        return Heard(
            author=str(post.props.get("override_username", post.user_id)),
            text=shown.text,
            notation=frozenset(each for each in shown.tags if each != "p") if not is_action else frozenset(),
            action=is_action,
            files=tuple([await self._file(each) for each in post.file_ids or ()]),
            answers=texts.get(post.root_id),
            reactions=tuple(sorted(character(each.emoji_name) or each.emoji_name for each in reactions or ())),
        )

    async def be_noisy(self) -> None:
        self.sandbox.post_as(self.alice, self.channels[0], "")

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def cut_receiving(self) -> None:
        await self.cable.cut()
        self.sandbox.faults.answer(503, route="GET /api/v4/websocket", times=10_000)
        await self.cable.mend()

    async def mend(self) -> None:
        self.sandbox.faults.forget()
        await self.cable.mend()

    def refused(self) -> tuple[MattermostSettings, str]:
        token = "w" * 26
        return self._settings(Account(self.bot.id, self.bot.username, token)), token

    async def closed_room(self) -> MattermostChannel:
        return MattermostChannel(channel_id=self.private.id)

    async def forget_keys(self) -> None:
        self.sandbox._world.pending.forget_all()

    async def say_file(self, name: str, content: bytes) -> None:
        file = self.sandbox.upload_as(self.alice, self.channels[0], name, content)
        self.sandbox.post_as(self.alice, self.channels[0], "", files=[file])

    def settings_with_largest_file(self, size: int) -> MattermostSettings:
        return self._settings(self.bot, max_file_size=size)

    def _settings(self, account: Account, **more: Any) -> MattermostSettings:
        url = f"http://127.0.0.1:{self.cable.port}"
        return MattermostSettings(server_url=url, token=Secret(account.token), reconnect_delay=0.1, **more)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            frame = message.json()
            is_here = frame.get("broadcast", {}).get("channel_id") == self.channels[0].id
            if frame.get("event") == "typing" and is_here and frame["data"]["user_id"] != self.alice.id:
                self._saw_typing.set()
            if frame.get("event") != "posted":
                continue
            post = msgspec.json.decode(frame["data"]["post"])
            if post["user_id"] != self.alice.id and not post["type"].startswith("system_"):
                self._heard[post["channel_id"]].put_nowait(frame["data"])

    async def _file(self, file: str) -> tuple[str, bytes]:
        path = f"{self.sandbox.url}/api/v4/files/{file}"
        async with self._http.get(f"{path}/info") as info, self._http.get(path) as content:
            return (await info.json())["name"], await content.read()


class _Shown(HTMLParser):
    """What a Markdown renderer shows, as its tags and its text: another reader than the driver's own."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self._text: deque[str] = deque()
        self.feed(html)
        self.close()
        self.text = "".join(self._text).removesuffix("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self._text.append(data)
