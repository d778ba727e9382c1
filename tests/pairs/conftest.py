"""Two real platforms and the daemon between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.irc.conftest import certificates, inspircd, meet  # noqa: F401 - fixtures
from tests.process import Daemon


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """The daemon, not started yet; ended when the test ends."""
    running = Daemon(tmp_path)
    yield running
    if running.is_running:
        await running.kill()
