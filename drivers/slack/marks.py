"""Whether a message was made already: by the relay's mark in its metadata, looked for in the channel or the thread.

Slack documents no idempotency key for bots. https://docs.slack.dev/messaging/message-metadata
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from drivers.slack import wire
from drivers.slack.api import Api
from drivers.slack.events import Me
from nextbridge.driver import Outgoing
from nextbridge.envelope import DeliveryKey, MessageId

__all__ = ["Marks"]

_PAGE = "200"
_MOST_PAGES = 10
_CLOCKS_DIFFER = 600
"""Seconds by which Slack's clock and ours may differ."""
_TRIED_AT_ONCE = 10_000
_SCANS = 1_000


class _Scan(Struct):
    """What was found in a place when it was first looked at: all that an earlier process can have made there."""

    since: int
    found: dict[DeliveryKey, MessageId]


class Marks:
    """Remembers which deliveries this process tried, and finds what became of the others."""

    def __init__(self) -> None:
        self._tried: OrderedDict[DeliveryKey, None] = OrderedDict()
        self._earlier: OrderedDict[tuple[str, str], _Scan] = OrderedDict()

    def trying(self, message: Outgoing) -> None:
        """This process is about to send it."""
        self._tried[message.key] = None
        self._tried.move_to_end(message.key)
        if len(self._tried) > _TRIED_AT_ONCE:
            self._tried.popitem(last=False)

    def sent(self, message: Outgoing) -> None:
        """It has arrived; nobody will ask again."""
        self._tried.pop(message.key, None)

    async def made_before(self, message: Outgoing, api: Api, me: Me) -> MessageId | None:
        """The message that an earlier attempt made, or None. Does I/O where there was one. Raises as a call."""
        if message.attempted is None:
            return None
        if message.key in self._tried:
            return (await _look(message, message.attempted, api, me)).get(message.key)
        # From before this process, as all that waits in a lane at start may be: one look serves the whole lane.
        place = (str(message.channel), str(message.reply_to or ""))
        scan = self._earlier.get(place)
        if scan is None or message.attempted < scan.since:
            scan = _Scan(message.attempted, await _look(message, message.attempted, api, me))
            self._earlier[place] = scan
            if len(self._earlier) > _SCANS:
                self._earlier.popitem(last=False)
        return scan.found.pop(message.key, None)


async def _look(message: Outgoing, since: int, api: Api, me: Me) -> dict[DeliveryKey, MessageId]:
    """Our own marked messages since `since` (milliseconds since 1970), where this one would be."""
    found: dict[DeliveryKey, MessageId] = {}
    method = "conversations.history" if message.reply_to is None else "conversations.replies"
    where = {"channel": str(message.channel)} | ({} if message.reply_to is None else {"ts": str(message.reply_to)})
    oldest = f"{max(since // 1000 - _CLOCKS_DIFFER, 0)}.000000"
    cursor = ""
    for _ in range(_MOST_PAGES):
        more = {"cursor": cursor} if cursor else {}
        page = await api.look_up(
            method, wire.Messages, oldest=oldest, limit=_PAGE, include_all_metadata="true", **where, **more
        )
        for each in page.messages:
            posted = wire.message(each) or wire.Message()
            # a mark on somebody else's message is not ours, whatever it says
            ours = posted.user == me.user or (bool(posted.bot_id) and posted.bot_id == me.bot)
            if ours and (mark := wire.mark_of(posted.metadata)) is not None:
                found[mark.delivery] = MessageId(posted.ts)
        cursor = page.response_metadata.next_cursor if page.response_metadata else ""
        if not cursor:
            break
    return found
