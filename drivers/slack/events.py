"""What Slack tells, as the events that they are, or the reason why it is none.

https://docs.slack.dev/reference/events/message lists the subtypes. A message's `ts` is its id.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress

import msgspec
from msgspec import Struct

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from drivers.slack.blocks import ids_in, read_attachments, read_blocks
from drivers.slack.mrkdwn import NOBODY, read
from drivers.slack.mrkdwn.notation import decoded
from drivers.slack.mrkdwn.reader import emoji_named
from drivers.slack.people import People
from nextbridge.envelope import (
    Attachment,
    Author,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    InstanceId,
    Joined,
    Left,
    MessageId,
    Posted,
    Reacted,
    TopicChanged,
    UserId,
)
from nextbridge.errors import Retry
from nextbridge.markup import PLAIN, Block, Emoji, Mention, RichText, Text
from nextbridge.markup.normal import normalise

__all__ = ["Content", "EventReader", "Me", "Skipped", "is_said"]

_SAID = {"", "bot_message", "file_share", "me_message", "thread_broadcast"}
"""Subtypes of messages that somebody says."""
_NO_FILE = {"tombstone", "hidden_by_limit"}
"""Modes of files that are not there any more."""


class Skipped(Exception):
    """What is no event, with the short reason that is counted."""


class Me(Struct, frozen=True):
    """Who we are."""

    user: str
    bot: str
    name: str
    team: str


class Content(Struct, frozen=True):
    """What a message says."""

    text: RichText
    attachments: tuple[Attachment, ...]
    calls_us: bool


class EventReader:
    """Makes events, for one app. Whoever is not known is looked up; where that fails it costs the name alone.

    Everything raises Skipped, and Paused where the token is refused.
    """

    def __init__(self, instance: InstanceId, me: Me, api: Api, people: People) -> None:
        self._instance = instance
        self.me = me
        self._api = api
        self._people = people

    def channel(self, channel: str) -> Channel:
        """A channel of this instance."""
        return Channel(self._instance, ChannelKey(channel))

    # --- messages -----------------------------------------------------------------------------------------------------

    async def posted(self, message: wire.Message, channel: str, name: str, *, is_direct: bool = False) -> Posted:
        """The event of a new message in a channel of that name."""
        self._look(message)
        content = await self.content(message)
        if not content.text and not content.attachments:
            raise Skipped("empty_message")
        root = message.root
        return Posted(
            channel=self.channel(channel),
            message=MessageId(message.ts),
            author=await self.author(message),
            at=wire.milliseconds(message.ts),
            channel_name=name,
            mark=wire.mark_of(message.metadata),
            text=content.text,
            attachments=content.attachments,
            action=message.subtype == "me_message",
            reply_to=None if root is None else MessageId(root),
            thread=None if root is None else MessageId(root),
            addressed=is_direct or content.calls_us,
            direct=is_direct,
        )

    def _look(self, message: wire.Message) -> None:
        if message.subtype not in _SAID:
            raise Skipped("system_message")
        if self.is_ours(message):
            raise Skipped("own_message")
        if not message.ts:
            raise Skipped("unreadable")

    def is_ours(self, message: wire.Message) -> bool:
        """Whether our app posted it, under whatever name."""
        return message.user == self.me.user or (bool(message.bot_id) and message.bot_id == self.me.bot)

    async def content(self, message: wire.Message) -> Content:
        """What a message says: its blocks where it has any that are words, else its text; then its attachments."""
        people, channels = ids_in(message.text or "", [*_list(message.blocks), *_list(message.attachments)])
        names = await self._people.names(self._api, people, channels) if people or channels else NOBODY
        blocks = read_blocks(message.blocks, names)
        if blocks is None:
            blocks = read(message.text or "", names)
        blocks = normalise((*blocks, *read_attachments(message.attachments, names)))
        attachments = [await self._attachment(file) for file in message.files or () if file.mode not in _NO_FILE]
        return Content(RichText(blocks), tuple(attachments), _calls(blocks, self.me.user))

    async def _attachment(self, file: wire.File) -> Attachment:
        if file.name is None:
            # of a channel that is shared with another workspace a message tells the id alone
            with suppress(Refusal, Retry):
                file = (await self._api.look_up("files.info", wire.FileAnswer, file=file.id)).file
        media_type = file.mimetype or "application/octet-stream"
        return Attachment(id=file.id, name=file.name or file.id, media_type=media_type, size=file.size)

    async def author(self, message: wire.Message) -> Author:
        """Who a message is shown to be from."""
        if message.username or (message.bot_id and not message.user):
            profile = message.bot_profile or wire.BotProfile()
            name = message.username or profile.name or "bot"
            icon = next((url for url in (message.icons or {}).values() if _is_picture(url)), None)
            author_id = UserId(message.bot_id or message.user or "bot")
            return Author(author_id, name, name, avatar=icon, bot=True)
        author = await self._people.author(self._api, message.user)
        return msgspec.structs.replace(author, bot=True) if message.bot_id else author

    # --- changes ------------------------------------------------------------------------------------------------------

    async def changed(self, event: wire.Event) -> Edited | Deleted:
        """The event of a changed message: edited, or gone and a stone in its place, since it was answered."""
        now, before = event.message or wire.Message(), event.previous_message or wire.Message()
        if self.is_ours(now) or self.is_ours(before):
            raise Skipped("own_message")
        if now.subtype == "tombstone":
            return await self._gone(now.ts, before, event)
        if _says(now) == _says(before) and now.edited == before.edited:
            raise Skipped("message_touched")
        return await self.edited(now, event.channel, at=event.event_ts or event.ts)

    async def edited(self, message: wire.Message, channel: str, *, at: str) -> Edited:
        """The event of an edited message; `at` is when, where the message itself does not say."""
        self._look(message)
        content = await self.content(message)
        when = message.edited.ts if message.edited and message.edited.ts else at
        return Edited(
            channel=self.channel(channel),
            message=MessageId(message.ts),
            author=await self.author(message),
            at=wire.milliseconds(when),
            version=f"{when}-{zlib.crc32(repr(_says(message)).encode('utf-8', 'replace')):08x}",
            mark=wire.mark_of(message.metadata),
            text=content.text,
            attachments=content.attachments,
            action=message.subtype == "me_message",
        )

    async def deleted(self, event: wire.Event) -> Deleted:
        """The event of a message that is gone. Slack does not say who took it away: its author, it is taken for."""
        before = event.previous_message or wire.Message()
        if self.is_ours(before):
            raise Skipped("own_message")
        if before.subtype not in _SAID:
            raise Skipped("system_message")
        return await self._gone(event.deleted_ts or before.ts, before, event)

    async def _gone(self, ts: str, before: wire.Message, event: wire.Event) -> Deleted:
        return Deleted(
            channel=self.channel(event.channel),
            message=MessageId(ts),
            author=await self.author(before),
            at=wire.milliseconds(event.event_ts or event.ts),
            mark=wire.mark_of(before.metadata),
        )

    async def reacted(self, event: wire.Event) -> Reacted:
        """The event of a reaction that was put on a message or taken away."""
        item = event.item or wire.Item()
        if item.type != "message":
            raise Skipped("no_message")
        if event.user == self.me.user:
            raise Skipped("own_reaction")
        added = event.type == "reaction_added"
        name, _, tone = event.reaction.partition("::skin-tone-")
        node = emoji_named(name, tone)
        return Reacted(
            channel=self.channel(item.channel),
            message=MessageId(item.ts),
            author=await self._people.author(self._api, event.user),
            at=wire.milliseconds(event.event_ts),
            version=f"{event.user} {event.reaction} {'+' if added else '-'}{event.event_ts}",
            emoji=node.text if isinstance(node, Text) else node.name if isinstance(node, Emoji) else name,
            added=added,
        )

    # --- what goes on around ------------------------------------------------------------------------------------------

    async def membership(self, event: wire.Event, name: str) -> Joined | Left:
        """The event of somebody who came into a channel, or went."""
        if event.user == self.me.user:
            raise Skipped("own_membership")
        has_come = event.type == "member_joined_channel"
        kind = Joined if has_come else Left
        return kind(
            channel=self.channel(event.channel),
            message=MessageId(f"{event.user}-{event.event_ts}"),
            author=await self._people.author(self._api, event.user),
            at=wire.milliseconds(event.event_ts),
            channel_name=name,
        )

    async def topic(self, message: wire.Message, channel: str, name: str) -> TopicChanged:
        """The event of the notice that somebody gave a channel a topic."""
        if self.is_ours(message):
            raise Skipped("own_message")
        return TopicChanged(
            channel=self.channel(channel),
            message=MessageId(message.ts),
            author=await self._people.author(self._api, message.user),
            at=wire.milliseconds(message.ts),
            channel_name=name,
            topic=_plain(message.topic),
        )


def is_said(message: wire.Message) -> bool:
    """Whether somebody says it, and not Slack itself."""
    return message.subtype in _SAID


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _says(message: wire.Message) -> tuple[object, ...]:
    """What is to be compared: previews that Slack adds to a message are none of what it says."""
    own = [each for each in _list(message.attachments) if isinstance(each, dict) and "from_url" not in each]
    files = [file.id for file in message.files or () if file.mode not in _NO_FILE]
    blocks = [
        {key: value for key, value in each.items() if key != "block_id"} if isinstance(each, dict) else each
        for each in _list(message.blocks)
    ]
    return message.text or "", blocks, own, files


def _calls(blocks: tuple[Block, ...], user: str) -> bool:
    waiting: list[object] = [*blocks]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mention) and node.user == user:
            return True
        if isinstance(node, tuple):
            waiting += node
        else:
            waiting += [*getattr(node, "children", ()), *getattr(node, "items", ())]
    return False


def _plain(topic: str) -> str:
    """A topic as people see it: it has links and names in it, and no other formatting."""
    parts = re.split(r"(<[^<>]+>)", topic)
    return "".join(PLAIN.write(read(part, NOBODY)) if place % 2 else decoded(part) for place, part in enumerate(parts))


def _is_picture(url: object) -> bool:
    return isinstance(url, str) and url.startswith("https://")
