"""The core under test: a real journal, real lanes and real supervision, around drivers that do as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from nextbridge.config.model import Config, GlobalSettings, HttpSettings, Rule
from nextbridge.config.model import Instance as ConfiguredInstance
from nextbridge.envelope import InstanceId
from nextbridge.service import Service
from tests.core.conversing import ConversingDriver
from tests.core.script import Daemon, RunDaemon, ScriptDriver, ScriptSettings


@pytest.fixture(autouse=True)
def _empty_boards() -> Iterator[None]:
    """What conversing platforms show outlives their drivers, and not the test."""
    ConversingDriver.boards.clear()
    yield
    ConversingDriver.boards.clear()


@pytest.fixture
def daemon(tmp_path: Path) -> RunDaemon:
    """Runs a daemon over script platforms, as an async context: rules first, then the instances by name.

    Again in the same test, it is a restart on the same state.
    """

    @asynccontextmanager
    async def run(
        *rules: Rule,
        spool_size: int = 1_000_000,
        base_url: str | None = None,
        media_keep: str = "7d",
        give_up_after: str = "24h",
        backfill: str | int = "24h",
        backfill_messages: int = 1000,
        state: str = "state",
        clock: Callable[[], float] = monotonic,
        disabled: Sequence[str] = (),
        **platforms: type[ScriptDriver],
    ) -> AsyncIterator[Daemon]:
        config = Config(
            path=tmp_path / "config.json",
            general=GlobalSettings(
                http=HttpSettings(port=0),
                base_url=base_url,
                spool_size=spool_size,
                media_keep=media_keep,
                give_up_after=give_up_after,
                backfill=backfill,
                backfill_messages=backfill_messages,
            ),
            instances={
                InstanceId(name): ConfiguredInstance(
                    id=InstanceId(name), driver=driver, settings=ScriptSettings(), enabled=name not in disabled
                )
                for name, driver in platforms.items()
            },
            rules=rules,
        )
        service = Service(config, tmp_path / state, clock=clock)
        started = asyncio.Event()
        task = asyncio.create_task(service.run(started=started))
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            await task
        try:
            yield Daemon(service)
        finally:
            service.stop()
            await task

    return run
