"""What was said in a channel a while ago, as long as it is remembered: servers keep nothing that could be quoted."""

from __future__ import annotations

from collections import OrderedDict

from drivers.irc.formatting import without_codes
from nextbridge.driver import Excerpt, Outgoing, Receipt
from nextbridge.envelope import ChannelKey, MessageId, Posted
from nextbridge.markup import PLAIN

__all__ = ["Backlog"]

_MOST = 500
"""Messages of one channel."""
_LONGEST = 200
"""Characters of one; it is quoted by its beginning."""


class Backlog:
    """The last messages of each configured channel. Kept over reconnections; after a restart it begins anew."""

    def __init__(self) -> None:
        self._channels: dict[ChannelKey, OrderedDict[MessageId, Excerpt]] = {}

    def heard(self, event: Posted) -> None:
        """Remember what somebody said in a configured channel."""
        self._add(event.channel.key, event.message, event.author.name, PLAIN.write(event.text.blocks))

    def sent(self, message: Outgoing, receipt: Receipt) -> None:
        """Remember what we said there, where the server gave it an id."""
        if receipt.message is not None:
            self._add(message.channel, receipt.message, message.author.name, without_codes(message.text))

    def _add(self, channel: ChannelKey, message: MessageId, name: str, text: str) -> None:
        messages = self._channels.setdefault(channel, OrderedDict())
        messages[message] = Excerpt(name, text[:_LONGEST])
        if len(messages) > _MOST:
            messages.popitem(last=False)

    def find(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        """What was said, or None where it is not remembered."""
        messages = self._channels.get(channel)
        return None if messages is None else messages.get(message)
