"""What we do on Discord beside sending: react, set a topic, tell one person, look somebody or something up."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from contextlib import suppress

import msgspec

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.markdown import MARKDOWN
from drivers.discord.people import People
from drivers.discord.places import Place, Places, located
from drivers.discord.refusals import of_act, of_change
from drivers.discord.sending import header_of
from nextbridge.driver import Excerpt
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Rejected, Retry
from nextbridge.markup import PLAIN, Paragraph, Text
from nextbridge.markup.emoji import character, shortcode

__all__ = ["Acts"]

_LONGEST_TOPIC = 1024
_LOOK_UP = 5.0
"""Seconds that somebody waits for what is only nice to have."""
_CONVERSATIONS_KEPT = 1000
_LONGEST_WAIT = 15.0
_NAME = re.compile(r"[^\x00-\x1f@#:`]{1,100}")


class Acts:
    """One bot's. Everything raises as `Driver.send`, and what its own contract says beside that."""

    def __init__(self, places: Places, people: People) -> None:
        self._places = places
        self._people = people
        self._conversations: OrderedDict[str, str] = OrderedDict()

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, api: Api, *, add: bool) -> None:
        """As `Reactions.react`."""
        found, home = located(message), self._places.home(channel)
        sign = self._emoji(channel, emoji)
        if found is None or home is None:
            raise Gone("there is no such message")
        place = Place(home, found[0])
        try:
            await api.react(place.channel, found[1], sign, add=add)
        except Refused as refused:
            raise of_change(refused, "react to messages") from refused

    def _emoji(self, channel: ChannelKey, emoji: str) -> str:
        if shortcode(emoji) is not None:
            return emoji
        if (char := character(emoji)) is not None:
            return char
        guild = self._places.guild(self._places.guild_of(channel))
        for each in guild.emojis if guild is not None else ():
            if each.name == emoji and each.available:
                return f"{each.name}:{each.id}"
        raise Rejected("the server has no such emoji")

    async def set_topic(self, channel: ChannelKey, topic: str, api: Api) -> None:
        """As `Topics.set_topic`. Discord lets a channel's be changed twice in ten minutes."""
        line = " ".join(wire.storable(topic).split())[:_LONGEST_TOPIC]
        while len(written := MARKDOWN.write((Paragraph((Text(line),)),)) if line else "") > _LONGEST_TOPIC:
            line = line[: -max(1, (len(written) - _LONGEST_TOPIC) // 2)]
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                await api.set_topic(channel, written)
        except Refused as refused:
            raise of_act(refused, "change the topic: give it Manage Channels") from refused
        except TimeoutError:
            raise Rejected("Discord does not take another topic so soon") from None
        except Retry as later:
            if later.after is None or later.after <= _LONGEST_WAIT:
                raise
            raise Rejected("Discord does not take another topic so soon") from later

    async def tell(self, user: UserId, text: str, api: Api) -> None:
        """As `DirectMessages.tell`."""
        if not (user.isascii() and user.isdecimal()):
            raise Rejected("there is nobody of that id")
        content = {"content": wire.storable(text), "allowed_mentions": {"parse": []}}
        body = msgspec.json.encode(content)
        try:
            if user not in self._conversations:
                self._conversations[user] = (await api.conversation(user)).id
                if len(self._conversations) > _CONVERSATIONS_KEPT:
                    self._conversations.popitem(last=False)
            await api.send(self._conversations[user], lambda: body, 0)
        except Refused as refused:
            self._conversations.pop(user, None)
            raise Rejected(f"they cannot be told anything ({refused.code}): {refused.message}") from refused

    async def recall(self, channel: ChannelKey, message: MessageId, api: Api) -> Excerpt | None:
        """As `Recall.recall`. Raises nothing."""
        found, home = located(message), self._places.home(channel)
        if found is None or home is None:
            return None
        try:
            async with asyncio.timeout(_LOOK_UP):
                said = await api.message(Place(home, found[0]).channel, found[1])
        except (Refused, DriverError, TimeoutError):
            return None
        if said.author is None or said.type not in wire.MessageType.SAID:
            return None
        author = said.author
        name = (self._people.name(home.channel.guild_id or "", author.id) or author.name) if author.name else ""
        words = said.content.removeprefix(header_of(said.content))
        return Excerpt(name, PLAIN.write(MARKDOWN.read(words).blocks))

    async def member(self, channel: ChannelKey, name: str, api: Api) -> Author | None:
        """As `Members.member`. Raises nothing."""
        guild = self._places.guild_of(channel)
        if not guild or _NAME.fullmatch(name) is None or name != name.strip():
            return None
        try:
            async with asyncio.timeout(_LOOK_UP):
                return await self._people.named(guild, name, api)
        except (Refused, DriverError, TimeoutError):
            return None

    async def typing(self, channel: ChannelKey, api: Api) -> None:
        """As `Typing.typing`."""
        home = self._places.home(channel)
        if home is None or home.unavailable or home.channel.is_forum:
            return
        with suppress(Refused, DriverError, TimeoutError):
            async with asyncio.timeout(_LOOK_UP):
                await api.type_in(channel)
