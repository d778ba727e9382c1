"""What a refusal of the server means for the core: for this act alone, or for all of the chat.

The status is 400 for nearly everything, so the description has to be read; its words are those of the Bot API's
open-source server and of Telegram itself (https://core.telegram.org/api/errors).
"""

from __future__ import annotations

import re

from drivers.telegram.api import Refusal
from nextbridge.errors import DriverError, FileRejected, Gone, Paused, Rejected

__all__ = ["of_act", "of_send", "place_in_album"]

_NOT_FOR_US = (
    "chat not found",
    "group chat was deactivated",
    "chat_write_forbidden",
    "have no rights to send a message",
    "not enough rights to send text messages",
    "need administrator rights in the channel",
    "chat_restricted",
    "chat_admin_required",
    "user_banned_in_channel",
    "peer_id_invalid",
    "channel_private",
)
_NO_TOPIC = ("message thread not found", "topic_deleted", "topic_not_found")
_NO_FILES = re.compile(r"not enough rights to send (?!text)|chat_send_\w+_forbidden", re.IGNORECASE)
_NO_MESSAGE = (
    "message to edit not found",
    "message to delete not found",
    "message to react not found",
    "message_id_invalid",
    "message identifier is not specified",
)
_IN_ALBUM = re.compile(r"failed to send message #([0-9]+)")


def of_send(refusal: Refusal, name: str, username: str, files: int) -> DriverError:
    """Of a new message with so many files, to the chat that people call `name`."""
    if refusal.says("message to be replied not found", "replied message not found", "reply message not found"):
        return Gone("the message that it answers is not there any more")
    if (paused := _closed(refusal, name, username)) is not None:
        return paused
    if files and _NO_FILES.search(refusal.description):
        return FileRejected(f"@{username} may not send such files to {name}", index=0)
    if files:
        place = place_in_album(refusal)
        if place is not None and place < files:
            return FileRejected(f"Telegram refuses it: {refusal.description}", index=place)
        if files == 1 and (refusal.status == 413 or refusal.says("file", "photo", "image", "wrong type", "media")):
            return FileRejected(f"Telegram refuses it: {refusal.description}", index=0)
    return Rejected(f"Telegram refuses it: {refusal.description}")


def of_act(refusal: Refusal, name: str, username: str) -> DriverError:
    """Of what is done to a message, or to the chat."""
    if refusal.says(*_NO_MESSAGE):
        return Gone("the message is not there any more")
    if refusal.says("not enough rights", "chat_admin_required"):
        return Rejected(f"@{username} has no right to do this in {name}: {refusal.description}")
    return _closed(refusal, name, username) or Rejected(f"Telegram refuses it: {refusal.description}")


def place_in_album(refusal: Refusal) -> int | None:
    """Which file of an album it is about, from 0."""
    found = _IN_ALBUM.search(refusal.description)
    return None if found is None else max(int(found[1]) - 1, 0)


def of_person(refusal: Refusal) -> Rejected:
    """Of a message to one person alone."""
    return Rejected(f"Telegram passes nothing on to them ({refusal.description}): they have to write to the bot first")


def _closed(refusal: Refusal, name: str, username: str) -> Paused | None:
    """Why nothing passes there for now; None where that is not it."""
    if refusal.says("topic_closed"):
        return Paused(
            f"the topic {name} is closed: open it again, or let @{username} manage topics there", scope="channel"
        )
    if refusal.says(*_NO_TOPIC):
        return Paused(f"the topic {name} is not there: look at `topic`", scope="channel")
    if refusal.status == 403 or refusal.says(*_NOT_FOR_US):
        return Paused(
            f"@{username} may not write in {name} ({refusal.description}): add the bot to the chat, and let it write",
            scope="channel",
        )
    return None
