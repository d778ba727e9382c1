"""What became of the events: counted by outcome, instance, rule and reason, so that nothing is dropped in silence."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from nextbridge.envelope import InstanceId

__all__ = ["Outcome", "Tally"]


class Outcome(Struct, frozen=True, order=True, gc=False):
    """One line of the tally. `rule` is empty where no rule was reached, `reason` where none is needed."""

    kind: str
    """`accepted`, `delivered`, `skipped`, `masked`, `postponed` or `buried`."""
    instance: InstanceId
    rule: str = ""
    reason: str = ""

    def where(self) -> dict[str, str]:
        """What it names, for a log line."""
        named = {"instance": str(self.instance), "rule": self.rule, "reason": self.reason}
        return {key: value for key, value in named.items() if value}


class Tally:
    """Counts since the start. Reasons are short stable words, so it cannot grow with what chat users write."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()

    def accepted(self, instance: InstanceId) -> None:
        """An event of `instance` is on disk."""
        self._counts[Outcome("accepted", instance)] += 1

    def delivered(self, instance: InstanceId, rule: str) -> None:
        """`instance` showed a message."""
        self._counts[Outcome("delivered", instance, rule)] += 1

    def skipped(self, instance: InstanceId, reason: str, rule: str = "", *, number: int = 1) -> None:
        """Something from `instance` is not relayed (by this rule)."""
        self._counts[Outcome("skipped", instance, rule, reason)] += number

    def masked(self, instance: str, rule: str) -> None:
        """A secret was masked in something that `instance` was given to show."""
        self._counts[Outcome("masked", InstanceId(instance), rule)] += 1

    def postponed(self, instance: InstanceId, reason: str) -> None:
        """An attempt at `instance` is to be repeated."""
        self._counts[Outcome("postponed", instance, "", reason)] += 1

    def buried(self, instance: InstanceId, rule: str) -> None:
        """A delivery to `instance` was given up."""
        self._counts[Outcome("buried", instance, rule)] += 1

    def lines(self) -> list[tuple[Outcome, int]]:
        """Every count, sorted."""
        return sorted(self._counts.items())

    def count(self, kind: str, *, reason: str | None = None) -> int:
        """All of a kind, or those with one reason."""
        return sum(
            number
            for outcome, number in self._counts.items()
            if outcome.kind == kind and (reason is None or outcome.reason == reason)
        )
