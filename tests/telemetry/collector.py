"""An OpenTelemetry collector in the test's own loop: it takes spans by OTLP over HTTP, as the protocol says it.

https://opentelemetry.io/docs/specs/otlp/#otlphttp: a POST of an ExportTraceServiceRequest in protobuf, answered with
200 and an ExportTraceServiceResponse; 503 means "later", 400 and the like "never".
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

__all__ = ["Collector", "Span", "collecting"]


class Span:
    """A span as it was told."""

    def __init__(self, told: Any, resource: dict[str, Any]) -> None:
        self.name: str = told.name
        self.trace: str = told.trace_id.hex()
        self.id: str = told.span_id.hex()
        self.parent: str = told.parent_span_id.hex()
        self.kind: int = told.kind
        self.start: int = told.start_time_unix_nano
        self.end: int = told.end_time_unix_nano
        self.failed: bool = told.status.code == told.status.STATUS_CODE_ERROR
        self.about = _values(told.attributes)
        self.resource = resource


class Collector:
    """What came."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()
        self.endpoint = ""
        self._changed = asyncio.Condition()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        await self.open.wait()
        self.headers.append(dict(request.headers))
        if self.status == 200:
            self.bodies.append(body)
            asked = ExportTraceServiceRequest.FromString(body)
            for group in asked.resource_spans:
                resource = _values(group.resource.attributes)
                self.spans += [Span(each, resource) for scope in group.scope_spans for each in scope.spans]
        async with self._changed:
            self._changed.notify_all()
        answer = ExportTraceServiceResponse().SerializeToString() if self.status == 200 else b""
        return web.Response(status=self.status, body=answer, content_type="application/x-protobuf")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition()` holds; looked at with each request."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(condition)

    def named(self, name: str) -> list[Span]:
        return [each for each in self.spans if each.name == name]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on a free port of the loopback."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        collector.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        yield collector
    finally:
        collector.open.set()
        await runner.cleanup()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
