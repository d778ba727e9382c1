"""What Discord's refusals mean for the core, by its error codes ("Opcodes and Status Codes")."""

from __future__ import annotations

from drivers.discord.api import Refused
from drivers.discord.places import Home
from nextbridge.driver import Outgoing
from nextbridge.errors import DriverError, FileRejected, Gone, Paused, Rejected

__all__ = ["UNKNOWN_CHANNEL", "UNKNOWN_MESSAGE", "UNKNOWN_WEBHOOK", "of_act", "of_change", "of_message"]

UNKNOWN_CHANNEL = 10003
UNKNOWN_MESSAGE = 10008
UNKNOWN_WEBHOOK = 10015
_UNKNOWN_EMOJI = 10014
_TOO_LARGE = {40005, 50045}
_LOCKED = {50083, 160005}
"""The thread is archived for good, or locked."""


def of_message(refused: Refused, message: Outgoing, home: Home, thread: str) -> DriverError:
    """Of a new message."""
    if b"message_reference" in refused.errors:
        return Gone("the message that it answers is not there any more")
    if thread and (refused.code in _LOCKED or refused.code == UNKNOWN_CHANNEL):
        return Gone("the thread that it belongs to is closed, or is not there any more")
    if refused.code in _TOO_LARGE and message.files:
        largest = max(range(len(message.files)), key=lambda place: message.files[place].size)
        return FileRejected("Discord does not take a file so large here", index=largest)
    if refused.code == UNKNOWN_CHANNEL:
        return Paused(f"channel {home.name} is not there any more; take it out of the file", scope="channel")
    if refused.about_rights:
        missing = "View Channel, Send Messages, Read Message History and Attach Files"
        reason = f"the bot may not post in channel {home.name} ({refused.message}); give it {missing} there"
        return Paused(reason, scope="channel")
    return Rejected(f"Discord refuses it ({refused.code}): {refused.message}")


def of_change(refused: Refused, what: str) -> DriverError:
    """Of a change of a message that is there, or is not."""
    if refused.code in {UNKNOWN_MESSAGE, UNKNOWN_CHANNEL, UNKNOWN_WEBHOOK}:
        return Gone("the message is not there any more")
    if refused.code == 50005:
        return Rejected("the message is somebody else's")
    if refused.code == _UNKNOWN_EMOJI:
        return Rejected("Discord has no such emoji")
    return of_act(refused, what)


def of_act(refused: Refused, what: str) -> DriverError:
    """Of an act that takes a right of its own: without it, messages go on."""
    if refused.about_rights:
        return Rejected(f"the bot has no right to {what} ({refused.message})")
    return Rejected(f"Discord refuses to {what} ({refused.code}): {refused.message}")
