"""What we say in rooms, and do to what was said there; and what it means that a room does not take it.

Sources: XEP-0308 (corrections), 0359 (ids), 0424 (retractions), 0444 (reactions), 0461 (replies), 0085 (chat states).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Final
from xml.etree import ElementTree as ET

from drivers.xmpp.backlog import PREFIX, Said
from drivers.xmpp.echoes import RefusedMessage
from drivers.xmpp.files import Uploads, shown_files
from drivers.xmpp.puppets import Puppets
from drivers.xmpp.room import DISCO, Room
from drivers.xmpp.settings import XmppSettings
from drivers.xmpp.stanzas import (
    CHAT_STATES,
    CORRECT,
    HINTS,
    IDS,
    MUC_USER,
    REACTIONS,
    REPLY,
    Failure,
    Shared,
    element,
    marked,
)
from drivers.xmpp.stream import Refused, Stream
from drivers.xmpp.styling import GUARD
from nextbridge.driver import Host, Outgoing, Receipt
from nextbridge.emoji import read_emoji
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Paused, Rejected, Retry
from nextbridge.markup.legible import one_line

__all__ = ["Sender"]

_RETRACT: Final = "urn:xmpp:message-retract:1"
_SLOTS: Final = 1024
"""Messages whose reactions of ours are kept; others that fall on the same place take it."""
_LONGEST_TOPIC: Final = 2000
_TYPING_EVERY: Final = 4.0
_TYPING_LASTS: Final = 8.0


class Sender:
    """Sends for one session."""

    def __init__(
        self,
        stream: Stream,
        rooms: Mapping[ChannelKey, Room],
        settings: XmppSettings,
        host: Host,
        uploads: Uploads,
        puppets: Puppets,
    ) -> None:
        self._stream = stream
        self._rooms = rooms
        self._settings = settings
        self._host = host
        self._uploads = uploads
        self._puppets = puppets
        self._typed: dict[tuple[ChannelKey, str], tuple[float, asyncio.TimerHandle]] = {}

    # --- messages ---------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """Send one message. See Driver.send."""
        room = await self._room(message.channel)
        plain = PREFIX + blake2s(message.key.encode(), digest_size=16).hexdigest()
        sender_id = self._puppets.sender_id(plain, message)
        sender = await self._puppets.speaker(room, message)
        if message.attempted is not None and sender_id not in room.echoes:
            found = await room.lookup.find_ours(sender_id, message.attempted)
            if found is not None:
                return Receipt(found)
        answers = await self._answered(room, message.reply_to)
        files = await self._uploads.shared(message)
        children = [*answers, *_about(message), *shown_files(files)]
        return Receipt(await self._say(room, sender_id, _body(message, files), children, sender))

    async def _answered(self, room: Room, parent: MessageId | None) -> list[ET.Element]:
        if parent is None:
            return []
        said = await room.lookup.find(parent) if room.has_ids else None
        if said is None or said.is_gone:
            raise Gone("what it answers is not there any more")
        # whose words they are is for programs that show it: the address is the one that the room told
        return [element(REPLY, "reply", to=f"{room.key}/{said.nick}", id=said.message)]

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        """Correct what we said. See Edits."""
        room = await self._room(revised.channel)
        said = await self._ours(room, message)
        sender = await self._puppets.speaker(room, revised)
        children = [element(CORRECT, "replace", id=said.sender_id), *_about(revised), *shown_files(said.files)]
        await self._say(room, _fresh_id(), _body(revised, said.files), children, sender)
        room.backlog.corrected(message, revised.text)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        """Take back what we said. See Deletes."""
        room = await self._room(channel)
        if not room.has_ids:
            raise Rejected("the room gives messages no ids, by which they are taken back")
        said = await self._ours(room, message)
        children = [element(_RETRACT, "retract", id=said.message), element(HINTS, "store")]
        sender = await self._puppets.speaker_of(room, said.sender_id, said.nick)
        await self._say(room, _fresh_id(), "", children, sender)
        room.backlog.retracted(message)

    async def _ours(self, room: Room, message: MessageId) -> Said:
        said = await room.lookup.find(message)
        if said is None and not room.has_archive and message.startswith(PREFIX):
            # a room without an archive knows our messages by the ids that we gave them
            sender_id, _, nick = message.partition(" ")
            said = Said(message, sender_id, nick, nick)
        if said is None or said.is_gone:
            raise Gone("the message is not there any more")
        if not said.sender_id.startswith(PREFIX):
            raise Rejected("it is not a message of ours")
        return said

    async def _say(
        self, room: Room, sender_id: str, body: str, children: Sequence[ET.Element], sender: str
    ) -> MessageId:
        """Send a message to a room, and return once it came back."""
        is_on_its_way = sender_id in room.echoes
        echo = room.echoes.expect(sender_id, room.key)
        if not is_on_its_way:
            origin = element(IDS, "origin-id", id=sender_id)
            try:
                self._stream.message(room.key, "groupchat", [*children, origin], id=sender_id, body=body, sender=sender)
            except Retry:
                room.echoes.forget(sender_id)
                raise
        return await self._taken(room, echo)

    async def _taken(self, room: Room, echo: asyncio.Future[MessageId]) -> MessageId:
        seconds = self._settings.answer_timeout
        await asyncio.wait({echo}, timeout=seconds)
        if not echo.done():
            # whatever holds it up, another connection shows what became of it
            error = Retry(f"{room.key} has not taken a message for {seconds:g} s")
            self._stream.fail(error)
            raise error
        try:
            return echo.result()
        except RefusedMessage as refusal:
            raise _meaning(room, refusal.failure) from None

    # --- what else can be done --------------------------------------------------------------------------------------

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        """Put our reaction on a message, or take it back. See Reactions."""
        read = read_emoji(emoji)
        if read is None:
            raise Rejected("there are no emoji by name in XMPP")
        room = await self._room(channel)
        if not room.has_ids:
            raise Rejected("the room gives messages no ids, by which they are reacted to")
        said = await room.lookup.find(message)
        if said is None or said.is_gone:
            raise Gone("the message is not there any more")
        # a reaction replaces all that we gave before: so they are kept
        key = f"reactions {zlib.crc32(f'{channel} {message}'.encode()) % _SLOTS}"
        before = await self._given(key, message)
        given = [each for each in before if each != read] + [read] * add
        reactions = element(REACTIONS, "reactions", id=message)
        reactions.extend(element(REACTIONS, "reaction", each) for each in given)
        await self._say(room, _fresh_id(), "", [reactions, element(HINTS, "store")], "")
        await self._host.store.set(key, json.dumps([message, given]) if given else None)

    async def _given(self, key: str, message: MessageId) -> list[str]:
        kept = await self._host.store.get(key)
        whose, given = json.loads(kept) if kept else ("", [])
        return given if whose == message else []

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        """Give a room its subject. See Topics."""
        room = await self._room(channel)
        sender_id = _fresh_id()
        echo = room.echoes.expect(sender_id, room.key)
        text = one_line(topic)[:_LONGEST_TOPIC]
        self._stream.message(room.key, "groupchat", (), id=sender_id, subject=text)
        try:
            await self._passed(room, sender_id, echo)
        except RefusedMessage as refusal:
            raise Rejected(
                f"{room.key} does not let us set its topic ({refusal.failure.condition}): make the relay a moderator "
                "there, or let everybody set it"
            ) from None

    async def _passed(self, room: Room, sender_id: str, echo: asyncio.Future[MessageId]) -> None:
        """Return once a room has worked through what it was sent, which it does not send back as it was.

        Nothing tells that it was taken; that it was not is told before the answer to what was asked later. Raises
        RefusedMessage, and Retry.
        """
        try:
            await room.ask(element(DISCO, "query"))
        except Refused:
            pass  # an answer is an answer
        finally:
            room.echoes.came(sender_id, MessageId(""))
        await echo

    async def tell(self, user: UserId, text: str) -> None:
        """Say something to one person alone: through a room that both are in. See DirectMessages."""
        for room in self._rooms.values():
            occupant = room.occupants.by_id(user)
            if occupant is None or not room.is_joined:
                continue
            sender_id = _fresh_id()
            address = f"{room.key}/{occupant.nick}"
            echo = room.echoes.expect(sender_id, address)
            children = [element(MUC_USER, "x"), element(HINTS, "no-store")]
            self._stream.message(address, "chat", children, id=sender_id, body=_literal(text))
            try:
                await self._passed(room, sender_id, echo)
            except RefusedMessage as refusal:
                raise Rejected(f"the room does not hand it on ({refusal.failure.condition})") from None
            return
        if not self._stream.is_open:
            raise Retry("there is no connection to the server")
        raise Rejected("they are in none of the rooms")

    def typing(self, channel: ChannelKey, author: Author) -> None:
        """Show that somebody is typing, and no longer than it lasts. See Typing."""
        sender = self._puppets.typist(channel, author)
        room = self._rooms.get(channel)
        clock = asyncio.get_running_loop().time()
        shown = self._typed.get((channel, sender))
        if room is None or not room.is_joined or not self._stream.is_open:
            return
        if shown is not None:
            shown[1].cancel()
        later = asyncio.get_running_loop().call_later(_TYPING_LASTS, self._rest, channel, sender)
        is_due = shown is None or clock - shown[0] >= _TYPING_EVERY
        self._typed[channel, sender] = (clock if is_due else shown[0] if shown else clock, later)
        if is_due:
            self._state(channel, "composing", sender)

    def _rest(self, channel: ChannelKey, sender: str) -> None:
        self._typed.pop((channel, sender), None)
        if self._stream.is_open:
            self._state(channel, "paused", sender)

    def _state(self, channel: ChannelKey, state: str, sender: str) -> None:
        children = [element(CHAT_STATES, state), element(HINTS, "no-store")]
        self._stream.message(channel, "groupchat", children, id=_fresh_id(), sender=sender)

    def close(self) -> None:
        """Nothing is shown any more."""
        for _, later in self._typed.values():
            later.cancel()
        self._typed.clear()

    # --- where it goes ----------------------------------------------------------------------------------------------

    async def _room(self, key: ChannelKey) -> Room:
        """A room that we are in. Raises Paused, and Retry while it is not settled whether we are."""
        room = self._rooms.get(key)
        if room is None:
            raise Paused(f"{one_line(key, 200)} is no room of this instance", scope="channel")
        seconds = self._settings.answer_timeout
        try:
            async with asyncio.timeout(seconds):
                await room.settled.wait()
        except TimeoutError:
            raise Retry(f"it is not settled after {seconds:g} s whether we are in {key}") from None
        if not room.is_joined:
            raise Paused(room.reason, scope="channel")
        return room


def _fresh_id() -> str:
    return f"{PREFIX}x-{secrets.token_hex(12)}"


def _about(message: Outgoing) -> list[ET.Element]:
    return [marked(message.mark), element(CHAT_STATES, "active")]


def _body(message: Outgoing, files: Sequence[Shared]) -> str:
    text = f"/me {message.text}" if message.action else _literal(message.text)
    return "\n".join([*([text] if text else []), *(each.url for each in files)])


def _literal(text: str) -> str:
    """A text of which nothing is a command (0245)."""
    return GUARD + text if text.startswith("/me ") else text


def _meaning(room: Room, failure: Failure) -> DriverError:
    said = f"{failure.condition}: {one_line(failure.text, 200)}" if failure.text else failure.condition
    match failure.condition:
        case "not-acceptable" | "item-not-found" | "recipient-unavailable" | "gone":
            return Retry(f"we are not in {room.key} ({said})")
        case "resource-constraint" | "remote-server-timeout" | "internal-server-error":
            return Retry(f"{room.key} takes nothing just now ({said})", after=5)
        case "forbidden" | "not-authorized" | "not-allowed":
            return Paused(f"{room.key} takes no message from us ({said}): give the relay voice there", scope="channel")
        case "policy-violation":
            return Retry(f"the server finds us too fast or too long-winded in {room.key} ({said})", after=10)
        case _:
            return Rejected(f"{room.key} does not take it ({said})")
