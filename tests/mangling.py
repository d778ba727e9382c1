"""What a server says, made wrong in one place at a time: by a bug of it, a newer version, or what a user did."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

__all__ = ["mangled"]

_WRONG: tuple[Any, ...] = (None, True, -1, 10**30, 1.5, "", "\x00\u202e" * 3, "9" * 400, [], [None], [{}], {}, {"": []})


def mangled(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies of a message: in each one of its values, at any depth, is another or is missing."""
    for path in _paths(message):
        *above, last = path
        for wrong in _WRONG:
            made, place = _copied(message, above)
            if place[last] != wrong:
                place[last] = wrong
                yield made
        made, place = _copied(message, above)
        del place[last]
        yield made


def _copied(message: dict[str, Any], above: list[Any]) -> tuple[dict[str, Any], Any]:
    made = place = copy.deepcopy(message)
    for step in above:
        place = place[step]
    return made, place


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (key,)
        for path in _paths(each):
            yield (key, *path)
