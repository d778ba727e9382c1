"""The webhooks' driver keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.webhook_bench import WebhookBench


class TestWebhook(DriverContract):
    bench_type = WebhookBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[WebhookBench]:
        async with WebhookBench() as bench:
            yield bench
