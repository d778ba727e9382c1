"""Whether a post was made already: by the relay's mark on it, looked for among a channel's latest posts.

The server recognises a repeated `pending_post_id` for 30 seconds, on one of its nodes, until it restarts. Past that
only the mark on the post itself tells.
"""

from __future__ import annotations

import time
from collections import OrderedDict

import msgspec

from drivers.mattermost import wire
from drivers.mattermost.api import Api
from nextbridge.driver import Outgoing
from nextbridge.envelope import ChannelKey, DeliveryKey, MessageId, UserId

__all__ = ["Marks"]

KEY_TRUSTED = 25.0
"""Seconds after the first attempt in which the server is sure to recognise the key."""

_PAGE = 60
_MOST_PAGES = 10
_CLOCKS_DIFFER = 600_000
"""Milliseconds by which the server's clock and ours may differ."""
_TRIED_AT_ONCE = 10_000


class _Scan(msgspec.Struct):
    """What was found in a channel when it was first looked at: all that an earlier process can have made there."""

    since: int
    found: dict[DeliveryKey, MessageId]


class Marks:
    """Remembers which deliveries this process tried, and finds what became of the others."""

    def __init__(self) -> None:
        self._tried: OrderedDict[DeliveryKey, None] = OrderedDict()
        self._earlier: dict[ChannelKey, _Scan] = {}

    def trying(self, message: Outgoing) -> None:
        """This process is about to send it."""
        self._tried[message.key] = None
        self._tried.move_to_end(message.key)
        if len(self._tried) > _TRIED_AT_ONCE:
            self._tried.popitem(last=False)

    def sent(self, message: Outgoing) -> None:
        """It has arrived; nobody will ask again."""
        self._tried.pop(message.key, None)

    async def made_before(self, message: Outgoing, api: Api, me: UserId) -> MessageId | None:
        """The post that an earlier attempt made, or None: there is none, or the server itself will recognise it.

        Does I/O where there was an attempt long ago. Raises as `Api.posts`.
        """
        if message.attempted is None:
            return None
        if message.key in self._tried:
            if 0 <= time.time() - message.attempted / 1000 <= KEY_TRUSTED:
                return None
            return (await _look(message.channel, message.attempted, api, me)).get(message.key)
        # From before this process, as all that waits in a lane at start may be: one look serves the whole lane.
        scan = self._earlier.get(message.channel)
        if scan is None or message.attempted < scan.since:
            scan = _Scan(message.attempted, await _look(message.channel, message.attempted, api, me))
            self._earlier[message.channel] = scan
        return scan.found.pop(message.key, None)


async def _look(channel: ChannelKey, since: int, api: Api, me: UserId) -> dict[DeliveryKey, MessageId]:
    """Our own marked posts since `since` (milliseconds since 1970), as far back as is looked."""
    found: dict[DeliveryKey, MessageId] = {}
    for page in range(_MOST_PAGES):
        posts = await api.posts(channel, page=page, per_page=_PAGE)
        for post in posts.posts.values():
            # a mark on somebody else's post is not ours, whatever it says
            if post.user_id == me and (mark := wire.PostProps(post.props).mark) is not None:
                found[mark.delivery] = MessageId(post.id)
        oldest = posts.posts.get(posts.order[-1]) if posts.order else None
        if len(posts.order) < _PAGE or oldest is None or oldest.create_at < since - _CLOCKS_DIFFER:
            break
    return found
