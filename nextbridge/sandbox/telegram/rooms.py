"""Chats from the inside: who is in them with which rights, what was said, and the topics of a forum."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from nextbridge.sandbox.telegram.records import Chat, ChatMember, Message, User
from nextbridge.sandbox.telegram.refusals import Refusal, bad_request, forbidden, migrated

__all__ = ["GENERAL", "Room", "Said"]

GENERAL = 1
"""The thread of a forum's General topic; its messages bear none."""

_RIGHTS = (
    "can_manage_chat",
    "can_change_info",
    "can_delete_messages",
    "can_invite_users",
    "can_restrict_members",
    "can_manage_video_chats",
)
"""What an administrator has, unless it is taken; in a channel also the next two."""
_RIGHTS_TO_POST = ("can_post_messages", "can_edit_messages")
_NOT_GIVEN = (
    "can_be_edited",
    "can_promote_members",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
    "is_anonymous",
)
_TAKEN = (
    *("can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos"),
    *("can_send_video_notes", "can_send_voice_notes", "can_send_polls", "can_send_other_messages"),
    *("can_add_web_page_previews", "can_react_to_messages", "can_edit_tag", "can_change_info", "can_invite_users"),
    *("can_pin_messages", "can_manage_topics"),
)
"""From somebody who is restricted."""
_OF_MEMBERS = tuple(right for right in _TAKEN if right.startswith("can_"))
"""What every member of a group has, unless it is taken from all (`ChatPermissions`)."""
_FOR = {
    "audio": "can_send_audios",
    "document": "can_send_documents",
    "photo": "can_send_photos",
    "video": "can_send_videos",
    "video_note": "can_send_video_notes",
    "voice": "can_send_voice_notes",
    "animation": "can_send_other_messages",
}
"""The right that a kind of file takes."""

Status = Literal["creator", "administrator", "member", "restricted", "left", "kicked"]


class Said(Struct):
    """A message of a room, and what was done to it."""

    message: Message
    reactions: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Emoji by user."""

    @property
    def sender(self) -> int:
        """Who sent it: a user, or the channel itself."""
        message = self.message
        return message.from_.id if message.from_ is not None else message.chat.id


class Room(Struct):
    """One chat."""

    chat: Chat
    members: dict[int, ChatMember] = field(default_factory=dict)
    said: dict[int, Said] = field(default_factory=dict)
    """By message id, without what was deleted."""
    description: str = ""
    topics: dict[int, str] = field(default_factory=dict)
    closed_topics: set[int] = field(default_factory=set)
    became: int | None = None
    """The id of the supergroup that this group was upgraded to."""
    forbidden: set[str] = field(default_factory=set)
    """Rights that no member has but administrators."""
    reactions: frozenset[str] | None = None
    """The emoji that may be used; None for all."""
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    posters: dict[int, int] = field(default_factory=dict)
    """For a channel: who of the bots wrote which message."""

    @property
    def id(self) -> int:
        return self.chat.id

    @property
    def title(self) -> str:
        """What people call it."""
        return self.chat.title or self.chat.first_name or ""

    def admit(self, user: User, status: Status = "member", without: Iterable[str] = ()) -> ChatMember:
        """Give somebody a standing; an administrator has all rights but those named."""
        flags: dict[str, bool] = {}
        if status == "administrator":
            rights = (*_RIGHTS, *_RIGHTS_TO_POST) if self.chat.type == "channel" else _RIGHTS
            missing = frozenset(without)
            flags = {right: right not in missing for right in rights} | dict.fromkeys(_NOT_GIVEN, False)
        elif status == "restricted":
            flags = dict.fromkeys(_TAKEN, False) | {"is_member": True}
        member = replace(ChatMember(status=status, user=user), **flags)
        if status in {"kicked", "restricted"}:
            member = replace(member, until_date=0)
        self.members[user.id] = member
        return member

    def member(self, user: User) -> ChatMember:
        """Somebody's standing; `left` for whoever was never there."""
        return self.members.get(user.id) or ChatMember(status="left", user=user)

    def is_in(self, user: User) -> bool:
        """Whether they can read along."""
        return self.member(user).status not in {"left", "kicked"}

    def is_administrator(self, user: User) -> bool:
        return self.member(user).status in {"creator", "administrator"}

    def require(self, bot: User) -> None:
        """Raise the Refusal that a bot meets which may not be here."""
        if self.became is not None:
            raise migrated(self.became)
        kind = self.chat.type
        status = self.member(bot).status
        if kind == "private":
            if status == "kicked":
                raise forbidden("bot was blocked by the user")
            return
        if status == "kicked":
            raise forbidden(f"bot was kicked from the {kind} chat")
        if status == "left":
            if self.chat.username is not None:
                raise forbidden(f"bot is not a member of the {kind} chat")
            raise bad_request("chat not found")

    def require_posting(self, bot: User, thread: int | None) -> None:
        """As `require`, and for somebody who wants to say something."""
        self.require(bot)
        member = self.member(bot)
        if self.chat.type == "channel" and not member.can_post_messages:
            raise bad_request("need administrator rights in the channel chat")
        if not self._may(bot, "can_send_messages"):
            raise bad_request("not enough rights to send text messages to the chat")
        if thread is not None and thread != GENERAL:
            if thread not in self.topics:
                raise bad_request("message thread not found")
            if thread in self.closed_topics and not self.is_administrator(bot):
                raise bad_request("TOPIC_CLOSED")

    def require_sending(self, bot: User, kind: str) -> None:
        """Raise the Refusal of a bot that may say something, but send no file of this kind."""
        if not self._may(bot, _FOR[kind]):
            raise bad_request(f"not enough rights to send {_FOR[kind].removeprefix('can_send_')} to the chat")

    def _may(self, user: User, right: str) -> bool:
        if self.is_administrator(user):
            return True
        member = self.member(user)
        return right not in self.forbidden and (member.status != "restricted" or bool(getattr(member, right)))

    @property
    def permissions(self) -> dict[str, bool] | None:
        """What members may do; told of groups alone."""
        if self.chat.type not in {"group", "supergroup"}:
            return None
        return {right: right not in self.forbidden for right in _OF_MEMBERS}

    def find(self, number: int, missing: str) -> Said:
        """A message that is there. Raises Refusal with `missing` where it is not."""
        found = self.said.get(number)
        if found is None:
            raise bad_request(missing)
        return found

    def require_right(self, bot: User, right: str, otherwise: Refusal) -> None:
        """Raise `otherwise` where a bot has not that right."""
        member = self.member(bot)
        if member.status != "creator" and not getattr(member, right, None):
            raise otherwise
