"""What people do in the chats of the stand-in, and what is set up beforehand."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec.structs import replace

from nextbridge.sandbox.telegram.files import as_media, as_photo, as_sticker
from nextbridge.sandbox.telegram.flood import FloodLimits
from nextbridge.sandbox.telegram.records import Entity, Kind, Message, User
from nextbridge.sandbox.telegram.rooms import Room
from nextbridge.sandbox.telegram.text import LONGEST_CAPTION, LONGEST_TEXT, checked
from nextbridge.sandbox.telegram.updates import Inbox
from nextbridge.sandbox.telegram.world import Account, World

__all__ = ["Acts"]


class Acts:
    """Methods of `SandboxTelegram`. None of them waits for anything."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.world = World(clock)

    # --- setting up ---------------------------------------------------------------------------------------------------

    def add_bot(self, username: str, name: str = "", *, privacy: bool = True) -> Account:
        """A bot and its token. With `privacy` it hears in groups only what is meant for it (but as administrator)."""
        user = User(id=next(self.world.ids), is_bot=True, first_name=name or username, username=username)
        self.world.users[user.id] = user
        token = f"{user.id}:{secrets.token_urlsafe(26)[:35]}"
        clock = self.world.clock
        bot = self.world.bots[token] = Account(user, token, Inbox(clock), FloodLimits(clock), privacy)
        return bot

    def revoke(self, bot: Account) -> None:
        """Its token is good for nothing any more."""
        self.world.bots.pop(bot.token, None)
        bot.inbox.stop()

    def add_person(
        self, first_name: str, last_name: str | None = None, *, username: str | None = None, portrait: bytes = b""
    ) -> User:
        """Somebody."""
        user = User(
            id=next(self.world.ids), is_bot=False, first_name=first_name, last_name=last_name, username=username
        )
        self.world.users[user.id] = user
        self.give_portrait(user.id, portrait)
        return user

    def give_portrait(self, whose: int, portrait: bytes) -> None:
        """A picture of a person or chat; none takes it away."""
        self.world.portraits.pop(whose, None)
        if portrait:
            self.world.portraits[whose] = self.world.files.keep("photo", "me.jpg", "image/jpeg", portrait).id

    def add_group(self, title: str, members: Sequence[User] = ()) -> Room:
        """A basic group."""
        return self._filled(self.world.new_room("group", title, None), members)

    def add_supergroup(
        self, title: str, members: Sequence[User] = (), *, username: str | None = None, is_forum: bool = False
    ) -> Room:
        """A supergroup; a forum where it is one."""
        return self._filled(self.world.new_room("supergroup", title, username, is_forum=is_forum), members)

    def add_channel(self, title: str, members: Sequence[User] = (), *, username: str | None = None) -> Room:
        """A channel: bots in it are administrators."""
        return self._filled(self.world.new_room("channel", title, username), members)

    def _filled(self, room: Room, members: Sequence[User]) -> Room:
        for member in members:
            room.admit(member, "administrator" if member.is_bot and room.chat.type == "channel" else "member")
        return room

    def promote(self, room: Room, user: User, *, without: Sequence[str] = ()) -> None:
        """Make somebody an administrator, with all rights but those named (`can_delete_messages`, …)."""
        self.world.stand(room, user, self._somebody(room), "administrator", without)

    def private_chat(self, person: User, bot: Account) -> Room:
        """The chat of a person with a bot, which the person has started."""
        room = self.world.private(person)
        room.admit(person)
        room.admit(bot.user)
        return room

    def add_topic(self, room: Room, name: str) -> int:
        """A topic of a forum; gives its thread."""
        return self.world.open_topic(room, self._somebody(room), name)

    def _somebody(self, room: Room) -> User:
        people = [each.user for each in room.members.values() if not each.user.is_bot]
        return (
            people[0] if people else User(id=1087968824, is_bot=True, first_name="Group", username="GroupAnonymousBot")
        )

    # --- what people do -----------------------------------------------------------------------------------------------

    def say(
        self,
        person: User,
        room: Room,
        text: str,
        *,
        entities: Sequence[Entity] = (),
        reply_to: int | None = None,
        thread: int | None = None,
        **more: object,
    ) -> Message:
        """A text. `more` are other fields of the message."""
        said, found = checked(text, entities, most=LONGEST_TEXT, what="message")
        place = self._place(room, reply_to, thread)
        return self.world.post(room, person, text=said, entities=found, **place, **more)

    def say_file(  # noqa: PLR0913 - each is something that a file has
        self,
        person: User,
        room: Room,
        name: str,
        content: bytes,
        *,
        kind: Kind = "document",
        media_type: str = "application/octet-stream",
        caption: str = "",
        emoji: str = "👍",
        thread: int | None = None,
        sticker: Literal["static", "animated", "video"] = "static",
        preview: bytes = b"",
        **more: object,
    ) -> Message:
        """A file with a caption. For a sticker `emoji` is what it stands for and `preview` its still picture."""
        kept = self.world.files.keep(kind, name, media_type, content)
        what: dict[str, object] = {}
        if kind == "photo":
            what["photo"] = as_photo(kept)
        elif kind == "sticker":
            still = self.world.files.keep("photo", "still.webp", "image/webp", preview) if preview else None
            what["sticker"] = as_sticker(kept, emoji, kind=sticker, preview=still)
        else:
            what[kind] = as_media(kept)
        if caption:
            said, entities = checked(caption, (), most=LONGEST_CAPTION, what="message caption")
            what |= {"caption": said, "caption_entities": entities}
        return self.world.post(room, person, **what, **self._place(room, None, thread), **more)

    def say_album(
        self, person: User, room: Room, files: Sequence[tuple[str, bytes]], *, caption: str = "", kind: Kind = "photo"
    ) -> list[Message]:
        """Several files that are shown as one message, the caption at the first."""
        album = self.world.new_group_of_media()
        return [
            self.say_file(
                person, room, name, content, kind=kind, caption="" if place else caption, media_group_id=album
            )
            for place, (name, content) in enumerate(files)
        ]

    def _place(self, room: Room, reply_to: int | None, thread: int | None) -> dict[str, object]:
        place: dict[str, object] = {}
        if reply_to is not None:
            answered = room.said[reply_to].message
            place["reply_to_message"] = replace(answered, reply_to_message=None)
            thread = thread or answered.message_thread_id
        if thread is not None:
            place["message_thread_id"] = thread
        return place

    def edit(self, person: User, room: Room, message: Message, text: str) -> Message:
        """Give a text or a caption other words."""
        if message.media:
            said, entities = checked(text, (), most=LONGEST_CAPTION, what="message caption")
            return self.world.edit(room, person, message, caption=said, caption_entities=entities)
        said, entities = checked(text, (), most=LONGEST_TEXT, what="message")
        return self.world.edit(room, person, message, text=said, entities=entities)

    def touch(self, person: User, room: Room, message: Message) -> None:
        """Have it told as edited, though nothing is another that a bot can see."""
        self.world.edit(room, person, message)

    def pin(self, person: User, room: Room, message: Message) -> None:
        """Pin a message."""
        self.world.post(room, person, pinned_message=replace(message, reply_to_message=None))

    def delete(self, room: Room, message: Message) -> None:
        """Take a message away, of which no bot is told."""
        room.said.pop(message.message_id, None)

    def react(self, person: User, room: Room, number: int, *emoji: str) -> None:
        """Make these one's reactions to a message."""
        self.world.react(room, person, number, emoji)

    def come(self, room: Room, *people: User, by: User | None = None) -> None:
        """They come in, or are let in by somebody."""
        for person in people:
            self.world.stand(room, person, by or person, "member")
        self.world.post(room, by or people[0], new_chat_members=tuple(people))

    def go(self, room: Room, person: User, *, by: User | None = None) -> None:
        """Somebody leaves, or is removed by another."""
        message: dict[str, object] = {"left_chat_member": person}
        self.world.stand(room, person, by or person, "kicked" if by else "left")
        self.world.post(room, by or person, **message)

    def rename(self, person: User, room: Room, title: str) -> None:
        """Give a chat another title."""
        room.chat = replace(room.chat, title=title)
        self.world.post(room, person, new_chat_title=title)

    def upgrade(self, room: Room) -> Room:
        """Make a supergroup of a group."""
        return self.world.upgrade(room, self._somebody(room))

    def block(self, person: User, bot: Account) -> None:
        """Somebody blocks a bot in their chat with it."""
        self.world.stand(self.world.private(person), bot.user, person, "kicked")

    # --- looking ------------------------------------------------------------------------------------------------------

    def messages(self, room: Room) -> list[Message]:
        """What a chat shows, the oldest first, without service messages."""
        return [each.message for each in room.said.values() if not each.message.is_service]

    def reactions(self, room: Room, number: int) -> list[str]:
        """All reactions to a message, sorted."""
        return sorted(each for some in room.said[number].reactions.values() for each in some)

    def content(self, message: Message) -> tuple[str, bytes] | None:
        """The name and content of the file of a message."""
        kind = message.media
        if kind is None:
            return None
        told = getattr(message, kind)
        kept = self.world.files.find((told[-1] if kind == "photo" else told).file_id)
        return None if kept is None else (kept.name, kept.content)
