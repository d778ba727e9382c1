"""What became of one message, as far as it can be told: by the journal, and by the daemon where one runs.

The journal knows each way and each attempt. The running daemon knows what it skipped lately, and works out again what
nobody keeps: what each rule says to the event, and what each target was given to show.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from nextbridge.control.protocol import Judged, SkippedMessage, TracedEvent, Traces, Tried, Way
from nextbridge.control.words import LONGEST_TEXT, shown, words_of
from nextbridge.delivery import LaneState
from nextbridge.envelope import Channel, Event, InstanceId
from nextbridge.explanation import Knowledge, explain
from nextbridge.instance import Instance
from nextbridge.journal import Journal, Trace, Traced
from nextbridge.media import Links
from nextbridge.preview import Preview, preview
from nextbridge.render import Origin
from nextbridge.rules import RuleTable
from nextbridge.skips import REASONS, Skip, Skips
from nextbridge.telemetry import ids

__all__ = ["Sight", "Tracer"]


class Sight(Struct, frozen=True):
    """The parts of a running daemon that a trace looks at."""

    instances: Mapping[InstanceId, Instance]
    rules: RuleTable
    skips: Skips
    links: Callable[[], Links | None]
    makes_traces: Callable[[], bool]
    lanes: Callable[[], Mapping[Channel, LaneState]]


class Tracer:
    """Answers on the loop of its journal."""

    def __init__(self, journal: Journal, sight: Sight | None = None) -> None:
        """Without `sight` no daemon runs: the journal is all there is."""
        self._journal = journal
        self._sight = sight

    async def of(self, message: str, *, text: bool) -> Traces:
        """See `TraceMessage`. Raises JournalError."""
        found = Traces(events=())
        for name in _names(message):
            found = await self._called(name, text=text)
            if found.events or found.skipped:
                break
        return found

    async def _called(self, message: str, *, text: bool) -> Traces:
        traces = await self._journal.trace(message)
        sight = self._sight
        if sight is None:
            return Traces(events=tuple(_event(each, text=text) for each in traces))
        look = _Look(sight, self._journal.daemon_id, {each.event.channel for each in traces}, text=text)
        if any(way.state == "waiting" for each in traces for way in each.ways):
            look.failures = {each.target: each.reason for each in await self._journal.waiting()}
        events = await asyncio.to_thread(look.events, traces)
        skipped = tuple(map(_skipped, sight.skips.of(message)))
        return Traces(events=events, skipped=skipped, skips_since=sight.skips.since())


class _Look:
    """What the daemon adds to one answer: taken on the loop, and worked out on a thread, which may take a while."""

    def __init__(self, sight: Sight, daemon_id: str, channels: Collection[Channel], *, text: bool) -> None:
        self._sight = sight
        self._daemon_id = daemon_id if sight.makes_traces() else None
        rules = sight.rules
        self._known = {each: Knowledge.of(each, rules, rules.naming(each)) for each in channels}
        self._lanes = sight.lanes()
        self.failures: Mapping[Channel, str] = {}
        """Why the first message of each lane failed last."""
        self._text = text

    def events(self, traces: Iterable[Trace]) -> tuple[TracedEvent, ...]:
        return tuple(self._event(each) for each in traces)

    def _event(self, trace: Trace) -> TracedEvent:
        event = trace.event
        explained = explain(event, self._known[event.channel])
        return replace(
            _event(trace, text=self._text),
            ways=tuple(self._way(event, way) for way in trace.ways),
            rules=tuple(Judged(rule=each.rule, reason=each.verdict) for each in explained),
            trace_id=None if self._daemon_id is None else f"{ids.trace(self._daemon_id, trace.event_id):032x}",
        )

    def _way(self, event: Event, way: Traced) -> Way:
        given = self._given(event, way) if self._text else None
        lane = self._lanes.get(way.target) if way.state == "waiting" else None
        return replace(
            _way(way),
            lane="" if lane is None else lane.word,
            held_by="" if lane is None else shown(lane.reason or self.failures.get(way.target, "")),
            texts=None if given is None else tuple(shown(each, LONGEST_TEXT) for each in given.texts),
            name=None if given is None or given.name is None else shown(given.name),
        )

    def _given(self, event: Event, way: Traced) -> Preview | None:
        target = self._sight.instances.get(way.target.instance)
        source = self._sight.instances.get(event.channel.instance)
        if target is None or not way.settings or way.state == "skipped":
            return None
        origin = Origin(source.driver.platform if source else "", event.channel.instance, self._sight.links())
        try:
            return preview(event, way.settings, target.driver, way.target.key, origin)
        except Exception:  # noqa: BLE001 - a fault of a driver must not hide all else
            return None


def _names(given: str) -> list[str]:
    """What the message may be called: ids may have slashes in them, and stand at the end of links and event ids."""
    given = given.strip()
    last = given.rstrip("/").rpartition("/")[2]
    plain = last.partition("?")[0].partition("#")[0]
    # a time as Slack's links have it, without its point
    timed = re.sub(r"^p([0-9]{10})([0-9]{6})$", r"\1.\2", plain)
    return list(dict.fromkeys(each for each in (given, last, plain, unquote(plain), timed) if each))


def _event(trace: Trace, *, text: bool) -> TracedEvent:
    event = trace.event
    return TracedEvent(
        kind=event.key.kind,
        source=str(event.channel),
        message=event.message,
        author=shown(event.author.name),
        username=shown(event.author.username),
        at=event.at,
        accepted_at=trace.accepted_at,
        ways=tuple(map(_way, trace.ways)),
        text=shown(words_of(event), LONGEST_TEXT) if text else None,
    )


def _way(way: Traced) -> Way:
    return Way(
        target=str(way.target),
        state=way.state,
        rule=way.rule,
        attempts=way.attempts,
        reason=shown(way.reason),
        dead=way.dead,
        messages=way.messages,
        tried=tuple(Tried(at=each.at, outcome=each.outcome, reason=shown(each.reason)) for each in way.tried),
    )


def _skipped(skip: Skip) -> SkippedMessage:
    return SkippedMessage(
        at=skip.at,
        kind=skip.kind,
        channel=str(skip.channel),
        message=skip.message,
        reason=skip.reason,
        meaning=REASONS.get(skip.reason, ""),
        rule=skip.rule,
        author=shown(skip.username),
    )
