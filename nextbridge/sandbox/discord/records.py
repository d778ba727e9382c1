"""What the stand-in keeps and shows: users, guilds, channels, messages and webhooks, in the API's own fields.

A field that is UNSET is left out, as the documentation's `field?` says; None is written as null.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from nextbridge.sandbox.discord.snowflakes import timestamp

__all__ = [
    "Account",
    "Attachment",
    "Channel",
    "ChannelType",
    "CustomEmoji",
    "Guild",
    "Member",
    "Message",
    "MessageReference",
    "MessageType",
    "Overwrite",
    "Role",
    "Snapshot",
    "Sticker",
    "ThreadMetadata",
    "User",
    "Webhook",
    "plain",
    "thread_metadata",
]


class ChannelType(IntEnum):
    """Those that the stand-in has."""

    TEXT = 0
    DM = 1
    CATEGORY = 4
    PUBLIC_THREAD = 11
    FORUM = 15


class MessageType(IntEnum):
    """Likewise."""

    DEFAULT = 0
    PIN = 6
    JOIN = 7
    THREAD_CREATED = 18
    REPLY = 19


class User(Struct, kw_only=True):
    """A person or bot; also what a webhook shows as its message's author."""

    id: str
    username: str
    global_name: str | None = None
    discriminator: str = "0"
    avatar: str | None = None
    bot: bool | UnsetType = UNSET
    public_flags: int = 0


class Account(Struct, frozen=True):
    """Somebody who can sign in: `token` is a bot's, and empty for a person, whom tests move by hand."""

    user: User
    token: str = ""

    @property
    def id(self) -> str:
        return self.user.id


class Role(Struct, kw_only=True):
    """A role of a guild; the one with the guild's own id is everybody's."""

    id: str
    name: str
    permissions: str
    color: int = 0
    hoist: bool = False
    icon: None = None
    unicode_emoji: None = None
    position: int = 0
    managed: bool = False
    mentionable: bool = False
    flags: int = 0


class Member(Struct, kw_only=True):
    """Somebody in a guild."""

    user: User | UnsetType
    nick: str | None = None
    avatar: str | None = None
    roles: list[str]
    joined_at: str
    premium_since: None = None
    deaf: bool = False
    mute: bool = False
    flags: int = 0
    pending: bool = False


class CustomEmoji(Struct, kw_only=True):
    """An emoji of a guild."""

    id: str
    name: str
    roles: list[str] = []
    require_colons: bool = True
    managed: bool = False
    animated: bool = False
    available: bool = True


class Overwrite(Struct, kw_only=True):
    """What a role (type 0) or a member (type 1) may do otherwise in one channel."""

    id: str
    type: int
    allow: str = "0"
    deny: str = "0"


class ThreadMetadata(Struct, kw_only=True):
    """What a channel has as a thread."""

    archive_timestamp: str
    create_timestamp: str
    archived: bool = False
    auto_archive_duration: int = 1440
    locked: bool = False


class Channel(Struct, kw_only=True):
    """A channel, a thread, or the conversation of two."""

    id: str
    type: ChannelType
    guild_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    topic: str | UnsetType | None = UNSET
    position: int | UnsetType = UNSET
    permission_overwrites: list[Overwrite] | UnsetType = UNSET
    nsfw: bool | UnsetType = UNSET
    parent_id: str | UnsetType | None = UNSET
    last_message_id: str | None = None
    rate_limit_per_user: int | UnsetType = UNSET
    flags: int = 0
    # of threads
    owner_id: str | UnsetType = UNSET
    message_count: int | UnsetType = UNSET
    member_count: int | UnsetType = UNSET
    total_message_sent: int | UnsetType = UNSET
    thread_metadata: ThreadMetadata | UnsetType = UNSET
    # of forums
    available_tags: list[Any] | UnsetType = UNSET
    default_reaction_emoji: UnsetType | None = UNSET
    default_sort_order: UnsetType | None = UNSET
    default_forum_layout: int | UnsetType = UNSET
    # of two
    recipients: list[User] | UnsetType = UNSET

    @property
    def is_thread(self) -> bool:
        return self.type is ChannelType.PUBLIC_THREAD


class Attachment(Struct, kw_only=True):
    """A file of a message. Its address is made anew each time that it is shown."""

    id: str
    filename: str
    size: int
    url: str = ""
    proxy_url: str = ""
    title: str | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class MessageReference(Struct, kw_only=True):
    """What a message answers (type 0), or is a forward of (type 1)."""

    message_id: str
    channel_id: str
    guild_id: str | UnsetType = UNSET
    type: int = 0


class Sticker(Struct, kw_only=True):
    """A sticker of a message: 1 is PNG, 2 APNG, 3 Lottie, 4 GIF."""

    id: str
    name: str
    format_type: int = 1


class Snapshot(Struct):
    """What a forwarded message said."""

    message: dict[str, Any]


class Message(Struct, kw_only=True):
    """A message. `reactions` are made for whoever looks at it."""

    id: str
    channel_id: str
    author: User
    content: str
    timestamp: str
    edited_timestamp: str | None = None
    tts: bool = False
    mention_everyone: bool = False
    mentions: list[User] = []
    mention_roles: list[str] = []
    attachments: list[Attachment] = []
    embeds: list[dict[str, Any]] = []
    pinned: bool = False
    type: MessageType = MessageType.DEFAULT
    flags: int = 0
    components: list[Any] = []
    webhook_id: str | UnsetType = UNSET
    application_id: str | UnsetType = UNSET
    message_reference: MessageReference | UnsetType = UNSET
    sticker_items: list[Sticker] | UnsetType = UNSET
    message_snapshots: list[Snapshot] | UnsetType = UNSET
    nonce: str | int | UnsetType = UNSET


class Webhook(Struct, kw_only=True):
    """A webhook. Its token is shown to the application that made it, and to those who may manage it."""

    id: str
    type: int = 1
    guild_id: str
    channel_id: str
    user: User
    name: str
    avatar: None = None
    token: str
    application_id: str | None


class Guild(Struct, kw_only=True):
    """A guild, which people call a server."""

    id: str
    name: str
    owner_id: str
    roles: list[Role]
    emojis: list[CustomEmoji] = []
    premium_tier: int = 0
    icon: None = None
    splash: None = None
    discovery_splash: None = None
    banner: None = None
    description: None = None
    features: list[str] = []
    stickers: list[Any] = []
    afk_channel_id: None = None
    afk_timeout: int = 300
    application_id: None = None
    system_channel_id: None = None
    system_channel_flags: int = 0
    rules_channel_id: None = None
    public_updates_channel_id: None = None
    safety_alerts_channel_id: None = None
    verification_level: int = 0
    default_message_notifications: int = 1
    explicit_content_filter: int = 0
    mfa_level: int = 0
    nsfw_level: int = 0
    premium_subscription_count: int = 0
    premium_progress_bar_enabled: bool = False
    preferred_locale: str = "en-US"
    vanity_url_code: None = None
    max_members: int = 500_000
    max_presences: None = None
    max_video_channel_users: int = 25


def plain(record: Struct) -> dict[str, Any]:
    """A record as the JSON that shows it."""
    made: dict[str, Any] = msgspec.to_builtins(record)
    return made


def thread_metadata(at: int) -> ThreadMetadata:
    """Of a thread that was made at this moment."""
    return ThreadMetadata(archive_timestamp=timestamp(at), create_timestamp=timestamp(at))
