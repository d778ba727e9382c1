"""What the benchmark's server says, in the form that was recorded from a real one, and what it reads of a request."""

from __future__ import annotations

import secrets
import time

import msgspec
from msgspec import Raw, Struct

__all__ = ["Asked", "Channel", "Frame", "FrameData", "Post", "Team", "User", "Where", "encode", "new_id", "now_ms"]

_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"


def new_id() -> str:
    """26 characters, as every id of a Mattermost."""
    return "".join(_ALPHABET[byte & 31] for byte in secrets.token_bytes(26))


def now_ms() -> int:
    """The server's clock."""
    return time.time_ns() // 1_000_000


class User(Struct, gc=False):
    """A person or bot."""

    id: str
    username: str
    nickname: str = ""
    first_name: str = ""
    last_name: str = ""
    is_bot: bool = False
    create_at: int = 1795295019257
    update_at: int = 1795295019691
    delete_at: int = 0
    email: str = "person@localhost"
    roles: str = "system_user"
    locale: str = "en"


class Team(Struct, gc=False):
    """The one team."""

    id: str
    display_name: str = "Main"
    name: str = "main"
    type: str = "O"
    delete_at: int = 0


class Channel(Struct, gc=False):
    """A channel, open to all of the team."""

    id: str
    team_id: str
    display_name: str
    name: str
    type: str = "O"
    create_at: int = 1795295019154
    update_at: int = 1795295019154
    delete_at: int = 0
    header: str = ""
    purpose: str = ""
    last_post_at: int = 0
    total_msg_count: int = 0
    creator_id: str = ""


class Post(Struct, gc=False):
    """A post, with every field that the real server sends."""

    id: str
    create_at: int
    update_at: int
    user_id: str
    channel_id: str
    message: str
    props: Raw = Raw(b"{}")
    pending_post_id: str = ""
    edit_at: int = 0
    delete_at: int = 0
    is_pinned: bool = False
    root_id: str = ""
    parent_id: str = ""
    original_id: str = ""
    type: str = ""
    hashtags: str = ""
    reply_count: int = 0
    last_reply_at: int = 0
    participants: None = None
    metadata: Raw = Raw(b"{}")


class Asked(Struct, gc=False):
    """What `POST /posts` is asked for, as far as it is used."""

    channel_id: str
    message: str
    props: Raw = Raw(b"{}")
    pending_post_id: str = ""


class FrameData(Struct, gc=False):
    """The data of `posted`. `post` is JSON inside a string."""

    channel_display_name: str
    channel_name: str
    channel_type: str
    post: str
    sender_name: str
    set_online: bool
    team_id: str


class Where(Struct, gc=False):
    """Who a frame is for: whoever is in the channel."""

    channel_id: str
    omit_users: None = None
    user_id: str = ""
    team_id: str = ""


class Frame(Struct, gc=False):
    """One event on the socket."""

    event: str
    data: FrameData
    broadcast: Where
    seq: int


def encode(record: object) -> bytes:
    """As JSON."""
    return msgspec.json.encode(record)
