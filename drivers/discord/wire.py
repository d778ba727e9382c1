"""Discord's JSON, as structures with the fields that are used. What is not decoded here goes no further.

By the public documentation of the API's version 10: Message, Channel, Guild, User and Webhook Resource, Gateway Events.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

__all__ = [
    "LONGEST_LIMIT",
    "UNREADABLE",
    "Application",
    "Attachment",
    "Channel",
    "ChannelGone",
    "CustomEmoji",
    "Deleted",
    "DeletedMany",
    "Embed",
    "EmojisChanged",
    "Frame",
    "Gateway",
    "Guild",
    "Hello",
    "Member",
    "MemberChanged",
    "Mentioned",
    "Message",
    "MessageType",
    "Overwrite",
    "Reaction",
    "Ready",
    "Refusal",
    "Role",
    "RoleChanged",
    "RoleGone",
    "Snapshot",
    "Threads",
    "Typing",
    "User",
    "Webhook",
    "moment",
    "since",
    "storable",
]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError)
"""What decoding raises (msgspec.ValidationError is one of the first)."""

Snowflake: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$(?!\n)")]
"""An id: 64 bits, written as a decimal number."""

LONGEST_LIMIT = 86_400
"""Seconds: sessions are counted by the day, and no limit is longer. What names a later time is nothing of Discord's."""

_EPOCH = 1_420_070_400_000
"""Milliseconds since 1970 of the first second of 2015, from which ids are counted."""
_CONTROLS = {code: None for code in (*range(32), *range(0x7F, 0xA0), *range(0xD800, 0xE000)) if code not in {9, 10}}


class User(Struct, frozen=True):
    """A person, a bot, or what a webhook shows as its message's author."""

    id: Snowflake
    username: str = ""
    global_name: str | None = None
    avatar: str | None = None
    bot: bool = False

    @property
    def name(self) -> str:
        return self.global_name or self.username


class Member(Struct, frozen=True):
    """Somebody in a guild."""

    user: User | None = None
    nick: str | None = None
    avatar: str | None = None
    roles: tuple[str, ...] = ()


class Mentioned(User, frozen=True):
    """Somebody whom a message calls; the gateway tells who they are in the guild."""

    member: Member | None = None

    @property
    def name(self) -> str:
        return (self.member.nick if self.member is not None else None) or self.global_name or self.username


class Attachment(Struct, frozen=True):
    """A file. Its name is made fit for an address; `title` is what it was called before that, without the ending."""

    id: Snowflake
    filename: str
    size: int
    url: str
    title: str = ""
    content_type: str = "application/octet-stream"

    @property
    def name(self) -> str:
        _, dot, ending = self.filename.rpartition(".")
        return f"{self.title}{dot}{ending if dot else ''}" if self.title else self.filename


class EmbedField(Struct, frozen=True):
    name: str = ""
    value: str = ""


class EmbedWords(Struct, frozen=True):
    name: str = ""
    text: str = ""


class Embed(Struct, frozen=True):
    """What a bot shows beside its text (`rich`), or what Discord found behind an address."""

    type: str = "rich"
    title: str | None = None
    description: str | None = None
    url: str | None = None
    fields: tuple[EmbedField, ...] = ()
    author: EmbedWords | None = None
    footer: EmbedWords | None = None


class Sticker(Struct, frozen=True):
    id: Snowflake
    name: str
    format_type: int = 1


class Reference(Struct, frozen=True):
    message_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    type: int = 0


class SnapshotMessage(Struct, frozen=True):
    content: str = ""
    attachments: tuple[Attachment, ...] = ()
    embeds: tuple[Embed, ...] = ()


class Snapshot(Struct, frozen=True):
    """What a forwarded message said. Who said it, Discord does not tell."""

    message: SnapshotMessage = SnapshotMessage()


class PollMedia(Struct, frozen=True):
    text: str | None = None


class PollAnswer(Struct, frozen=True):
    poll_media: PollMedia = PollMedia()


class Poll(Struct, frozen=True):
    question: PollMedia = PollMedia()
    answers: tuple[PollAnswer, ...] = ()


class MessageType:
    """Those that somebody said; all others are Discord's own notices."""

    SAID = frozenset({0, 19, 20, 23})
    """Plain, an answer, and a bot's answer to a command of two kinds."""


class Message(Struct, frozen=True):
    """A message; in a `MESSAGE_UPDATE` only the fields without a default are sure to be there."""

    id: Snowflake
    channel_id: Snowflake
    author: User | None = None
    content: str = ""
    timestamp: datetime | None = None
    edited_timestamp: datetime | None = None
    type: int = 0
    guild_id: Snowflake | None = None
    member: Member | None = None
    mention_everyone: bool = False
    mentions: tuple[Mentioned, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    embeds: tuple[Embed, ...] = ()
    webhook_id: Snowflake | None = None
    application_id: Snowflake | None = None
    message_reference: Reference | None = None
    referenced_message: Raw = Raw(b"null")
    sticker_items: tuple[Sticker, ...] = ()
    message_snapshots: tuple[Snapshot, ...] = ()
    poll: Poll | None = None
    nonce: str | int | None = None

    @property
    def answered_author(self) -> str:
        """The id of whoever is answered; empty where that is not told."""
        try:
            answered = msgspec.json.decode(self.referenced_message, type=Message | None)
        except UNREADABLE:
            return ""
        return "" if answered is None or answered.author is None else answered.author.id


class Overwrite(Struct, frozen=True):
    """What a role (type 0) or a member (type 1) may do otherwise in a channel."""

    id: Snowflake
    type: int
    allow: str = "0"
    deny: str = "0"


class ThreadMetadata(Struct, frozen=True):
    archived: bool = False
    locked: bool = False


class Channel(Struct, frozen=True):
    """A channel or thread."""

    id: Snowflake
    type: int = 0
    guild_id: Snowflake | None = None
    name: str | None = None
    parent_id: Snowflake | None = None
    last_message_id: Snowflake | None = None
    permission_overwrites: tuple[Overwrite, ...] = ()
    thread_metadata: ThreadMetadata | None = None

    @property
    def is_thread(self) -> bool:
        return self.type in {10, 11, 12}

    @property
    def is_forum(self) -> bool:
        """A forum, or a media channel: it holds threads and no messages of its own."""
        return self.type in {15, 16}


class ChannelGone(Struct, frozen=True):
    """A channel or thread that was deleted."""

    id: Snowflake
    parent_id: Snowflake | None = None


class CustomEmoji(Struct, frozen=True):
    """An emoji of a guild; without an id it is a character."""

    id: Snowflake | None = None
    name: str | None = None
    available: bool = True


class Role(Struct, frozen=True):
    """A role of a guild; everybody's has the guild's own id."""

    id: Snowflake
    name: str = ""
    permissions: str = "0"


class Named(Struct, frozen=True):
    """Something by its id."""

    id: Snowflake


class Guild(Struct, frozen=True):
    """A guild; one that is not there for now has an id alone. The gateway tells its channels and threads with it."""

    id: Snowflake
    name: str = ""
    owner_id: Snowflake | None = None
    roles: tuple[Role, ...] = ()
    emojis: tuple[CustomEmoji, ...] = ()
    premium_tier: int = 0
    unavailable: bool = False
    channels: tuple[Named, ...] = ()
    threads: tuple[Named, ...] = ()


class Threads(Struct, frozen=True):
    """Some threads."""

    threads: tuple[Channel, ...] = ()


class Webhook(Struct, frozen=True):
    """A webhook. Its token is told to the application that made it."""

    id: Snowflake
    channel_id: Snowflake | None = None
    type: int = 1
    token: str | None = None
    application_id: Snowflake | None = None

    def __repr__(self) -> str:
        return f"Webhook({self.id})"  # whoever has the token may post by it


class Application(Struct, frozen=True):
    """A bot's application, which has the bot's own id."""

    id: Snowflake
    flags: int = 0


class SessionStart(Struct, frozen=True):
    remaining: int = 1
    reset_after: Annotated[int, Meta(ge=0, le=LONGEST_LIMIT * 1000)] = 0


class Gateway(Struct, frozen=True):
    """Where the gateway is, and how many sessions may still be begun."""

    url: str
    session_start_limit: SessionStart = SessionStart()


class Refusal(Struct, frozen=True):
    """The body of an answer of 400 or more."""

    message: str = ""
    code: int = 0
    errors: Raw = Raw(b"")
    retry_after: Annotated[float, Meta(ge=0, le=LONGEST_LIMIT)] | None = None
    is_global: bool = msgspec.field(name="global", default=False)


# --- the gateway ----------------------------------------------------------------------------------------------------


class Frame(Struct, frozen=True):
    """What the gateway sends: an opcode and, where that is 0, an event with its number."""

    op: int
    d: Raw = Raw(b"null")
    s: Annotated[int, Meta(ge=0, lt=2**62)] | None = None
    t: str | None = None


class Hello(Struct, frozen=True):
    """The first word of the gateway."""

    heartbeat_interval: Annotated[int, Meta(gt=0, le=3_600_000)]
    """Milliseconds."""


class Ready(Struct, frozen=True):
    """A session was begun."""

    session_id: str
    resume_gateway_url: str
    user: User


class Deleted(Struct, frozen=True):
    """A message is gone."""

    id: Snowflake
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class DeletedMany(Struct, frozen=True):
    """Several are."""

    ids: tuple[Snowflake, ...]
    channel_id: Snowflake
    guild_id: Snowflake | None = None


class Reaction(Struct, frozen=True):
    """A reaction was put on a message, or taken away."""

    user_id: Snowflake
    channel_id: Snowflake
    message_id: Snowflake
    emoji: CustomEmoji
    guild_id: Snowflake | None = None
    member: Member | None = None


class Typing(Struct, frozen=True):
    """Somebody is typing; of it `WEBHOOKS_UPDATE` has the channel too."""

    channel_id: Snowflake
    user_id: Snowflake
    guild_id: Snowflake | None = None
    member: Member | None = None


class RoleChanged(Struct, frozen=True):
    """A role was made or changed."""

    guild_id: Snowflake
    role: Role


class RoleGone(Struct, frozen=True):
    """A role was deleted."""

    guild_id: Snowflake
    role_id: Snowflake


class MemberChanged(Struct, frozen=True):
    """Somebody has other roles or another name."""

    guild_id: Snowflake
    user: User
    roles: tuple[str, ...] = ()


class EmojisChanged(Struct, frozen=True):
    """All emoji of a guild as they are now."""

    guild_id: Snowflake
    emojis: tuple[CustomEmoji, ...]


# --- ids and text ---------------------------------------------------------------------------------------------------


def moment(snowflake: str) -> int:
    """When an id was made, in milliseconds since 1970."""
    return (int(snowflake) >> 22) + _EPOCH


def since(at: int) -> int:
    """The smallest id that is made from that moment on (milliseconds since 1970)."""
    return max(at - _EPOCH, 0) << 22


def storable(text: str) -> str:
    """`text` without the characters that Discord does not keep, or that show nothing in it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)
