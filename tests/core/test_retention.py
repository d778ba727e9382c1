"""What was delivered is remembered for a while, and then forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nextbridge.config.model import GlobalSettings
from nextbridge.driver import Receipt
from nextbridge.envelope import Channel, ChannelKey, InstanceId
from nextbridge.errors import JournalError
from nextbridge.journal import Delivery, NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal
from nextbridge.retention import Retention
from tests.core.script import RunDaemon, ScriptDriver, post, rule

MONTH = 30 * 86_400.0
TARGET = NewDelivery(Channel(InstanceId("b"), ChannelKey("1")), "r", "{}")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = await open_journal(tmp_path / "state")
    yield journal
    await journal.close()


async def accepted(journal: SqliteJournal, number: int) -> Delivery:
    deliveries = await journal.accept(post("a", f"message {number}"), [TARGET])
    assert deliveries is not None
    return deliveries[0]


async def deliver(journal: SqliteJournal, number: int) -> int:
    """The id of an event that was delivered."""
    delivery = await accepted(journal, number)
    await journal.complete(delivery.id, 0, Receipt())
    return delivery.event_id


async def test_what_is_older_than_it_is_remembered_goes(journal: SqliteJournal) -> None:
    """A month later all that was delivered is forgotten, in several steps; what waits and what is dead is not."""
    events = [await deliver(journal, number) for number in range(120)]
    waits, dies = await accepted(journal, 120), await accepted(journal, 121)
    await journal.bury(dies.id, reason="refused")
    retention = asyncio.create_task(
        Retention(journal, remember=lambda: MONTH, clock=lambda: time.time() + MONTH + 1).run()
    )
    async with asyncio.timeout(20):
        while any([await journal.delivered_ids(event) for event in events]):
            pass
    retention.cancel()
    assert [each.id for each in await journal.load(TARGET.target)] == [waits.id]
    assert [each.id for each in await journal.dead_letters()] == [dies.id]


async def test_what_is_younger_stays(journal: SqliteJournal) -> None:
    """A walk a moment before the time forgets nothing."""
    event = await deliver(journal, 1)
    retention = Retention(journal, remember=lambda: MONTH, clock=lambda: time.time() + MONTH - 60)
    assert await retention._walk() == 0
    assert await journal.delivered_ids(event)


async def test_it_ends_with_the_journal(journal: SqliteJournal) -> None:
    """A journal that fails ends the daemon; this is not the one to say so."""
    await journal.close()
    async with asyncio.timeout(5):
        await Retention(journal, remember=lambda: MONTH).run()
    with pytest.raises(JournalError):
        await journal.purge(before=0)


async def test_the_daemon_forgets(daemon: RunDaemon, tmp_path: Path) -> None:
    """A daemon looks at its journal as soon as it runs; its lanes go on."""
    journal = await open_journal(tmp_path / "state")
    event = await deliver(journal, 1)
    await journal.close()
    connection = sqlite3.connect(tmp_path / "state" / "journal.sqlite3", isolation_level=None)
    connection.execute("UPDATE event SET accepted_at = accepted_at - ?", (1000 * MONTH + 1,))
    connection.close()
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        held = running["a"].host.store._journal  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            while await held.delivered_ids(event):
                pass
        await running["a"].post("hello")
        await running["b"].until(lambda: running["b"].texts == ["hello"])


def test_nothing_is_forgotten_while_it_may_wait() -> None:
    """What waits for a day and is remembered for an hour could not be edited once it has arrived."""
    with pytest.raises(ValueError, match=r"remember .* give_up_after"):
        GlobalSettings(remember="1h", give_up_after="24h")
    assert GlobalSettings(remember="24h", give_up_after="24h").remember == "24h"
