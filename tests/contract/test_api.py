"""The HTTP API's driver keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.api_bench import ApiBench


class TestApi(DriverContract):
    bench_type = ApiBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[ApiBench]:
        async with ApiBench() as bench:
            yield bench
