"""What people do, as events of the core: new messages, edits, deletions and reactions."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.discord import wire
from drivers.discord.api import Api
from drivers.discord.markdown import read
from drivers.discord.people import People
from drivers.discord.places import Place, Places, message_id
from nextbridge.envelope import (
    Attachment,
    Author,
    Channel,
    Deleted,
    Edited,
    InstanceId,
    MessageId,
    Posted,
    Reacted,
    UserId,
)
from nextbridge.markup import Block, Bold, Inline, Link, Paragraph, Quote, RichText, Text

__all__ = ["Reader", "Skipped"]

_UNKNOWN = Author(UserId("unknown"), "unknown", "somebody")
"""Who deleted a message that was said before we came: Discord does not tell."""


class Skipped(Exception):
    """It is no event, for a reason that is counted."""


@dataclass(frozen=True)
class _Names:
    """What ids are called in one message."""

    users: dict[str, str]
    guild: str
    places: Places
    people: People
    calls_everybody: bool

    def user(self, number: str) -> str | None:
        return self.users.get(number) or self.people.name(self.guild, number)

    def role(self, number: str) -> str | None:
        guild = self.places.guild(self.guild)
        return next((role.name for role in guild.roles if role.id == number), None) if guild is not None else None

    def channel(self, number: str) -> str | None:
        return self.places.name_of(number)


class Reader:
    """Makes events for one bot."""

    def __init__(self, instance: InstanceId, me: wire.User, places: Places, people: People) -> None:
        self.me = me
        self._instance = instance
        self._places = places
        self._people = people

    def is_ours(self, message: wire.Message) -> bool:
        """Whether we made it: as the bot, or by a webhook of our application's."""
        return message.application_id == self.me.id or (message.author is not None and message.author.id == self.me.id)

    def author(self, message: wire.Message, guild: str) -> Author:
        """Who said it."""
        user = message.author or wire.User("unknown", "unknown")
        if message.webhook_id is not None:
            return Author(UserId(user.id), user.username, user.username, bot=True)
        return self._people.met(user, message.member, guild)

    def posted(self, message: wire.Message, place: Place) -> Posted:
        """The event of a new message. Raises Skipped."""
        self._check(message)
        guild = place.home.channel.guild_id or ""
        author = self.author(message, guild)
        self._people.said(message.id, author)
        reference = message.message_reference
        answered = None
        if reference is not None and reference.type == 0 and message.type in {19, 23}:
            same = reference.message_id is not None and reference.channel_id in {None, place.channel}
            answered = message_id(reference.message_id or "", place.thread) if same else None
        return Posted(
            channel=Channel(self._instance, place.key),
            message=message_id(message.id, place.thread),
            author=author,
            at=wire.moment(message.id),
            channel_name=place.home.name,
            text=self.text(message, guild),
            attachments=attachments_of(message, place.channel),
            reply_to=answered,
            thread=self._root(message, place),
            addressed=self.me.id in {message.answered_author, *(each.id for each in message.mentions)},
        )

    def whispered(self, message: wire.Message) -> Posted:
        """The event of something that is said to us alone. Raises Skipped."""
        self._check(message)
        return Posted(
            channel=Channel(self._instance, message.channel_id),  # type: ignore[arg-type]
            message=MessageId(message.id),
            author=self.author(message, ""),
            at=wire.moment(message.id),
            text=self.text(message, ""),
            attachments=attachments_of(message, message.channel_id),
            addressed=True,
            direct=True,
        )

    def edited(self, message: wire.Message, place: Place) -> Edited:
        """The event of the newest edit of a message. Raises Skipped where it was not edited, but only touched."""
        if message.author is None or message.edited_timestamp is None:
            raise Skipped("message_touched")
        self._check(message)
        guild = place.home.channel.guild_id or ""
        at = int(message.edited_timestamp.timestamp() * 1000)
        return Edited(
            channel=Channel(self._instance, place.key),
            message=message_id(message.id, place.thread),
            author=self.author(message, guild),
            at=at,
            channel_name=place.home.name,
            version=f"{at}-{zlib.crc32(message.content.encode('utf-8', 'surrogatepass')):08x}",
            text=self.text(message, guild),
            attachments=attachments_of(message, place.channel),
        )

    def deleted(self, message: str, place: Place, now: int) -> Deleted:
        """The event of a message that is gone: Discord does not say who took it away."""
        return Deleted(
            channel=Channel(self._instance, place.key),
            message=message_id(message, place.thread),
            author=self._people.author(message) or _UNKNOWN,
            at=now,
            channel_name=place.home.name,
            with_thread=place.home.channel.is_forum and message == place.thread,
        )

    async def reacted(
        self, reaction: wire.Reaction, place: Place, *, added: bool, now: int, version: str, api: Api
    ) -> Reacted:
        """The event of a reaction that was put on a message or taken away. Raises Skipped where it was ours."""
        if reaction.user_id == self.me.id:
            raise Skipped("own_reaction")
        guild = place.home.channel.guild_id or ""
        member = reaction.member
        if member is not None and member.user is not None:
            author = self._people.met(member.user, member, guild)
        else:
            author = await self._people.person(guild, reaction.user_id, api)
        if not reaction.emoji.name:
            raise Skipped("unknown_emoji")  # a custom one that was deleted
        return Reacted(
            channel=Channel(self._instance, place.key),
            message=message_id(reaction.message_id, place.thread),
            author=author,
            at=now,
            channel_name=place.home.name,
            version=version,
            emoji=reaction.emoji.name,
            added=added,
        )

    def text(self, message: wire.Message, guild: str) -> RichText:
        """All that a message says: its content, and in words what stands beside it."""
        names = self._names(message, guild)
        blocks = [*read(message.content, names).blocks]
        for embed in message.embeds:
            blocks += _embedded(embed, names)
        for snapshot in message.message_snapshots:
            quoted = [*read(snapshot.message.content, names).blocks]
            for embed in snapshot.message.embeds:
                quoted += _embedded(embed, names)
            if quoted:
                blocks.append(Quote(tuple(quoted)))
        for sticker in message.sticker_items:
            blocks.append(Paragraph(_sticker(sticker.id, sticker.name, sticker.format_type)))
        if message.poll is not None and message.poll.question.text:
            answers = [each.poll_media.text for each in message.poll.answers if each.poll_media.text]
            lines = [message.poll.question.text, *(f"• {each}" for each in answers)]
            blocks += RichText.plain("\n".join(lines)).blocks
        return RichText(tuple(blocks))

    def _names(self, message: wire.Message, guild: str) -> _Names:
        users = {
            each.id: each.name if each.member is not None else self._people.name(guild, each.id) or each.name
            for each in message.mentions
        }
        return _Names(users, guild, self._places, self._people, message.mention_everyone)

    def _check(self, message: wire.Message) -> None:
        if message.type not in wire.MessageType.SAID:
            raise Skipped("system_message")
        if self.is_ours(message):
            raise Skipped("own_message")
        if not (
            message.content
            or message.attachments
            or message.embeds
            or message.sticker_items
            or message.message_snapshots
            or message.poll
        ):
            raise Skipped("empty_message")

    @staticmethod
    def _root(message: wire.Message, place: Place) -> MessageId | None:
        """What the thread began with: a message of the channel, or the first one of a forum's post."""
        if not place.thread or message.id == place.thread:
            return None
        return message_id(place.thread, place.thread if place.home.channel.is_forum else "")


def attachments_of(message: wire.Message, channel: str) -> tuple[Attachment, ...]:
    """The files of a message, and of what it forwards. Each is named by where it hangs: addresses expire."""
    files: Iterable[wire.Attachment] = (
        *message.attachments,
        *(each for snapshot in message.message_snapshots for each in snapshot.message.attachments),
    )
    return tuple(
        Attachment(
            id=f"{channel}/{message.id}/{each.id}",
            name=each.name,
            media_type=each.content_type,
            size=each.size,
        )
        for each in files
    )


def _embedded(embed: wire.Embed, names: _Names) -> Iterator[Block]:
    """What a program shows beside its text. What Discord itself found behind an address says nothing that is new."""
    if embed.type != "rich":
        return
    if embed.author is not None and embed.author.name:
        yield Paragraph((Text(embed.author.name),))
    if embed.title:
        words: tuple[Inline, ...] = (Text(" ".join(embed.title.split())),)
        yield Paragraph((Bold((Link(embed.url, words),) if embed.url else words),))
    if embed.description:
        yield from read(embed.description, names).blocks
    for field in embed.fields:
        yield Paragraph((Bold((Text(" ".join(field.name.split())),)),))
        yield from read(field.value, names).blocks
    if embed.footer is not None and embed.footer.text:
        yield from RichText.plain(embed.footer.text).blocks


def _sticker(number: str, name: str, kind: int) -> tuple[Inline, ...]:
    """A sticker by its name, which leads to its picture where that is one."""
    if kind == 3:
        return (Text(f"[{name}]"),)
    ending = "gif" if kind == 4 else "png"
    return (Link(f"https://media.discordapp.net/stickers/{number}.{ending}", (Text(f"[{name}]"),)),)
