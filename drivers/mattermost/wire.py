"""The JSON of a Mattermost server, as far as it is used: decoded once, here, into typed structures.

What the server makes itself is typed as it is known to be. What a chat user can put into a post (its `props`) may be
anything: `PostProps` takes each key that fits and leaves the others, so that a forged one costs no message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, field

from nextbridge.envelope import Mark

__all__ = [
    "MARK_PROP",
    "UNREADABLE",
    "Broadcast",
    "ChangedData",
    "ChannelInfo",
    "ClientConfig",
    "ConfigChanged",
    "FileInfo",
    "Frame",
    "Hello",
    "Member",
    "Membership",
    "MessageAttachment",
    "NewPost",
    "Nothing",
    "Post",
    "PostList",
    "PostPage",
    "PostProps",
    "PostedData",
    "Reaction",
    "ReactionData",
    "Role",
    "ServerError",
    "SlashCommand",
    "Team",
    "TypingData",
    "Uploaded",
    "User",
    "UserUpdated",
    "picture",
    "storable",
]

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What decoding raises where a server's bytes are not what they should be; no UTF-8 has an error of its own."""

MARK_PROP = "nextbridge"
"""The key in a post's props that holds the relay's mark."""

_LONGEST_MARK = 512
"""Characters of one field of a mark; ours are far shorter."""
_MOST_PLACES = 32
"""Channels that a message may have come through."""

_LONGEST_ADDRESS = 2048
"""Characters of a picture's address; all props together may have 8,000."""

# --- the socket ---------------------------------------------------------------------------------------------------


class Broadcast(Struct, frozen=True, gc=False):
    """Who a frame was sent to."""

    user_id: str = ""
    channel_id: str = ""


class FrameError(Struct, frozen=True, gc=False):
    status_code: int = 0


class Frame(Struct, frozen=True):
    """One frame: an event (`event`, `data`, `seq`), or an answer to a request (`status`, `seq_reply`)."""

    event: str = ""
    data: Raw = Raw(b"null")
    broadcast: Broadcast | None = None
    seq: int = -1
    status: str = ""
    seq_reply: int = 0
    error: FrameError | None = None


class Hello(Struct, frozen=True, gc=False):
    """The data of `hello`: the first frame of a connection that resumes none."""

    connection_id: str = ""
    server_version: str = ""


class PostedData(Struct, frozen=True, gc=False):
    """The data of `posted`. `post` is JSON inside a string; so is `mentions`, of which only is asked what it holds."""

    post: str
    channel_display_name: str = ""
    channel_type: str = ""
    sender_name: str = ""
    mentions: str = ""


class ChangedData(Struct, frozen=True, gc=False):
    """The data of `post_edited` and `post_deleted`."""

    post: str
    delete_by: str = ""
    """Who deleted it; said by newer servers alone."""


class Reaction(Struct, frozen=True, gc=False):
    """Somebody's emoji on a post. One that was taken back has no `create_at` any more."""

    user_id: str
    post_id: str
    emoji_name: str
    create_at: int = 0
    update_at: int = 0


class ReactionData(Struct, frozen=True, gc=False):
    """The data of `reaction_added` and `reaction_removed`."""

    reaction: str


class TypingData(Struct, frozen=True, gc=False):
    """The data of `typing`."""

    user_id: str


class Membership(Struct, frozen=True, gc=False):
    """The data of `user_added` and `user_removed`, and of `channel_deleted` and `channel_restored`."""

    user_id: str = ""
    channel_id: str = ""


class User(Struct, frozen=True, gc=False):
    """A person or bot. Nickname and full name may be kept from us by the server's privacy settings."""

    id: str
    username: str = ""
    nickname: str = ""
    first_name: str = ""
    last_name: str = ""
    is_bot: bool = False
    roles: str = ""
    """Names, with spaces between them."""
    last_picture_update: int = 0
    """Tells their pictures apart. 0 is the one that the server made of their name; one taken away is negative."""

    @property
    def name(self) -> str:
        """The name that people see: the nickname, else the full name, else the username."""
        full = f"{self.first_name.strip()} {self.last_name.strip()}".strip()
        return self.nickname.strip() or full or self.username


class UserUpdated(Struct, frozen=True, gc=False):
    """The data of `user_updated`."""

    user: User


class ClientConfig(Struct, frozen=True, gc=False):
    """What the server allows. Every value is a string; a missing one means the default."""

    max_post_size: str = field(name="MaxPostSize", default="")
    max_file_size: str = field(name="MaxFileSize", default="")
    file_attachments: str = field(name="EnableFileAttachments", default="true")
    username_override: str = field(name="EnablePostUsernameOverride", default="false")
    icon_override: str = field(name="EnablePostIconOverride", default="false")
    edit_time_limit: str = field(name="PostEditTimeLimit", default="-1")


class ConfigChanged(Struct, frozen=True, gc=False):
    """The data of `config_changed`."""

    config: ClientConfig


# --- posts --------------------------------------------------------------------------------------------------------


class FileInfo(Struct, frozen=True, gc=False):
    """A file, by what its uploader or the server says of it."""

    id: str
    name: str = ""
    size: int | None = None
    mime_type: str = ""


class PostMetadata(Struct, frozen=True, gc=False):
    files: tuple[FileInfo, ...] | None = None


class Post(Struct, frozen=True, gc=False):
    """A post. Its `props` are for `PostProps` to read."""

    id: str
    create_at: int
    user_id: str
    channel_id: str
    edit_at: int = 0
    """When its text or its files were last changed; a pin or a reaction leaves it as it is."""
    update_at: int = 0
    """When anything of it was last changed."""
    delete_at: int = 0
    message: str = ""
    type: str = ""
    root_id: str = ""
    file_ids: tuple[str, ...] | None = None
    props: Raw = Raw(b"{}")
    metadata: PostMetadata | None = None


class PostList(Struct, frozen=True, gc=False):
    """A page of posts; `order` is the newest first."""

    order: tuple[str, ...] = ()
    posts: dict[str, Post] = field(default_factory=dict)


class PostPage(Struct, frozen=True, gc=False):
    """A page of posts to be read one by one, so that one that cannot be read costs itself alone."""

    order: tuple[str, ...] = ()
    posts: dict[str, Raw] = field(default_factory=dict)


class AttachmentField(Struct, frozen=True, gc=False):
    title: str | None = None
    value: str | int | float | bool | None = None


class MessageAttachment(Struct, frozen=True, gc=False):
    """A block that a webhook or a plugin puts below (or instead of) a post's text."""

    pretext: str | None = None
    author_name: str | None = None
    title: str | None = None
    title_link: str | None = None
    text: str | None = None
    fields: tuple[AttachmentField | None, ...] | None = None
    footer: str | None = None
    fallback: str | None = None


class PostProps:
    """A post's props. Everything here may have been made up by a chat user."""

    def __init__(self, props: Raw) -> None:
        self._fields = _lenient(props, dict[str, Raw]) or {}

    def says(self, key: str) -> bool:
        """Whether a flag is set; the server writes them as strings."""
        return self.text(key) == "true" or self._field(key, bool) is True

    def text(self, key: str) -> str:
        """A text, or an empty one."""
        return self._field(key, str) or ""

    @property
    def attachments(self) -> Sequence[MessageAttachment]:
        """Those that can be read."""
        found = (_lenient(raw, MessageAttachment) for raw in self._field("attachments", list[Raw]) or ())
        return [attachment for attachment in found if attachment is not None]

    @property
    def mark(self) -> Mark | None:
        """A relay's mark, if it looks like one."""
        mark = self._field(MARK_PROP, Mark)
        if mark is None or len(mark.via) > _MOST_PLACES:
            return None
        longest = max(map(len, (mark.daemon, mark.delivery, mark.origin, *mark.via)))
        return mark if longest <= _LONGEST_MARK else None

    def _field(self, key: str, kind: type[T]) -> T | None:
        raw = self._fields.get(key)
        return None if raw is None else _lenient(raw, kind)


def _lenient(raw: Raw, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (*UNREADABLE, RecursionError):
        return None


def picture(text: str | None) -> str | None:
    """`text` where it can be the address of a picture that anybody can fetch."""
    if text and text.startswith(("http://", "https://")) and len(text) <= _LONGEST_ADDRESS:
        return text
    return None


def storable(text: str) -> str:
    """`text` without what the server's database cannot store, which it answers with a 500 for ever."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


# --- requests and their answers -----------------------------------------------------------------------------------


class NewPost(Struct, frozen=True):
    """What is asked for by `POST /posts`."""

    channel_id: str
    message: str
    pending_post_id: str
    props: dict[str, str | Mark] = {}
    file_ids: tuple[str, ...] = ()
    root_id: str = ""


class ChannelInfo(Struct, frozen=True, gc=False):
    """A channel. A direct message has no display name of its own; `delete_at` is set while it is archived."""

    id: str
    display_name: str = ""
    name: str = ""
    type: str = ""
    team_id: str = ""
    """Empty for direct and group messages."""
    delete_at: int = 0
    last_post_at: int = 0
    """When the newest post was made, in milliseconds; 0 where there is none."""


class Team(Struct, frozen=True, gc=False):
    """A team."""

    id: str
    name: str = ""
    """As in addresses."""


class Member(Struct, frozen=True, gc=False):
    """Somebody's membership of a channel."""

    channel_id: str
    user_id: str
    roles: str = ""
    """Names, with spaces between them."""


class Role(Struct, frozen=True, gc=False):
    """What its holders may do."""

    name: str
    permissions: tuple[str, ...] = ()


class SlashCommand(Struct, frozen=True):
    """A custom slash command of a team, with all that an update of it has to say again."""

    team_id: str
    trigger: str
    """Without the slash, in small letters."""
    url: str
    """What the server calls when somebody types it."""
    method: str
    """`P` calls by POST."""
    id: str = ""
    token: str = ""
    """The server shows it with each call."""
    creator_id: str = ""
    username: str = ""
    icon_url: str = ""
    auto_complete: bool = False
    auto_complete_desc: str = ""
    auto_complete_hint: str = ""
    display_name: str = ""
    description: str = ""

    def __repr__(self) -> str:
        return f"SlashCommand({self.team_id}/{self.trigger})"


class Nothing(Struct, frozen=True, gc=False):
    """An answer of which only is wanted that it came."""


class Uploaded(Struct, frozen=True, gc=False):
    """The answer to an upload."""

    file_infos: tuple[FileInfo, ...] = ()


class ServerError(Struct, frozen=True, gc=False):
    """How Mattermost itself says no; a proxy in front of it says something else."""

    id: str
    message: str
    status_code: int
