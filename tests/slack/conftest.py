"""A Slack with people in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.slack.town import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town() as town:
        yield town
