"""What was posted already, so that a delivery which is sent again, by whomever, is taken once.

The newest ids of each hook are kept in the driver's store, one small value each, which a newer one takes the place of:
`seen/<hook>/<place>`, from place 0 on.
"""

from __future__ import annotations

from collections import OrderedDict

from nextbridge.driver import Store

__all__ = ["REMEMBERED", "Seen"]

REMEMBERED = 1000
"""Ids of each hook."""


class Seen:
    """Of one hook. `load` comes first."""

    def __init__(self, hook: str, store: Store) -> None:
        self._hook = hook
        self._store = store
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._next = 0

    async def load(self) -> None:
        """Read what is kept."""
        kept: list[tuple[int, str]] = []
        for place in range(REMEMBERED):
            value = await self._store.get(self._name(place))
            if value is None:
                break
            number, _, id = value.partition(" ")  # noqa: A001 - the field's name
            kept.append((int(number), id))
        kept.sort()
        self._ids = OrderedDict.fromkeys(id for _, id in kept)  # noqa: A001 - the field's name
        self._next = kept[-1][0] + 1 if kept else 0

    def has(self, id: str) -> bool:  # noqa: A002 - the field's name
        """Whether it was posted already."""
        return id in self._ids

    async def add(self, id: str) -> None:  # noqa: A002 - the field's name
        """It was posted. Returns once that is on disk. One at a time."""
        await self._store.set(self._name(self._next % REMEMBERED), f"{self._next} {id}")
        self._next += 1
        self._ids[id] = None
        while len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)

    def _name(self, place: int) -> str:
        return f"seen/{self._hook}/{place}"
