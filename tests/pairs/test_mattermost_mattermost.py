"""Two accounts on one Mattermost server, bridged by the daemon as a process."""

from __future__ import annotations

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.process import Daemon


async def test_two_instances_on_one_server_do_not_echo_each_other(daemon: Daemon) -> None:
    """Both bots see both channels, and each message crosses once: our own accounts are known as such to each other."""
    async with SandboxMattermost() as server:
        team = server.add_team("main")
        one, two = server.add_bot("one", team=team), server.add_bot("two", team=team)
        ada = server.add_user("ada", nickname="Ada", team=team)
        town = server.add_channel(team, "town", members=[one, two, ada])
        dev = server.add_channel(team, "dev", members=[one, two, ada])
        await daemon.start({
            "global": {"http": {"port": 0}},
            "mattermost": {
                "first": {"server_url": server.url, "token": one.token},
                "second": {"server_url": server.url + "/", "token": two.token, "team": "main"},
            },
            "rules": [
                {"id": "there", "type": "connect", "channels": [
                    {"instance": "first", "channel_id": town.id},
                    {"instance": "second", "channel": "dev"},
                ]},
                {"id": "and back", "type": "connect", "channels": [
                    {"instance": "second", "channel_id": town.id},
                    {"instance": "first", "channel": "dev", "team": "main"},
                ]},
            ],
        })  # fmt: skip
        text = "* **bold** _and_ `code`\n* :smile:"
        server.post_as(ada, town, text)
        await server.until(lambda: len(server.posts(dev)) >= 2)
        server.post_as(ada, dev, "and back")
        await server.until(lambda: len(server.posts(town)) >= 3)
        assert await daemon.stop() == 0
        shown = [(each.message, each.props.get("override_username")) for each in server.posts(dev)]
        assert sorted(shown, key=str) == sorted([(text, "Ada"), (text, "Ada"), ("and back", None)], key=str)
        assert [each.message for each in server.posts(town)] == [text, "and back", "and back"]


async def test_a_channel_named_twice_by_id_and_by_name_is_told_once_connected(daemon: Daemon) -> None:
    """What only the server can tell: the rule's two channels are one. It is an error in the log and echoes nothing."""
    async with SandboxMattermost() as server:
        team = server.add_team("main")
        bot, ada = server.add_bot("one", team=team), server.add_user("ada", team=team)
        town = server.add_channel(team, "town", members=[bot, ada])
        await daemon.start({
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": server.url, "token": bot.token, "team": "main"}},
            "rules": [{"id": "loop", "type": "connect", "channels": [
                {"instance": "mm", "channel_id": town.id},
                {"instance": "mm", "channel": "town"},
            ]}],
        })  # fmt: skip
        server.post_as(ada, town, "alone")
        assert await daemon.stop() == 0
        (told,) = daemon.events("channel_twice_in_rule")
        assert (told["rule"], told["channel"], told["name"]) == ("loop", town.id, "Town")
        assert server.messages(town) == ["alone"]
