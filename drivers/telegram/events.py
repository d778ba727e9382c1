"""What Telegram tells, as events: messages, edits, reactions, who comes and who goes."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TypedDict

from msgspec import Struct

from drivers.telegram import wire
from drivers.telegram.albums import Albums
from drivers.telegram.files import attachments_of
from drivers.telegram.formatted import of_entities
from drivers.telegram.ids import message_id
from drivers.telegram.people import author_of_chat, author_of_user
from drivers.telegram.portraits import Portraiture
from drivers.telegram.settings import Place
from nextbridge.driver import Host
from nextbridge.envelope import Author, Channel, ChannelKey, Edited, Event, Joined, Left, MessageId, Posted, Reacted
from nextbridge.markup import Inline, Italic, LineBreak, Link, Paragraph, RichText, Text

__all__ = ["Reader", "Skipped"]

_LATE = 300
"""Seconds after which a message is shown with its time: it waited while the relay was away."""
_SEEN = 5000
_TOPICS = 20_000


class _Where(TypedDict):
    channel: Channel
    at: int
    channel_name: str


class Skipped(Exception):
    """It is no event, for a short stable reason."""

    def __init__(self, reason: str, message: tuple[ChannelKey, MessageId] | None = None) -> None:
        """`message` is where it is and its id, where people can name it."""
        super().__init__(reason)
        self.message = message


class Reader:
    """Makes events for one bot. Remembers of the newest messages what they say and which topic they are in."""

    def __init__(self, host: Host, me: wire.User, albums: Albums, portraits: Portraiture) -> None:
        self.converted: frozenset[str] = frozenset()
        """The kinds of files that are converted when they are fetched."""
        self._host = host
        self._me = me
        self._albums = albums
        self._portraits = portraits
        self._said: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._topics: OrderedDict[tuple[int, int], int | None] = OrderedDict()

    async def posted(self, parts: list[wire.Message]) -> Posted:
        """A message, or the parts of an album. Raises Skipped."""
        first = parts[0]
        self._note(parts)
        text = next((text for part in parts if (text := _text_of(part))), RichText())
        attachments = tuple(each for part in parts for each in attachments_of(part, self.converted))
        if not text and not attachments:
            where: Channel = self._where(first)["channel"]
            raise Skipped("service_message", (where.key, message_id(first.chat.id, first.message_id)))
        await self._albums.remember(first.chat.id, [part.message_id for part in parts])
        answered = _answered(first)
        is_direct = first.chat.type == "private"
        return Posted(
            **self._where(first),
            author=await self._author(first.from_, first.sender_chat, first.author_signature),
            message=message_id(first.chat.id, first.message_id),
            text=_with_origin(first, text),
            attachments=attachments,
            reply_to=None if answered is None else await self._id(first.chat.id, answered.message_id),
            addressed=is_direct or any(self._is_addressed(part) for part in parts),
            direct=is_direct,
            late=time.time() - first.date > _LATE,
        )

    async def edited(self, message: wire.Message, update: int) -> Edited:
        """A message that says something else now. Raises Skipped."""
        known = self._said.get((message.chat.id, message.message_id))
        if known == _fingerprint(message):
            raise Skipped("unchanged_edit")
        self._note([message])
        text = _text_of(message)
        if not text and not attachments_of(message):
            raise Skipped("edit_of_no_message")
        where = self._where(message)
        where["at"] = _milliseconds(message.edit_date or message.date)
        return Edited(
            **where,
            author=await self._author(message.from_, message.sender_chat, message.author_signature),
            message=await self._id(message.chat.id, message.message_id),
            version=f"{message.edit_date}-{update}",
            text=_with_origin(message, text),
            attachments=attachments_of(message, self.converted),
        )

    async def reactions(self, told: wire.ReactionUpdated, update: int, topics: set[int | None]) -> list[Reacted]:
        """What somebody put on a message or took off it. Raises Skipped.

        `topics` are those of the file in that chat, None where that is General or the chat has none.
        """
        if told.user is not None and told.user.id == self._me.id:
            raise Skipped("own_reaction")
        author = await self._author(told.user, told.actor_chat)
        place = Place(str(told.chat.id), self._topic_of(told, topics))
        message = await self._id(told.chat.id, told.message_id)
        before = {each.emoji for each in told.old_reaction if each.type == "emoji"}
        after = {each.emoji for each in told.new_reaction if each.type == "emoji"}
        changes = [(emoji, False) for emoji in sorted(before - after)] + [
            (emoji, True) for emoji in sorted(after - before)
        ]
        if not changes:
            raise Skipped("custom_emoji_reaction")
        return [
            Reacted(
                channel=Channel(self._host.instance, place.key),
                message=message,
                author=author,
                at=_milliseconds(told.date),
                channel_name=told.chat.name,
                version=f"{update}-{emoji}-{'on' if added else 'off'}",
                emoji=emoji,
                added=added,
            )
            for emoji, added in changes
        ]

    async def comings(self, message: wire.Message) -> list[Event]:
        """Who came or went, by a service message; nothing where it is another."""
        where = self._where(message)
        by = message.from_
        events: list[Event] = []
        for user in message.new_chat_members:
            if user.id != self._me.id:
                name = MessageId(f"join-{message.message_id}")
                events.append(Joined(**where, author=author_of_user(user), message=name, version=str(user.id)))
        left = message.left_chat_member
        if left is not None and left.id != self._me.id:
            reason = "" if by is None or by.id == left.id else f"removed by {by.name}"
            name = MessageId(f"leave-{message.message_id}")
            events.append(Left(**where, author=author_of_user(left), message=name, version=str(left.id), reason=reason))
        return events

    def sent(self, chat: int, topic: int | None, number: int) -> None:
        """We sent a message to a topic, or to General; reactions to it do not name that."""
        self._remember_topic(chat, number, topic)

    def _topic_of(self, told: wire.ReactionUpdated, topics: set[int | None]) -> int | None:
        """The topic of a message that somebody reacted to, of which Telegram says nothing. Raises Skipped."""
        key = (told.chat.id, told.message_id)
        if key in self._topics:
            return self._topics[key]
        if key in self._said or not topics:
            return None
        if len(topics) > 1:
            raise Skipped("reaction_in_unknown_topic")
        return next(iter(topics))  # what it is about is known to the core, if it is there

    def _where(self, message: wire.Message) -> _Where:
        topic = message.message_thread_id if message.is_topic_message else None
        return {
            "channel": Channel(self._host.instance, Place(str(message.chat.id), topic).key),
            "at": _milliseconds(message.date),
            "channel_name": message.chat.name,
        }

    async def _author(self, user: wire.User | None, chat: wire.Chat | None, signature: str = "") -> Author:
        # where somebody speaks in the name of a chat, the user is one of Telegram's own
        if chat is not None:
            return author_of_chat(chat, signature, await self._portraits.of(chat.id))
        if user is not None:
            return author_of_user(user, "" if user.is_bot else await self._portraits.of(user.id))
        raise Skipped("no_author")

    async def _id(self, chat: int, number: int) -> MessageId:
        return message_id(chat, await self._albums.first_of(chat, number))

    def _is_addressed(self, message: wire.Message) -> bool:
        answered = _answered(message)
        if answered is not None and answered.from_ is not None and answered.from_.id == self._me.id:
            return True
        told = of_entities(message.text or message.caption, message.entities or message.caption_entities)
        calls = (told.text[span.start : span.end] for span in told.spans if span.kind in {"mention", "bot_command"})
        return any(call.lower().endswith(f"@{self._me.username}".lower()) for call in calls)

    def _note(self, parts: list[wire.Message]) -> None:
        for part in parts:
            key = (part.chat.id, part.message_id)
            self._said[key] = _fingerprint(part)
            self._said.move_to_end(key)
            if part.is_topic_message and part.message_thread_id is not None:
                self._remember_topic(*key, part.message_thread_id)
        while len(self._said) > _SEEN:
            self._said.popitem(last=False)

    def _remember_topic(self, chat: int, number: int, topic: int | None) -> None:
        self._topics[chat, number] = topic
        if len(self._topics) > _TOPICS:
            self._topics.popitem(last=False)


def _milliseconds(date: int) -> int:
    """When something happened, of which Telegram tells the second: its last moment, though not later than now.

    Else it would seem to be earlier than what began in that second: a rule, or another edit.
    """
    return min(date * 1000 + 999, max(date * 1000, int(time.time() * 1000)))


class _Fingerprint(Struct, frozen=True):
    text: str
    entities: tuple[wire.Entity, ...]
    files: tuple[str, ...]


def _fingerprint(message: wire.Message) -> int:
    """Equal for what looks the same: Telegram tells of edits that change nothing that a bot can see."""
    files = tuple(each.name + str(each.size) for each in attachments_of(message))
    text = message.text or message.caption
    return hash(_Fingerprint(text, (*message.entities, *message.caption_entities), files))


def _answered(message: wire.Message) -> wire.Message | None:
    """What a message answers. In a topic each that answers none is said to answer the one the topic began with."""
    answered = message.reply_to_message
    if answered is None or answered.forum_topic_created is not None:
        return None
    return None if message.is_topic_message and answered.message_id == message.message_thread_id else answered


def _text_of(message: wire.Message) -> RichText:
    if message.text:
        return of_entities(message.text, message.entities).rich
    if message.caption:
        return of_entities(message.caption, message.caption_entities).rich
    lines = _described(message)
    if not lines:
        return RichText()
    children: list[Inline] = []
    for number, line in enumerate(lines):
        children += [LineBreak()] if number else []
        children.append(Link(line, (Text(line),)) if line.startswith("https://") else Text(line.replace("\n", " ")))
    return RichText((Paragraph(tuple(children)),))


def _described(message: wire.Message) -> list[str]:
    """What people see of a message that is neither text nor file, line by line."""
    if (venue := message.venue) is not None:
        return [f"📍 {venue.title}, {venue.address}", _on_map(venue.location)]
    if (location := message.location) is not None:
        return [f"📍 {location.latitude:.5f}, {location.longitude:.5f}", _on_map(location)]
    if (contact := message.contact) is not None:
        return [f"👤 {contact.first_name} {contact.last_name}".strip() + f": {contact.phone_number}"]
    if (poll := message.poll) is not None:
        return [f"📊 {poll.question}", *(f"• {option.text}" for option in poll.options)]
    if (dice := message.dice) is not None:
        return [f"{dice.emoji} {dice.value}"]
    return []


def _on_map(location: wire.Location) -> str:
    at = f"{location.latitude:.5f}", f"{location.longitude:.5f}"
    return f"https://www.openstreetmap.org/?mlat={at[0]}&mlon={at[1]}"


def _with_origin(message: wire.Message, text: RichText) -> RichText:
    """A forwarded message with a line that says whose it was."""
    if message.forward_origin is None or not message.forward_origin.name:
        return text
    line = Paragraph((Italic((Text(f"Forwarded from {message.forward_origin.name}"),)),))
    return RichText((line, *text.blocks))
