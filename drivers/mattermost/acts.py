"""What we do on the server beside posting: edit, delete, react, set a header, tell one person, look somebody up."""

from __future__ import annotations

import asyncio
import re
import uuid

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.events import PostReader, as_author
from drivers.mattermost.refusals import Refusals
from nextbridge.driver import Excerpt
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import DriverError, Rejected
from nextbridge.markup import PLAIN, Dialect, Paragraph, Text
from nextbridge.markup.emoji import character, shortcode

__all__ = ["Acts"]

_LONGEST_HEADER = 1024
"""Characters."""
_EMOJI_NAME = re.compile(r"[a-z0-9_+-]{1,64}")
_CUSTOM_KNOWN = 1000
_LOOK_UP = 5.0
"""Seconds that somebody waits for what is only nice to have."""


class Acts:
    """One account's. Everything raises as `Driver.send`, and what its own contract says beside that."""

    def __init__(self, api: Api, me: wire.User, refusals: Refusals) -> None:
        self.api = api
        self.me = me
        self.refusals = refusals
        self._custom: set[str] = set()
        """Names of custom emoji that the server has."""

    async def edit(self, channel: ChannelKey, post: MessageId, text: str) -> None:
        """Give a post of ours another text; the mark, the name and the files that it bears stay."""
        try:
            await self.api.edit_post(post, text)
        except Refusal as refusal:
            raise await self.refusals.of_change(channel, post, refusal, "edit its own posts", ours=True) from refusal

    async def delete(self, channel: ChannelKey, post: MessageId) -> None:
        """Delete a post of ours. Raises Gone where that is done."""
        try:
            await self.api.delete_post(post)
        except Refusal as refusal:
            raise await self.refusals.of_change(channel, post, refusal, "delete its posts", ours=True) from refusal

    async def react(self, channel: ChannelKey, post: MessageId, emoji: str, *, add: bool) -> None:
        """Put an emoji on a post, or take it away: a character, or the name of one."""
        name = await self._emoji_name(emoji)
        me = UserId(self.me.id)
        try:
            if add:
                await self.api.add_reaction(me, post, name)
            else:
                await self.api.remove_reaction(me, post, name)
        except Refusal as refusal:
            raise await self.refusals.of_change(channel, post, refusal, "react to posts", ours=False) from refusal

    async def _emoji_name(self, emoji: str) -> str:
        if (name := shortcode(emoji)) is not None:
            return name
        if _EMOJI_NAME.fullmatch(emoji) is None:
            raise Rejected("the server has no such emoji")
        if character(emoji) is not None or emoji in self._custom:
            return emoji
        try:
            # the server itself would take any name, and its clients show a name that is none
            await self.api.custom_emoji(emoji)
        except Refusal as refusal:
            raise Rejected(f"the server has no such emoji: {refusal.message}") from refusal
        if len(self._custom) < _CUSTOM_KNOWN:
            self._custom.add(emoji)
        return emoji

    async def set_header(self, channel: ChannelKey, topic: str, dialect: Dialect) -> None:
        """Give a channel a header that shows `topic` as the characters that it has, as much of it as fits."""
        line = " ".join(wire.storable(topic).split())[:_LONGEST_HEADER]
        while len(header := dialect.write((Paragraph((Text(line),)),)) if line else "") > _LONGEST_HEADER:
            line = line[: -max(1, (len(header) - _LONGEST_HEADER) // 2)]
        try:
            await self.api.set_header(channel, header)
        except Refusal as refusal:
            raise await self.refusals.of_right(channel, refusal, "change the header") from refusal

    async def tell(self, user: UserId, text: str) -> None:
        """Say something to one person, in the channel of the two of us."""
        try:
            channel = await self.api.direct_channel(UserId(self.me.id), user)
            key = f"{self.me.id}:{uuid.uuid4().hex}"
            await self.api.create_post(wire.NewPost(channel, wire.storable(text), key))
        except Refusal as refusal:
            raise Rejected(f"they cannot be told anything ({refusal.status}): {refusal.message}") from refusal

    async def recall(self, channel: ChannelKey, post: MessageId, reader: PostReader) -> Excerpt | None:
        """What a post says, and who is shown to say it. Raises nothing."""
        try:
            async with asyncio.timeout(_LOOK_UP):
                found = await self.api.post(post)
                if found.channel_id != channel or found.delete_at or found.type.startswith("system_"):
                    return None
                author, content = await reader.author(found), await reader.content(found)
        except (Refusal, DriverError, TimeoutError, *wire.UNREADABLE):
            return None
        return Excerpt(author.name, PLAIN.write(content.text.blocks))

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        """The one in the channel of that username or shown name, in whatever letters. Raises nothing."""
        wanted = wire.storable(name).casefold()
        if not wanted.strip():
            return None
        try:
            async with asyncio.timeout(_LOOK_UP):
                found = await self.api.search_members(channel, wanted)
        except (Refusal, DriverError, TimeoutError):
            return None
        named = [user for user in found if wanted in {user.username.casefold(), user.name.casefold()}]
        return as_author(named[0]) if len(named) == 1 else None
