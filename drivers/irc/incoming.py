"""A received PRIVMSG or NOTICE: as an event, or as the reason why it is none."""

from __future__ import annotations

import time
import uuid
from datetime import datetime

from drivers.irc.channels import ChannelState
from drivers.irc.formatting import IRC, without_codes
from drivers.irc.server import Server
from drivers.irc.wire import Line
from nextbridge.envelope import Author, Channel, InstanceId, MessageId, Posted, UserId

__all__ = ["action", "ctcp", "message_id", "posted"]

_BOT_TAGS = ("bot", "draft/bot", "inspircd.org/bot")


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
    return MessageId(line.tags["msgid"]) if line.tags.get("msgid") else None


def posted(line: Line, instance: InstanceId, state: ChannelState, server: Server) -> Posted | None:
    """The event of a line to a configured channel, or None where it is a CTCP other than ACTION."""
    text = line.param(-1)
    query = ctcp(text)
    if query is not None:
        if query[0] != "ACTION" or line.command == "NOTICE":
            return None
        text = query[1]
    return Posted(
        channel=Channel(instance, state.key),
        # no id is ever made from the text: two equal lines are two messages
        message=message_id(line) or MessageId(uuid.uuid4().hex),
        author=Author(
            id=UserId(server.fold(line.nick)),
            username=line.nick,
            name=line.nick,
            bot=line.command == "NOTICE" or any(tag in line.tags for tag in _BOT_TAGS),
        ),
        at=_at(line.tags.get("time", "")),
        channel_name=state.name,
        text=IRC.read(text),
        action=query is not None,
        addressed=query is None and _addresses(without_codes(text), server),
    )


def _addresses(text: str, server: Server) -> bool:
    start, sign = text[: len(server.nick)], text[len(server.nick) : len(server.nick) + 1]
    return sign in {":", ","} and sign != "" and server.is_me(start)


def _at(tag: str) -> int:
    try:
        moment = datetime.fromisoformat(tag)
    except ValueError:
        return time.time_ns() // 1_000_000
    if moment.tzinfo is None or moment.year < 2000:
        return time.time_ns() // 1_000_000
    return int(moment.timestamp() * 1000)
