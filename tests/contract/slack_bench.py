"""Slack on the bench: the stand-in, and Alice who types into it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from drivers.slack import SlackDriver
from drivers.slack.settings import SlackChannel, SlackSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Forgets, Portraits, Typing
from nextbridge.markup.emoji import character, shortcode
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard, Situation
from nextbridge.sandbox.slack import Channel, Message, SandboxSlack
from nextbridge.sandbox.slack.typed import TONES

_SECONDS = 15


class SlackBench(Bench):
    driver = SlackDriver
    example = (
        {"bot_token": "xoxb-1234-5678-abcdef", "app_token": "xapp-1-A012-3456-abcdef"},
        {"channel_id": "C0123456789"},
    )
    without: ClassVar = {
        Forgets: "not needed: what is said is kept on the platform's server",
        Portraits: "their pictures have addresses that anybody can fetch",
        Typing: "no app can show it: the Web API has nothing for it",
        Situation.TYPING: "it is told to no app",
    }
    page = "/events"

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = SandboxSlack()
        self.app = self.sandbox.add_app("relay")
        self.alice = self.sandbox.add_user("alice", real_name="Alice Stone", display_name="Ally")
        self.newcomer = self.sandbox.add_user("newcomer", display_name="Newt")
        self.channels = tuple(self.sandbox.add_channel(name, self.app, self.alice) for name in ("town", "dev"))
        self.closed = self.sandbox.add_channel("closed", self.alice, is_private=True)
        self.direct = self.sandbox.direct_channel(self.app.user, self.alice)
        self._heard: dict[str, asyncio.Queue[Message]] = {
            each.id: asyncio.Queue() for each in (*self.channels, self.direct)
        }
        self._said: Message | None = None
        self._last_heard: Message | None = None
        self.sandbox.watchers.append(self._hear_of)

    async def start(self) -> None:
        await self.stack.enter_async_context(self.sandbox)
        self.cable = await self.stack.enter_async_context(Cable("127.0.0.1", self.sandbox.port))

    def _hear_of(self, channel: Channel, message: Message) -> None:
        if channel.id in self._heard and message.app is not None and message in self.sandbox.messages(channel):
            self._heard[channel.id].put_nowait(message)

    def settings(self) -> SlackSettings:
        return self._settings()

    def _settings(self, **more: Any) -> SlackSettings:
        given: dict[str, Any] = {
            "bot_token": Secret(self.app.token),
            "app_token": Secret(self.app.app_token),
            "api_url": f"http://127.0.0.1:{self.cable.port}/api/",
            "reconnect_delay": 0.1,
        }
        return SlackSettings(**(given | more))

    def rooms(self) -> tuple[SlackChannel, SlackChannel]:
        town, dev = self.channels
        return SlackChannel(channel_id=town.id), SlackChannel(channel="dev" if dev.name == "dev" else dev.name)

    @property
    def person(self) -> str:
        return "Ally"

    async def say(self, text: str, room: int = 0) -> None:
        self._said = self.sandbox.post_as(self.alice, self.channels[room], text)

    async def hear(self, room: int = 0) -> Heard:
        return await self._next(self.channels[room])

    async def _next(self, channel: Channel) -> Heard:
        async with asyncio.timeout(_SECONDS):
            message = await self._heard[channel.id].get()
        self._last_heard = message
        return _as_seen(message, channel)

    async def look(self) -> list[Heard]:
        town = self.channels[0]
        return [_as_seen(each, town) for each in self.sandbox.messages(town)]

    async def revise(self, text: str) -> None:
        self.sandbox.edit_as(self.alice, self.channels[0], self._theirs, text)

    async def touch(self) -> None:
        self.sandbox.unfurl(self.channels[0], self._theirs)

    async def take_back(self) -> None:
        self.sandbox.delete(self.channels[0], self._theirs)

    async def answer(self, text: str) -> None:
        assert self._last_heard is not None
        self.sandbox.post_as(self.alice, self.channels[0], text, thread=self._last_heard.ts)

    async def react(self, emoji: str, *, add: bool) -> None:
        name = shortcode(emoji)
        assert name is not None
        assert self._last_heard is not None
        self.sandbox.react(self.alice.id, self.channels[0], self._last_heard, name, add=add)

    async def come(self) -> str:
        self.sandbox.join(self.newcomer, self.channels[0])
        return "Newt"

    async def go(self) -> None:
        self.sandbox.leave(self.newcomer, self.channels[0])

    async def set_topic(self, topic: str) -> None:
        self.sandbox.set_topic(self.alice.id, self.channels[0], topic)

    async def whisper(self, text: str) -> None:
        self.sandbox.post_as(self.alice, self.direct, text)

    async def topic(self) -> str:
        return _plain(self.channels[0].topic)

    async def be_told(self) -> Heard:
        return await self._next(self.direct)

    @property
    def _theirs(self) -> Message:
        assert self._said is not None
        return self._said

    async def be_noisy(self) -> None:
        self.sandbox.post_as(self.alice, self.channels[0], "<@U1> pinned a message", blocks=[], subtype="pinned_item")

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def cut_receiving(self) -> None:
        self.sandbox.faults.answer(503, method="apps.connections.open", times=10_000)
        self.sandbox.delivery(self.app).cut()

    async def mend(self) -> None:
        self.sandbox.faults.forget()
        await self.cable.mend()

    def refused(self) -> tuple[SlackSettings, str]:
        token = "xoxb-" + "w" * 26
        return self._settings(bot_token=Secret(token)), token

    async def closed_room(self) -> SlackChannel:
        return SlackChannel(channel_id=self.closed.id)

    async def say_file(self, name: str, content: bytes) -> None:
        file = self.sandbox.upload_as(self.alice, name, content)
        self.sandbox.post_as(self.alice, self.channels[0], "", files=(file,))

    def settings_with_largest_file(self, size: int) -> SlackSettings:
        return self._settings(max_file_size=size)


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _as_seen(message: Message, channel: Channel) -> Heard:
    """As Slack's own program shows it: by its blocks, where it has some, and else by its text."""
    runs = [*_runs(message.blocks or [])] if message.blocks else [(_plain(message.text), frozenset[str]())]
    styles = [notation for text, notation in runs if text.strip()]
    is_action = bool(styles) and all("italic" in each for each in styles)
    root = channel.messages.get(message.thread_ts) if message.thread_ts != message.ts else None
    return Heard(
        author=message.username or message.user,
        text="".join(text for text, _ in runs),
        notation=frozenset(each for notation in styles for each in notation) - ({"italic"} if is_action else set()),
        action=is_action,
        files=tuple((each.name, each.content or b"") for each in message.files),
        answers=None if root is None else "".join(text for text, _ in _runs(root.blocks or [])),
        reactions=tuple(sorted(_sign(name) for name, users in message.reactions.items() for _ in users)),
    )


def _runs(blocks: list[dict[str, Any]]) -> list[tuple[str, frozenset[str]]]:
    """What blocks show, each piece with what it is beside text."""
    found: list[tuple[str, frozenset[str]]] = []
    for each in blocks:
        if "elements" in each:
            kind = each["type"]
            more = frozenset[str]() if kind in {"rich_text", "rich_text_section"} else frozenset({kind})
            found += [(text, notation | more) for text, notation in _runs(each["elements"])]
            continue
        styles = frozenset(each.get("style", {}))
        if each["type"] == "text":
            found.append((each["text"], styles))
        elif each["type"] == "emoji" and "unicode" in each:
            found.append(("".join(chr(int(code, 16)) for code in each["unicode"].split("-")), styles))
        else:
            shown = each.get("text") or each.get("url") or each.get("user_id") or f":{each.get('name')}:"
            found.append((shown, styles | {each["type"]}))
    return found


def _sign(name: str) -> str:
    base, _, tone = name.partition("::skin-tone-")
    ending = next((ending for ending, number in TONES.items() if str(number) == tone), "")
    return character(base + ending) or name
