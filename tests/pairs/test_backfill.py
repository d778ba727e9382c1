"""What was said in a Mattermost channel while the daemon was not there: relayed afterwards, once and in order."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost
from tests.process import Daemon

_PAGES = "GET /api/v4/channels/{channel_id}/posts"


class Town(Struct):
    """A server on which what is said in town is to be shown in dev."""

    server: SandboxMattermost
    relay: Account
    ada: Account
    town: Channel
    dev: Channel

    def file(self, *, enabled: bool = True, **general: Any) -> dict[str, Any]:
        """The operator's file."""
        return {
            "global": {"http": {"port": 0}, **general},
            "mattermost": {
                "mm": {"server_url": self.server.url, "token": self.relay.token, "reconnect_delay": 0.1},
            },
            "rules": [
                {
                    "id": "there",
                    "enabled": enabled,
                    "type": "forward",
                    "from": {"mm": {"channel_id": self.town.id}},
                    "to": {"mm": {"channel_id": self.dev.id, "msg": {"msg_format": "{msg}"}}},
                }
            ],
        }

    def say(self, *texts: str, **more: Any) -> None:
        for text in texts:
            self.server.post_as(self.ada, self.town, text, **more)

    @property
    def shown(self) -> list[str]:
        return self.server.messages(self.dev)

    async def until_shown(self, text: str) -> None:
        await self.server.until(lambda: text in self.shown, within=30)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with SandboxMattermost() as server:
        team = server.add_team("main")
        relay, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
        members = [relay, ada]
        yield Town(
            server,
            relay,
            ada,
            server.add_channel(team, "town", members=members),
            server.add_channel(team, "dev", members=members),
        )


async def heard_once(daemon: Daemon, town: Town, **general: Any) -> None:
    """Run the daemon for one message: from there on the rule applies."""
    await daemon.start(town.file(**general))
    town.say("first")
    await town.until_shown("first")
    assert await daemon.stop() == 0


async def test_what_was_posted_while_the_daemon_was_stopped_arrives_before_what_is_new(
    daemon: Daemon, town: Town
) -> None:
    """Nothing of before its first start; then fifty messages, once each and in order, and then the new one."""
    town.say("old 1", "old 2")
    await heard_once(daemon, town)
    missed = [f"missed {number}" for number in range(50)]
    town.say(*missed)
    await daemon.start(town.file(), until_ready=False)
    await town.server.until(lambda: town.server.open_sockets == 1, within=30)
    town.say("new")
    await town.until_shown("new")
    assert town.shown == ["first", *missed, "new"]
    assert await daemon.stop() == 0


async def test_what_was_posted_while_the_server_forgot_the_connection_arrives_before_what_is_new(
    daemon: Daemon, town: Town
) -> None:
    """A server that was restarted resumes nothing: its history has what was said meanwhile."""
    await daemon.start(town.file())
    town.say("before")
    await town.until_shown("before")
    await town.server.stop()
    missed = [f"missed {number}" for number in range(250)]
    town.say(*missed)
    await town.server.start()
    await town.server.until(lambda: town.server.open_sockets == 1, within=30)
    town.say("after")
    await town.until_shown("after")
    assert town.shown == ["before", *missed, "after"]
    assert await daemon.stop() == 0


async def test_what_is_over_the_limits_is_told(daemon: Daemon, town: Town) -> None:
    """The newest arrive; a warning says of which channel how many do not."""
    await heard_once(daemon, town)
    town.say(*(f"missed {number}" for number in range(8)))
    await daemon.start(town.file(backfill="15min", backfill_messages=3))
    await town.until_shown("missed 7")
    assert town.shown == ["first", "missed 5", "missed 6", "missed 7"]
    assert await daemon.stop() == 0
    (told,) = daemon.events("messages_not_relayed")
    assert (told["channel"], told["number"], told["level"]) == (town.town.id, 5, "warning")


async def test_the_time_in_which_a_rule_was_disabled_is_no_gap(daemon: Daemon, town: Town) -> None:
    """What was said meanwhile never arrives, whether the daemon ran or not; afterwards the rule has no gaps again."""
    await heard_once(daemon, town)
    await daemon.start(town.file(enabled=False))
    town.say("while it was disabled")
    assert await daemon.stop() == 0
    town.say("while it was disabled and nothing ran")
    await heard_once(daemon, town)
    town.say("missed")
    await daemon.start(town.file())
    await town.until_shown("missed")
    assert town.shown == ["first", "first", "missed"]
    assert await daemon.stop() == 0


async def test_a_kill_in_the_middle_of_a_gap_loses_and_repeats_nothing(daemon: Daemon, town: Town) -> None:
    """Killed ten times at any moment while it catches up: each message arrives once, in order."""
    await heard_once(daemon, town)
    missed = [f"missed {number}" for number in range(500)]
    town.say(*missed)
    asked = town.server.faults.requests
    for _ in range(10):
        moment = asked[_PAGES] + random.randint(1, 8)
        await daemon.start(town.file(), until_ready=False)
        await town.server.until(lambda moment=moment: asked[_PAGES] >= moment or missed[-1] in town.shown, within=30)  # type: ignore[misc]
        await daemon.kill()
    await daemon.start(town.file())
    town.say("new")
    await town.until_shown("new")
    assert town.shown == ["first", *missed, "new"]
    assert await daemon.stop() == 0
