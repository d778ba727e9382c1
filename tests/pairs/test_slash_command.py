"""The slash command of Mattermost, with the daemon as a process and a web chat on the other side."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import aiohttp

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.pairs.browsing import Side
from tests.pairs.test_files import free_port
from tests.process import Daemon


async def test_a_slash_command_is_obeyed_and_answered_to_whoever_typed_it(daemon: Daemon) -> None:
    """Help and a code come in their own conversation; the other side sees nothing; a restart makes no second one."""
    async with SandboxMattermost() as server, aiohttp.ClientSession() as http:
        server.give_right("manage_slash_commands")
        team = server.add_team("main")
        bot, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada])
        alone = server.add_direct_channel(ada, bot)
        port = free_port()
        file: dict[str, object] = {
            "global": {"http": {"port": port}, "base_url": f"http://127.0.0.1:{port}"},
            "mattermost": {"mm": {"server_url": server.url, "token": bot.token}},
            "webchat": {"web": {}},
            "rules": [{"type": "connect", "channels": {"mm": {"channel_id": town.id}, "web": {"room": "lobby"}}}],
        }

        async def types(words: str) -> dict[str, Any]:
            body = {"channel_id": town.id, "command": words}
            headers = {"Authorization": f"Bearer {ada.token}"}
            async with asyncio.timeout(15):
                while True:
                    async with http.post(f"{server.url}/api/v4/commands/execute", json=body, headers=headers) as answer:
                        found: dict[str, Any] = await answer.json()
                        if answer.status == 200:
                            return found
                    # the daemon refuses the server's call until it was told the token, and does nothing
                    assert found["id"] == "api.command.execute_command.failed_resp.app_error", found
                    await asyncio.sleep(0.05)

        async def told(*, nth: int) -> str:
            await server.until(lambda: len(server.messages(alone)) >= nth)
            return server.messages(alone)[nth - 1]

        await daemon.start(file)
        await server.until(lambda: bool(server.commands(team)))
        assert (await types("/nb help"))["text"] == ""
        assert "Bind the two" in await told(nth=1)
        await types("/nb bind")
        assert (await told(nth=2)).startswith("Your code is ")
        (command,) = server.commands(team)
        forged = {"token": "w" * 26, "team_id": team.id, "channel_id": town.id, "user_id": ada.id, "text": "bind"}
        async with http.post(command.url, data=urlencode(forged)) as answer:
            assert (answer.status, await answer.read()) == (403, b"")
        assert await daemon.stop() == 0

        listed = server.faults.requests["GET /api/v4/commands"]
        await daemon.start(file)
        await server.until(lambda: server.faults.requests["GET /api/v4/commands"] > listed)
        server.post_as(ada, town, "to all")
        await Side(daemon, http, "web").shows(("to all", None, (), ()))
        await types("/nb bind list")
        assert "You are bound to no other account" in await told(nth=3)
        assert server.commands(team) == [command]
        assert server.messages(town) == ["to all"]
        assert await daemon.stop() == 0
    assert len(server.messages(alone)) == 3
    assert not daemon.events("delivery_buried")
