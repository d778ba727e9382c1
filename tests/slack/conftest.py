"""A Slack with people in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.slack.town import Town

if TYPE_CHECKING:
    from tests.contract.slack_bench import SlackBench


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town() as town:
        yield town


@pytest.fixture
async def bench() -> AsyncIterator[SlackBench]:
    """The same, with a driver that can be run against it."""
    # not before the suite's own conftest.py was read
    from tests.contract.slack_bench import SlackBench

    async with SlackBench() as bench:
        yield bench
