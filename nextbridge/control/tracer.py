"""What became of one message, as far as it can be told: by the journal, and by the daemon where one runs.

The journal knows each way and each attempt. The running daemon knows what it skipped lately, and works out again what
nobody keeps: what each rule says to the event, and what each target was given to show.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from msgspec import Struct

from nextbridge.control.protocol import Judged, SkippedMessage, TracedEvent, Traces, Tried, Way
from nextbridge.control.words import LONGEST_TEXT, shown, words_of
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
        channels = {each.event.channel for each in traces}
        known = {} if sight is None else {each: _known(each, sight.rules) for each in channels}
        events = await asyncio.to_thread(_events, traces, known, sight, self._trace_id, text=text)
        if sight is None:
            return Traces(events=events)
        skipped = tuple(map(_skipped, sight.skips.of(message)))
        return Traces(events=events, skipped=skipped, skips_since=sight.skips.since())

    def _trace_id(self, event_id: int) -> str | None:
        if self._sight is None or not self._sight.makes_traces():
            return None
        return f"{ids.trace(self._journal.daemon_id, event_id):032x}"


def _names(given: str) -> list[str]:
    """What the message may be called: ids may have slashes in them, and stand at the end of links and event ids."""
    given = given.strip()
    last = given.rstrip("/").rpartition("/")[2]
    plain = last.partition("?")[0].partition("#")[0]
    # a time as Slack's links have it, without its point
    timed = re.sub(r"^p([0-9]{10})([0-9]{6})$", r"\1.\2", plain)
    return list(dict.fromkeys(each for each in (given, last, plain, unquote(plain), timed) if each))


def _known(channel: Channel, rules: RuleTable) -> Knowledge:
    return Knowledge.of(channel, rules, rules.naming(channel))


def _events(
    traces: Sequence[Trace],
    known: Mapping[Channel, Knowledge],
    sight: Sight | None,
    trace_id: Callable[[int], str | None],
    *,
    text: bool,
) -> tuple[TracedEvent, ...]:
    return tuple(
        TracedEvent(
            kind=each.event.key.kind,
            source=str(each.event.channel),
            message=each.event.message,
            author=shown(each.event.author.name),
            username=shown(each.event.author.username),
            at=each.event.at,
            accepted_at=each.accepted_at,
            ways=tuple(_way(each.event, way, sight if text else None) for way in each.ways),
            text=shown(words_of(each.event), LONGEST_TEXT) if text else None,
            rules=_judged(each.event, known.get(each.event.channel)),
            trace_id=trace_id(each.event_id),
        )
        for each in traces
    )


def _judged(event: Event, known: Knowledge | None) -> tuple[Judged, ...] | None:
    if known is None:
        return None
    return tuple(Judged(rule=each.rule, reason=each.reason) for each in explain(event, known))


def _way(event: Event, way: Traced, sight: Sight | None) -> Way:
    given = None if sight is None else _given(event, way, sight)
    return Way(
        target=str(way.target),
        state=way.state,
        rule=way.rule,
        attempts=way.attempts,
        reason=shown(way.reason),
        dead=way.dead,
        messages=way.messages,
        tried=tuple(Tried(at=each.at, outcome=each.outcome, reason=shown(each.reason)) for each in way.tried),
        texts=None if given is None else tuple(shown(each, LONGEST_TEXT) for each in given.texts),
        name=None if given is None or given.name is None else shown(given.name),
    )


def _given(event: Event, way: Traced, sight: Sight) -> Preview | None:
    target = sight.instances.get(way.target.instance)
    source = sight.instances.get(event.channel.instance)
    if target is None or not way.settings or way.state == "skipped":
        return None
    origin = Origin(source.driver.platform if source else "", event.channel.instance, sight.links())
    return preview(event, way.settings, target.driver, way.target.key, origin)


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
