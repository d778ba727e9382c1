"""Spans, and how they get to the collector: from the loop into a bounded queue, from there by a thread of its own.

The SDK's own batching thread drops what does not fit without saying how much; here each lost span is counted.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import requests
import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from nextbridge import __version__
from nextbridge.config.model import OtelSettings
from nextbridge.delivery import Came
from nextbridge.journal import Delivery
from nextbridge.telemetry import ids

__all__ = ["Pipeline"]

_MOST_QUEUED = 8_192
_BATCH = 512
_EVERY = 1.0
"""Seconds that a span waits for company."""
_REQUEST_SECONDS = 5.0
_CLOSE_SECONDS = 3.0
"""For the last spans; what is not sent by then is lost."""


class Pipeline:
    """One collector's. Used on the event loop, but made on any thread: what it imports takes its time."""

    def __init__(self, settings: OtelSettings, daemon_id: str, counted: Counter[str]) -> None:
        """`counted` is told what becomes of spans."""
        self.settings = settings
        self._ids = _Ids(daemon_id)
        self._queue = _Queue(counted)
        resource = {
            "service.name": settings.service_name,
            "service.version": __version__,
            "service.instance.id": daemon_id,
        }
        provider = TracerProvider(
            sampler=TraceIdRatioBased(settings.sample),
            resource=Resource.create(resource),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        provider.add_span_processor(self._queue)
        self._tracer = provider.get_tracer("nextbridge", __version__)
        self._sending = _Sending(settings, counted)
        self._task: asyncio.Task[None] | None = None
        self._ending = False

    def begin(self) -> None:
        """Send what is made from here on, until `close`."""
        self._task = asyncio.create_task(self._run())

    def accepted(self, deliveries: Sequence[Delivery]) -> None:
        """An event is on disk: its trace begins."""
        first = deliveries[0]
        self._ids.next_trace(first)
        span = self._tracer.start_span(
            f"accept {first.event.key.kind}",
            Context(),
            SpanKind.CONSUMER,
            attributes={
                "nextbridge.source.instance": first.event.channel.instance,
                "nextbridge.deliveries": len(deliveries),
            },
            start_time=first.accepted_at * 1_000_000,
        )
        span.end(max(time.time_ns(), first.accepted_at * 1_000_000))

    def came(self, came: Came) -> None:
        """See `nextbridge.delivery.Observer`."""
        delivery, now = came.delivery, time.time_ns()
        about = {
            "nextbridge.source.instance": delivery.event.channel.instance,
            "nextbridge.target.instance": delivery.target.instance,
            "nextbridge.rule": delivery.rule,
            "nextbridge.outcome": came.outcome,
        }
        if came.word:
            about["nextbridge.reason"] = came.word
        if came.began is not None:
            self._ids.next_span()
            parent = self._ids.delivery(delivery)
            self._ended("attempt", parent, SpanKind.CLIENT, about, int(came.began * 1_000_000_000), now)
        if came.outcome != "postponed":
            since = (delivery.retried_at or delivery.accepted_at) * 1_000_000
            self._ids.next_span(self._ids.delivery(delivery).span_id)
            name = f"deliver {delivery.event.key.kind}"
            self._ended(name, self._ids.event(delivery), SpanKind.PRODUCER, about, since, now)

    def _ended(
        self, name: str, parent: SpanContext, kind: SpanKind, about: dict[str, str], start: int, end: int
    ) -> None:
        context = set_span_in_context(NonRecordingSpan(parent), Context())
        span = self._tracer.start_span(name, context, kind, about, start_time=start)
        if about["nextbridge.outcome"] in {"postponed", "buried"}:
            span.set_status(Status(StatusCode.ERROR))
        span.end(max(start, end))

    async def _run(self) -> None:
        while not self._ending:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._queue.enough.wait()
            while batch := self._queue.take():
                await self._sending.send(batch)

    async def close(self) -> None:
        """Send what there is, within a bound, and let go of the connection."""
        self._ending = True
        self._queue.enough.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._queue.drop()
        await self._sending.close(_CLOSE_SECONDS)


class _Ids(IdGenerator):
    """Gives the ids that belong to an event and to a delivery, and at random those that nobody asks for again."""

    def __init__(self, daemon_id: str) -> None:
        self._daemon_id = daemon_id
        self._trace = 1
        self._span = 1

    def next_trace(self, delivery: Delivery) -> None:
        """The next span is the root of the delivery's event."""
        root = self.event(delivery)
        self._trace, self._span = root.trace_id, root.span_id

    def next_span(self, number: int | None = None) -> None:
        """The next span has this id, or any."""
        self._span = secrets.randbits(64) or 1 if number is None else number

    def event(self, delivery: Delivery) -> SpanContext:
        """The root of an event's trace."""
        return self._context(delivery, ids.event_span(self._daemon_id, delivery.event_id))

    def delivery(self, delivery: Delivery) -> SpanContext:
        """The span of a delivery."""
        return self._context(delivery, ids.delivery_span(self._daemon_id, delivery.id))

    def generate_trace_id(self) -> int:
        return self._trace

    def generate_span_id(self) -> int:
        return self._span

    def _context(self, delivery: Delivery, span: int) -> SpanContext:
        trace = ids.trace(self._daemon_id, delivery.event_id)
        return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class _Queue(SpanProcessor):
    """Spans that wait to be sent."""

    def __init__(self, counted: Counter[str]) -> None:
        self._spans: deque[ReadableSpan] = deque()
        self._counted = counted
        self.enough = asyncio.Event()
        """Set while there is a batch of them."""

    def on_end(self, span: ReadableSpan) -> None:
        if len(self._spans) >= _MOST_QUEUED:
            self._counted["queue_full"] += 1
            return
        self._spans.append(span)
        if len(self._spans) >= _BATCH:
            self.enough.set()

    def take(self) -> list[ReadableSpan]:
        """The first of them, a batch at most."""
        batch = [self._spans.popleft() for _ in range(min(_BATCH, len(self._spans)))]
        if len(self._spans) < _BATCH:
            self.enough.clear()
        return batch

    def drop(self) -> None:
        """They are lost."""
        self._counted["not_taken"] += len(self._spans)
        self._spans.clear()


class _Sending:
    """The exporter, on a thread of its own: it waits for the network."""

    def __init__(self, settings: OtelSettings, counted: Counter[str]) -> None:
        session = requests.Session()
        session.trust_env = False  # a password file of somebody's home is none of the collector's
        self._exporter: SpanExporter = OTLPSpanExporter(
            endpoint=settings.endpoint,
            headers={name: value.reveal() for name, value in settings.headers.items()},
            timeout=_REQUEST_SECONDS,
            session=session,
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="telemetry")
        self._counted = counted
        self._is_down = False
        self._lost = 0
        self._said = _Said()
        self._log = structlog.get_logger()

    async def send(self, batch: list[ReadableSpan]) -> None:
        """Send them, or lose them. Says once that spans are lost, and once that they are taken again."""
        self._said.clear()
        taken = False
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._thread, self._exporter.export, batch)
            taken = result is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - whatever the library raises, messages are relayed
            self._said.first = type(error).__name__
        finally:  # cut short, they may have arrived or not
            self._counted["sent" if taken else "not_taken"] += len(batch)
        if not taken:
            self._lost += len(batch)
        if taken == self._is_down:
            self._is_down = not taken
            if taken:
                self._log.info("spans_sent_again", lost=self._lost)
                self._lost = 0
            else:
                self._log.warning("spans_not_sent", reason=self._said.first)

    async def close(self, within: float) -> None:
        """End what is under way."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await asyncio.to_thread(self._exporter.shutdown)


class _Said(logging.Handler):
    """What the library logs of a batch that was not taken, in place of a line of its own for each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""
        logger = logging.getLogger("opentelemetry")
        logger.propagate = False
        logger.handlers = [self]

    def clear(self) -> None:
        """The next batch is sent."""
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()[:500]
