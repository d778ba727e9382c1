"""One of three targets is away while people go on talking."""

from __future__ import annotations

from pathlib import Path

from tests.faults.outage import Load, Square

LOAD = Load(messages=700, per_second=140, warming=700, words=900)
"""14 KB each: during the outage 10 MB are said, and before it as much, more than the journal's pages in memory."""
SAID = 10.0
"""MiB."""


async def test_a_target_that_was_away_gets_everything_in_order_and_its_backlog_is_not_in_memory(tmp_path: Path) -> None:
    """The others get everything meanwhile; the daemon's memory grows by less than half of what waits."""
    async with Square.standing(tmp_path) as square:
        outcome = await square.run(LOAD, with_outage=True, within=60)
        assert await square.daemon.stop() == 0
        assert outcome.behind == LOAD.messages
        assert outcome.caught_up_after is not None
        assert {name: verdict for name, verdict in outcome.verdicts.items() if not verdict.is_clean} == {}
        assert {verdict.due for verdict in outcome.verdicts.values()} == {LOAD.warming + LOAD.messages}
        assert outcome.growth < SAID / 2
