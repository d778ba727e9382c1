"""Everything that the stand-in holds, and how an act in a chat becomes updates of the bots in it."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from nextbridge.sandbox.telegram.files import Files
from nextbridge.sandbox.telegram.flood import FloodLimits
from nextbridge.sandbox.telegram.records import (
    Chat,
    MemberUpdated,
    Message,
    Reaction,
    ReactionUpdated,
    TopicCreated,
    User,
)
from nextbridge.sandbox.telegram.rooms import GENERAL, Room, Said
from nextbridge.sandbox.telegram.text import stretch
from nextbridge.sandbox.telegram.updates import Inbox

__all__ = ["Account", "World"]

_SUPERGROUP = -1_000_000_000_000


class Account(Struct):
    """A bot, as the server knows it."""

    user: User
    token: str
    inbox: Inbox
    flood: FloodLimits
    privacy: bool = True
    """Of a group it hears only what is meant for it, unless it is an administrator."""


class World(Struct):
    """Users, chats and files. Changes nothing but what it is told to."""

    clock: Callable[[], float]
    files: Files = field(default_factory=Files)
    users: dict[int, User] = field(default_factory=dict)
    bots: dict[str, Account] = field(default_factory=dict)
    """By token."""
    rooms: dict[int, Room] = field(default_factory=dict)
    portraits: dict[int, str] = field(default_factory=dict)
    """The file of somebody's picture."""
    actions: list[tuple[int, int | None, str]] = field(default_factory=list)
    """Chat actions of bots: chat, thread and action."""
    listeners: list[Callable[[Room, Message], None]] = field(default_factory=list)
    """Called for each new message, whoever wrote it."""
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(700_001))
    groups: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # --- who and where ------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.clock())

    def new_room(self, kind: str, title: str, username: str | None, *, is_forum: bool = False) -> Room:
        """A group, supergroup or channel with nobody in it."""
        number = next(self.ids)
        chat_id = -number if kind == "group" else _SUPERGROUP - number
        chat = Chat(id=chat_id, type=kind, title=title, username=username, is_forum=is_forum)  # type: ignore[arg-type]
        room = self.rooms[chat_id] = Room(chat)
        if is_forum:
            next(room.numbers)  # that of the General topic
        return room

    def private(self, person: User) -> Room:
        """The chats of a person with bots; one room stands for all of them."""
        if person.id not in self.rooms:
            chat = Chat(
                id=person.id, type="private", first_name=person.first_name, last_name=person.last_name,
                username=person.username,
            )  # fmt: skip
            self.rooms[person.id] = Room(chat)
        return self.rooms[person.id]

    def find_room(self, reference: str) -> Room | None:
        """A chat by its id or its `@name`."""
        if reference.startswith("@"):
            name = reference[1:].lower()
            return next((room for room in self.rooms.values() if (room.chat.username or "").lower() == name), None)
        try:
            return self.rooms.get(int(reference))
        except ValueError:
            return None

    # --- what happens -------------------------------------------------------------------------------------------------

    def post(self, room: Room, author: User | None, **content: object) -> Message:
        """Make a message of somebody (None: of the channel itself) and tell everybody."""
        thread = content.get("message_thread_id")
        message = replace(
            Message(message_id=next(room.numbers), date=self.now, chat=room.chat, from_=author),
            **content,
        )
        if thread == GENERAL:
            message = replace(message, message_thread_id=None)
        elif thread is not None and room.chat.is_forum:
            message = replace(message, is_topic_message=True)
            if message.reply_to_message is None:
                # in a topic each message that answers none is said to answer the one that the topic began with
                message = replace(message, reply_to_message=room.said[int(str(thread))].message)
        if room.chat.type == "channel":
            message = replace(message, from_=None, sender_chat=room.chat)
            if author is not None:
                room.posters[message.message_id] = author.id
        room.said[message.message_id] = Said(message)
        self._tell(room, author, message, "channel_post" if room.chat.type == "channel" else "message")
        for listener in self.listeners:
            listener(room, message)
        return message

    def edit(self, room: Room, author: User | None, message: Message, **content: object) -> Message:
        """Give a message other content and tell everybody."""
        said = room.said[message.message_id]
        said.message = replace(said.message, edit_date=self.now, **content)
        kind = "edited_channel_post" if room.chat.type == "channel" else "edited_message"
        self._tell(room, author, said.message, kind)
        return said.message

    def react(self, room: Room, user: User, number: int, emoji: Sequence[str]) -> None:
        """Make these somebody's reactions to a message, and tell the administrators among the bots."""
        said = room.said[number]
        before = said.reactions.pop(user.id, ())
        if emoji:
            said.reactions[user.id] = tuple(emoji)
        if tuple(emoji) == before:
            return
        told = ReactionUpdated(
            chat=room.chat,
            message_id=number,
            date=self.now,
            user=user,
            old_reaction=tuple(Reaction(each) for each in before),
            new_reaction=tuple(Reaction(each) for each in emoji),
        )
        for bot in self.bots.values():
            # a bot's own reactions are told to no bot
            if not user.is_bot and room.is_administrator(bot.user):
                bot.inbox.add(message_reaction=told)

    def stand(self, room: Room, user: User, by: User, status: str, without: Sequence[str] = ()) -> None:
        """Give somebody another standing in a chat, and tell the bots that hear of it."""
        before = room.member(user)
        after = room.admit(user, status, without)  # type: ignore[arg-type]
        told = MemberUpdated(chat=room.chat, from_=by, date=self.now, old_chat_member=before, new_chat_member=after)
        for bot in self.bots.values():
            if bot.user.id == user.id:
                bot.inbox.add(my_chat_member=told)
            elif room.is_administrator(bot.user):
                bot.inbox.add(chat_member=told)

    def open_topic(self, room: Room, author: User, name: str) -> int:
        """A new topic of a forum; gives its thread."""
        message = self.post(room, author, forum_topic_created=TopicCreated(name=name, icon_color=7322096))
        thread = message.message_id
        room.topics[thread] = name
        room.said[thread].message = replace(message, message_thread_id=thread, is_topic_message=True)
        return thread

    def upgrade(self, room: Room, by: User) -> Room:
        """Make a supergroup of a group: another id, other numbers, the same people."""
        bigger = self.new_room("supergroup", room.title, None)
        for member in room.members.values():
            bigger.members[member.user.id] = member
        self.post(room, by, migrate_to_chat_id=bigger.id)
        room.became = bigger.id
        self.post(bigger, by, migrate_from_chat_id=room.id)
        return bigger

    def new_group_of_media(self) -> str:
        """The id of an album."""
        return f"{next(self.groups)}{secrets.randbelow(10**15):015}"

    def _tell(self, room: Room, author: User | None, message: Message, kind: str) -> None:
        for bot in self.bots.values():
            if (author is None or not author.is_bot) and self._hears(bot, room, message):
                bot.inbox.add(**{kind: message})

    def _hears(self, bot: Account, room: Room, message: Message) -> bool:
        """Whether a message is told to a bot; see https://core.telegram.org/bots/features#privacy-mode."""
        if not room.is_in(bot.user):
            return message.left_chat_member is not None and message.left_chat_member.id == bot.user.id
        if room.chat.type in {"private", "channel"} or message.is_service or not bot.privacy:
            return True
        return room.is_administrator(bot.user) or self._is_for(bot, room, message)

    def _is_for(self, bot: Account, room: Room, message: Message) -> bool:
        answered = message.reply_to_message
        if answered is not None and answered.from_ is not None and answered.from_.id == bot.user.id:
            return True
        said = message.text or message.caption or ""
        name = f"@{bot.user.username}".lower()
        words = [(each.type, stretch(said, each).lower()) for each in message.entities or message.caption_entities]
        if any(kind == "bot_command" and word.endswith(name) for kind, word in words):
            return True
        others = [each for number, each in room.said.items() if number != message.message_id]
        wrote_last = bool(others) and others[-1].sender == bot.user.id
        return wrote_last and any(kind == "bot_command" and "@" not in word for kind, word in words)
