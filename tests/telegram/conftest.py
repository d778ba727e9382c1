"""The stand-in Bot API with a group in it, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.telegram.stage import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    from tests.telegram.stage import standing

    async with standing() as town:
        yield town
