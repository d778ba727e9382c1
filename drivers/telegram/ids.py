"""The ids of messages as the core has them: Telegram's number, told apart where a group moves to other numbers.

A basic group that becomes a supergroup begins to count anew, in the channel that the core takes for the same one. So
the numbers of a basic group bear a letter.
"""

from __future__ import annotations

from drivers.telegram import wire
from nextbridge.envelope import MessageId
from nextbridge.errors import Gone

__all__ = ["message_id", "number_of"]

_BASIC = "g"


def message_id(chat: int, number: int) -> MessageId:
    """The id of a message of a chat."""
    return MessageId(f"{_BASIC if wire.is_basic_group(chat) else ''}{number}")


def number_of(chat: int | str, message: MessageId) -> int:
    """Telegram's number of a message that is in a chat now. Raises Gone where it can be none."""
    is_basic = isinstance(chat, int) and wire.is_basic_group(chat)
    digits = message.removeprefix(_BASIC) if is_basic else message
    if is_basic != message.startswith(_BASIC) or not digits.isdecimal() or len(digits) > 18:
        raise Gone("it is no message of this chat as it is now; a group that became a supergroup counts anew")
    return int(digits)
