"""What a room tells as an event, or as nothing, for a reason that is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from drivers.xmpp.backlog import Backlog, message_id
from drivers.xmpp.lookup import Lookup
from drivers.xmpp.occupants import Occupant, Occupants
from drivers.xmpp.ourselves import Ourselves
from drivers.xmpp.stanzas import Message, Presence, Shared
from drivers.xmpp.styling import STYLING
from nextbridge.envelope import (
    Attachment,
    Author,
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
from nextbridge.markup import RichText
from nextbridge.markup.emoji import character
from nextbridge.markup.legible import one_line

__all__ = ["Incoming", "Skipped", "attachments_of", "new_id", "now"]

_ACTION = "/me "
_UNKNOWN = "application/octet-stream"
_LOOKUPS = 10
_LOOKUPS_FILL = 6.0
"""Seconds until one more message may be looked for in the archive because somebody names it."""


class Skipped(Exception):
    """What was received is no event; its text is the short stable reason."""


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_id() -> MessageId:
    """For what the platform gives no id."""
    return MessageId(f"at-{time.time_ns():x}")


class Incoming:
    """Makes the events of one room."""

    def __init__(self, channel: Channel, occupants: Occupants, backlog: Backlog, lookup: Lookup, us: Ourselves) -> None:
        self._channel = channel
        self._occupants = occupants
        self._backlog = backlog
        self._lookup = lookup
        self._us = us
        self._lookups = float(_LOOKUPS)
        self._looked = 0.0

    async def events(self, message: Message, at: int) -> Iterable[Event]:
        """The events of somebody else's message. Raises Skipped."""
        if message.retracts is not None:
            return [await self._deleted(message, at)]
        if message.subject is not None and not message.body:
            return [self._topic(message, at)]
        if "/" not in message.sender:
            raise Skipped("notice")
        if message.reacts_to:
            return self._reacted(message, at)
        if message.corrects:
            return [await self._edited(message, at)]
        if message.body or message.files:
            return [self.posted(message, at)]
        raise Skipped("no_text")

    # --- what people say --------------------------------------------------------------------------------------------

    def posted(self, message: Message, at: int) -> Posted:
        """The event of a new message."""
        said = self._backlog.heard(message, ours=False)
        text, action = _text(message)
        return Posted(
            channel=self._channel,
            message=said.message,
            author=self._occupants.author_of(message),
            at=at,
            channel_name=self._channel.key,
            mark=message.mark,
            text=text,
            attachments=attachments_of(message.files),
            action=action,
            reply_to=MessageId(message.answers) if message.answers else None,
            addressed=self._addresses(message.body),
        )

    def alone(self, message: Message, at: int) -> Posted:
        """The event of what somebody in the room says to us alone."""
        text, action = _text(message)
        nick = message.sender.partition("/")[2]
        return Posted(
            channel=Channel(self._channel.instance, ChannelKey(message.sender)),
            message=new_id(),
            author=self._occupants.author(self._occupants.get(nick) or Occupant(nick)),
            at=at,
            channel_name=nick,
            text=text,
            action=action,
            addressed=True,
            direct=True,
        )

    def _addresses(self, text: str) -> bool:
        name = self._us.nick
        return text.startswith(name) and text[len(name) : len(name) + 1] in {":", ","}

    async def _edited(self, message: Message, at: int) -> Edited:
        person = message.person
        corrected = self._backlog.by_sender(person, message.corrects)
        if corrected is None and self._backlog.is_former(person):
            raise Skipped("correction_by_another")
        if corrected is None and not message.room_id:
            corrected = MessageId(f"{message.corrects} {person}")
        elif corrected is None and self._may_look():
            corrected = await self._lookup.find_sent(person, message.corrects)
        if corrected is None:
            raise Skipped("correction_of_unknown")
        self._backlog.corrected(corrected, message.body)
        text, action = _text(message)
        return Edited(
            channel=self._channel,
            message=corrected,
            author=self._occupants.author_of(message),
            at=at,
            version=message_id(message),
            mark=message.mark,
            text=text,
            attachments=attachments_of(message.files),
            action=action,
        )

    async def _deleted(self, message: Message, at: int) -> Deleted:
        retraction = message.retracts
        assert retraction is not None  # noqa: S101 - as was seen by the caller
        target = MessageId(retraction.message)
        if "/" not in message.sender and retraction.moderator is not None:
            author = self._moderator(retraction.moderator)
        elif retraction.moderator is not None:
            raise Skipped("forged_moderation")
        else:
            said = self._backlog.find(target)
            if said is None and not self._backlog.is_former(message.person) and self._may_look():
                said = await self._lookup.find(target)
            if said is None or said.is_gone:
                raise Skipped("retraction_of_unknown")
            if said.sender != message.person:
                raise Skipped("retraction_by_another")
            author = self._occupants.author_of(message)
        self._backlog.retracted(target)
        return Deleted(channel=self._channel, message=target, author=author, at=at)

    def _moderator(self, address: str) -> Author:
        nick = one_line(address.partition("/")[2]) or "a moderator"
        return self._occupants.author(self._occupants.get(nick) or Occupant(nick))

    def _reacted(self, message: Message, at: int) -> list[Event]:
        author = self._occupants.author_of(message)
        target = MessageId(message.reacts_to)
        given = tuple(dict.fromkeys(map(_emoji, message.reactions)))
        version = message.room_id or message.id or new_id()
        changes = self._backlog.reacted(target, message.person, given)
        if not changes:
            raise Skipped("same_reactions")
        return [
            Reacted(
                channel=self._channel,
                message=target,
                author=author,
                at=at,
                version=f"{version} {emoji} {added:d}",
                emoji=emoji,
                added=added,
            )
            for emoji, added in changes
        ]

    def _may_look(self) -> bool:
        """Whether something may be looked for that somebody names: anybody can name what is not there."""
        clock = asyncio.get_running_loop().time()
        self._lookups = min(self._lookups + (clock - self._looked) / _LOOKUPS_FILL, float(_LOOKUPS))
        self._looked = clock
        if self._lookups < 1:
            return False
        self._lookups -= 1
        return True

    # --- what goes on around ----------------------------------------------------------------------------------------

    def _topic(self, message: Message, at: int) -> TopicChanged:
        about = self._about(self._occupants.author_of(message), at)
        about["message"] = MessageId(message.room_id) if message.room_id else new_id()
        return TopicChanged(**about, topic=one_line(message.subject or ""))

    def joined(self, occupant: Occupant) -> Joined:
        """Somebody came."""
        return Joined(**self._about(self._occupants.author(occupant), now()))

    def left(self, occupant: Occupant, presence: Presence) -> Left:
        """Somebody went, or was put out."""
        done = {"301": "banned", "307": "kicked", "321": "no longer a member", "322": "not a member"}
        how = next((words for code, words in done.items() if code in presence.codes), "")
        if how and presence.actor:
            how += f" by {one_line(presence.actor, 80)}"
        reason = one_line(presence.reason, 300)
        said = f"{how}: {reason}" if how and reason else how or reason
        return Left(**self._about(self._occupants.author(occupant), now()), reason=said)

    def _about(self, author: Author, at: int) -> dict[str, Any]:
        return {
            "channel": self._channel,
            "message": new_id(),
            "author": author,
            "at": at,
            "channel_name": self._channel.key,
        }


def _text(message: Message) -> tuple[RichText, bool]:
    """What a message says, and whether it is what its author does (0245)."""
    body = message.body
    action = body.startswith(_ACTION)
    words = body.removeprefix(_ACTION) if action else body
    return (RichText.plain(words) if message.is_unstyled else STYLING.read(words)), action


def _emoji(reaction: str) -> str:
    """Programs react with characters; what is none is given as it is."""
    bare = reaction.strip(":")
    return character(bare) or bare or reaction


def attachments_of(files: Iterable[Shared]) -> tuple[Attachment, ...]:
    """Files of a message as the core knows them: each is fetched from its address."""
    return tuple(
        Attachment(each.url, each.name or _last_part(each.url), each.media_type or _UNKNOWN, each.size)
        for each in files
    )


def _last_part(url: str) -> str:
    try:
        return one_line(unquote(urlsplit(url).path).rpartition("/")[2]) or "file"
    except ValueError:
        return "file"
