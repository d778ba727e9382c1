"""What was posted, and what arrived of it: lost, twice, out of order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from msgspec import Struct

__all__ = ["Ledger", "Verdict"]

_NAME = re.compile(r"^\[(\S+) (\d+)\]")


class Verdict(Struct, frozen=True):
    """How it went in one target channel."""

    posted: int
    lost: int
    repeated: int
    disordered: int

    @property
    def is_clean(self) -> bool:
        """Each message is there once, in the order of its source."""
        return self.lost == self.repeated == self.disordered == 0


class Ledger:
    """Names messages and finds the names again. A source's messages are numbered from 0 in the order of posting."""

    def __init__(self) -> None:
        self._posted: Counter[str] = Counter()

    def entry(self, source: str, text: str) -> str:
        """A text to post for `source`, which bears its name."""
        number = self._posted[source]
        self._posted[source] += 1
        return f"[{source} {number}] {text}"

    def posted(self, sources: Iterable[str]) -> int:
        """How many messages these sources have posted."""
        return sum(self._posted[source] for source in sources)

    def verdict(self, arrived: Iterable[str], sources: Iterable[str]) -> Verdict:
        """Compare the texts of a channel, in its order, with what these sources posted."""
        numbers: dict[str, list[int]] = {source: [] for source in sources}
        for text in arrived:
            if (found := _NAME.match(text)) and found[1] in numbers:
                numbers[found[1]].append(int(found[2]))
        lost = repeated = disordered = 0
        for source, seen in numbers.items():
            once = list(dict.fromkeys(seen))
            lost += self._posted[source] - len(once)
            repeated += len(seen) - len(once)
            disordered += sum(1 for earlier, later in pairwise(once) if later < earlier)
        return Verdict(self.posted(numbers), lost, repeated, disordered)
