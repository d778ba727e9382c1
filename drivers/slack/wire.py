"""The JSON of Slack, as far as it is used: decoded once, here, into typed structures.

What apps can put into a message (its blocks, attachments and metadata) may be anything, and is read leniently where it
is used. Field names: https://docs.slack.dev/reference
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from nextbridge.envelope import Mark

__all__ = [
    "MARK",
    "UNREADABLE",
    "AuthTest",
    "Callback",
    "ChannelInfo",
    "ChannelList",
    "Envelope",
    "Event",
    "File",
    "FileAnswer",
    "Item",
    "Kind",
    "Link",
    "MemberList",
    "Message",
    "Messages",
    "Nothing",
    "Opened",
    "Posted",
    "UploadAddress",
    "User",
    "UserAnswer",
    "UserChanged",
    "UserList",
    "compare",
    "mark_of",
    "message",
    "metadata_of",
    "milliseconds",
    "storable",
]

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)
"""What decoding raises where bytes are not what they should be."""

MARK = "nextbridge_relayed"
"""The type of the metadata that holds the relay's mark."""
_LONGEST_MARK = 512
_MOST_PLACES = 32
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")


class Nothing(Struct, frozen=True, gc=False):
    """An answer of which only is wanted that it came."""


# --- what is said -----------------------------------------------------------------------------------------------------


class Edit(Struct, frozen=True, gc=False):
    user: str = ""
    ts: str = ""


class BotProfile(Struct, frozen=True, gc=False):
    name: str = ""
    icons: dict[str, Any] | None = None


class File(Struct, frozen=True, gc=False):
    """A file. `file_access` is `check_file_info` where only `files.info` tells the rest."""

    id: str
    name: str | None = None
    mimetype: str | None = None
    size: int | None = None
    mode: str = ""
    url_private: str = ""
    url_private_download: str = ""
    shares: dict[str, dict[str, list[dict[str, Any]]]] | None = None


class Message(Struct, frozen=True):
    """A message, as events and the history show it. `ts` is its id, and its time in seconds since 1970."""

    ts: str = ""
    subtype: str = ""
    user: str = ""
    text: str | None = ""
    blocks: Any = None
    attachments: Any = None
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    icons: dict[str, Any] | None = None
    bot_profile: BotProfile | None = None
    thread_ts: str = ""
    latest_reply: str = ""
    edited: Edit | None = None
    files: list[File] | None = None
    metadata: Any = None
    topic: str = ""

    @property
    def root(self) -> str | None:
        """The root of the thread that it answers in; None where it is none."""
        return self.thread_ts if self.thread_ts and self.thread_ts != self.ts else None


class Messages(Struct, frozen=True):
    """A page of messages, to be read one by one, so that one that cannot be read costs itself alone."""

    messages: list[Any] = field(default_factory=list)
    has_more: bool = False
    response_metadata: Page | None = None


class Page(Struct, frozen=True, gc=False):
    """How a list goes on: empty at its end."""

    next_cursor: str = ""


# --- events -----------------------------------------------------------------------------------------------------------


class Envelope(Struct, frozen=True):
    """One frame of Socket Mode."""

    type: str = ""
    envelope_id: str = ""
    payload: Raw = Raw(b"null")
    reason: str = ""


class Callback(Struct, frozen=True):
    """What brings an event, by either way."""

    type: str = ""
    event: Raw = Raw(b"null")
    event_id: str = ""
    challenge: str = ""
    api_app_id: str = ""


class Kind(Struct, frozen=True, gc=False):
    """As much of an event as tells how to read it."""

    type: str = ""
    subtype: str = ""


class Item(Struct, frozen=True, gc=False):
    """What a reaction is put on."""

    type: str = ""
    channel: str = ""
    ts: str = ""


class Event(Struct, frozen=True):
    """An event that is no new message: who did what, where. A changed message is in `message`."""

    type: str = ""
    channel: str = ""
    channel_type: str = ""
    user: str = ""
    ts: str = ""
    event_ts: str = ""
    deleted_ts: str = ""
    reaction: str = ""
    item: Item | None = None
    inviter: str = ""
    message: Message | None = None
    previous_message: Message | None = None


class UserChanged(Struct, frozen=True, gc=False):
    """The event `user_change`: the user as they are now."""

    user: User


class Place(Struct, frozen=True, gc=False):
    """Where a new message was said."""

    channel: str = ""
    channel_type: str = ""


# --- answers ----------------------------------------------------------------------------------------------------------


class AuthTest(Struct, frozen=True, gc=False):
    """The answer of `auth.test`."""

    user_id: str
    team_id: str
    user: str = ""
    team: str = ""
    bot_id: str = ""


class Profile(Struct, frozen=True, gc=False):
    display_name: str = ""
    real_name: str = ""
    image_192: str = ""


class User(Struct, frozen=True, gc=False):
    """A person or bot."""

    id: str
    name: str = ""
    real_name: str = ""
    deleted: bool = False
    is_bot: bool = False
    profile: Profile | None = None

    @property
    def shown(self) -> str:
        """The name that people see."""
        profile = self.profile or Profile()
        return profile.display_name.strip() or profile.real_name.strip() or self.real_name.strip() or self.name


class UserAnswer(Struct, frozen=True, gc=False):
    """The answer of `users.info`."""

    user: User


class UserList(Struct, frozen=True):
    """A page of `users.list`."""

    members: list[User] = field(default_factory=list)
    response_metadata: Page | None = None


class MemberList(Struct, frozen=True):
    """A page of `conversations.members`."""

    members: list[str] = field(default_factory=list)
    response_metadata: Page | None = None


class ChannelInfo(Struct, frozen=True, gc=False):
    """A channel. A direct message has no name."""

    id: str
    name: str = ""
    is_member: bool = False
    is_archived: bool = False
    is_im: bool = False


class Opened(Struct, frozen=True, gc=False):
    """The answer of `conversations.info` and `conversations.open`."""

    channel: ChannelInfo


class ChannelList(Struct, frozen=True):
    """A page of `users.conversations`."""

    channels: list[ChannelInfo] = field(default_factory=list)
    response_metadata: Page | None = None


class Posted(Struct, frozen=True, gc=False):
    """The answer of `chat.postMessage` and `chat.update`."""

    ts: str


class UploadAddress(Struct, frozen=True, gc=False):
    """The answer of `files.getUploadURLExternal`."""

    upload_url: str
    file_id: str


class FileAnswer(Struct, frozen=True, gc=False):
    """The answer of `files.info`."""

    file: File


class Link(Struct, frozen=True, gc=False):
    """Where a WebSocket is opened. The address holds a ticket: it is a secret."""

    url: str

    def __repr__(self) -> str:
        return "Link(***)"


# --- marks, times and texts -------------------------------------------------------------------------------------------


def metadata_of(mark: Mark) -> str:
    """The metadata that bears our mark on a message."""
    payload = {"daemon": mark.daemon, "delivery": mark.delivery, "origin": mark.origin, "via": list(mark.via)}
    return json.dumps({"event_type": MARK, "event_payload": payload})


def mark_of(metadata: object) -> Mark | None:
    """A relay's mark, if the metadata of a message looks like one: it may have been made up."""
    if not isinstance(metadata, dict) or metadata.get("event_type") != MARK:
        return None
    try:
        mark = msgspec.convert(metadata.get("event_payload"), Mark)
    except msgspec.ValidationError:
        return None
    if len(mark.via) > _MOST_PLACES:
        return None
    longest = max(map(len, (mark.daemon, mark.delivery, mark.origin, *mark.via)))
    return mark if longest <= _LONGEST_MARK else None


def milliseconds(ts: str) -> int:
    """The time of a ts in milliseconds since 1970; 0 where it is none."""
    if _TS.fullmatch(ts) is None:
        return 0
    seconds, _, rest = ts.partition(".")
    return int(seconds) * 1000 + int(rest.ljust(6, "0")[:6]) // 1000


def compare(ts: str) -> tuple[int, int]:
    """What orders two ts; that of none comes first."""
    if _TS.fullmatch(ts) is None:
        return (0, 0)
    seconds, _, rest = ts.partition(".")
    return int(seconds), int(rest.ljust(6, "0")[:6])


def storable(text: str) -> str:
    """`text` without what no UTF-8 can be made of."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def message(content: object) -> Message | None:
    """A message out of decoded JSON; None where it cannot be read."""
    try:
        return msgspec.convert(content, Message)
    except msgspec.ValidationError:
        return None
