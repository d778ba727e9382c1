"""The slash command: made where it may be, found again, and taken from the server alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from structlog.testing import capture_logs

from drivers.mattermost import MattermostDriver
from nextbridge.config.model import HttpSettings
from nextbridge.driver import Pages
from nextbridge.envelope import InstanceId
from nextbridge.http.server import HttpServer
from nextbridge.sandbox.host import MemoryStore
from nextbridge.sandbox.mattermost import Account, Channel
from nextbridge.sandbox.mattermost.records import SlashCommand
from tests.mattermost.stage import Drive, Running, Scene, eventually, unique

MADE = "POST /api/v4/commands"
LISTED = "GET /api/v4/commands"


class Daemon:
    """The daemon's HTTP server, with the pages of the driver that runs now."""

    def __init__(self, scene: Scene, drive: Drive) -> None:
        self._scene, self._drive = scene, drive
        self._driver: MattermostDriver | None = None
        self.server = HttpServer(HttpSettings(port=0), self, dict)
        self.store = MemoryStore()

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        return self._driver if (platform, instance) == ("mattermost", "mm") else None

    async def run(self, *channels: Channel, base_url: str | None = None, **settings: Any) -> Running:
        """A driver for town, or for what is said, connected."""
        ids = [each.id for each in channels or (self._scene.town,)]
        settings = {"base_url": base_url or self.server.address, "store": self.store, **settings}
        running = self._drive(self._scene.sandbox.url, self._scene.relay.token, *ids, **settings)
        self._driver = running.driver
        await running.connected()
        return running

    async def offered(self, base_url: str | None = None) -> tuple[Running, SlashCommand]:
        """A driver that has its command, which is the only one."""
        running = await self.run(base_url=base_url)
        await self.noted()
        url = f"{base_url or self.server.address}/mattermost/mm/command"
        await eventually(lambda: [each.url for each in self.commands()] == [url])
        (command,) = self.commands()
        return running, command

    async def noted(self, *, teams: int = 1) -> None:
        """Wait until the driver has its command in so many teams."""
        await eventually(lambda: len(self.store.values) == teams)

    def commands(self) -> list[SlashCommand]:
        return self._scene.sandbox.commands(self._scene.team)


@pytest.fixture
async def daemon(scene: Scene, drive: Drive) -> AsyncIterator[Daemon]:
    scene.sandbox.give_right("manage_slash_commands")
    made = Daemon(scene, drive)
    await made.server.start()
    yield made
    await made.server.stop()


async def typed(scene: Scene, who: Account, channel: Channel, words: str, **more: str) -> tuple[int, dict[str, Any]]:
    """What the server answers to somebody who types this."""
    headers = {"Authorization": f"Bearer {who.token}"}
    body = {"channel_id": channel.id, "command": words, **more}
    address = f"{scene.sandbox.url}/api/v4/commands/execute"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, json=body) as answer:
        return answer.status, await answer.json()


async def test_one_is_made_in_each_team_and_found_again(scene: Scene, daemon: Daemon) -> None:
    """Once for all channels of a team; after a restart, with what was noted or without, none is made again."""
    other = scene.sandbox.add_team("other")
    for member in (scene.relay, scene.alice):
        scene.sandbox._world.people.join_team(other.id, member.id)
    away = scene.sandbox.add_channel(other, "away", members=[scene.relay, scene.alice])
    for store, lists in ((daemon.store, 2), (daemon.store, 4), (MemoryStore(), 6)):
        daemon.store = store
        running = await daemon.run(scene.town, scene.dev, away)
        await scene.sandbox.until(lambda lists=lists: scene.faults.requests[LISTED] == lists)  # type: ignore[misc]
        await daemon.noted(teams=2)
        await running.stop()
    (command,), (theirs,) = daemon.commands(), scene.sandbox.commands(other)
    url = f"{daemon.server.address}/mattermost/mm/command"
    assert (command.trigger, command.method, command.url, command.creator_id) == ("nb", "P", url, scene.relay.id)
    assert theirs.token != command.token
    assert scene.faults.requests[MADE] == 2


async def test_another_address_is_told_to_the_server(scene: Scene, daemon: Daemon) -> None:
    """The command that was made is changed, and what an administrator gave it meanwhile stays."""
    running, command = await daemon.offered()
    await running.stop()
    command.icon_url = "https://example.com/relay.png"
    _, changed = await daemon.offered("https://bridge.example.com/deep")
    assert changed.url == "https://bridge.example.com/deep/mattermost/mm/command"
    assert (changed.id, changed.token, changed.icon_url) == (command.id, command.token, command.icon_url)
    assert scene.faults.requests[MADE] == 1


async def test_one_that_was_made_unnoticed_is_found(scene: Scene, daemon: Daemon) -> None:
    """The answer to its making was lost, and so it was not noted."""
    scene.faults.drop_answer(route=MADE)
    running = await daemon.run()
    await scene.sandbox.until(lambda: bool(daemon.commands()))
    await running.stop()
    assert daemon.store.values == {}
    _, command = await daemon.offered()
    status, _ = await typed(scene, scene.alice, scene.town, "/nb help")
    assert status == 200
    assert daemon.store.values == {f"slash_command/{scene.team.id}": command.id}


@pytest.mark.parametrize(
    ("base_url", "settings", "asked"),
    [("https://bridge.example.com", {}, 1), ("", {}, 0), ("https://bridge.example.com", {"slash_command": False}, 0)],
    ids=["wanted", "without base_url", "turned off"],
)
async def test_nothing_is_made_that_is_not_wanted(
    scene: Scene, drive: Drive, base_url: str, settings: dict[str, Any], asked: int
) -> None:
    """Without an address nobody could call it; and an operator may not want it."""
    scene.sandbox.give_right("manage_slash_commands")
    where = base_url or None
    running = drive(scene.sandbox.url, scene.relay.token, scene.town.id, base_url=where, **settings)
    await running.connected()
    if asked:
        await scene.sandbox.until(lambda: bool(scene.sandbox.commands(scene.team)))
    text = unique("and on")
    scene.say(text)
    await running.received(text)
    assert scene.faults.requests[LISTED] == asked
    assert len(scene.sandbox.commands(scene.team)) == asked


@pytest.mark.parametrize("status", [403, 501])
async def test_where_it_may_not_be_made_nothing_else_changes(scene: Scene, daemon: Daemon, status: int) -> None:
    """One line for the operator, who may want it so; messages are relayed."""
    if status == 403:
        scene.sandbox._world.rights.given.clear()
    else:
        scene.sandbox.settings.change(EnableCommands="false")
    with capture_logs() as lines:
        running = await daemon.run()
        await eventually(lambda: any(line["event"].startswith("slash_command") for line in lines))
    (line,) = [line for line in lines if line["event"].startswith("slash_command")]
    assert (line["event"], line["log_level"]) == ("slash_command_not_made", "info")
    assert f"({status})" in line["reason"]
    text = unique("and on")
    scene.say(text)
    await running.received(text)
    assert running.ends == []


async def test_a_word_that_is_taken_is_told(scene: Scene, daemon: Daemon) -> None:
    """Another integration has it: the operator is told which word, and what to do; its command is left alone."""
    theirs = {"team_id": scene.team.id, "trigger": "nb", "url": "https://example.com/nb", "method": "P"}
    await scene.call(scene.boss, "POST", "commands", theirs)
    with capture_logs() as lines:
        await daemon.run()
        await eventually(lambda: any(line["event"] == "slash_command_taken" for line in lines))
    (line,) = [line for line in lines if line["event"] == "slash_command_taken"]
    assert (line["log_level"], line["trigger"], line["channel"]) == ("warning", "/nb", "Town")
    assert "command_prefix" in line["reason"]
    (command,) = daemon.commands()
    assert command.url == "https://example.com/nb"


async def test_what_is_typed_becomes_the_message_that_it_stands_for(scene: Scene, daemon: Daemon) -> None:
    """By whoever typed it, where they did, as if it were posted; twice the same are two. They alone see the answer."""
    running, _ = await daemon.offered()
    for words in ("/nb help", "/NB  bind   confirm\nABCD", "/nb help", "/nb"):
        status, answer = await typed(scene, scene.alice, scene.town, words)
        assert (status, answer["response_type"], answer["text"]) == (200, "ephemeral", "")
    await running.until(lambda: len(running.posted) == 4)
    assert running.texts == ["!nb help", "!nb bind confirm ABCD", "!nb help", "!nb"]
    assert {(str(each.author.id), each.author.name, each.author.bot) for each in running.posted} == {
        (str(scene.alice.id), "Ally", False)
    }
    assert {(str(each.channel.key), each.direct, each.addressed) for each in running.posted} == {
        (str(scene.town.id), False, True)
    }
    assert len({each.key for each in running.posted}) == 4
    assert scene.sandbox.messages(scene.town) == []


async def test_in_the_conversation_with_the_relay_it_is_said_to_it_alone(scene: Scene, daemon: Daemon) -> None:
    """There, and in no conversation of others."""
    running, _ = await daemon.offered()
    alone = scene.sandbox.add_direct_channel(scene.alice, scene.relay)
    others = scene.sandbox.add_direct_channel(scene.alice, scene.bob)
    _, answer = await typed(scene, scene.alice, others, "/nb help", team_id=scene.team.id)
    assert "not bridged" in answer["text"]
    await typed(scene, scene.alice, alone, "/nb help", team_id=scene.team.id)
    await running.until(lambda: bool(running.posted))
    (event,) = running.posted
    assert (str(event.channel.key), event.direct) == (str(alone.id), True)


async def test_elsewhere_and_to_bots_the_relay_says_why_not(scene: Scene, daemon: Daemon) -> None:
    """A channel of no rule, a bot, somebody who cannot be looked up: a word to whoever typed it, and no message."""
    running, _ = await daemon.offered()
    robot = scene.sandbox.add_bot("robot", team=scene.team)
    scene.sandbox.add_member(scene.town, robot)
    _, elsewhere = await typed(scene, scene.alice, scene.dev, "/nb help")
    _, mechanical = await typed(scene, robot, scene.town, "/nb help")
    scene.faults.answer(503, route="GET /api/v4/users/{user_id}", times=10)
    _, unknown = await typed(scene, scene.bob, scene.town, "/nb help")
    assert "not bridged" in elsewhere["text"]
    assert "people" in mechanical["text"]
    assert "Try again" in unknown["text"]
    scene.faults.forget()
    text = unique("and on")
    scene.say(text)
    await running.received(text)
    assert running.texts == [text]


def form(scene: Scene, command: SlashCommand, **changes: str) -> dict[str, str]:
    """What the server would send."""
    fields = {"token": command.token, "team_id": scene.team.id, "channel_id": scene.town.id, "user_id": scene.alice.id}
    return {**fields, "user_name": "alice", "command": "/nb", "text": "bind", **changes}


async def call(command: SlashCommand, body: bytes, method: str = "POST") -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http, http.request(method, command.url, data=body) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("token", ["", "w" * 26, "\u2603", "x" * 1000])
async def test_a_forged_call_is_refused_without_a_word(scene: Scene, daemon: Daemon, token: str) -> None:
    """A wrong token, or one of a team that has no command, is nobody's; so is what is no call at all."""
    running, command = await daemon.offered()
    forged = [
        urlencode(form(scene, command, token=token)),
        urlencode(form(scene, command, team_id="t" * 26, token=token)),
        urlencode({"token": command.token, "team_id": scene.team.id}),
        "",
        "&".join(f"f{number}=1" for number in range(1000)),
    ]
    for body in (*(each.encode() for each in forged), b"\xff\x00=\xfe"):
        assert await call(command, body) == (403, b"")
    text = unique("and on")
    scene.say(text)
    await running.received(text)
    assert running.texts == [text]


async def test_only_a_call_of_a_size_and_kind_is_read(scene: Scene, daemon: Daemon) -> None:
    """A body that no server sends is not taken into memory; who looks at the address learns what it is for."""
    _, command = await daemon.offered()
    status, _ = await call(command, urlencode(form(scene, command, text="x" * 300_000)).encode())
    assert status == 413
    status, said = await call(command, b"", "GET")
    assert (status, said[:15]) == (200, b"Mattermost call")
    status, _ = await call(command, b"", "PUT")
    assert status == 405
    status, _ = await call(command, urlencode(form(scene, command)).encode())
    assert status == 200


async def test_while_it_does_not_answer_the_server_says_so(scene: Scene, daemon: Daemon) -> None:
    """Whoever types it then is told that it failed."""
    await daemon.offered()
    await daemon.server.stop()
    status, answer = await typed(scene, scene.alice, scene.town, "/nb help")
    assert (status, answer["id"]) == (500, "api.command.execute_command.failed.app_error")
