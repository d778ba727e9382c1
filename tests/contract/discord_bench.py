"""Discord on the bench: the stand-in, and Alice, who is told what a client shows of the gateway's events."""

from __future__ import annotations

import asyncio
import re
from typing import Any, ClassVar

import msgspec

from drivers.discord import DiscordDriver
from drivers.discord.settings import DiscordChannel, DiscordSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Forgets, Pages, Portraits
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard, Situation
from nextbridge.sandbox.discord import Account, Allowance, Channel, Message, SandboxDiscord
from tests.discord.client import Shown

_SECONDS = 15
_LINE_OF_ANSWER = re.compile(r"-# ↪ https://discord\.com/channels/\d+/\d+/(\d+)\n")
"""What a client shows as a small link to another message."""


class DiscordBench(Bench):
    driver = DiscordDriver
    example = (
        {"token": "MTA5ODc2NTQzMjEwOTg3NjU0Mw.GhJkLm.abcdefghijklmnopqrstuvwxyz0123456789AB"},
        {"channel_id": "1098765432109876543"},
    )
    without: ClassVar = {
        Forgets: "not needed: what is said is kept on the platform's server",
        Pages: "not needed: everything comes by the gateway",
        Portraits: "not needed: pictures have addresses that anybody can fetch",
        Situation.COMING_AND_GOING: "people come to a server, and not to one of its channels",
        Situation.NEW_TOPIC: "it is not told who changed it",
    }
    identity: ClassVar[str] = "webhook"

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = SandboxDiscord(allowance=Allowance.generous())
        self.guild = self.sandbox.add_guild("Town")
        self.bot = self.sandbox.add_bot("relay", self.guild)
        self.alice = self.sandbox.add_person("alice", self.guild, name="Ally")
        self.channels = tuple(self.sandbox.add_channel(self.guild, name) for name in ("town", "dev"))
        self.hidden = self.sandbox.add_channel(self.guild, "closed", hidden=True)
        self.direct = self.sandbox.world.conversation(self.alice.user, self.bot.user)
        self._heard: dict[str, asyncio.Queue[dict[str, Any]]] = {
            each.id: asyncio.Queue() for each in (*self.channels, self.direct)
        }
        self._saw_typing = asyncio.Event()
        self._said: Message | None = None
        self._last_heard = ""
        self.sandbox.world.watchers.append(self._watch)

    async def start(self) -> None:
        await self.stack.enter_async_context(self.sandbox)
        # in the other room the driver makes its webhook itself
        self.sandbox.world.add_webhook(self.channels[0], "relay", self.bot.user, self.bot.id)
        self.cable = await self.stack.enter_async_context(Cable(*self.sandbox.address))

    def settings(self) -> DiscordSettings:
        return self._settings(self.bot)

    def rooms(self) -> tuple[DiscordChannel, DiscordChannel]:
        town, dev = (DiscordChannel(channel_id=each.id) for each in self.channels)
        return town, dev

    @property
    def person(self) -> str:
        return "Ally"

    async def say(self, text: str, room: int = 0) -> None:
        self._said = self.sandbox.post_as(self.alice, self.channels[room], text)

    async def hear(self, room: int = 0) -> Heard:
        return await self._hear(self.channels[room])

    async def look(self) -> list[Heard]:
        return [self._as_seen(each) for each in self.sandbox.messages(self.channels[0])]

    async def revise(self, text: str) -> None:
        self.sandbox.edit(self._theirs, text)

    async def touch(self) -> None:
        self.sandbox.pin(self._theirs)

    async def take_back(self) -> None:
        self.sandbox.delete(self._theirs)

    async def answer(self, text: str) -> None:
        self.sandbox.post_as(self.alice, self.channels[0], text, answers=self._heard_last)

    async def react(self, emoji: str, *, add: bool) -> None:
        self.sandbox.react_as(self.alice, self._heard_last, emoji, add=add)

    async def be_typing(self) -> None:
        self.sandbox.type_as(self.alice, self.channels[0])

    async def whisper(self, text: str) -> None:
        self.sandbox.whisper_as(self.alice, self.bot, text)

    async def topic(self) -> str:
        return Shown(self.channels[0].topic or "").text

    async def see_typing(self) -> None:
        async with asyncio.timeout(_SECONDS):
            await self._saw_typing.wait()

    async def be_told(self) -> Heard:
        return await self._hear(self.direct)

    async def be_noisy(self) -> None:
        self.sandbox.start_thread(self.alice, self.sandbox.post_as(self.alice, self.channels[0], ""), "a thread")

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def cut_receiving(self) -> None:
        self.sandbox.gateway.refuses = True
        self.sandbox.gateway.cut()

    async def mend(self) -> None:
        self.sandbox.gateway.refuses = False
        await self.cable.mend()

    def refused(self) -> tuple[DiscordSettings, str]:
        token = f"{self.bot.token[:-6]}wrong!"
        return self._settings(Account(self.bot.user, token)), token

    async def closed_room(self) -> DiscordChannel:
        return DiscordChannel(channel_id=self.hidden.id)

    async def forget_keys(self) -> None:
        self.sandbox.world.forget_nonces()

    async def say_file(self, name: str, content: bytes) -> None:
        self.sandbox.post_as(self.alice, self.channels[0], "", files=[(name, content)])

    def settings_with_largest_file(self, size: int) -> DiscordSettings:
        return self._settings(self.bot, max_file_size=size)

    @property
    def _theirs(self) -> Message:
        assert self._said is not None
        return self._said

    @property
    def _heard_last(self) -> Message:
        return next(each for each in self.sandbox.messages(self.channels[0]) if each.id == self._last_heard)

    async def _hear(self, channel: Channel) -> Heard:
        async with asyncio.timeout(_SECONDS):
            self._last_heard = (await self._heard[channel.id].get())["id"]
        found = next(each for each in self.sandbox.messages(channel) if each.id == self._last_heard)
        return self._as_seen(found)

    def _as_seen(self, message: Message) -> Heard:
        line = _LINE_OF_ANSWER.match(message.content)
        content = message.content[line.end() :] if line else message.content
        answered = line[1] if line else message.message_reference and message.message_reference.message_id
        texts = {each.id: each.content for each in self.sandbox.messages(self.channels[0])}
        is_action = len(content) > 2 and content[0] == content[-1] == "_"
        shown = Shown(content[1:-1] if is_action else content, everyone=message.mention_everyone)
        calls = {"a call"} if message.mentions or message.mention_everyone else set()
        return Heard(
            author=message.author.username,
            text=shown.text,
            notation=frozenset(shown.notation | calls),
            action=is_action,
            files=tuple(self.sandbox.files_of(message)),
            answers=None if not answered else Shown(_LINE_OF_ANSWER.sub("", texts.get(str(answered), ""))).text,
            reactions=tuple(sorted(emoji for emoji, who in self.sandbox.reactions_of(message).items() for _ in who)),
        )

    def _settings(self, account: Account, **more: Any) -> DiscordSettings:
        block = {
            "token": account.token,
            "api_url": f"http://127.0.0.1:{self.cable.port}/api",
            "reconnect_delay": 0.1,
            "identity": self.identity,
        }
        return msgspec.convert(block | more, DiscordSettings, dec_hook=lambda _, value: Secret(value))

    def _watch(self, event: str, data: dict[str, Any]) -> None:
        ours = self.bot.id in {data.get("user_id"), data.get("application_id"), data.get("author", {}).get("id")}
        if event == "TYPING_START" and ours and data["channel_id"] == self.channels[0].id:
            self._saw_typing.set()
        if event == "MESSAGE_CREATE" and ours and data["channel_id"] in self._heard:
            self._heard[data["channel_id"]].put_nowait(data)
