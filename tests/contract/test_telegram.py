"""The Telegram driver passes the suite, against the stand-in Bot API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.telegram_bench import TelegramBench


class TestTelegram(DriverContract):
    bench_type = TelegramBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[TelegramBench]:
        async with TelegramBench() as bench:
            yield bench
