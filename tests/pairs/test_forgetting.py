"""Forgetting somebody who said something in rooms that the daemon keeps itself: a web chat's and the API's."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import aiohttp

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.pairs.browsing import Side, does
from tests.pairs.test_mattermost_api import TOKEN, Program
from tests.process import Daemon

OF_EVE = ("eve.green", "Eve Green", "green bottles", "green.txt", "the green file")
OF_IDA = ("Ida Brown", "brown bottles", "brown.txt", "the brown file")
SAID = ["brown bottles", "green bottles", "blue bottles"]
ROOM = (
    ("brown bottles", None, (), ("brown.txt",)),
    ("green bottles", None, (), ("green.txt",)),
    ("blue bottles", None, ("\N{PARTY POPPER}",), ()),
)
"""As the web chat shows it in the end, while nobody is forgotten."""
OF_STEVE = ("steve-1", "Steve Blue", "blue bottles")


def found(state: Path, *words: str) -> set[str]:
    """Which of the words are anywhere in the state folder."""
    connection = sqlite3.connect(state / "journal.sqlite3")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = b"".join(bytes(path) + path.read_bytes() for path in state.rglob("*") if path.is_file())
    return {word for word in words if word.encode() in whole}


async def test_nothing_of_them_is_left_in_rooms_that_the_daemon_keeps(daemon: Daemon, tmp_path: Path) -> None:
    """Whoever said it there or elsewhere: text, files and names go, and the bytes with them; elsewhere all stays.

    While no daemon runs that cannot be done: it is said, and what is needed for it later is left.
    """
    async with SandboxMattermost() as server, aiohttp.ClientSession() as http:
        team = server.add_team("main")
        bot, eve = server.add_bot("relay", team=team), server.add_user("eve.green", nickname="Eve Green", team=team)
        town = server.add_channel(team, "town", members=[bot, eve])
        ends = {"mm": {"channel_id": town.id}, "web": {"room": "lobby"}, "tools": {"room": "ops"}}
        file: dict[str, object] = {
            "global": {"http": {"port": 0}, "remember": "40d"},
            "mattermost": {"mm": {"server_url": server.url, "token": bot.token}},
            "webchat": {"web": {}},
            "api": {"tools": {"tokens": [{"name": "game", "token": TOKEN}]}},
            "rules": [{"type": "connect", "channels": ends}],
        }
        await daemon.start(file)
        web, program = Side(daemon, http, "web"), Program(daemon, http)
        async with web.joined("Ida Brown") as ida:
            notes = await web.upload(ida, "brown.txt", b"the brown file")
            await does(ida, type="post", text="brown bottles", files=[notes])
            await server.until(lambda: server.messages(town) == SAID[:1], within=15)
            upload = server.upload_as(eve, town, "green.txt", b"the green file")
            server.post_as(eve, town, "green bottles", files=[upload])
            await program.log(lambda entries: [each["text"] for each in entries] == SAID[:2])
            await program.do("message", text="blue bottles", username="Steve Blue", user_id="steve-1")
            await server.until(lambda: server.messages(town) == SAID, within=15)
            history = await web.shows(*ROOM[:2], ("blue bottles", None, (), ()))
            await does(ida, type="react", message=history[2]["id"], emoji="\N{PARTY POPPER}")
        await program.log(lambda entries: len(entries) == 4)
        state = tmp_path / "state"
        assert found(state, *OF_EVE, *OF_IDA, *OF_STEVE) == {*OF_EVE, *OF_IDA, *OF_STEVE}

        status, shown = await daemon.command("forget", "eve.green", "--json")
        assert status == 0
        assert json.loads(shown)["kept"] == [
            {"instance": "tools", "count": 1, "reason": ""},
            {"instance": "web", "count": 1, "reason": ""},
        ]
        assert await daemon.stop() == 0

        status, shown = await daemon.command("forget", "eve.green", "--yes")
        assert status == 1
        assert "The rooms of web cannot be asked now (it does not run): what they keep is left." in shown
        assert "1 are left: " in shown

        await daemon.start(file)
        web, program = Side(daemon, http, "web"), Program(daemon, http)
        status, shown = await daemon.command("forget", "eve.green", "--yes")
        assert status == 0
        assert "Messages and reactions in the rooms of web: 1." in shown
        await web.shows(ROOM[0], ROOM[2])
        entries = await program.log(lambda entries: len(entries) == 5)
        assert sorted(each.get("text", "") for each in entries) == ["", "", "", "blue bottles", "brown bottles"]
        assert [each["kind"] for each in entries][-1] == "delete"
        for who in ("Ida Brown", "Steve Blue"):
            status, shown = await daemon.command("forget", who, "--yes")
            assert status == 0, shown
        await web.shows()
        assert server.messages(town) == SAID
        assert await daemon.stop() == 0
    assert found(state, *OF_EVE, *OF_IDA, *OF_STEVE) == set()
