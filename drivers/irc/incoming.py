"""A received line as an event, or nothing where it is none. What the client tags mean stands at the top.

Sources: https://ircv3.net/specs/client-tags/reply, https://ircv3.net/specs/client-tags/react,
https://ircv3.net/specs/client-tags/typing, https://ircv3.net/specs/extensions/message-redaction.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime
from typing import Any

from drivers.irc.channels import ChannelState
from drivers.irc.formatting import IRC, clean, without_codes
from drivers.irc.server import Server, quoted
from drivers.irc.wire import Line
from nextbridge.envelope import (
    Author,
    Channel,
    ChannelKey,
    Deleted,
    InstanceId,
    Joined,
    Left,
    MessageId,
    Posted,
    Reacted,
    TopicChanged,
    UserId,
)
from nextbridge.markup.emoji import character

__all__ = ["REACT", "REPLY", "TYPING", "UNREACT", "Incoming", "action", "ctcp", "is_servers", "message_id"]

REPLY, REACT, UNREACT, TYPING = "draft/reply", "draft/react", "draft/unreact", "typing"
"""Client tags, without the `+` that they bear on the wire."""
_BOT_TAGS = ("bot", "draft/bot", "inspircd.org/bot")
_GENERATED = "nb-"
_LONGEST_ID = 256
_LONGEST_REACTION = 64
"""Characters. Some clients react with words; a sentence is none."""


def ctcp(text: str) -> tuple[str, str] | None:
    """The command (in capitals) and the rest of a CTCP message, or None where it is none."""
    if not text.startswith("\x01"):
        return None
    command, _, rest = text[1:].removesuffix("\x01").partition(" ")
    return command.upper(), rest


def action(text: str) -> str:
    """A text as CTCP ACTION."""
    return f"\x01ACTION {text}\x01"


def message_id(line: Line) -> MessageId | None:
    """The server's id of a message, where it gives one."""
    given = line.tags.get("msgid", "")
    return MessageId(given) if 0 < len(given) <= _LONGEST_ID else None


def is_servers(message: MessageId) -> bool:
    """Whether an id is the server's own, by which others know the message too, and not one that we made."""
    return not message.startswith(_GENERATED)


def _new_id() -> MessageId:
    # no id is ever made from the text: two equal lines are two messages
    return MessageId(f"{_GENERATED}{uuid.uuid4().hex}")


class Incoming:
    """Makes the events of one connection."""

    def __init__(self, instance: InstanceId, server: Server) -> None:
        self._instance = instance
        self._server = server

    def author(self, nick: str, *, bot: bool = False) -> Author:
        """Somebody, by their nick: IRC has no other name for a person that everybody sees."""
        return Author(id=UserId(self._server.fold(nick)), username=nick, name=nick, bot=bot)

    # --- what people say --------------------------------------------------------------------------------------------

    def posted(self, line: Line, state: ChannelState) -> Posted | None:
        """The event of a line to a configured channel, or None where it is a CTCP other than ACTION."""
        return self._message(line, state.key, state.name)

    def direct(self, line: Line) -> Posted | None:
        """The event of a line to us alone, or None where it is a CTCP or what a program says (a NOTICE)."""
        if line.command == "NOTICE":
            return None
        # no channel is called so: a nick does not begin with a channel's sign
        return self._message(line, ChannelKey(self._server.fold(line.nick)), line.nick, direct=True)

    def _message(self, line: Line, key: ChannelKey, name: str, *, direct: bool = False) -> Posted | None:
        text = line.param(-1)
        query = ctcp(text)
        if query is not None:
            if query[0] != "ACTION" or line.command == "NOTICE":
                return None
            text = query[1]
        return Posted(
            channel=Channel(self._instance, key),
            message=message_id(line) or _new_id(),
            author=self._author(line),
            at=_at(line),
            channel_name=name,
            text=IRC.read(text),
            action=query is not None,
            reply_to=_answered(line),
            addressed=direct or (query is None and self._addresses(without_codes(text))),
            direct=direct,
        )

    def _author(self, line: Line) -> Author:
        return self.author(line.nick, bot=line.command == "NOTICE" or any(tag in line.tags for tag in _BOT_TAGS))

    def _addresses(self, text: str) -> bool:
        length = len(self._server.nick)
        sign = text[length : length + 1]
        return sign in {":", ","} and self._server.is_me(text[:length])

    # --- what happens to it -----------------------------------------------------------------------------------------

    def reacted(self, line: Line, state: ChannelState) -> Reacted | None:
        """The event of a TAGMSG that adds a reaction or takes it back, or None where it does neither."""
        parent = _answered(line)
        for tag, added in ((REACT, True), (UNREACT, False)):
            emoji = clean(line.tags.get(f"+{tag}", "")).strip()
            if not emoji or parent is None or len(emoji) > _LONGEST_REACTION:
                continue
            name = emoji.strip(":")
            emoji = character(name) or name or emoji
            about = self._about(line, state, line.nick) | {"message": parent, "version": message_id(line) or _new_id()}
            return Reacted(emoji=emoji, added=added, **about)
        return None

    def deleted(self, line: Line, state: ChannelState) -> Deleted | None:
        """The event of a REDACT."""
        message = line.param(1)
        if not 0 < len(message) <= _LONGEST_ID:
            return None
        return Deleted(**self._about(line, state, line.nick) | {"message": MessageId(message)})

    # --- who comes and goes -----------------------------------------------------------------------------------------

    def joined(self, line: Line, state: ChannelState) -> Joined:
        """The event of a JOIN."""
        return Joined(**self._about(line, state, line.nick))

    def left(self, line: Line, state: ChannelState, reason: str) -> Left:
        """The event of a PART or a QUIT."""
        return Left(**self._about(line, state, line.nick), reason=quoted(reason))

    def kicked(self, line: Line, state: ChannelState) -> Left:
        """The event of a KICK."""
        why = quoted(line.param(2))
        # servers give the name of the one or the other as the reason where nobody gave one
        given = why and self._server.fold(why) not in {self._server.fold(line.nick), self._server.fold(line.param(1))}
        reason = f"kicked by {quoted(line.nick)}" + (f": {why}" if given else "")
        return Left(**self._about(line, state, line.param(1)), reason=reason)

    def topic(self, line: Line, state: ChannelState) -> TopicChanged:
        """The event of a TOPIC."""
        return TopicChanged(**self._about(line, state, line.nick), topic=clean(without_codes(line.param(1))))

    def _about(self, line: Line, state: ChannelState, nick: str) -> dict[str, Any]:
        return {
            "channel": Channel(self._instance, state.key),
            "message": _new_id(),
            "author": self.author(nick),
            "at": _at(line),
            "channel_name": state.name,
        }


def _answered(line: Line) -> MessageId | None:
    """The message that a line is about, by its tags."""
    given = line.tags.get(f"+{REPLY}") or line.tags.get("+reply") or ""
    return MessageId(given) if 0 < len(given) <= _LONGEST_ID else None


def _at(line: Line) -> int:
    try:
        moment = datetime.fromisoformat(line.tags.get("time", ""))
    except ValueError:
        return time.time_ns() // 1_000_000
    if moment.tzinfo is None or moment.year < 2000:
        return time.time_ns() // 1_000_000
    return int(moment.timestamp() * 1000)
