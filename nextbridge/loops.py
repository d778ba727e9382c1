"""The loop breaker: notices that two relays hand a message back and forth, where no id and no mark tells.

Two relays that join the same channels on a platform without marks (IRC) see each other's messages as anybody's. Each
hands on what the other said, with a name before it, for ever. What gives them away is that a text comes back within
seconds, again and again: in the channel that it was sent to, or in the one that it was heard in, behind other words.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from time import monotonic

from msgspec import Struct

from nextbridge.envelope import Channel, Posted, UserId
from nextbridge.markup import PLAIN

__all__ = ["LoopBreaker"]

_SECONDS = 5.0
"""A text that comes back later than this is somebody's answer."""
_MOST_RETURNS = 3
"""People echo each other too: `ok`, `ok`, `ok` across a bridge is a conversation. More often, this fast, is not."""
_TEXTS = 50
_CHANNELS = 10_000


class _Text(Struct, frozen=True):
    at: float
    text: str
    author: UserId | None
    """Who said it in this channel; None where we brought it there."""
    returns: int
    """How often it had come back before."""

    def comes_back_in(self, text: str, author: UserId) -> bool:
        if not text.endswith(self.text):
            return False
        return self.author is None or author == self.author or len(text) > len(self.text)


class LoopBreaker:
    """Remembers for a few seconds what was said in which channel. Used by the relay on the event loop."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._texts: OrderedDict[Channel, deque[_Text]] = OrderedDict()

    def returns(self, event: Posted) -> int:
        """How often this text has come back so far, this time included; 0 for one that has not."""
        recent = self._texts.get(event.channel)
        if not recent:
            return 0
        oldest = self._clock() - _SECONDS
        while recent and recent[0].at < oldest:
            recent.popleft()
        if not recent:
            return 0
        text = _text(event)
        return max((each.returns + 1 for each in recent if each.comes_back_in(text, event.author.id)), default=0)

    def is_loop(self, returns: int) -> bool:
        """Whether a text that has come back so often goes back and forth between relays."""
        return returns > _MOST_RETURNS

    def relayed(self, event: Posted, targets: Iterable[Channel], returns: int) -> None:
        """The event goes to `targets`; it may come back there."""
        text = _text(event)
        if not text:
            return
        now = self._clock()
        self._remember(event.channel, _Text(now, text, event.author.id, returns))
        brought = _Text(now, text, None, returns)
        for target in targets:
            self._remember(target, brought)

    def _remember(self, channel: Channel, text: _Text) -> None:
        recent = self._texts.get(channel)
        if recent is None:
            recent = self._texts[channel] = deque(maxlen=_TEXTS)
            if len(self._texts) > _CHANNELS:
                self._texts.popitem(last=False)
        else:
            self._texts.move_to_end(channel)
        recent.append(text)


def _text(event: Posted) -> str:
    return PLAIN.write(event.text.blocks).strip()
