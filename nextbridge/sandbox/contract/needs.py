"""Which tests of the suite need what of a platform, and the folding away of those that it cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from nextbridge.sandbox.contract.bench import Situation

__all__ = ["needs", "needs_of", "tests_of"]

F = TypeVar("F", bound=Callable[..., Any])

_NEEDS = "needs_of_a_bench"


def needs(*what: type | Situation) -> Callable[[F], F]:
    """Mark a test: it runs where the platform has all of this, capabilities and situations."""

    def mark(test: F) -> F:
        setattr(test, _NEEDS, frozenset(what))
        return test

    return mark


def needs_of(test: Callable[..., Any]) -> frozenset[type | Situation]:
    """What `needs` was told; nothing for a test that every driver has to pass."""
    found: frozenset[type | Situation] = getattr(test, _NEEDS, frozenset())
    return found


def tests_of(suite: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The tests of a suite's class, by name, whether they are folded away there or not."""
    for kind in reversed(suite.__mro__):
        for name, value in vars(kind).items():
            if name.startswith("test_") and callable(value):
                yield name, value
