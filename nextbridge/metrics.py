"""What Prometheus reads: counts, times and depths, in the form of OpenMetrics or of Prometheus's own text.

Everything is counted elsewhere or read when somebody asks; a message costs two look-ups in a table. Labels are the
file's own names and short stable reasons, so their number does not grow with what chat users write.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from nextbridge import __version__
from nextbridge.config.model import MetricsSettings
from nextbridge.delivery import Came
from nextbridge.envelope import InstanceId
from nextbridge.instance import Instance, State
from nextbridge.journal import Delivery, Journal
from nextbridge.tally import Tally

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

__all__ = ["Metrics"]

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)
"""Seconds. A relay is quick, or it waits for a server."""


class _Histogram:
    """How often something took how long."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Each bound with what took no longer, as Prometheus counts."""
        found, number = [], 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self.counts, strict=True):
            number += count
            found.append((bound, float(number)))
        return found


class Metrics:
    """An observer of the deliveries that also answers scrapes. Used on the event loop."""

    def __init__(
        self,
        tally: Tally,
        instances: Mapping[InstanceId, Instance],
        journal: Journal,
        settings: Callable[[], MetricsSettings | None],
        spans: Mapping[str, int],
    ) -> None:
        """`settings` gives what holds now; with None nobody may scrape. `spans` are those of Telemetry."""
        self._tally = tally
        self._instances = instances
        self._journal = journal
        self._settings = settings
        self._latency: dict[InstanceId, _Histogram] = {}
        self._lag: dict[InstanceId, _Histogram] = {}
        self._spans = spans
        self._started = time.time()

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """See `nextbridge.delivery.Observer`: what is accepted is counted by the tally."""

    def came(self, came: Came) -> None:
        """See `nextbridge.delivery.Observer`."""
        if came.outcome != "delivered":
            return
        delivery = came.delivery
        now = time.time()
        target = delivery.target.instance
        latency, lag = self._latency.get(target), self._lag.get(target)
        if latency is None or lag is None:
            latency, lag = self._latency[target], self._lag[target] = _Histogram(), _Histogram()
        latency.observe(max(0.0, now - delivery.accepted_at / 1000))
        lag.observe(max(0.0, now - delivery.event.at / 1000))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a scrape, in the form that it asks for."""
        from prometheus_client.exposition import choose_encoder

        settings = self._settings()
        if settings is None:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        if settings.token is not None:
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, f"Bearer {settings.token.reveal()}".encode()):
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"}, text="A token is needed.\n")
        families = _Collected([*self._outcomes(), *self._times(), *self._connections(), *await self._queues()])
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # large files make many lines; they are fixed by now
        body = await asyncio.to_thread(encode, families)
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _outcomes(self) -> Iterable[Metric]:
        families = {
            "accepted": _counter("events_accepted", "Events that are on disk.", "instance"),
            "delivered": _counter("deliveries", "Events that a target shows.", "instance", "rule"),
            "skipped": _counter("events_skipped", "Events that are not relayed.", "instance", "rule", "reason"),
            "buried": _counter("deliveries_buried", "Deliveries that became dead letters.", "instance", "rule"),
            "masked": _counter("secrets_masked", "Secrets of the file that were masked.", "instance", "rule"),
            "postponed": _counter("deliveries_postponed", "Attempts that are to be repeated.", "instance", "reason"),
        }
        labels = {
            "accepted": ("instance",),
            "skipped": ("instance", "rule", "reason"),
            "postponed": ("instance", "reason"),
        }
        for outcome, number in self._tally.lines():
            named = labels.get(outcome.kind, ("instance", "rule"))
            families[outcome.kind].add_metric([str(getattr(outcome, each)) for each in named], number)
        return families.values()

    def _times(self) -> Iterator[Metric]:
        latency = _histogram("delivery_seconds", "From when an event was on disk to when the target shows it.")
        lag = _histogram("lag_seconds", "From when it was said, by its platform's clock, to when the target shows it.")
        for family, kept in ((latency, self._latency), (lag, self._lag)):
            for instance, times in kept.items():
                family.add_metric([str(instance)], times.buckets(), times.total)
            yield family

    def _connections(self) -> Iterator[Metric]:
        up = _gauge("instance_up", "Whether an instance is connected.", "instance", "platform")
        state = _gauge("instance_state", "How an instance stands: 1 at the state that it is in.", "instance", "state")
        ended = _counter("connections_ended", "Connections that ended or could not be made.", "instance")
        calls = _counter("api_calls", "Requests to the platform's API, by the answer's status.", "instance", "status")
        for name, instance in self._instances.items():
            up.add_metric([str(name), instance.driver.platform], float(instance.state is State.CONNECTED))
            for each in State:
                state.add_metric([str(name), each.value], float(instance.state is each))
            ended.add_metric([str(name)], float(instance.connections_ended))
            for status, number in sorted(instance.api_answers.items()):
                calls.add_metric([str(name), status], float(number))
        yield from (up, state, ended, calls)
        about = _gauge("build_info", "The version that runs.", "version")
        about.add_metric([__version__], 1.0)
        started = _gauge("start_time_seconds", "When the daemon was started, in seconds since 1970.")
        started.add_metric([], self._started)
        yield from (about, started)
        told = _counter("spans", "Spans of traces, by what became of them.", "outcome")
        for outcome, number in sorted(self._spans.items()):
            told.add_metric([outcome], float(number))
        yield told

    async def _queues(self) -> Iterable[Metric]:
        depth = _gauge("waiting_deliveries", "Deliveries that wait on disk or are being sent.", "instance")
        lanes = _gauge("waiting_lanes", "Target channels that something waits for.", "instance")
        oldest = _gauge("oldest_waiting_seconds", "How long the first of them has waited.", "instance")
        found: dict[str, tuple[int, int, int]] = {str(each): (0, 0, 0) for each in self._instances}
        now = int(time.time() * 1000)
        for each in await self._journal.waiting():
            name = str(each.target.instance)
            number, channels, longest = found.get(name, (0, 0, 0))
            found[name] = (number + each.depth, channels + 1, max(longest, now - each.oldest_at))
        for name, (number, channels, longest) in found.items():
            depth.add_metric([name], number)
            lanes.add_metric([name], channels)
            oldest.add_metric([name], longest / 1000)
        dead = _gauge("dead_letters", "Dead letters that are kept.")
        dead.add_metric([], await self._journal.dead_count())
        return (depth, lanes, oldest, dead, *_of_the_process())


class _Collected:
    """What an encoder takes for a registry."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_the_process() -> Iterable[Metric]:
    """Memory, CPU time and open files, under the names that every program has them."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    return ProcessCollector(registry=CollectorRegistry()).collect()


def _counter(name: str, help_text: str, *labels: str) -> CounterMetricFamily:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"nextbridge_{name}", help_text, labels=labels)


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"nextbridge_{name}", help_text, labels=labels)


def _histogram(name: str, help_text: str) -> HistogramMetricFamily:
    from prometheus_client.core import HistogramMetricFamily

    return HistogramMetricFamily(f"nextbridge_{name}", help_text, labels=["instance"])
