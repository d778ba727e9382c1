"""A Slack with people in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.slack_bench import SlackBench
from tests.slack.town import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town() as town:
        yield town


@pytest.fixture
async def bench() -> AsyncIterator[SlackBench]:
    """The same, with a driver that can be run against it."""
    async with SlackBench() as bench:
        yield bench
