"""An event of a room's timeline as the event that it is for the core, or the reason why it is none."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from drivers.matrix import wire
from drivers.matrix.account import Account
from drivers.matrix.api import Refusal
from drivers.matrix.html import HTML
from drivers.matrix.seen import Reaction
from nextbridge.envelope import (
    Attachment,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    Event,
    Joined,
    Left,
    MessageId,
    Posted,
    Reacted,
    TopicChanged,
)
from nextbridge.errors import DriverError
from nextbridge.markup import PLAIN, RichText

__all__ = ["NO_KEY", "EventReader", "Skipped", "attachment_of", "bare", "words_of"]

_HTML_FORMAT = "org.matrix.custom.html"
_FILES = {"m.image", "m.file", "m.audio", "m.video"}
_LONGEST_NAME = 255
_LONGEST_EMOJI = 100
NO_KEY = "(an encrypted message, for which the relay was given no key)"


class Skipped(Exception):
    """What is no event, with the short reason that is counted."""


class Content(Struct, frozen=True):
    """What a message says."""

    text: RichText
    attachments: tuple[Attachment, ...]
    action: bool
    automatic: bool


class EventReader:
    """Makes events, for one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._api, self.me, self._rooms, self._people = account.api, account.me, account.rooms, account.people
        self._seen, self._direct = account.seen, account.direct.rooms

    async def event(self, room: ChannelKey, event: wire.Event) -> Event:
        """The event. Looks up who did it where they are not known: where that fails it costs the name alone.

        Raises Skipped, and Paused where the token is refused.
        """
        self._seen.sent(event.event_id, event.sender)
        if self._account.is_ours(event.sender):
            raise Skipped("own_event")
        if event.state_key is not None:
            return await self._state(room, event)
        match event.type:
            case "m.room.redaction":
                return await self._redaction(room, event)
            case "m.reaction":
                return await self._reaction(room, event)
            case "m.room.message" | "m.sticker":
                return await self._message(room, event)
            case "m.room.encrypted":
                return await self._encrypted(room, event)
            case _:
                raise Skipped("other_event")

    # --- what is said -------------------------------------------------------------------------------------------------

    async def _message(self, room: ChannelKey, event: wire.Event) -> Posted | Edited:
        content = wire.Content(event.content)
        relates = content.part("m.relates_to")
        if relates.text("rel_type") == "m.replace":
            return await self._edit(room, event, content, relates.text("event_id"))
        said = self.content(event.type, content)
        if not said.text and not said.attachments:
            raise Skipped("redacted" if event.is_redacted else "empty_message")
        reply, thread = answered(relates)
        return Posted(
            channel=self._channel(room),
            message=MessageId(event.event_id),
            author=await self._people.author(self._api, room, event.sender, bot=said.automatic),
            at=event.origin_server_ts,
            channel_name=self._rooms.name(room),
            mark=content.mark,
            text=said.text,
            attachments=said.attachments,
            action=said.action,
            reply_to=reply,
            thread=thread,
            addressed=self._addressed(room, content, reply),
            direct=room in self._direct,
        )

    async def _edit(self, room: ChannelKey, event: wire.Event, content: wire.Content, target: str) -> Edited:
        """An edit, if it is of what its sender said: a room takes any, and clients pass over others' as we do."""
        if not target or await self._sender(room, target) != event.sender:
            raise Skipped("foreign_edit")
        said = self.content("m.room.message", content.part("m.new_content"))
        if not said.text and not said.attachments:
            raise Skipped("redacted" if event.is_redacted else "empty_message")
        return Edited(
            channel=self._channel(room),
            message=MessageId(target),
            author=await self._people.author(self._api, room, event.sender, bot=said.automatic),
            at=event.origin_server_ts,
            channel_name=self._rooms.name(room),
            version=event.event_id,
            mark=content.mark,
            text=said.text,
            attachments=said.attachments,
            action=said.action,
        )

    async def _encrypted(self, room: ChannelKey, event: wire.Event) -> Event:
        if event.is_redacted:
            raise Skipped("redacted")
        encryption = self._account.encryption
        inner = None if encryption is None else await encryption.decrypted(room, event)
        if inner is None:
            relates = wire.Content(event.content).part("m.relates_to")
            if relates.text("rel_type") == "m.replace":
                raise Skipped("undecryptable_edit")
            inner = wire.Event(
                type="m.room.message",
                sender=event.sender,
                content=msgspec.Raw(msgspec.json.encode({"msgtype": "m.text", "body": NO_KEY})),
                event_id=event.event_id,
                origin_server_ts=event.origin_server_ts,
            )
        if inner.type not in {"m.room.message", "m.sticker"}:
            raise Skipped("other_event")
        return await self._message(room, inner)

    def content(self, kind: str, content: wire.Content) -> Content:
        """What a message (or the new content of an edit) says."""
        message = content.text("msgtype")
        attachment = attachment_of(content) if message in _FILES or kind == "m.sticker" else None
        text = words_of(content, is_file=attachment is not None)
        return Content(
            text=text,
            attachments=() if attachment is None else (attachment,),
            action=message == "m.emote",
            automatic=message == "m.notice",
        )

    def _addressed(self, room: ChannelKey, content: wire.Content, reply: MessageId | None) -> bool:
        if room in self._direct or self.me in content.part("m.mentions").texts("user_ids"):
            return True
        return reply is not None and self._seen.sender(reply) == self.me

    # --- what is done to it -------------------------------------------------------------------------------------------

    async def _redaction(self, room: ChannelKey, event: wire.Event) -> Deleted | Reacted:
        target = event.redacts or wire.Content(event.content).text("redacts")
        if not target:
            raise Skipped("unreadable")
        reaction = self._seen.take_back(target)
        if reaction is not None:
            if self._account.is_ours(reaction.sender):
                raise Skipped("own_event")
            return Reacted(
                channel=self._channel(room),
                message=MessageId(reaction.target),
                author=await self._people.author(self._api, room, reaction.sender),
                at=event.origin_server_ts,
                version=event.event_id,
                emoji=reaction.emoji,
                added=False,
            )
        return Deleted(
            channel=self._channel(room),
            message=MessageId(target),
            author=await self._people.author(self._api, room, event.sender),
            at=event.origin_server_ts,
        )

    async def _reaction(self, room: ChannelKey, event: wire.Event) -> Reacted:
        relates = wire.Content(event.content).part("m.relates_to")
        target, emoji = relates.text("event_id"), relates.text("key")
        if not target or not emoji or len(emoji) > _LONGEST_EMOJI:
            raise Skipped("redacted" if event.is_redacted else "unreadable")
        self._seen.reacted(event.event_id, Reaction(event.sender, target, bare(emoji)))
        return Reacted(
            channel=self._channel(room),
            message=MessageId(target),
            author=await self._people.author(self._api, room, event.sender),
            at=event.origin_server_ts,
            version=event.event_id,
            emoji=bare(emoji),
        )

    async def _sender(self, room: ChannelKey, event: str) -> str | None:
        known = self._seen.sender(event)
        if known is not None:
            return known
        try:
            found = await self._api.event(room, event)
        except (Refusal, DriverError):
            return None
        self._seen.sent(event, found.sender)
        return found.sender

    # --- the room's state ---------------------------------------------------------------------------------------------

    async def _state(self, room: ChannelKey, event: wire.Event) -> Joined | Left | TopicChanged:
        match event.type:
            case "m.room.member":
                return await self._membership(room, event)
            case "m.room.topic":
                return TopicChanged(
                    channel=self._channel(room),
                    message=MessageId(event.event_id),
                    author=await self._people.author(self._api, room, event.sender),
                    at=event.origin_server_ts,
                    channel_name=self._rooms.name(room),
                    topic=wire.Content(event.content).text("topic"),
                )
            case _:
                raise Skipped("state_event")

    async def _membership(self, room: ChannelKey, event: wire.Event) -> Joined | Left:
        user, content = event.state_key or "", wire.Content(event.content)
        before = wire.Content(event.unsigned).part("prev_content")
        now, earlier = content.text("membership"), before.text("membership") or "leave"
        if self._account.is_ours(user):
            raise Skipped("own_event")
        if now == "join" and earlier != "join":
            return Joined(
                channel=self._channel(room),
                message=MessageId(event.event_id),
                author=await self._people.author(self._api, room, user),
                at=event.origin_server_ts,
                channel_name=self._rooms.name(room),
            )
        if now in {"leave", "ban"} and earlier == "join":
            if not content.text("displayname"):
                self._people.told(room, user, before)  # who is gone has no name there any more
            reason = content.text("reason")
            if event.sender != user:
                remover = await self._people.author(self._api, room, event.sender)
                done = "banned" if now == "ban" else "removed"
                reason = f"{done} by {remover.name}" + (f": {reason}" if reason else "")
            return Left(
                channel=self._channel(room),
                message=MessageId(event.event_id),
                author=await self._people.author(self._api, room, user),
                at=event.origin_server_ts,
                channel_name=self._rooms.name(room),
                reason=reason,
            )
        raise Skipped("member_changed")

    def _channel(self, room: ChannelKey) -> Channel:
        return Channel(self._account.host.instance, room)


def words_of(content: wire.Content, *, is_file: bool) -> RichText:
    """What a message says in words; of a file its caption."""
    body = content.text("body")
    if is_file and content.text("filename") in {"", body}:
        return RichText()
    if content.text("msgtype") == "m.location":
        return PLAIN.read("\n".join(part for part in (body, content.text("geo_uri")) if part))
    formatted = content.text("formatted_body")
    if formatted and content.text("format") == _HTML_FORMAT:
        return HTML.read(formatted)
    return PLAIN.read(_without_fallback(body) if content.part("m.relates_to").part("m.in_reply_to") else body)


def attachment_of(content: wire.Content) -> Attachment | None:
    """The file of a message; None where it names none. Its id says how it is fetched: see media.py."""
    encrypted = content.part("file")
    place = encrypted.text("url") or content.text("url")
    if not place.startswith("mxc://"):
        return None
    info = content.part("info")
    name = content.text("filename") or content.text("body") or "file"
    return Attachment(
        id=msgspec.json.encode(encrypted.raw()).decode() if encrypted else place,
        name=name[:_LONGEST_NAME],
        media_type=info.text("mimetype")[:_LONGEST_NAME] or "application/octet-stream",
        size=info.number("size"),
    )


def answered(relates: wire.Content) -> tuple[MessageId | None, MessageId | None]:
    """What a message answers, and the root of the thread that it is in.

    In a thread a message names the one before it for clients that know no threads; then it answers the root.
    """
    reply, thread = relates.part("m.in_reply_to").text("event_id"), ""
    if relates.text("rel_type") == "m.thread":
        thread = relates.text("event_id")
        if relates.says("is_falling_back"):
            reply = thread
    return MessageId(reply) if reply else None, MessageId(thread) if thread else None


def bare(emoji: str) -> str:
    """An emoji without the selector that asks for colours, which clients put behind some that have them anyway."""
    return emoji.removesuffix("\ufe0f") or emoji


def _without_fallback(body: str) -> str:
    """A body without the quote of what it answers, which older clients put before it (specification, up to v1.12)."""
    if not body.startswith("> <@"):
        return body
    lines = body.split("\n")
    quoted = next((place for place, line in enumerate(lines) if not line.startswith("> ")), len(lines))
    return "\n".join(lines[quoted + (quoted < len(lines) and not lines[quoted]) :])
