"""What a workspace holds: people, apps, channels, messages and files, and how Slack writes each as JSON."""

from __future__ import annotations

import itertools
import secrets
import time
from typing import Any, TypeAlias

from msgspec import Struct, field

__all__ = ["SCOPES", "App", "Channel", "Clock", "File", "Json", "Message", "User", "new_id"]

Json: TypeAlias = dict[str, Any]

_numbers = itertools.count(1)

SCOPES = frozenset(
    {
        "channels:history",
        "channels:read",
        "channels:write.topic",
        "chat:write",
        "chat:write.customize",
        "emoji:read",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "groups:write.topic",
        "im:history",
        "im:read",
        "im:write",
        "reactions:read",
        "reactions:write",
        "users:read",
    }
)
"""The bot scopes of an app that may do all that is done here."""


def new_id(letter: str) -> str:
    """An id as Slack's are: a letter for the kind, then capitals and digits."""
    return f"{letter}0{next(_numbers):04d}{secrets.token_hex(3).upper()}"


class Clock:
    """Gives timestamps (`ts`), each later than the one before: they are the ids of messages."""

    def __init__(self) -> None:
        self._last = 0

    def ts(self) -> str:
        self._last = max(time.time_ns() // 1000, self._last + 1)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"


class User(Struct):
    """A person, or the bot of an app."""

    id: str
    name: str
    real_name: str
    display_name: str = ""
    is_bot: bool = False
    deleted: bool = False
    image: str = "https://avatars.example.com/picture.png"
    app: str = ""

    def as_json(self) -> Json:
        profile = {"display_name": self.display_name, "real_name": self.real_name, "image_192": self.image}
        return {
            "id": self.id,
            "team_id": "T0SANDBOX",
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "is_bot": self.is_bot,
            "profile": profile | ({"api_app_id": self.app} if self.app else {}),
            "updated": 0,
        }


class App(Struct):
    """An installed app with its bot, its tokens and its scopes."""

    id: str
    name: str
    bot_id: str
    user: User
    token: str
    app_token: str
    signing_secret: str
    scopes: set[str]
    request_url: str = ""
    """Where its events are posted; empty for Socket Mode."""
    socket_mode: bool = True
    revoked: bool = False

    def profile(self) -> Json:
        return {"id": self.bot_id, "app_id": self.id, "name": self.name, "icons": {}, "deleted": False}


class Channel(Struct):
    """A channel (C), or the conversation of two (D)."""

    id: str
    name: str = ""
    is_private: bool = False
    is_im: bool = False
    is_archived: bool = False
    topic: str = ""
    members: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    """By ts, in order; answers too."""

    @property
    def type(self) -> str:
        """As events call it."""
        if self.is_im:
            return "im"
        return "group" if self.is_private else "channel"

    def as_json(self, user: str) -> Json:
        """As `user` sees it."""
        shared: Json = {"id": self.id, "is_im": self.is_im, "is_archived": self.is_archived, "created": 1}
        if self.is_im:
            other = next((each for each in self.members if each != user), user)
            return shared | {"user": other, "is_open": True}
        return shared | {
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": False,
            "is_private": self.is_private,
            "is_member": user in self.members,
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }

    def answers(self, root: str) -> list[Message]:
        return [each for each in self.messages.values() if each.thread_ts == root and each.ts != root]


class File(Struct):
    """A file; `content` is None until it was uploaded."""

    id: str
    name: str
    size: int
    user: str
    created: int
    title: str = ""
    mimetype: str = "application/octet-stream"
    content: bytes | None = None
    completed: bool = False
    deleted: bool = False
    shares: dict[str, list[str]] = field(default_factory=dict)
    """The ts of each message that shows it, by channel."""
    elsewhere: str = ""
    """Where another service has it; Slack then only knows the address."""

    def as_json(self, address: str, channels: dict[str, Channel]) -> Json:
        shares: Json = {}
        for channel, times in self.shares.items():
            kind = "private" if channels[channel].is_private or channels[channel].is_im else "public"
            shares.setdefault(kind, {})[channel] = [{"ts": ts, "channel_name": channels[channel].name} for ts in times]
        where = f"{address}/files-pri/T0SANDBOX-{self.id}"
        return {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": self.name.rpartition(".")[2],
            "user": self.user,
            "mode": "external" if self.elsewhere else "hosted",
            "is_external": bool(self.elsewhere),
            "size": self.size,
            "url_private": self.elsewhere or f"{where}/file",
            **({} if self.elsewhere else {"url_private_download": f"{where}/download/file"}),
            "permalink": f"{address}/files/{self.user}/{self.id}/file",
            "file_access": "visible",
            "shares": shares,
        }


class Message(Struct):
    """A message as it is now."""

    ts: str
    user: str = ""
    text: str = ""
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    subtype: str = ""
    thread_ts: str = ""
    app: App | None = None
    username: str = ""
    icons: Json | None = None
    metadata: Json | None = None
    edited: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    client_msg_id: str = ""
    more: Json = field(default_factory=dict)
    """What a subtype adds."""

    def as_json(self, address: str, channel: Channel, channels: dict[str, Channel], *, metadata: bool = True) -> Json:
        """As an event or the history shows it. `address` is where the asker reaches the server."""
        optional: Json = {
            "subtype": self.subtype,
            "user": self.user,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "thread_ts": self.thread_ts,
            "username": self.username,
            "icons": self.icons,
            "edited": self.edited,
            "client_msg_id": self.client_msg_id,
            "files": [each.as_json(address, channels) for each in self.files],
            "reactions": [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items() if users
            ],
        }
        if self.app is not None:
            optional |= {"bot_id": self.app.bot_id, "app_id": self.app.id, "bot_profile": self.app.profile()}
        if metadata:
            optional["metadata"] = self.metadata
        if answers := channel.answers(self.ts):
            optional |= {
                "thread_ts": self.ts,
                "reply_count": len(answers),
                "latest_reply": answers[-1].ts,
                "reply_users": sorted({each.user for each in answers}),
            }
        shown = {key: value for key, value in optional.items() if value}
        return {"type": "message", "ts": self.ts, "text": self.text, "team": "T0SANDBOX", **shown, **self.more}
