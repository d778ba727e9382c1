"""The Mattermost driver keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.mattermost_bench import MattermostBench


class TestMattermost(DriverContract):
    bench_type = MattermostBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[MattermostBench]:
        async with MattermostBench() as bench:
            yield bench
