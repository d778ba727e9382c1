"""The loop breaker: notices that two relays hand a message back and forth, where no id and no mark tells.

Two relays that join the same channels on a platform without marks (IRC) see each other's messages as anybody's. Each
hands on what the other said, with a name before it, for ever. What gives them away is that a text comes back within
seconds, again and again, each time behind more words.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from time import monotonic

from msgspec import Struct

from nextbridge.envelope import Channel, Posted
from nextbridge.markup import PLAIN

__all__ = ["LoopBreaker"]

_SECONDS = 5.0
"""A text that comes back later than this is somebody's answer."""
_MOST_RETURNS = 3
"""People quote each other too. More often than this, this fast, each time with more words before it, they do not."""
_SHORTEST = 4
"""Characters; many texts end in a full stop."""
_MOST_EQUAL = 20
"""Of one text in one channel: relays that put no name before it repeat it as it is."""
_TEXTS = 50
_CHANNELS = 10_000


class _Text(Struct, frozen=True):
    at: float
    text: str
    returns: int
    """How often it had come back before."""

    def comes_back_in(self, text: str) -> bool:
        """It is said again with words before it, as a relay does."""
        added = len(text) - len(self.text)
        return added > 0 and len(self.text) >= _SHORTEST and text.endswith(self.text) and not text[added - 1].isalnum()


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
        if sum(each.text == text for each in recent) >= _MOST_EQUAL:
            return _MOST_RETURNS + 1
        return max((each.returns + 1 for each in recent if each.comes_back_in(text)), default=0)

    def is_loop(self, returns: int) -> bool:
        """Whether a text that has come back so often goes back and forth between relays."""
        return returns > _MOST_RETURNS

    def relayed(self, event: Posted, targets: Iterable[Channel], returns: int) -> None:
        """The event goes to `targets`; it may come back there."""
        text = _text(event)
        if not text:
            return
        said = _Text(self._clock(), text, returns)
        for channel in (event.channel, *targets):
            self._remember(channel, said)

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
