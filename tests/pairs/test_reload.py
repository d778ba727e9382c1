"""The file is read again by a daemon that runs as a process, between two Mattermost servers."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from nextbridge.control.protocol import Reloaded, ReloadFile
from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.process import Daemon

RELOADS = 100


async def test_a_hundred_reloads_under_load_lose_and_repeat_nothing(daemon: Daemon, unused_tcp_port: int) -> None:
    """Rules, the reading instance, the sending one, both at once, and `global` are changed again and again."""
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
            turn = number % 3
            general = {
                "http": {"port": (0, unused_tcp_port, 0)[turn]},
                "backfill": ("24h", "23h", "22h")[turn],
                "backfill_messages": 1000 + turn,
                "give_up_after": ("24h", "12h", "6h")[turn],
                "remember": ("30d", "20d", "10d")[turn],
                "media_keep": ("7d", "6d", "5d")[turn],
                "spool_size": 1_000_000 + turn,
                "log": {"content": turn == 1},
                "metrics": (None, {}, {"token": "hush11hush11"})[turn],
                "watch": turn == 2,
                "fetch_allow": ([], ["10.0.0.0/8"], [])[turn],
                "command_prefix": "relay" if number % 10 == 0 else "nb",  # by this one both instances go
            }
            return {
                "global": general,
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
            assert answer.needs_restart == ()
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
    general = {"http": {"port": 0}}
    right = {"global": general, "webchat": {"w": {}}, "rules": [room]}
    await daemon.start(right)
    daemon.write(json.dumps({**right, "webchat": {"w": {"titel": "x"}}}, indent=1))
    status, output = await daemon.command("reload")
    assert status == 78
    assert 'unknown key "titel"; did you mean "title"?' in output
    assert output.endswith("The file is wrong: nothing has changed.\n")
    daemon.hang_up()
    line = await daemon.logged("reload_refused", times=2)
    assert line["level"] == "error"
    assert line["mistakes"] == 1
    assert "config.json:9:4" in str(line["first"])
    daemon.write({**right, "webchat": {"w": {"title": "x"}}})
    assert await daemon.command("reload") == (0, "Reloaded; connected anew: w.\n")
    ops = {"instance": "w", "room": "one"}
    daemon.write({**right, "webchat": {"w": {"title": "x"}}, "global": {**general, "watch": True, "ops_channel": ops}})
    assert await daemon.command("reload") == (0, "Reloaded; changed: global.watch, global.ops_channel.\n")
    assert await daemon.command("reload") == (0, "Reloaded; nothing changed.\n")
    assert await daemon.stop() == 0
    status, output = await daemon.command("reload")
    assert (status, output) == (69, "No daemon runs on this state folder. It reads the file when it starts.\n")


@pytest.mark.parametrize("debug", [False, True])
async def test_the_log_has_the_level_that_the_file_says_now(daemon: Daemon, debug: bool) -> None:
    """The line that a reload leaves is already by the new one; `--debug` stands above the file."""
    file = {"webchat": {"w": {}}, "rules": []}

    async def level(name: str) -> int:
        daemon.write({**file, "global": {"http": {"port": 0}, "log": {"level": name}}})
        assert isinstance(await daemon.ask(ReloadFile()), Reloaded)
        return len(daemon.events("reloaded"))

    await daemon.start({**file, "global": {"http": {"port": 0}}}, debug=debug)
    seen = [await level(each) for each in ("error", "info", "warning", "debug")]
    assert seen == ([1, 2, 3, 4] if debug else [0, 1, 1, 2])
    assert await daemon.stop() == 0


async def test_a_file_is_watched_while_it_says_so(daemon: Daemon) -> None:
    """From the reload on that found it there."""
    file = {"webchat": {"w": {}}, "rules": []}
    await daemon.start({**file, "global": {"http": {"port": 0}}})
    for number, (watch, rooms) in enumerate(((True, "w"), (True, "wx"), (False, "wxy")), start=1):
        daemon.write({**file, "global": {"http": {"port": 0}, "watch": watch}, "webchat": {each: {} for each in rooms}})
        if number == 1:
            await daemon.ask(ReloadFile())
        await daemon.logged("reloaded", times=number)
    assert [each["begun"] for each in daemon.events("reloaded")] == [[], ["x"], ["y"]]
    assert await daemon.stop() == 0


async def test_a_watched_file_is_read_when_it_changes(daemon: Daemon) -> None:
    """Without a command or a signal; a rules file beside it counts too."""
    file = {"global": {"http": {"port": 0}, "watch": True}, "webchat": {"w": {}}, "rules": []}
    await daemon.start(file)
    daemon.write({**file, "webchat": {"w": {}, "x": {}}})
    assert (await daemon.logged("reloaded"))["begun"] == ["x"]
    path = daemon.write({key: value for key, value in file.items() if key != "rules"})
    rule = {"type": "forward", "from": {"w": {"room": "one"}}, "to": {"w": {"room": "two"}}}
    path.with_name("rules.json").write_text(json.dumps([rule]))
    line = await daemon.logged("reloaded", times=2)
    if not line["rules_changed"]:  # both were written, and the first was seen alone
        line = await daemon.logged("reloaded", times=3)
    assert line["rules_changed"]


async def test_whoever_is_connected_stays_so_when_the_server_moves(daemon: Daemon, unused_tcp_port: int) -> None:
    """A visitor of the web chat, while new ones find it at the new place alone."""
    file = {"webchat": {"w": {}}, "rules": []}
    await daemon.start({**file, "global": {"http": {"port": 0}}})
    old = daemon.events("http_listening")[-1]["address"]
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{old}/webchat/w/live", autoping=False) as visitor:
        daemon.write({**file, "global": {"http": {"port": unused_tcp_port}}})
        await daemon.ask(ReloadFile())
        await visitor.ping(b"still here")
        async with asyncio.timeout(10):
            while (message := await visitor.receive()).type is not aiohttp.WSMsgType.PONG:
                assert not visitor.closed
        assert message.data == b"still here"
        async with http.get(f"http://127.0.0.1:{unused_tcp_port}/healthz") as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{old}/healthz")
    assert await daemon.stop() == 0
