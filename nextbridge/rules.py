"""Which channels an event goes to.

The rules of the file, indexed by source channel: a look-up costs the same however many rules there are. It knows the
file's rules and channels' present keys; it knows neither drivers nor the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from nextbridge.config.model import Endpoint, Rule, RuleSettings, Terms
from nextbridge.envelope import Channel, Event, InstanceId, Joined, Left, TopicChanged
from nextbridge.filters import Filter, filter_of

__all__ = ["JoinedChannels", "Route", "Routes", "RuleTable", "TwiceInRule", "is_wanted"]


class Route(Struct, frozen=True, gc=False):
    """One way out of a channel."""

    rule: str
    target: Channel
    settings: str
    """The way's Terms as canonical JSON, as the journal keeps them with a delivery."""
    switches: RuleSettings = RuleSettings()
    """What the rule says beside its channels."""
    filter: Filter | None = None
    """Its rule's; None where the rule relays everything as it is."""


class Routes(Struct, frozen=True):
    """Every way out of a channel, each target once: where several rules lead there, the first in the file wins."""

    ways: tuple[Route, ...] = ()
    shadowed: tuple[str, ...] = ()
    """The rules whose way to a target was already another's."""
    filtered: bool = False
    """Whether any way has a filter. What it does not relay goes `behind`."""
    behind: tuple[Route, ...] = ()
    """Ways of later rules to the same targets, in the order of the file: taken where the filter of the first drops."""


class TwiceInRule(Struct, frozen=True):
    """Two channels of one rule turned out to be the same one: only the server could tell."""

    rule: str
    channel: Channel


class JoinedChannels(Struct, frozen=True):
    """The channels of one rule, as they are now."""

    rule: str
    kind: Literal["connect", "forward"]
    sources: tuple[Channel, ...]
    targets: tuple[Channel, ...]


_NOTHING = Routes()


def is_wanted(event: Event, switches: RuleSettings) -> bool:
    """Whether a rule that says so relays events of this kind."""
    match event:
        case Joined() | Left():
            return switches.joins
        case TopicChanged():
            return switches.topics or switches.sync_topic
        case _:
            return True


class RuleTable:
    """The enabled rules of a file. Used on the event loop by the relay.

    It changes when a channel's key is learnt, and with the file.
    """

    def __init__(self, rules: Sequence[Rule], *, without: Collection[InstanceId] = ()) -> None:
        """`without` are the disabled instances: their channels are as if they were not in the rules."""
        self._present: dict[Channel, Channel] = {}
        """By configured channel, the channel that it is now, where that is another."""
        self.replace(rules, without=without)

    def replace(self, rules: Sequence[Rule], *, without: Collection[InstanceId] = ()) -> None:
        """These are the rules from now on. What the channels of a file are now it still knows."""
        self._file = tuple(rules)
        self._rules = [rule for rule in rules if rule.enabled]
        self._without = frozenset(without)
        self._terms: dict[Terms, str] = {}
        self._sources: dict[Channel, list[int]] = {}
        """By configured channel, the places of the rules that take messages from it."""
        self._named: dict[Channel, list[int]] = {}
        """By configured channel, the places of the rules that name it."""
        self._configured: dict[Channel, set[Channel]] = {}
        """By the channel that they are now, the configured channels that rules name."""
        self._cache: dict[Channel, Routes] = {}
        for place, rule in enumerate(self._rules):
            for endpoint in rule.sources:
                self._index(self._sources, endpoint, place)
            for endpoint in (*rule.sources, *rule.targets):
                self._index(self._named, endpoint, place)
        for configured in self._named:
            self._configured.setdefault(self.present(configured), set()).add(configured)

    def routes(self, source: Channel, *, without: frozenset[str] = frozenset()) -> Routes:
        """Every way out of `source`, as if the rules named in `without` were not there."""
        if without:
            return self._compute(source, without)
        found = self._cache.get(source)
        if found is None:
            if source not in self._configured:
                return _NOTHING  # not cached: channels that no rule names are without number
            found = self._cache[source] = self._compute(source, without)
        return found

    def is_bridged(self, channel: Channel) -> bool:
        """Whether any rule names `channel`."""
        return bool(self._configured.get(channel))

    def is_source(self, channel: Channel) -> bool:
        """Whether any rule takes messages from `channel`."""
        return bool(self._places_from(channel))

    def rules_from(self, source: Channel) -> list[str]:
        """The rules that take messages from `source`, in the order of the file."""
        return [self._rules[place].id for place in self._places_from(source)]

    def naming(self, channel: Channel) -> list[Rule]:
        """The rules of the file that name `channel`, disabled ones too. Looks through all of them."""
        return [
            rule
            for rule in self._file
            if any(self.present(each.channel) == channel for each in (*rule.sources, *rule.targets))
        ]

    def sources(self) -> list[Channel]:
        """Every channel that some rule takes messages from."""
        return [channel for channel in self._configured if self.is_source(channel)]

    def joined(self) -> list[JoinedChannels]:
        """What each rule joins, in the order of the file."""
        return [
            JoinedChannels(
                rule.id,
                rule.kind,
                tuple(self.present(each.channel) for each in rule.sources if each.instance not in self._without),
                tuple(self.present(each.channel) for each in rule.targets if each.instance not in self._without),
            )
            for rule in self._rules
        ]

    def resolve(self, configured: Channel, channel: Channel) -> list[TwiceInRule]:
        """A channel of the file is `channel` from now on. Returns the rules that thereby name a channel twice."""
        before = self.present(configured)
        if before == channel:
            return []
        self._cache.clear()
        self._configured.get(before, set()).discard(configured)
        self._present[configured] = channel
        if configured not in self._named:
            return []  # no rule names it now; one may again
        names = self._configured.setdefault(channel, set())
        names.add(configured)
        places = {place for name in names for place in self._named.get(name, ())}
        return [
            TwiceInRule(self._rules[place].id, channel)
            for place in sorted(places)
            if sum(place in self._named.get(name, ()) for name in names) > 1
        ]

    def present(self, configured: Channel) -> Channel:
        """The key that a channel of the file has now."""
        return self._present.get(configured, configured)

    def _index(self, index: dict[Channel, list[int]], endpoint: Endpoint, place: int) -> None:
        if endpoint.instance in self._without:
            return
        places = index.setdefault(endpoint.channel, [])
        if not places or places[-1] != place:
            places.append(place)

    def _places_from(self, source: Channel) -> list[int]:
        names = self._configured.get(source, ())
        return sorted({place for name in names for place in self._sources.get(name, ())})

    def _compute(self, source: Channel, without: frozenset[str]) -> Routes:
        ways: list[Route] = []
        shadowed: list[str] = []
        behind: list[Route] = []
        seen: set[Channel] = {source}
        open_targets: set[Channel] = set()
        """Targets that so far only ways with filters lead to."""
        for place in self._places_from(source):
            rule = self._rules[place]
            if rule.id in without:
                continue
            mine: set[Channel] = set()
            for endpoint in rule.targets:
                target = self.present(endpoint.channel)
                if endpoint.instance in self._without or target == source or target in mine:
                    continue
                mine.add(target)
                if target in seen and target not in open_targets:
                    shadowed.append(rule.id)
                    continue
                settings = self._canonical(Terms(endpoint.msg, rule.settings))
                way = Route(rule.id, target, settings, rule.settings, filter_of(settings))
                (behind if target in seen else ways).append(way)
                seen.add(target)
                (open_targets.discard if way.filter is None else open_targets.add)(target)
        filtered = any(way.filter is not None for way in ways)
        return Routes(tuple(ways), tuple(shadowed), filtered, tuple(behind))

    def _canonical(self, terms: Terms) -> str:
        text = self._terms.get(terms)
        if text is None:
            text = self._terms[terms] = msgspec.json.encode(terms, order="sorted").decode()
        return text
