"""What each rule of a file says to an event: that it relays it, where to and under what, or why not.

As the relay decides it, but for what only the moment tells: loops, and what is older than a rule. It is made when an
operator asks; the relay itself has no need of words.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from nextbridge.config.model import Rule
from nextbridge.envelope import Channel, Event
from nextbridge.rules import Route, Routes, RuleTable, is_wanted
from nextbridge.skips import REASONS

__all__ = ["Explained", "Knowledge", "Way", "explain", "in_words"]


class Way(Struct, frozen=True):
    """Where a rule leads."""

    target: Channel
    settings: str
    """What a delivery is accepted under there: `Route.settings`."""
    reason: str = ""
    """Why it is not taken; empty where it is."""


class Explained(Struct, frozen=True):
    """One rule's answer."""

    rule: str
    reason: str
    """Why it does not relay the event; empty where it does."""
    ways: tuple[Way, ...] = ()

    @property
    def verdict(self) -> str:
        """Why nothing of it goes anywhere by this rule; empty where something does."""
        return self.reason or ("" if any(not way.reason for way in self.ways) else self.ways[0].reason)


class Knowledge(Struct, frozen=True):
    """What the rules know of one channel at this moment."""

    rules: Sequence[Rule]
    """Those that are to answer, in the order of the file."""
    routes: Routes
    reading: frozenset[str]
    """The rules that take messages from there."""

    @classmethod
    def of(cls, channel: Channel, table: RuleTable, rules: Sequence[Rule]) -> Knowledge:
        """To be asked where the table is used: on the event loop, in a daemon."""
        return cls(rules, table.routes(channel), frozenset(table.rules_from(channel)))


def explain(event: Event, known: Knowledge) -> list[Explained]:
    """The answers of the rules, by what is known of the event's channel. Pure; a filter may take milliseconds."""
    candidates = (*known.routes.ways, *known.routes.behind)
    taken: dict[Channel, str] = {}
    found = []
    for rule in known.rules:
        ways = [way for way in candidates if way.rule == rule.id]
        if not rule.enabled:
            reason = "it is disabled"
        elif rule.id not in known.reading:
            reason = "it takes no messages from there"
        elif not ways:
            reason = "an earlier rule leads to each of its channels, or their instances are disabled"
        else:
            reason = _why_not(event, ways[0])
        shown = () if reason else tuple(_way(way, taken) for way in ways)
        found.append(Explained(rule.id, reason, shown))
    return found


def in_words(reason: str) -> str:
    """A short stable reason with what it means, where that is known."""
    return f"{reason} ({REASONS[reason]})" if reason in REASONS else reason


def _why_not(event: Event, way: Route) -> str:
    dropped = None if way.filter is None else way.filter.reason(event)
    if dropped is not None:
        return f"its filter drops it: {in_words(dropped)}"
    return "" if is_wanted(event, way.switches) else in_words(f"{event.key.kind}_off")


def _way(way: Route, taken: dict[Channel, str]) -> Way:
    earlier = taken.setdefault(way.target, way.rule)
    return Way(way.target, way.settings, "" if earlier == way.rule else f"the earlier rule {earlier} leads there")
