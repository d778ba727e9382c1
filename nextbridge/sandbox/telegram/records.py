"""What the stand-in keeps and tells, in the shapes of the Bot API: users, chats, messages and updates.

The names of the fields, and which are there, are those of https://core.telegram.org/bots/api#available-types.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

__all__ = [
    "Chat",
    "ChatMember",
    "Entity",
    "Kind",
    "MediaFile",
    "MemberUpdated",
    "Message",
    "PhotoSize",
    "Quote",
    "Reaction",
    "ReactionUpdated",
    "Sticker",
    "TopicCreated",
    "Update",
    "User",
    "WebhookInfo",
]

Kind = Literal["photo", "document", "video", "audio", "voice", "video_note", "animation", "sticker"]


class _Told(Struct, frozen=True, omit_defaults=True, kw_only=True):
    pass


class User(_Told, frozen=True):
    """A person or a bot."""

    id: int
    is_bot: bool
    first_name: str
    last_name: str | None = None
    username: str | None = None
    can_join_groups: bool | None = None
    can_read_all_group_messages: bool | None = None
    supports_inline_queries: bool | None = None


class Chat(_Told, frozen=True):
    """A chat as it stands in a message."""

    id: int
    type: Literal["private", "group", "supergroup", "channel"]
    title: str | None = None
    username: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_forum: bool = False


class Entity(_Told, frozen=True):
    """Formatting of a stretch of text, counted in UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    user: User | None = None
    language: str | None = None
    custom_emoji_id: str | None = None


class PhotoSize(_Told, frozen=True):
    """One size of a picture."""

    file_id: str
    file_unique_id: str
    width: int
    height: int
    file_size: int


class MediaFile(_Told, frozen=True):
    """A document, video, audio, voice message, video note or animation."""

    file_id: str
    file_unique_id: str
    file_size: int
    file_name: str | None = None
    mime_type: str | None = None
    duration: int | None = None
    width: int | None = None
    height: int | None = None
    length: int | None = None


class Sticker(_Told, frozen=True):
    """A sticker."""

    file_id: str
    file_unique_id: str
    file_size: int
    emoji: str
    is_animated: bool
    is_video: bool
    type: str
    width: int
    height: int
    thumbnail: PhotoSize | None = None


class TopicCreated(_Told, frozen=True):
    """The service message that a forum topic begins with."""

    name: str
    icon_color: int


class Quote(_Told, frozen=True):
    """The part of a message that is answered."""

    text: str
    position: int
    is_manual: bool = True


class Message(_Told, frozen=True):
    """A message or a service message."""

    message_id: int
    date: int
    chat: Chat
    from_: User | None = field(name="from", default=None)
    sender_chat: Chat | None = None
    author_signature: str | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    text: str | None = None
    entities: tuple[Entity, ...] = ()
    caption: str | None = None
    caption_entities: tuple[Entity, ...] = ()
    photo: tuple[PhotoSize, ...] = ()
    document: MediaFile | None = None
    video: MediaFile | None = None
    audio: MediaFile | None = None
    voice: MediaFile | None = None
    video_note: MediaFile | None = None
    animation: MediaFile | None = None
    sticker: Sticker | None = None
    media_group_id: str | None = None
    reply_to_message: Message | None = None
    quote: Quote | None = None
    edit_date: int | None = None
    new_chat_members: tuple[User, ...] = ()
    left_chat_member: User | None = None
    new_chat_title: str | None = None
    pinned_message: Message | None = None
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None
    forum_topic_created: TopicCreated | None = None

    @property
    def is_service(self) -> bool:
        """Telegram's own notice, and nothing that somebody said."""
        return self.text is None and not self.media

    @property
    def media(self) -> Kind | None:
        """What is attached, if anything."""
        kinds: tuple[Kind, ...] = (
            "photo",
            "animation",
            "document",
            "video",
            "audio",
            "voice",
            "video_note",
            "sticker",
        )
        return next((kind for kind in kinds if getattr(self, kind)), None)


class Reaction(Struct, frozen=True):
    """A reaction with an emoji."""

    emoji: str
    type: str = "emoji"


class ReactionUpdated(_Told, frozen=True):
    """Somebody's reactions to a message are others now."""

    chat: Chat
    message_id: int
    date: int
    user: User
    old_reaction: tuple[Reaction, ...]
    new_reaction: tuple[Reaction, ...]


class ChatMember(_Told, frozen=True):
    """Somebody's standing in a chat. The rights are told of administrators and of those who are restricted."""

    status: Literal["creator", "administrator", "member", "restricted", "left", "kicked"]
    user: User
    is_anonymous: bool | None = None
    is_member: bool | None = None
    until_date: int | None = None
    can_be_edited: bool | None = None
    can_manage_chat: bool | None = None
    can_change_info: bool | None = None
    can_delete_messages: bool | None = None
    can_post_messages: bool | None = None
    can_edit_messages: bool | None = None
    can_invite_users: bool | None = None
    can_restrict_members: bool | None = None
    can_promote_members: bool | None = None
    can_manage_video_chats: bool | None = None
    can_manage_topics: bool | None = None
    can_pin_messages: bool | None = None
    can_post_stories: bool | None = None
    can_edit_stories: bool | None = None
    can_delete_stories: bool | None = None
    can_send_welcome_messages: bool | None = None
    can_send_messages: bool | None = None
    can_send_audios: bool | None = None
    can_send_documents: bool | None = None
    can_send_photos: bool | None = None
    can_send_videos: bool | None = None
    can_send_video_notes: bool | None = None
    can_send_voice_notes: bool | None = None
    can_send_polls: bool | None = None
    can_send_other_messages: bool | None = None
    can_add_web_page_previews: bool | None = None
    can_react_to_messages: bool | None = None
    can_edit_tag: bool | None = None


class MemberUpdated(_Told, frozen=True):
    """Somebody's standing in a chat is another now."""

    chat: Chat
    from_: User = field(name="from")
    date: int
    old_chat_member: ChatMember
    new_chat_member: ChatMember


class Update(_Told, frozen=True):
    """What a bot is told. One of the optional fields is there."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    channel_post: Message | None = None
    edited_channel_post: Message | None = None
    message_reaction: ReactionUpdated | None = None
    my_chat_member: MemberUpdated | None = None
    chat_member: MemberUpdated | None = None


class WebhookInfo(_Told, frozen=True):
    """Where a bot's updates go, and what became of the last ones."""

    url: str
    has_custom_certificate: bool
    pending_update_count: int
    max_connections: int | None = None
    allowed_updates: tuple[str, ...] = ()
    last_error_date: int | None = None
    last_error_message: str | None = None
