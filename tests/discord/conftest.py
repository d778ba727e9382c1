"""The place that the tests of this folder are at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.discord.place import Place


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    from nextbridge.sandbox.discord import Allowance, SandboxDiscord
    from tests.discord.place import Place  # not before the suite's assertions are rewritten, by its own conftest

    async with SandboxDiscord(allowance=Allowance.generous()) as sandbox:
        made = Place(sandbox)
        yield made
        for each in made.running:
            await each.close()
