"""Telegram's JSON, decoded once: of each object the fields that are used.

As https://core.telegram.org/bots/api#available-types has them. What is not named here is passed over.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

__all__ = [
    "ALLOWED_UPDATES",
    "UNREADABLE",
    "Answer",
    "Chat",
    "ChatMember",
    "Contact",
    "Dice",
    "Entity",
    "File",
    "FullChat",
    "Location",
    "Media",
    "MemberUpdated",
    "Message",
    "Origin",
    "PhotoSize",
    "Photos",
    "Poll",
    "Reaction",
    "ReactionUpdated",
    "Sticker",
    "TopicCreated",
    "Update",
    "User",
    "Venue",
    "WebhookInfo",
    "is_basic_group",
]

UNREADABLE = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""

ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "message_reaction",
    "my_chat_member",
)
"""What the relay wants to hear of; reactions are told only to whoever asks for them."""

_SUPERGROUPS = -1_000_000_000_000


def is_basic_group(chat: int) -> bool:
    """Whether that is the id of a group which is no supergroup: the ids of those and of channels begin with -100."""
    return _SUPERGROUPS < chat < 0


class Advice(Struct):
    """What can be done about an error (ResponseParameters)."""

    migrate_to_chat_id: int | None = None
    retry_after: float | None = None


class Answer(Struct):
    """What every call is answered with."""

    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: Advice = field(default_factory=Advice)


class User(Struct, frozen=True):
    """A person or a bot."""

    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    can_read_all_group_messages: bool = False

    @property
    def name(self) -> str:
        """The name that people see."""
        return f"{self.first_name} {self.last_name}".strip() or self.username or str(self.id)


class Chat(Struct, frozen=True):
    """A chat as it stands in a message."""

    id: int
    type: str = ""
    title: str = ""
    username: str = ""
    first_name: str = ""
    last_name: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or f"{self.first_name} {self.last_name}".strip() or self.username or str(self.id)


class ChatPhoto(Struct, frozen=True):
    """A chat's picture."""

    big_file_id: str
    big_file_unique_id: str


class Permissions(Struct, frozen=True):
    """What may be sent: by every member of a group (`ChatPermissions`), or by one who is restricted."""

    can_send_messages: bool | None = None
    can_send_documents: bool | None = None
    can_send_photos: bool | None = None


class FullChat(Chat, frozen=True):
    """A chat that was asked for."""

    is_forum: bool = False
    photo: ChatPhoto | None = None
    permissions: Permissions | None = None
    """Those of members; None where there are none to speak of."""


class ChatMember(Permissions, frozen=True, kw_only=True):
    """Somebody's standing in a chat."""

    status: str
    user: User
    can_post_messages: bool | None = None
    can_delete_messages: bool | None = None
    can_change_info: bool | None = None
    is_anonymous: bool | None = None

    @property
    def is_in(self) -> bool:
        """Whether they can read along."""
        return self.status not in {"left", "kicked"}

    @property
    def is_administrator(self) -> bool:
        return self.status in {"creator", "administrator"}


class Entity(Struct, frozen=True, omit_defaults=True):
    """Formatting of a stretch of text, in UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    user: User | None = None
    language: str | None = None


class PhotoSize(Struct, frozen=True):
    """One size of a picture."""

    file_id: str
    file_unique_id: str = ""
    width: int = 0
    height: int = 0
    file_size: int | None = None


class Media(Struct, frozen=True):
    """A document, video, audio, voice message, video note or animation."""

    file_id: str
    file_unique_id: str = ""
    file_name: str = ""
    mime_type: str = ""
    file_size: int | None = None


class Sticker(Struct, frozen=True):
    """A sticker: a WebP picture, a moving one in Telegram's own format, or a WebM video."""

    file_id: str
    file_unique_id: str = ""
    emoji: str = ""
    is_animated: bool = False
    is_video: bool = False
    file_size: int | None = None
    thumbnail: PhotoSize | None = None


class Location(Struct, frozen=True):
    """A place on the map."""

    latitude: float
    longitude: float


class Venue(Struct, frozen=True):
    """A place with a name."""

    location: Location
    title: str = ""
    address: str = ""


class Contact(Struct, frozen=True):
    """Somebody's telephone number."""

    phone_number: str
    first_name: str = ""
    last_name: str = ""


class PollOption(Struct, frozen=True):
    """What can be voted for."""

    text: str


class Poll(Struct, frozen=True):
    """A question with answers to vote for."""

    question: str
    options: tuple[PollOption, ...] = ()


class Dice(Struct, frozen=True):
    """A thrown die, or a dart."""

    emoji: str
    value: int


class Origin(Struct, frozen=True):
    """Where a forwarded message comes from; one of the fields says who said it."""

    sender_user: User | None = None
    sender_user_name: str = ""
    sender_chat: Chat | None = None
    chat: Chat | None = None

    @property
    def name(self) -> str:
        """Who is said to have said it."""
        of = self.sender_user or self.sender_chat or self.chat
        return self.sender_user_name if of is None else of.name


class TopicCreated(Struct, frozen=True):
    """The service message that a forum topic begins with."""

    name: str = ""


class Message(Struct, frozen=True):
    """A message or a service message."""

    message_id: int
    date: int
    chat: Chat
    from_: User | None = field(name="from", default=None)
    sender_chat: Chat | None = None
    author_signature: str = ""
    message_thread_id: int | None = None
    is_topic_message: bool = False
    edit_date: int | None = None
    text: str = ""
    entities: tuple[Entity, ...] = ()
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    media_group_id: str = ""
    photo: tuple[PhotoSize, ...] = ()
    document: Media | None = None
    video: Media | None = None
    audio: Media | None = None
    voice: Media | None = None
    video_note: Media | None = None
    animation: Media | None = None
    sticker: Sticker | None = None
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    poll: Poll | None = None
    dice: Dice | None = None
    forward_origin: Origin | None = None
    reply_to_message: Message | None = None
    new_chat_members: tuple[User, ...] = ()
    left_chat_member: User | None = None
    new_chat_title: str = ""
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None
    forum_topic_created: TopicCreated | None = None


class Reaction(Struct, frozen=True):
    """One reaction: an emoji, a custom one, or a star that was paid for."""

    type: str
    emoji: str = ""


class ReactionUpdated(Struct, frozen=True):
    """Somebody's reactions to a message are others now."""

    chat: Chat
    message_id: int
    date: int
    user: User | None = None
    actor_chat: Chat | None = None
    old_reaction: tuple[Reaction, ...] = ()
    new_reaction: tuple[Reaction, ...] = ()


class MemberUpdated(Struct, frozen=True):
    """Our standing in a chat is another now."""

    chat: Chat
    new_chat_member: ChatMember


class Update(Struct, frozen=True):
    """What happened. One of the fields is there, the others are empty; it is decoded by itself, since it may fail."""

    update_id: int
    message: msgspec.Raw = msgspec.Raw()
    edited_message: msgspec.Raw = msgspec.Raw()
    channel_post: msgspec.Raw = msgspec.Raw()
    edited_channel_post: msgspec.Raw = msgspec.Raw()
    message_reaction: msgspec.Raw = msgspec.Raw()
    my_chat_member: msgspec.Raw = msgspec.Raw()


class File(Struct, frozen=True):
    """Where a file can be fetched."""

    file_id: str
    file_path: str = ""
    file_size: int | None = None


class Photos(Struct, frozen=True):
    """Somebody's pictures, each in several sizes; the newest first."""

    photos: tuple[tuple[PhotoSize, ...], ...] = ()


class WebhookInfo(Struct, frozen=True):
    """Where updates are sent to, if anywhere."""

    url: str = ""
    pending_update_count: int = 0
    last_error_date: int = 0
    last_error_message: str = ""
