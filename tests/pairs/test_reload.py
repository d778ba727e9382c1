"""The file is read again by a daemon that runs as a process, between two Mattermost servers."""

from __future__ import annotations

import asyncio
import json

from nextbridge.control.protocol import Reloaded, ReloadFile
from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.process import Daemon

RELOADS = 100


async def test_a_hundred_reloads_under_load_lose_and_repeat_nothing(daemon: Daemon) -> None:
    """Rules, the reading instance, the sending one, and both at once are changed again and again."""
    async with SandboxMattermost() as one, SandboxMattermost() as other:
        sides = []
        for server in (one, other):
            team = server.add_team("main")
            bot, ada = server.add_bot("relay", team=team), server.add_user("ada", team=team)
            sides.append((server, bot, ada, server.add_channel(team, "town", members=[bot, ada])))
        (_, bot, ada, town), (_, other_bot, _, square) = sides

        def file(number: int) -> dict[str, object]:
            """Each is another: a server's address with and without its last slash is another setting."""
            turns = [number // 4 + (number % 4 in changing) for changing in ((1, 3), (2, 3))]
            urls = [f"{server.url}{'/' * (turn % 2)}" for server, turn in zip((one, other), turns, strict=True)]
            channels: dict[str, dict[str, object]] = {
                "a": {"channel_id": town.id},
                "b": {"channel_id": square.id, "msg": {}},
            }
            if number % 4 == 0:
                channels["b"]["msg"] = {"msg_format": "{msg}"}
            return {
                "global": {"http": {"port": 0}},
                "mattermost": {
                    "a": {"server_url": urls[0], "token": bot.token},
                    "b": {"server_url": urls[1], "token": other_bot.token},
                },
                "rules": [{"id": "r", "type": "connect", "channels": channels}],
            }

        await daemon.start(file(0))
        said: list[str] = []
        done = asyncio.Event()

        async def talk() -> None:
            while not done.is_set():
                said.append(f"message {len(said)}")
                one.post_as(ada, town, said[-1])
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(talk())
        reconnected = 0
        for number in range(1, RELOADS + 1):
            daemon.write(file(number))
            answer = await daemon.ask(ReloadFile())
            assert isinstance(answer, Reloaded), answer
            reconnected += len(answer.reconnected)
        done.set()
        await talking
        await other.until(lambda: len(other.messages(square)) >= len(said), within=30)
        assert other.messages(square) == said
        assert one.messages(town) == said
        assert reconnected > RELOADS / 2
        assert await daemon.stop() == 0


async def test_a_wrong_file_is_refused_whole_and_explained(daemon: Daemon) -> None:
    """The command shows what `check` shows, a signal leaves a line in the log, and all goes on as before."""
    room = {"id": "r", "type": "forward", "from": {"w": {"room": "one"}}, "to": {"w": {"room": "two"}}}
    right = {"global": {"http": {"port": 0}}, "webchat": {"w": {}}, "rules": [room]}
    await daemon.start(right)
    daemon.write(json.dumps({**right, "webchat": {"w": {"titel": "x"}}}, indent=1))
    status, output = await daemon.command("reload")
    assert status == 78
    assert 'unknown key "titel"; did you mean "title"?' in output
    assert output.endswith("The file is wrong: nothing has changed.\n")
    daemon.hang_up()
    async with asyncio.timeout(10):
        while len(daemon.events("reload_refused")) < 2:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.05)
    line = daemon.events("reload_refused")[-1]
    assert line["level"] == "error"
    assert line["mistakes"] == 1
    assert "config.json:9:4" in str(line["first"])
    daemon.write(
        {**right, "webchat": {"w": {"title": "x"}}, "global": {"http": {"port": 0}, "command_prefix": "relay"}}
    )
    status, output = await daemon.command("reload")
    assert (status, output.splitlines()) == (
        0,
        ["Reloaded; connected anew: w.", "These take effect at the next start only: global.command_prefix."],
    )
    assert await daemon.stop() == 0
    status, output = await daemon.command("reload")
    assert (status, output) == (69, "No daemon runs on this state folder. It reads the file when it starts.\n")


async def test_a_watched_file_is_read_when_it_changes(daemon: Daemon) -> None:
    """Without a command or a signal; a rules file beside it counts too."""
    file = {"global": {"http": {"port": 0}, "watch": True}, "webchat": {"w": {}}, "rules": []}
    await daemon.start(file)
    daemon.write({**file, "webchat": {"w": {}, "x": {}}})

    async def reloaded(times: int) -> dict[str, object]:
        async with asyncio.timeout(30):
            while len(daemon.events("reloaded")) < times:  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.05)
        return daemon.events("reloaded")[-1]

    assert (await reloaded(1))["begun"] == ["x"]
    path = daemon.write({key: value for key, value in file.items() if key != "rules"})
    rule = {"type": "forward", "from": {"w": {"room": "one"}}, "to": {"w": {"room": "two"}}}
    path.with_name("rules.json").write_text(json.dumps([rule]))
    line = await reloaded(2)
    if not line["rules_changed"]:  # both were written, and the first was seen alone
        line = await reloaded(3)
    assert line["rules_changed"]
