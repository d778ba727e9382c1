"""Telegram on the bench: the stand-in Bot API, and Ally, who sees what its chats show."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, ClassVar

from drivers.telegram import TelegramDriver
from drivers.telegram.settings import TelegramChannel, TelegramSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Forgets, History, Identity, Members, Pages, Reactions, Recall, Topics
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard, Situation
from nextbridge.sandbox.telegram import Message, Room, SandboxTelegram

_SECONDS = 15
_PLAIN = frozenset({"url", "email", "hashtag", "cashtag", "bot_command", "phone_number"})
"""What every client marks in plain text: it calls nobody, and is no formatting of ours."""
PORTRAIT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


class TelegramBench(Bench):
    driver = TelegramDriver
    example = (
        {"token": "123456789:AAE4rXkgc3wUm8Q0Yh4aU4yVbVqk1h2J3kA"},
        {"chat": -1001234567890},
    )
    page = "/webhook"
    without: ClassVar = {
        Forgets: "not needed: what is said is kept on the platform's server",
        Identity: "a bot's messages bear the bot's own name, always",
        Recall: "the Bot API gives no message again",
        History: "the Bot API has none; it keeps for 24 hours what was missed, and hands it over",
        Situation.DELETING: "the Bot API does not tell of deletions",
        Situation.NEW_TOPIC: "the Bot API does not tell that a description was changed",
        Situation.TYPING: "the Bot API does not tell who is typing",
    }
    depends: ClassVar = {
        Members: "they have said something since the start, or are administrators",
        Pages: "`webhook` is set; else Telegram is asked for what is new",
        Reactions: "one on a message, of the emoji that Telegram has for it",
        Topics: "the bot is an administrator who may change the group's description",
    }

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = SandboxTelegram()
        self.ally = self.sandbox.add_person("Ally", "Perkins", username="ally_p", portrait=PORTRAIT)
        self.newt = self.sandbox.add_person("Newt")
        self.bot = self.sandbox.add_bot("relay_bot", "Relay")
        members = [self.ally, self.bot.user]
        self.groups = tuple(self.sandbox.add_supergroup(title, members) for title in ("Town", "Dev"))
        for group in self.groups:
            self.sandbox.promote(group, self.bot.user)
        self.closed = self.sandbox.add_supergroup("Closed", [self.ally], username="closed_town")
        self.private = self.sandbox.private_chat(self.ally, self.bot)
        self._heard: dict[int, asyncio.Queue[list[Message]]] = {
            room.id: asyncio.Queue() for room in (*self.groups, self.private)
        }
        self._album: list[Message] = []
        self._said: Message | None = None
        self._last_heard = 0
        self.sandbox.world.listeners.append(self._listen)

    async def start(self) -> None:
        await self.stack.enter_async_context(self.sandbox)
        self.cable = await self.stack.enter_async_context(Cable("127.0.0.1", self.sandbox.port))

    def settings(self) -> TelegramSettings:
        return self._settings(self.bot.token)

    def rooms(self) -> tuple[TelegramChannel, TelegramChannel]:
        town, dev = (TelegramChannel(chat=room.id) for room in self.groups)
        return town, dev

    @property
    def person(self) -> str:
        return "Ally Perkins"

    async def say(self, text: str, room: int = 0) -> None:
        self._said = self.sandbox.say(self.ally, self.groups[room], text)

    async def hear(self, room: int = 0) -> Heard:
        heard = await self._next(self.groups[room])
        self._last_heard = heard[0].message_id
        return self._as_seen(self.groups[room], heard)

    async def look(self) -> list[Heard]:
        return [self._as_seen(self.groups[0], some) for some in _together(self.sandbox.messages(self.groups[0]))]

    async def revise(self, text: str) -> None:
        self._said = self.sandbox.edit(self.ally, self.groups[0], self._theirs, text)

    async def touch(self) -> None:
        self.sandbox.pin(self.ally, self.groups[0], self._theirs)
        self.sandbox.touch(self.ally, self.groups[0], self._theirs)

    async def answer(self, text: str) -> None:
        self.sandbox.say(self.ally, self.groups[0], text, reply_to=self._last_heard)

    async def react(self, emoji: str, *, add: bool) -> None:
        self.sandbox.react(self.ally, self.groups[0], self._last_heard, *([emoji] if add else []))

    async def come(self) -> str:
        self.sandbox.come(self.groups[0], self.newt)
        return "Newt"

    async def go(self) -> None:
        self.sandbox.go(self.groups[0], self.newt)

    async def whisper(self, text: str) -> None:
        self.sandbox.say(self.ally, self.private, text)

    async def topic(self) -> str:
        return self.groups[0].description

    async def see_typing(self) -> None:
        wanted = (self.groups[0].id, None, "typing")
        await self.sandbox.until(lambda: wanted in self.sandbox.world.actions, within=_SECONDS)

    async def be_told(self) -> Heard:
        return self._as_seen(self.private, await self._next(self.private))

    async def be_noisy(self) -> None:
        assert self._said is None
        self.sandbox.rename(self.ally, self.groups[0], "Town")

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def cut_receiving(self) -> None:
        await self.cable.cut()
        self.sandbox.faults.answer(502, method="getUpdates", times=10_000)
        await self.cable.mend()

    async def mend(self) -> None:
        self.sandbox.faults.forget()
        await self.cable.mend()

    def refused(self) -> tuple[TelegramSettings, str]:
        token = "123456789:AAwrongwrongwrongwrongwrongwrong"
        return self._settings(token), token

    async def closed_room(self) -> TelegramChannel:
        return TelegramChannel(chat=self.closed.id)

    async def say_file(self, name: str, content: bytes) -> None:
        self.sandbox.say_file(self.ally, self.groups[0], name, content)

    def settings_with_largest_file(self, size: int) -> TelegramSettings:
        return self._settings(self.bot.token, max_file_size=size)

    @property
    def _theirs(self) -> Message:
        assert self._said is not None
        return self._said

    def _settings(self, token: str, **more: Any) -> TelegramSettings:
        fast: dict[str, Any] = {"messages_per_minute": 100_000, "messages_per_second": 10_000, "reconnect_delay": 0.1}
        return TelegramSettings(token=Secret(token), api_url=f"http://127.0.0.1:{self.cable.port}", **fast, **more)

    def _listen(self, room: Room, message: Message) -> None:
        if message.from_ is None or not message.from_.is_bot or room.id not in self._heard:
            return
        if message.media_group_id is None:
            self._heard[room.id].put_nowait([message])
            return
        # the parts of an album are made in one go
        if not self._album:
            asyncio.get_running_loop().call_soon(self._album_heard, room)
        self._album.append(message)

    def _album_heard(self, room: Room) -> None:
        self._heard[room.id].put_nowait(self._album)
        self._album = []

    async def _next(self, room: Room) -> list[Message]:
        async with asyncio.timeout(_SECONDS):
            return await self._heard[room.id].get()

    def _as_seen(self, room: Room, parts: list[Message]) -> Heard:
        first = room.said[parts[0].message_id].message if parts[0].message_id in room.said else parts[0]
        text = first.text or first.caption or ""
        entities = [each for each in (*first.entities, *first.caption_entities) if each.type not in _PLAIN]
        whole = len(text.encode("utf-16-le")) // 2
        is_action = bool(entities) and (entities[0].type, entities[0].length) == ("italic", whole)
        reply = first.reply_to_message
        files = [self.sandbox.content(part) for part in parts]
        return Heard(
            author=first.from_.first_name if first.from_ else "",
            text=text,
            notation=frozenset(each.type for each in (entities[1:] if is_action else entities)),
            action=is_action,
            files=tuple(file for file in files if file is not None),
            answers=None if reply is None else reply.text,
            reactions=tuple(self.sandbox.reactions(room, first.message_id)) if first.message_id in room.said else (),
        )


def _together(messages: list[Message]) -> list[list[Message]]:
    """The messages, those of an album as one."""
    shown: list[list[Message]] = []
    for message in messages:
        if message.media_group_id and shown and shown[-1][0].media_group_id == message.media_group_id:
            shown[-1].append(message)
        else:
            shown.append([message])
    return shown
