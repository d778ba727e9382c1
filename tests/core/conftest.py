"""The core under test: a real journal, real lanes and real supervision, around drivers that do as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from msgspec.structs import replace

from nextbridge.config.loader import Loaded
from nextbridge.config.model import (
    Config,
    GlobalSettings,
    HttpSettings,
    LogSettings,
    MetricsSettings,
    OpsChannel,
    OtelSettings,
    Rule,
    StatusPageSettings,
)
from nextbridge.config.model import Instance as ConfiguredInstance
from nextbridge.control.client import reach
from nextbridge.control.protocol import Answer, Reloaded, ReloadFile
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


def configured(
    path: Path,
    *rules: Rule,
    platforms: Mapping[str, type[ScriptDriver]],
    general: GlobalSettings,
    disabled: Sequence[str] = (),
    settings: Mapping[str, ScriptSettings] | None = None,
    ops: OpsChannel | None = None,
) -> Config:
    """What loading an operator's file gives: its rules, and the instances by name, with their `settings`."""
    settings = settings or {}
    return Config(
        path=path,
        general=general,
        instances={
            InstanceId(name): ConfiguredInstance(
                id=InstanceId(name),
                driver=driver,
                settings=settings.get(name, ScriptSettings()),
                enabled=name not in disabled,
            )
            for name, driver in platforms.items()
        },
        rules=rules,
        ops=ops,
    )


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
        metrics: MetricsSettings | None = None,
        otel: OtelSettings | None = None,
        status_page: StatusPageSettings | None = None,
        port: int = 0,
        log: LogSettings = LogSettings(),  # noqa: B008 - it is frozen
        state: str = "state",
        clock: Callable[[], float] = monotonic,
        disabled: Sequence[str] = (),
        ops: OpsChannel | None = None,
        **platforms: type[ScriptDriver],
    ) -> AsyncIterator[Daemon]:
        general = GlobalSettings(
            http=HttpSettings(port=port),
            base_url=base_url,
            spool_size=spool_size,
            media_keep=media_keep,
            give_up_after=give_up_after,
            backfill=backfill,
            backfill_messages=backfill_messages,
            metrics=metrics,
            otel=otel,
            status_page=status_page,
            log=log,
        )
        in_force = general
        path = tmp_path / "config.json"
        files = [configured(path, *rules, disabled=disabled, platforms=platforms, general=general, ops=ops)]

        def load(_: Path) -> Loaded:
            return Loaded(files[-1], ())

        service = Service(files[0], tmp_path / state, clock=clock, load=load)
        started = asyncio.Event()
        task = asyncio.create_task(service.run(started=started))
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            await task

        async def reload(*rules: Rule, general: Mapping[str, Any] | None = None, **more: Any) -> Reloaded:
            nonlocal in_force
            in_force = replace(in_force, **(general or {}))
            files.append(configured(path, *rules, general=in_force, **{"platforms": platforms, **more}))

            def asked() -> Answer:
                with reach(tmp_path / state) as ask:
                    return ask(ReloadFile())

            answer = await asyncio.to_thread(asked)
            assert isinstance(answer, Reloaded), answer
            return answer

        try:
            yield Daemon(service, reload)
        finally:
            service.stop()
            await task

    return run
