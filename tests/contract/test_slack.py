"""The Slack driver keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.slack_bench import SlackBench


class TestSlack(DriverContract):
    bench_type = SlackBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[SlackBench]:
        async with SlackBench() as bench:
            yield bench
