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
from nextbridge.markup import PLAIN, Paragraph, Text

__all__ = ["LoopBreaker"]

_SECONDS = 5.0
"""A text that comes back later than this is somebody's answer."""
_MOST_RETURNS = 3
"""People quote each other too. More often than this, this fast, each time with more words before it, they do not."""
_SHORTEST = 4
"""Characters; many texts end in a full stop."""
_MOST_EQUAL = 20
"""Of one text in one channel: relays that put no name before it repeat it as it is."""
_MOST_TOPICS, _TOPIC_SECONDS = 10, 60.0
"""Two relays that both give each channel the other's topic exchange two of them for ever; people seldom change one."""
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


class _Recent:
    """What was said in one channel, and the same as bare text, which is compared much faster."""

    __slots__ = ("endings", "texts")

    def __init__(self) -> None:
        self.texts: deque[_Text] = deque(maxlen=_TEXTS)
        self.endings: deque[str] = deque(maxlen=_TEXTS)

    def __len__(self) -> int:
        return len(self.texts)

    def forget(self, *, before: float) -> None:
        while self.texts and self.texts[0].at < before:
            self.texts.popleft()
            self.endings.popleft()


class LoopBreaker:
    """Remembers for a few seconds what was said in which channel. Used by the relay on the event loop."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._texts: OrderedDict[Channel, _Recent] = OrderedDict()
        self._topics: OrderedDict[Channel, deque[float]] = OrderedDict()
        """When a channel's topic was changed lately."""

    def returns(self, event: Posted) -> int:
        """How often this text has come back so far, this time included; 0 for one that has not."""
        channel = self._texts.get(event.channel)
        if channel is None:
            return 0
        channel.forget(before=self._clock() - _SECONDS)
        text, recent = _text(event), channel.texts
        if not text.endswith(tuple(channel.endings)):  # one call, for what nearly every message is
            return 0
        if sum(each.text == text for each in recent) >= _MOST_EQUAL:
            return _MOST_RETURNS + 1
        return max((each.returns + 1 for each in recent if each.comes_back_in(text)), default=0)

    def topic_goes_round(self, channel: Channel) -> bool:
        """The channel's topic was changed: whether that happens too often to be people."""
        now = self._clock()
        times = self._topics.setdefault(channel, deque(maxlen=_MOST_TOPICS))
        self._topics.move_to_end(channel)
        if len(self._topics) > _CHANNELS:
            self._topics.popitem(last=False)
        is_loop = len(times) == _MOST_TOPICS and now - times[0] < _TOPIC_SECONDS
        times.append(now)
        return is_loop

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
            recent = self._texts[channel] = _Recent()
            if len(self._texts) > _CHANNELS:
                self._texts.popitem(last=False)
        else:
            self._texts.move_to_end(channel)
        recent.texts.append(text)
        recent.endings.append(text.text)


def _text(event: Posted) -> str:
    match event.text.blocks:
        case (Paragraph((Text(text),)),):  # what most are
            return text.strip()
    return PLAIN.write(event.text.blocks).strip()
