"""`nextbridge channels`: what an account can see, as it stands in a rule."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nextbridge.cli import main
from nextbridge.sandbox.mattermost import SandboxMattermost
from nextbridge.sandbox.slack import SandboxSlack


def written(path: Path, file: object) -> str:
    path.write_text(json.dumps(file))
    path.chmod(0o600)
    return str(path)


async def listed(path: Path, file: object, *words: str) -> tuple[int, str]:
    arguments = ["channels", "--config", written(path, file), *words]
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return done.exit_code, done.output


async def test_the_channels_of_a_mattermost_account_are_shown_with_their_keys(tmp_path: Path) -> None:
    """Those that it is in, by team, archived ones and direct messages aside; a name steers no terminal."""
    async with SandboxMattermost() as server:
        team, other = server.add_team("main"), server.add_team("other")
        bot, ada = server.add_bot("relay", team=team), server.add_user("ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada], display_name="Town\x1b[2J\nhall")
        server.add_channel(team, "lobby", members=[ada])
        server.add_channel(other, "elsewhere", members=[ada])
        file = {"mattermost": {"mm": {"server_url": server.url, "token": bot.token}}, "webchat": {"web": {}}}
        status, text = await listed(tmp_path / "config.json", file)
        lines = text.splitlines()
        assert status == 0
        shown = lines.index('      "mm": {"channel_id": "' + town.id + '"}')
        assert lines[shown - 1].startswith("  main/town (Town")
        assert "\x1b" not in text
        assert "lobby" not in text
        assert "elsewhere" not in text
        assert any(line.startswith("web (Web chat): none are listed there") for line in lines)
        status, text = await listed(tmp_path / "config.json", file, "mm", "--json")
        (only,) = json.loads(text)
        assert (status, only["instance"]) == (0, "mm")
        assert {"channel_id": town.id} in [each["keys"] for each in only["channels"]]


async def test_a_slack_bots_channels_are_those_that_it_was_invited_to(tmp_path: Path) -> None:
    """By their names, with the ids that stay."""
    async with SandboxSlack() as sandbox:
        app = sandbox.add_app("relay")
        ops = sandbox.add_channel("ops", app)
        sandbox.add_channel("others")
        slack = {"bot_token": app.token, "app_token": app.app_token, "api_url": sandbox.url}
        status, text = await listed(tmp_path / "config.json", {"slack": {"team": slack}})
        assert status == 0, text
        assert f'  #ops\n      "team": {{"channel_id": "{ops.id}"}}' in text
        assert "others" not in text


@pytest.mark.parametrize("words", [(), ("mm",)])
async def test_an_account_that_cannot_look_says_why(tmp_path: Path, words: tuple[str, ...]) -> None:
    """By exit status, too, and without its token."""
    async with SandboxMattermost() as server:
        token = "seven-green-bottles-1234"
        file = {"mattermost": {"mm": {"server_url": server.url, "token": token}}}
        status, text = await listed(tmp_path / "config.json", file, *words)
    assert status == 1
    assert "! mm (Mattermost): " in text
    assert "token" in text
    assert "bottles" not in text


async def test_an_instance_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    """With those that are."""
    status, text = await listed(tmp_path / "config.json", {"webchat": {"web": {}}}, "mm")
    assert status == 78
    assert "it has web" in text
