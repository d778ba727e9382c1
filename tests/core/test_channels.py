"""`nextbridge channels`: what an account can see, as it stands in a rule."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nextbridge.cli import main
from nextbridge.driver import Listed
from nextbridge.envelope import InstanceId
from nextbridge.journal.sqlite import open_journal
from nextbridge.sandbox.mattermost import SandboxMattermost
from nextbridge.sandbox.slack import SandboxSlack
from nextbridge.sandbox.telegram import SandboxTelegram
from nextbridge.sightings import Sightings, sightings_of


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
        file = {"mattermost": {"mm": {"server_url": server.url, "token": bot.token}}}
        status, text = await listed(tmp_path / "config.json", file)
        lines = text.splitlines()
        assert status == 0
        shown = lines.index('      "mm": {"channel_id": "' + town.id + '"}')
        assert lines[shown - 1].startswith("  main/town (Town")
        assert "\x1b" not in text
        assert "lobby" not in text
        assert "elsewhere" not in text
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


async def test_what_the_daemon_itself_hosts_is_what_the_file_names(tmp_path: Path) -> None:
    """Rooms of the web chat and of the API by the rules, hooks by the instance's block; no daemon is asked."""
    hook = {"incoming": {"token": "a-long-enough-token-for-a-hook"}}
    file = {
        "webchat": {"web": {}},
        "api": {"programs": {"tokens": [{"name": "ci", "token": "a-long-enough-token-1"}]}},
        "webhook": {"hooks": {"hooks": {"deploys": hook}}},
        "rules": [
            {"type": "connect", "channels": {"web": {"room": "Lobby"}, "programs": {"room": "ops"}}},
        ],
    }
    status, text = await listed(tmp_path / "config.json", file)
    assert status == 0, text
    for line in ('"web": {"room": "Lobby"}', '"programs": {"room": "ops"}', '"hooks": {"hook": "deploys"}'):
        assert f"      {line}\n" in text
    assert text.count("another name makes another room") == 2


async def test_what_a_telegram_bot_was_met_in_is_shown_from_the_daemons_state(tmp_path: Path) -> None:
    """Telegram tells no bot where it is: that is said, how it helps, and what is known by now; titles steer nothing."""
    async with SandboxTelegram() as sandbox:
        bot = sandbox.add_bot("relay_bot", "Relay")
        file = {"telegram": {"tg": {"token": bot.token, "api_url": sandbox.url}}}
        status, text = await listed(tmp_path / "config.json", file)
        assert (status, text.count("\n")) == (0, 1)
        assert "cannot be listed: the Bot API tells no bot which chats it is in. Add @relay_bot to a chat" in text
        journal = await open_journal(tmp_path / "state")
        seen = Sightings(journal, InstanceId("tg"))
        await seen.see(Listed("Old name", {"chat": -1}))
        await seen.see(Listed("Town\x1b[2J", {"chat": -1}))
        await seen.see(Listed("Left", {"chat": -2}))
        await seen.see(Listed("Left / 7", {"chat": -2, "topic": 7}))
        await seen.lose({"chat": -2})
        await journal.close()
        status, text = await listed(tmp_path / "config.json", file, "--state", str(tmp_path / "state"))
        assert (status, text.count("\n")) == (0, 3)
        assert '  Town\\x1b[2J (met 0 s ago)\n      "tg": {"chat": -1}' in text
        status, text = await listed(tmp_path / "config.json", file, "--state", str(tmp_path / "nowhere"))
        assert (status, "cannot be opened" in text) == (69, True)


async def test_what_was_met_is_bounded_and_outlasts_the_daemon(tmp_path: Path) -> None:
    """Whoever takes a bot into a thousand groups has the oldest forgotten, and what is known is not written again."""
    journal = await open_journal(tmp_path / "state")
    try:
        seen = Sightings(journal, InstanceId("tg"))
        for number in range(150):
            await seen.see(Listed(f"Group {number}" * 100, {"chat": number}))
        before = await sightings_of(journal, InstanceId("tg"))
        await Sightings(journal, InstanceId("tg")).see(Listed(f"Group {149}" * 100, {"chat": 149}))
        assert await sightings_of(journal, InstanceId("tg")) == before
        assert [each.keys["chat"] for each in before] == list(range(50, 150))
        assert max(len(each.name) for each in before) <= 200
    finally:
        await journal.close()


async def test_no_more_are_shown_than_anybody_reads(tmp_path: Path) -> None:
    """A thousand of an instance; how many more there are is said."""
    async with SandboxMattermost() as server:
        team = server.add_team("main")
        bot = server.add_bot("relay", team=team)
        for number in range(1_003):
            server.add_channel(team, f"c{number:04}", members=[bot])
        file = {"mattermost": {"mm": {"server_url": server.url, "token": bot.token}}}
        status, text = await listed(tmp_path / "config.json", file, "--json")
    (only,) = json.loads(text)
    assert (status, len(only["channels"])) == (0, 1_000)
    assert only["left_out"] >= 3


async def test_an_instance_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    """With those that are."""
    status, text = await listed(tmp_path / "config.json", {"webchat": {"web": {}}}, "mm")
    assert status == 78
    assert "it has web" in text
