"""Who is meant by a name that people chose themselves: which names look alike, and how namesakes are told apart.

A name that is shown is made harmless by `nextbridge.markup.legible.one_line`; this is about whose it is. Nobody can
take the relay's name, or that of another person who was heard lately, without it being seen, and no name can pretend
to be the end of a name and the beginning of what somebody says.
"""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from msgspec.structs import replace

from nextbridge.envelope import Author, Event, InstanceId, UserId
from nextbridge.markup.legible import one_line

__all__ = ["Namesakes", "same_name", "unframed"]

E = TypeVar("E", bound=Event)

_SECONDS = 24 * 3600.0
_REMEMBERED = 20_000
_MOST_NAMESAKES = 16
_LONGEST_HANDLE = 64

_ALIKE: Final = str.maketrans(
    # Cyrillic, then Greek, then what few fonts tell apart; all as small letters, whichever of the two look alike
    "авсеһіјкмнорѕтухԁԛѡь" + "αβγεζηικμνορτυχω" + "01|i!ıɑɡⅼǀ",
    "abcehljkmhopstyxdqwb" + "abyezhlkmnoptuxw" + "olllllagll",
)
_PAIRS: Final = ("<>", "[]", "()", "{}", "«»", "‹›", "||", "││")
_FRAMES: Final = {sign: pair for pair in _PAIRS for sign in pair}
"""The signs by which a template ends a name, and those that a name then has not."""


@lru_cache(maxsize=4096)
def same_name(name: str) -> str:
    """What is equal for two names that people would take for one; empty for one of which nothing is seen.

    Capitals, spaces, invisible characters, width and the fonts of mathematics make no other name, nor do the letters of
    Latin, Cyrillic and Greek that look the same, nor `0` for `O` and `1` or `I` for `l`. Accents do.
    """
    folded = unicodedata.normalize("NFKC", one_line(unicodedata.normalize("NFKC", name))).casefold()
    letters = unicodedata.normalize("NFKC", folded).translate(_ALIKE)
    return "".join(letters.split()).replace("\u200c", "").replace("\u200d", "").replace("rn", "m").replace("vv", "w")


def unframed(name: str, after: str) -> str:
    """`name` without what would look as if it ended before its end, where the template goes on with `after`.

    In `<{nickname}> {msg}` nobody is called `alice> I quit. <bob`, in `{nickname}: {msg}` nobody `alice: I quit. bob`.
    """
    signs = "".join(_FRAMES.get(sign, "") for sign in after)
    if signs and any(sign in name for sign in signs):
        name = name.translate(dict.fromkeys(map(ord, signs), " "))
    if ":" in after and ":" in name:
        name = name.replace(": ", " ").removesuffix(":")
    return name if name == "" else " ".join(name.split())


class Namesakes:
    """Knows who was heard lately under which name, and shows with a name whose it is where several have it.

    What platforms that let people choose freely ask their programs to do themselves. Bounded; forgets at a restart.
    """

    def __init__(self, clock: Callable[[], float], *, size: int = _REMEMBERED) -> None:
        """`clock` gives monotonic seconds. `size` names are remembered, those used last."""
        self._clock = clock
        self._size = size
        self._heard: OrderedDict[tuple[InstanceId, str], dict[UserId, float]] = OrderedDict()

    def told_apart(self, event: E) -> E:
        """`event`, whose author's name bears their handle where another one of the instance has that name."""
        author = event.author
        name = author.name or author.username
        look = same_name(name)
        if not look:
            return event
        namesakes = self._noted(event.channel.instance, look, author.id)
        handle = same_name(author.username)
        if handle and handle != look:
            self._noted(event.channel.instance, handle, author.id)
        if len(namesakes) == 1:
            return event
        number = list(namesakes).index(author.id) + 1
        return replace(event, author=replace(author, name=f"{name} ({_told(author, look) or number})"))

    def _noted(self, instance: InstanceId, look: str, user: UserId) -> dict[UserId, float]:
        """Those who have the name, the one who had it first first."""
        now = self._clock()
        key = (instance, look)
        heard = {other: at for other, at in self._heard.get(key, {}).items() if at > now - _SECONDS}
        if user not in heard and len(heard) >= _MOST_NAMESAKES:
            heard.pop(next(iter(heard)))
        heard[user] = now
        self._heard[key] = heard
        self._heard.move_to_end(key)
        if len(self._heard) > self._size:
            self._heard.popitem(last=False)
        return heard


def _told(author: Author, look: str) -> str:
    """What tells the author apart from those who look like them: the handle, else the id; empty where neither does."""
    for handle in (author.username, author.id):
        if handle and same_name(handle) != look:
            return one_line(handle, _LONGEST_HANDLE)
    return ""
