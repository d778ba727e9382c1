"""The web chat's driver keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.webchat_bench import WebChatBench


class TestWebChat(DriverContract):
    bench_type = WebChatBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[WebChatBench]:
        async with WebChatBench() as bench:
            yield bench
