"""The Discord driver keeps the contract, whether names are shown by webhooks or stand in the text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from nextbridge.driver import Identity
from nextbridge.sandbox.contract import DriverContract
from tests.contract.discord_bench import DiscordBench


class TestDiscord(DriverContract):
    bench_type = DiscordBench

    @pytest.fixture
    async def bench(self) -> AsyncIterator[DiscordBench]:
        async with DiscordBench() as bench:
            yield bench


class DiscordByBot(DiscordBench):
    """The operator wants no webhooks."""

    identity = "bot"
    lacking: ClassVar = {Identity: "the operator lets the bot make webhooks"}


class TestDiscordByBot(DriverContract):
    bench_type = DiscordByBot

    @pytest.fixture
    async def bench(self) -> AsyncIterator[DiscordByBot]:
        async with DiscordByBot() as bench:
            yield bench
