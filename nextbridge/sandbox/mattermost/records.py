"""What the stand-in keeps, in the form in which the real server says it: the same keys in the same order.

Times are milliseconds since 1970. A field that the real server leaves out when it is empty is `UNSET` here.
"""

from __future__ import annotations

import secrets
from typing import NewType

from msgspec import UNSET, Struct, UnsetType, field

__all__ = [
    "Account",
    "Attachment",
    "Channel",
    "ChannelId",
    "Embed",
    "FileId",
    "FileInfo",
    "Hook",
    "Member",
    "Metadata",
    "Post",
    "PostId",
    "PostList",
    "Reaction",
    "SlashCommand",
    "Team",
    "TeamId",
    "Timezone",
    "User",
    "UserId",
    "is_id",
    "new_id",
]

UserId = NewType("UserId", str)
TeamId = NewType("TeamId", str)
ChannelId = NewType("ChannelId", str)
PostId = NewType("PostId", str)
FileId = NewType("FileId", str)

ID_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
ID_LENGTH = 26


def new_id() -> str:
    """26 characters of the alphabet that the real server's ids are made of."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def is_id(text: str) -> bool:
    """Whether `text` has an id's form; nothing is said about what it names."""
    return len(text) == ID_LENGTH and text.isascii() and text.isalnum()


class Account(Struct, frozen=True):
    """Who may sign in: what setting up a user or a bot gives back."""

    id: UserId
    username: str
    token: str

    def __repr__(self) -> str:
        return f"Account(id={self.id!r}, username={self.username!r})"


class Timezone(Struct):
    """Told of each user, and used by nothing here."""

    automatic: str = field(default="", name="automaticTimezone")
    manual: str = field(default="", name="manualTimezone")
    use_automatic: str = field(default="true", name="useAutomaticTimezone")


def _notify_props() -> dict[str, str]:
    return {
        "channel": "true",
        "comments": "never",
        "desktop": "mention",
        "desktop_sound": "true",
        "email": "true",
        "first_name": "false",
        "mention_keys": "",
        "push": "mention",
        "push_status": "away",
    }


class User(Struct, kw_only=True):
    """A person or a bot."""

    id: UserId
    create_at: int
    update_at: int
    delete_at: int = 0
    username: str
    auth_data: str = ""
    auth_service: str = ""
    email: str
    nickname: str = ""
    first_name: str = ""
    last_name: str = ""
    position: str = ""
    roles: str = "system_user"
    notify_props: dict[str, str] | UnsetType = field(default_factory=_notify_props)
    last_password_update: int | UnsetType = UNSET
    locale: str = "en"
    timezone: Timezone = field(default_factory=Timezone)
    is_bot: bool | UnsetType = UNSET
    bot_description: str | UnsetType = UNSET
    last_picture_update: int | UnsetType = UNSET
    """Absent while the picture is the one that the server made; negative when one was taken away."""
    disable_welcome_email: bool = False

    @property
    def is_admin(self) -> bool:
        return "system_admin" in self.roles.split()


class Team(Struct, kw_only=True):
    """What open and private channels belong to."""

    id: TeamId
    create_at: int
    update_at: int
    delete_at: int = 0
    display_name: str
    name: str
    description: str = ""
    email: str = ""
    type: str = "O"
    company_name: str = ""
    allowed_domains: str = ""
    invite_id: str = field(default_factory=new_id)
    allow_open_invite: bool = False
    scheme_id: None = None
    group_constrained: None = None
    policy_id: None = None


class Channel(Struct, kw_only=True):
    """`type` is O (open), P (private), D (direct) or G (group)."""

    id: ChannelId
    create_at: int
    update_at: int
    delete_at: int = 0
    team_id: str
    type: str
    display_name: str
    name: str
    header: str = ""
    purpose: str = ""
    last_post_at: int = 0
    total_msg_count: int = 0
    extra_update_at: int = 0
    creator_id: str = ""
    scheme_id: None = None
    props: None = None
    group_constrained: None = None
    shared: bool | None = None
    total_msg_count_root: int = 0
    policy_id: None = None


class Member(Struct, kw_only=True):
    """A user's place in a channel."""

    channel_id: ChannelId
    user_id: UserId
    roles: str = "channel_user"
    last_viewed_at: int = 0
    msg_count: int = 0
    mention_count: int = 0
    mention_count_root: int = 0
    msg_count_root: int = 0
    notify_props: dict[str, str] = field(
        default_factory=lambda: {
            "desktop": "default",
            "email": "default",
            "ignore_channel_mentions": "default",
            "mark_unread": "all",
            "push": "default",
        }
    )
    last_update_at: int
    scheme_guest: bool = False
    scheme_user: bool = True
    scheme_admin: bool = False
    explicit_roles: str = ""


class FileInfo(Struct, kw_only=True):
    """What is told of a file; `channel_id` stays empty, as on the real server."""

    id: FileId
    user_id: UserId
    post_id: PostId | UnsetType = UNSET
    channel_id: str = ""
    create_at: int
    update_at: int
    delete_at: int = 0
    name: str
    extension: str
    size: int
    mime_type: str
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    has_preview_image: bool | UnsetType = UNSET
    mini_preview: None = None
    remote_id: str = ""


class Reaction(Struct):
    """One emoji of one user on one post."""

    user_id: UserId
    post_id: PostId
    emoji_name: str
    create_at: int
    update_at: int
    delete_at: int = 0
    remote_id: str = ""


class Attachment(Struct):
    """A message attachment (a card), filled up with the keys that its maker left out."""

    id: int = 0
    fallback: str = ""
    color: str = ""
    pretext: str = ""
    author_name: str = ""
    author_link: str = ""
    author_icon: str = ""
    title: str = ""
    title_link: str = ""
    text: str = ""
    fields: list[object] | None = None
    image_url: str = ""
    thumb_url: str = ""
    footer: str = ""
    footer_icon: str = ""
    ts: int | str | None = None


class Embed(Struct):
    """What a client is to show under a post, by type only."""

    type: str


class Metadata(Struct):
    """What the server adds to a post when it shows it."""

    embeds: list[Embed] | UnsetType = UNSET
    files: list[FileInfo] | UnsetType = UNSET
    reactions: list[Reaction] | UnsetType = UNSET


class Post(Struct, kw_only=True):
    """A row; `original_id` names the post that this is an old version of."""

    id: PostId
    create_at: int
    update_at: int
    edit_at: int = 0
    delete_at: int = 0
    is_pinned: bool = False
    user_id: UserId
    channel_id: ChannelId
    root_id: str = ""
    parent_id: str = ""
    original_id: str = ""
    message: str
    type: str = ""
    props: dict[str, object] = field(default_factory=dict)
    hashtags: str = ""
    file_ids: list[FileId] | UnsetType = UNSET
    pending_post_id: str = ""
    has_reactions: bool | UnsetType = UNSET
    reply_count: int = 0
    last_reply_at: int = 0
    participants: None = None
    metadata: Metadata | UnsetType = field(default_factory=Metadata)

    @property
    def is_system(self) -> bool:
        return self.type.startswith("system_")


class PostList(Struct):
    """`order` is what was asked for, newest first; `posts` also holds the threads that those belong to."""

    order: list[PostId]
    posts: dict[PostId, Post]
    next_post_id: str = ""
    prev_post_id: str = ""


class Hook(Struct, kw_only=True):
    """An incoming webhook; posts made by it are its creator's."""

    id: str
    create_at: int
    update_at: int
    delete_at: int = 0
    user_id: UserId
    channel_id: ChannelId
    team_id: str
    display_name: str = ""
    description: str = ""
    username: str = ""
    icon_url: str = ""
    channel_locked: bool = False


class SlashCommand(Struct, kw_only=True):
    """A team's command; what is typed behind `/trigger` is told to `url`, with `token`."""

    id: str = ""
    token: str = ""
    create_at: int = 0
    update_at: int = 0
    delete_at: int = 0
    creator_id: str = ""
    team_id: str = ""
    trigger: str = ""
    method: str = ""
    """P is POST, G is GET."""
    username: str = ""
    icon_url: str = ""
    auto_complete: bool = False
    auto_complete_desc: str = ""
    auto_complete_hint: str = ""
    display_name: str = ""
    description: str = ""
    url: str = ""
