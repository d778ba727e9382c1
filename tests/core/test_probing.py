"""`check --online`: every instance looks for itself, and none hides what another found."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from nextbridge.checking.probing import probe
from nextbridge.cli import main
from nextbridge.config.model import GlobalSettings
from nextbridge.driver import Finding
from nextbridge.errors import Retry
from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.core.conftest import configured
from tests.core.script import ScriptDriver, rule


class Content(ScriptDriver):
    """Finds all well."""

    async def probe(self) -> list[Finding]:
        return [Finding(True, "channels", ", ".join(each.key for each in self.channels))]


class Broken(ScriptDriver):
    """Has a bug, and another one at the end."""

    closed: ClassVar[list[str]] = []

    async def probe(self) -> list[Finding]:
        raise KeyError("token-of-somebody")

    async def close(self) -> None:
        self.closed.append(self.host.instance)
        raise Retry("no")


class Silent(ScriptDriver):
    """Waits for ever."""

    async def probe(self) -> list[Finding]:
        await asyncio.Event().wait()
        return []


async def test_each_instance_says_what_it_found(tmp_path: Path) -> None:
    """In the order of the file, disabled ones left out; a bug and a silence are findings, and all are closed."""
    platforms = {"a": Content, "b": Broken, "c": Silent, "d": Content}
    rules = (rule("r", "a/1", "b/1"), rule("s", "a/2", "c/1"), rule("t", "a/3", "c/1", enabled=False))
    config = configured(tmp_path, *rules, platforms=platforms, general=GlobalSettings(), disabled=["d"])
    a, b, c = await probe(config, patience=0.2)
    assert [each.instance for each in (a, b, c)] == ["a", "b", "c"]
    assert a.findings == (Finding(True, "channels", "1, 2"),)
    assert not b.ok
    assert "this is a bug in it" in b.findings[0].text
    assert "token-of-somebody" not in b.findings[0].text
    assert Broken.closed == ["b"]
    assert not c.ok
    assert "within 0 seconds" in c.findings[0].text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.touch(mode=0o600)
    return path


async def check(file: Path, *options: str) -> tuple[int, str]:
    arguments = ["check", "--online", "--config", str(file), *options]
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return result.exit_code, result.output


async def test_the_command_says_what_is_to_be_done(file: Path) -> None:
    """By exit status, for people and for programs; what a server says of itself steers no terminal."""
    async with SandboxMattermost() as server:
        team = server.add_team("main")
        bot, ada = server.add_bot("relay", team=team), server.add_user("ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada], display_name="Town\x1b[2J")
        lobby = server.add_channel(team, "lobby", members=[ada])

        def write(channel: str) -> None:
            channels = {"mm": {"channel_id": channel}, "web": {"room": "lobby"}}
            whole = {
                "global": {"http": {"port": 0}},
                "mattermost": {"mm": {"server_url": server.url, "token": bot.token}},
                "webchat": {"web": {}},
                "rules": [{"type": "connect", "channels": channels}],
            }
            file.write_text(json.dumps(whole))

        write(town.id)
        status, output = await check(file)
        assert status == 0, output
        assert "mm (Mattermost)\n    token: " in output
        assert "Town\\x1b[2J" in output
        assert "config.json: fine: 2 instances, 1 rule, 2 channels\n" in output
        assert output.endswith("2 instances can work as the file has it\n")
        write(lobby.id)
        status, output = await check(file)
        assert status == 1
        assert "  ! channel lobby: " in output
        assert output.endswith("1 finding to be seen to, marked with !\n")
        status, output = await check(file, "--json")
        assert status == 1
        (wrong,) = [each for each in json.loads(output)["findings"] if not each["ok"]]
        assert (wrong["instance"], wrong["platform"], wrong["subject"]) == ("mm", "mattermost", "channel lobby")


def test_a_wrong_file_is_not_tried(file: Path) -> None:
    """Its mistakes come first, for programs too."""
    file.write_text('{"webchat": {"web": {"titel": 1}}, "rules": []}')
    status, output = asyncio.run(check(file, "--json"))
    assert status == 78
    (problem,) = json.loads(output)["problems"]
    assert (problem["line"], problem["severity"]) == (1, "error")
    assert problem["suggestion"] == 'did you mean "title"?'
