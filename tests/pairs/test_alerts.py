"""`global.ops_channel` on Mattermost, by the daemon as a process."""

from __future__ import annotations

import socket

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.process import Daemon


async def test_operators_are_told_in_a_channel_by_its_name_and_it_goes_no_further(daemon: Daemon) -> None:
    """A server that is down is told; although a rule takes messages from that channel, only people's go on."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        async with SandboxMattermost() as server:
            team = server.add_team("main")
            bot, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
            operations = server.add_channel(team, "operations", members=[bot, ada])
            town = server.add_channel(team, "town", members=[bot, ada])
            down = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            channels = [{"instance": "mm", "channel_id": each.id} for each in (operations, town)]
            home = {"mm": {"channel_id": town.id}}
            ops = {"instance": "mm", "channel": "operations", "after": "1s"}
            await daemon.start(
                {
                    "global": {"http": {"port": 0}, "ops_channel": ops},
                    "mattermost": {
                        "mm": {"server_url": server.url, "token": bot.token, "team": "main"},
                        "away": {"server_url": down, "token": "t" * 26},
                    },
                    "rules": [
                        {"type": "connect", "channels": channels},
                        {"type": "forward", "from": {"away": {"channel_id": "a" * 26}}, "to": home},
                    ],
                },
                until_ready=False,
            )  # fmt: skip
            await server.until(lambda: len(server.messages(operations)) == 1, within=15)
            (alert,) = server.messages(operations)
            assert "the instance away is not connected" in alert
            server.post_as(ada, operations, "I look at it")
            await server.until(lambda: server.messages(town) != [], within=15)
            assert server.messages(town) == ["I look at it"]
