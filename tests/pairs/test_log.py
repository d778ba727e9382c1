"""The log of a daemon to which everything happens: its lines are events that are documented, and hold no message."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.process import Daemon

WORD = "quicksilver"
"""It is in all that is said."""
LEVELS = {"debug", "info", "warning", "error"}


async def test_what_is_said_is_in_no_line_whatever_becomes_of_it(daemon: Daemon) -> None:
    """Shown, waiting, refused, edited, deleted, dropped by a filter, masked, asked of the relay: each with --debug."""
    async with SandboxMattermost() as one, SandboxMattermost() as other:
        team, elsewhere = one.add_team("main"), other.add_team("main")
        bot, ada = one.add_bot("relay", team=team), one.add_user("ada", team=team)
        town = one.add_channel(team, "town", members=[bot, ada])
        other_bot = other.add_bot("relay", team=elsewhere)
        square = other.add_channel(elsewhere, "square", members=[other_bot])
        ends = {"a": {"channel_id": town.id}, "b": {"channel_id": square.id, "msg": {"msg_format": "{msg}"}}}
        await daemon.start(
            {
                "global": {"http": {"port": 0}},
                "mattermost": {
                    "a": {"server_url": one.url, "token": bot.token},
                    "b": {"server_url": other.url, "token": other_bot.token},
                },
                "rules": [
                    {"id": "r", "type": "connect", "channels": ends, "filter": {"ignore_text": ["^dropped"]}},
                ],
            }
        )
        shown = one.post_as(ada, town, f"{WORD} shown")
        await other.shown(square, f"{WORD} shown")
        one.edit(shown, f"{WORD} edited")
        await other.shown(square, f"{WORD} edited")
        one.react_as(ada, shown, "tada")
        one.upload_as(ada, town, "plan.txt", WORD.encode())
        for text in (f"dropped {WORD}", f"!nb {WORD}", f"@relay {WORD}", f"{WORD} {other_bot.token}", WORD * 1400):
            one.post_as(ada, town, text)
        await other.faults.refuse_connections()
        waiting = one.post_as(ada, town, f"{WORD} waits")
        one.edit(waiting, f"{WORD} waits, edited")
        taken = one.post_as(ada, town, f"{WORD} is taken back")
        one.delete(taken)
        await daemon.logged("delivery_postponed")
        await other.faults.accept_connections()
        await other.shown(square, f"{WORD} waits, edited")
        refusal = json.dumps({"id": "api.post.no", "message": "This is refused.", "status_code": 400})
        other.faults.answer(400, body=refusal, route="POST /api/v4/posts", times=100)
        dead = one.post_as(ada, town, f"{WORD} is refused")
        await daemon.logged("delivery_buried")
        one.edit(dead, f"{WORD} is refused, edited")
        other.revoke_token(other_bot)
        other.faults.cut_sockets()
        one.post_as(ada, town, f"{WORD} to nobody")
        await daemon.logged("instance_paused")
        assert await daemon.stop() == 0
    text = daemon.log.read_text()
    assert WORD not in text
    lines = [json.loads(line) for line in text.splitlines()]
    documented = set(re.findall(r"`(\w+)`", (Path(__file__).parents[2] / "docs/logs.md").read_text()))
    assert {line["event"] for line in lines} <= documented
    assert {line["level"] for line in lines} <= LEVELS
    assert all(line["timestamp"] for line in lines)
