"""What we do in a room: say something, edit, take back, react, set a topic, tell one person, look somebody up."""

from __future__ import annotations

import asyncio
import uuid

from drivers.matrix import wire
from drivers.matrix.account import Account
from drivers.matrix.api import Api, Refusal
from drivers.matrix.events import bare
from drivers.matrix.media import Uploads
from drivers.matrix.refusals import Refusals
from drivers.matrix.sending import (
    Fields,
    Marks,
    answer_to,
    edit_content,
    excerpt_of,
    message_content,
    transaction,
    words_in,
)
from nextbridge.driver import Excerpt, Outgoing
from nextbridge.emoji import read_emoji
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Paused, Rejected, Retry
from nextbridge.markup.emoji import character

__all__ = ["Acts"]

_LONGEST_TOPIC = 1_000
"""Characters; an event has room for more, and no client for so many."""
_MOST_REACTION_PAGES = 20
_LOOK_UP = 5.0
"""Seconds that somebody waits for what is only nice to have."""
_TYPING = 8.0


class Acts:
    """One account's. Everything raises as `Driver.send`, and what its own contract says beside that."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.api, self.me, self._rooms = account.api, account.me, account.rooms
        self._encryption = account.encryption
        self._marks = Marks()
        self._uploads = Uploads()
        self._refusals = Refusals(account.api, account.me, account.rooms)

    async def send(self, message: Outgoing) -> MessageId:
        """Say it, once."""
        room = message.channel
        speaker = self.api
        try:
            made = await self._marks.made_before(message, self.account)
            if made is None:
                self._marks.trying(message)
                speaker = await self._speaker(message)
                made = await self._say(room, message, speaker)
        except Refusal as refusal:
            if speaker.user and refusal.about_rights:
                raise await self._refused_to(speaker.user, room, refusal) from refusal
            raise await self._refusals.of_message(room, refusal) from refusal
        self._marks.sent(message)
        self._uploads.forget(message)
        self.account.seen.sent(made, self.me)
        return made

    async def _speaker(self, message: Outgoing) -> Api:
        """Who says it: its author's puppet, where it is shown under their name; else the relay itself."""
        puppets = self.account.puppets
        return self.api if puppets is None or message.name is None else await puppets.speaking(message)

    async def puppet(self, message: Outgoing) -> UserId:
        """The puppet of a message's author, ready to say it; the relay itself where there are none."""
        try:
            speaker = await self._speaker(message)
        except Refusal as refusal:
            raise await self._refusals.of_message(message.channel, refusal) from refusal
        return UserId(speaker.user) if speaker.user else self.me

    async def _refused_to(self, user: str, room: ChannelKey, refusal: Refusal) -> DriverError:
        """Why a puppet may say nothing in a room. Raises as a look-up."""
        try:
            membership = (await self.api.state(room, "m.room.member", user)).text("membership")
        except Refusal:
            return await self._refusals.of_message(room, refusal)  # we are not there, either
        if membership == "join" or self.account.puppets is None:
            name = self._rooms.name(room)
            return Paused(f"{user} may not speak in room {name}; let all members speak there", scope="channel")
        await self.account.puppets.gone(room, user)
        return Retry(f"{user} has to come into the room again", after=0.0)

    async def _say(self, room: ChannelKey, message: Outgoing, speaker: Api) -> MessageId:
        relation: Fields = {}
        if message.reply_to is not None:
            found = await self._found(room, message.reply_to, "it answers")
            relation = {"m.relates_to": answer_to(found, message.reply_to)}
        file = message.files[0] if message.files else None
        placed = None
        if file is not None:
            ciphers = self._encryption if self._is_encrypted(room) else None
            placed = await self._uploads.place(message, file, self.api, ciphers)
        content = message_content(message, file, placed) | relation
        return await self._put(room, "m.room.message", transaction(message.key), content, speaker)

    async def _put(
        self, room: ChannelKey, kind: str, under: str, content: Fields, speaker: Api | None = None
    ) -> MessageId:
        """Send an event, encrypted where the room is."""
        if self._is_encrypted(room):
            if self._encryption is None:
                reason = f"room {self._rooms.name(room)} is encrypted: {self.account.why_not}"
                raise Paused(reason, scope="channel")
            await self._encryption.note_encrypted(room)
            content = await self._encryption.encrypted(room, kind, content)
            kind = "m.room.encrypted"
        return await (speaker or self.api).send(room, kind, under, content)

    def _is_encrypted(self, room: ChannelKey) -> bool:
        return self._rooms.is_encrypted(room) or (self._encryption is not None and room in self._encryption.rooms)

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        """Give a message of ours another text. Its file stays."""
        room = revised.channel
        found = await self._found(room, message, "is to be edited")
        speaker = self.account.acting(found.sender)
        if speaker is None:
            raise Rejected("the message is somebody else's")
        content = edit_content(message, wire.Content(found.content), revised)
        try:
            await self._put(room, "m.room.message", transaction(revised.key, message), content, speaker)
        except Refusal as refusal:
            raise await self._refusals.of_message(room, refusal) from refusal

    async def delete(self, room: ChannelKey, message: MessageId) -> None:
        """Take a message of ours back. Raises Gone where that is done."""
        found = await self._found(room, message, "is to be deleted")
        try:
            speaker = self.account.acting(found.sender) or self.api
            await speaker.redact(room, message, transaction(message, "taken back"))
        except Refusal as refusal:
            raise await self._refusals.of_act(room, refusal, "take its messages back") from refusal

    async def react_for(
        self, room: ChannelKey, message: MessageId, emoji: str, author: Author, home: str, *, add: bool
    ) -> bool:
        """As `Driver.react_for`: the author's puppet does it, if there is one."""
        puppets = self.account.puppets
        if puppets is None:
            return False
        try:
            speaker = await puppets.present(room, home, author)
        except Refusal as refusal:
            raise await self._refusals.of_act(room, refusal, "let a puppet react") from refusal
        await self.react(room, message, emoji, add=add, speaker=speaker)
        return True

    async def react(
        self, room: ChannelKey, message: MessageId, emoji: str, *, add: bool, speaker: Api | None = None
    ) -> None:
        """Put a reaction of ours on a message, or take it away: an emoji's character, or the name of one.

        Of the relay itself, where nobody else speaks.
        """
        speaker = speaker or self.api
        shown = read_emoji(character(emoji) or emoji)
        if shown is None:
            raise Rejected("it is no emoji, and Matrix has no names for them")
        await self._found(room, message, "is reacted to")
        try:
            ours, key = await self._reactions(room, message, shown, speaker.user or self.me)
            if add and ours is None:
                relation = {"rel_type": "m.annotation", "event_id": message, "key": key}
                # never encrypted: what is counted by the server has to be seen by it
                await speaker.send(room, "m.reaction", uuid.uuid4().hex, {"m.relates_to": relation})
            if not add and ours is not None:
                await speaker.redact(room, ours, transaction(ours, "taken back"))
        except Refusal as refusal:
            if refusal.code != "M_DUPLICATE_ANNOTATION":
                raise await self._refusals.of_act(room, refusal, "react to messages") from refusal

    async def _reactions(self, room: ChannelKey, message: MessageId, emoji: str, who: str) -> tuple[str | None, str]:
        """An account's own reaction with an emoji, and how others have written that: two ways are counted apart."""
        key, after = emoji, None
        for _ in range(_MOST_REACTION_PAGES):
            page = await self.api.annotations(room, message, after=after)
            for event in wire.events_of(page.chunk):
                written = wire.Content(event.content).part("m.relates_to").text("key")
                if bare(written) == bare(emoji):
                    if event.sender == who:
                        return event.event_id, written
                    key = written
            after = page.next_batch
            if not after:
                break
        return None, key

    async def token_of(self, room: ChannelKey, cursor: str) -> str:
        """The token that a room's cursor stands for: a cursor may be an event. Raises as a look-up, and Rejected."""
        if not cursor.startswith("$"):
            return cursor
        try:
            return (await self.api.context(room, cursor)).end
        except Refusal as refusal:
            raise Rejected(f"where we had heard is not known any more: {refusal.message}") from refusal

    async def set_topic(self, room: ChannelKey, topic: str) -> None:
        """Give a room a topic, as plain text, as much of it as fits."""
        line = wire.storable(topic)[:_LONGEST_TOPIC]
        try:
            await self.api.set_state(room, "m.room.topic", {"topic": line})
        except Refusal as refusal:
            raise await self._refusals.of_act(room, refusal, "change the topic") from refusal

    async def tell(self, user: UserId, text: str) -> None:
        """Say something to one person, in a room of the two of us."""
        if not user.startswith("@") or ":" not in user:
            raise Rejected("they are nobody on Matrix")
        try:
            room = await self.account.direct.room_with(user)
            content: Fields = {"msgtype": "m.text", **words_in(text)}
            await self._put(room, "m.room.message", uuid.uuid4().hex, content)
        except Refusal as refusal:
            raise Rejected(f"they cannot be told anything ({refusal.status}): {refusal.message}") from refusal

    async def recall(self, room: ChannelKey, message: MessageId) -> Excerpt | None:
        """What a message says, and who said it. Raises nothing."""
        try:
            async with asyncio.timeout(_LOOK_UP):
                found = await self._found(room, message, "is quoted")
                author = await self.account.people.author(self.api, room, found.sender)
        except (DriverError, TimeoutError):
            return None
        text = excerpt_of(wire.Content(found.content))
        return Excerpt(author.name, text) if text else None

    async def member(self, room: ChannelKey, name: str) -> Author | None:
        """The one in the room of that whole id or shown name. Raises nothing."""
        puppets = self.account.puppets
        is_puppet = puppets.owns if puppets is not None else lambda _user: False
        return await self.account.people.member(self.api, room, name, is_puppet)

    async def typing(self, room: ChannelKey, author: Author) -> None:
        """Show for a few seconds that somebody is typing: their puppet, or where they have none, we. Raises nothing."""
        puppets = self.account.puppets
        user = (puppets.last_of(author) if puppets is not None else None) or self.me
        try:
            async with asyncio.timeout(_LOOK_UP):
                await (self.account.acting(user) or self.api).typing(room, user, _TYPING)
        except (Refusal, DriverError, TimeoutError):
            return

    async def _found(self, room: ChannelKey, message: MessageId, what: str) -> wire.Event:
        """A message that is there, decrypted where it can be. Raises Gone where it is not."""
        try:
            found = await self.api.event(room, message)
        except Refusal as refusal:
            raise self._refusals.of_look(refusal, what) from refusal
        if found.is_redacted:
            raise Gone(f"the message that {what} was taken back")
        if found.type == "m.room.encrypted" and self._encryption is not None:
            inner = await self._encryption.decrypted(room, found)
            return found if inner is None else inner
        return found
