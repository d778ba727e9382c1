"""What is done to messages and chats beside sending: edits, deletions, reactions, descriptions, private words."""

from __future__ import annotations

import time
from collections import OrderedDict

import msgspec

from drivers.telegram import wire
from drivers.telegram.albums import Albums
from drivers.telegram.api import Api, Migrated, Refusal
from drivers.telegram.chats import Chats
from drivers.telegram.formatted import in_units
from drivers.telegram.ids import number_of
from drivers.telegram.notation import parse
from drivers.telegram.people import People, author_of_user
from drivers.telegram.refusals import of_act, of_person
from drivers.telegram.sending import LONGEST_CAPTION, LONGEST_TEXT, Sender
from nextbridge.driver import Host, Outgoing
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import Gone, Paused, Rejected

__all__ = ["Acts"]

_LONGEST_DESCRIPTION = 255
_REACTIONS = 500
"""Messages of a chat on which our own reaction is remembered."""
_CHATS = 1000
_TYPING_SECONDS = 4.0
"""After which it is shown anew that somebody types; Telegram shows it for 5."""
_IN_COLOURS = "\ufe0f"


class Acts:
    """Of one connection's account."""

    def __init__(
        self, host: Host, api: Api, me: wire.User, chats: Chats, people: People, albums: Albums, sender: Sender
    ) -> None:
        self._host = host
        self._api = api
        self._me = me
        self._chats = chats
        self._people = people
        self._albums = albums
        self._sender = sender
        self._reactions: OrderedDict[int, dict[str, str]] = OrderedDict()
        self._typed: OrderedDict[ChannelKey, float] = OrderedDict()

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        """As `Edits.edit`."""
        chat = int(self._sender.place(revised.channel).chat)
        number = number_of(chat, message)
        shown = self._sender.text(revised, chat)
        about = {"chat_id": chat, "message_id": number}
        try:
            try:
                await self._api.call(
                    "editMessageText", msgspec.Raw, text=shown.text, entities=shown.entities or None, **about
                )
            except Refusal as refusal:
                if not refusal.says("no text in the message", "message text is empty"):
                    raise
                if in_units(shown.text) > LONGEST_CAPTION:
                    raise Rejected("the text is longer than Telegram shows beneath a file") from refusal
                await self._api.call(
                    "editMessageCaption",
                    msgspec.Raw,
                    caption=shown.text,
                    caption_entities=shown.entities or None,
                    **about,
                )
        except (Refusal, Migrated) as refusal:
            if isinstance(refusal, Refusal) and refusal.says("message is not modified"):
                return
            raise self._refused(refusal, revised.channel) from refusal

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        """As `Deletes.delete`."""
        chat = int(self._sender.place(channel).chat)
        numbers = await self._albums.all_of(chat, number_of(chat, message))
        try:
            if len(numbers) > 1:
                await self._api.call("deleteMessages", msgspec.Raw, chat_id=chat, message_ids=numbers)
            else:
                await self._api.call("deleteMessage", msgspec.Raw, chat_id=chat, message_id=numbers[0])
        except (Refusal, Migrated) as refusal:
            if isinstance(refusal, Refusal) and refusal.says("message can't be deleted"):
                reason = f"Telegram lets bots delete a message for 48 hours ({refusal.description})"
                raise Rejected(reason) from refusal
            raise self._refused(refusal, channel) from refusal

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        """As `Reactions.react`: a bot can put one on a message, so a second one is refused while the first is there."""
        chat = int(self._sender.place(channel).chat)
        number = number_of(chat, message)
        # in Telegram's list of reactions none asks to be shown in colours
        wanted = emoji.replace(_IN_COLOURS, "")
        ours = await self._reactions_of(chat)
        current = ours.get(str(number))
        if current is not None and current != wanted:
            if not add:
                return
            raise Rejected(f"a bot can put one reaction on a message, and {current} is there")
        reaction = [wire.Reaction("emoji", wanted)] if add else []
        try:
            await self._api.call("setMessageReaction", msgspec.Raw, chat_id=chat, message_id=number, reaction=reaction)
        except (Refusal, Migrated) as refusal:
            raise self._refused(refusal, channel) from refusal
        ours.pop(str(number), None)
        if add:
            ours[str(number)] = wanted
        while len(ours) > _REACTIONS:
            ours.pop(next(iter(ours)))
        await self._host.store.set(_reactions_key(chat), msgspec.json.encode(ours).decode() if ours else None)

    async def _reactions_of(self, chat: int) -> dict[str, str]:
        if chat not in self._reactions:
            kept = await self._host.store.get(_reactions_key(chat))
            self._reactions[chat] = msgspec.json.decode(kept, type=dict[str, str]) if kept else {}
            if len(self._reactions) > _CHATS:
                self._reactions.popitem(last=False)
        return self._reactions[chat]

    async def describe(self, channel: ChannelKey, topic: str) -> None:
        """As `Topics.set_topic`: it is the group's description."""
        place = self._sender.place(channel)
        if place.topic is not None:
            raise Rejected("the topics of a forum have no description of their own")
        description = "".join(char for char in topic if char.isprintable() or char == "\n").strip()
        try:
            await self._api.call(
                "setChatDescription",
                msgspec.Raw,
                chat_id=int(place.chat),
                description=description[:_LONGEST_DESCRIPTION],
            )
        except (Refusal, Migrated) as refusal:
            if isinstance(refusal, Refusal) and refusal.says("is not modified"):
                return
            raise self._refused(refusal, channel) from refusal

    async def tell(self, user: UserId, text: str) -> None:
        """As `DirectMessages.tell`."""
        if not user.isdecimal() or len(user) > 18:
            raise Rejected("that is no person of Telegram's")
        shown = parse(text)
        if in_units(shown.text) > LONGEST_TEXT:
            raise Rejected("it is longer than Telegram takes")
        await self._api.pacer.turn(int(user))
        try:
            await self._api.call(
                "sendMessage", msgspec.Raw, chat_id=int(user), text=shown.text, entities=shown.entities or None
            )
        except Refusal as refusal:
            raise of_person(refusal) from refusal
        except Migrated as moved:
            raise Rejected("that is no person of Telegram's") from moved

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        """As `Members.member`, of those who were heard of."""
        place = self._chats.place(channel)
        if place is None or place.id is None:
            return None
        found = self._people.find(place.id, name)
        if found is None:
            return None
        try:
            member = await self._api.call("getChatMember", wire.ChatMember, chat_id=place.id, user_id=found.id)
        except Exception:  # noqa: BLE001 - whatever it is, the contract says None
            return None
        return author_of_user(found) if member.is_in else None

    async def typing(self, channel: ChannelKey) -> None:
        """As `Typing.typing`."""
        now = time.monotonic()
        if now - self._typed.get(channel, -_TYPING_SECONDS) < _TYPING_SECONDS:
            return
        self._typed[channel] = now
        self._typed.move_to_end(channel)
        if len(self._typed) > _CHATS:
            self._typed.popitem(last=False)
        place = self._chats.place(channel)
        if place is None or place.id is None:
            return
        try:
            await self._api.call(
                "sendChatAction",
                msgspec.Raw,
                patience=5.0,
                chat_id=place.id,
                message_thread_id=place.topic,
                action="typing",
            )
        except Exception:  # noqa: BLE001 - best effort, as the contract has it
            return

    def _refused(self, refusal: Refusal | Migrated, channel: ChannelKey) -> Exception:
        if isinstance(refusal, Migrated):
            return Gone("the group became a supergroup, and what was there before is out of reach")
        error = of_act(refusal, self._chats.name(channel), self._me.username)
        if isinstance(error, Paused):
            self._chats.paused(channel)
        return error


def _reactions_key(chat: int) -> str:
    return f"reactions in {chat}"
