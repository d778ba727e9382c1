"""Who is who on Mattermost and elsewhere: bound by the people themselves, and called by each other over the bridge."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from nextbridge.sandbox.mattermost import SandboxMattermost
from nextbridge.sandbox.mattermost.records import Account, Channel
from tests.irc.conftest import Inspircd, Meet, Person, unique
from tests.pairs.browsing import Side, does
from tests.pairs.test_mattermost_irc import GUARD, bridge
from tests.process import Daemon
from tests.webchat.conftest import Frame


class Scene:
    """A channel of each side, and the people in it: Ada is on both, Bob on Mattermost, Carl on IRC."""

    def __init__(self, mattermost: SandboxMattermost, channel: str, ada: Person, carl: Person) -> None:
        self.mattermost, self.channel, self.ada_irc, self.carl = mattermost, channel, ada, carl
        team = mattermost.add_team("main")
        self.relay = mattermost.add_bot("relay", team=team)
        self.ada = mattermost.add_user("ada", nickname="Ada", team=team)
        self.bob = mattermost.add_user("bob", nickname="Bob", team=team)
        self.town = mattermost.add_channel(team, "town", members=[self.relay, self.ada, self.bob])
        self.alone = mattermost.add_direct_channel(self.ada, self.relay)

    def says(self, who: Account, words: str, channel: Channel | None = None) -> None:
        self.mattermost.post_as(who, channel or self.town, words)

    async def told(self, *, nth: int) -> str:
        """The nth answer that Ada got from the relay in their own conversation."""
        await self.mattermost.until(lambda: len(self._answers()) >= nth)
        return self._answers()[nth - 1]

    def _answers(self) -> list[str]:
        return [each.message for each in self.mattermost.posts(self.alone) if each.user_id == self.relay.id]

    async def relayed(self, text: str) -> None:
        """Wait until the channel on Mattermost shows this."""
        await self.mattermost.until(lambda: text in self.mattermost.messages(self.town))

    async def said(self, text: str) -> None:
        """Wait until Carl sees this line in the channel on IRC."""
        await self.carl.expect(lambda line: line.replace(GUARD, "").endswith(f" PRIVMSG {self.channel} :{text}"))


@asynccontextmanager
async def scene(inspircd: Inspircd, meet: Meet) -> AsyncIterator[Scene]:
    name = f"#{unique('c')}"
    ada, carl = await meet(inspircd.port, nick=unique("lovelace")), await meet(inspircd.port, nick=unique("carl"))
    await ada.join(name)
    await carl.join(name)
    async with SandboxMattermost() as mattermost:
        yield Scene(mattermost, name, ada, carl)


def found(pattern: str, words: str) -> str:
    match = re.search(pattern, words)
    assert match is not None, words
    return match[1]


async def bind(on: Scene) -> None:
    """Ada binds her nick to her account: she begins alone with the relay, and goes on in the channel on IRC."""
    on.says(on.ada, "bind", on.alone)
    code = found(r"code is (\S+)", await on.told(nth=1))
    on.ada_irc.say(on.channel, f"!nb bind confirm {code}")
    number = found(r"accept (\d+)", await on.ada_irc.expect(lambda line: 'This code is of "ada" on Mattermost' in line))
    on.ada_irc.say(on.channel, f"!nb bind accept {number}")
    confirmed = await on.told(nth=2)
    assert f'"{on.ada_irc.nick}" on IRC' in confirmed
    on.says(on.ada, f"bind accept {found(r'accept ([0-9]+)', confirmed)}", on.alone)
    assert (await on.told(nth=3)).startswith("You are bound to")


async def mentions_cross(on: Scene, number: int) -> None:
    """Both ways; and what is no whole name, no name at all, or everybody's is text."""
    on.says(on.bob, f"{number}: @ada, not @adam")
    await on.said(f"<Bob> {number}: {on.ada_irc.nick}, not @adam")
    on.carl.say(on.channel, f"{on.ada_irc.nick}: look {number}")
    await on.relayed(f"@ada: look {number}")
    on.carl.say(on.channel, f"mail {number}@example.com, @{on.ada_irc.nick}")
    await on.relayed(f"mail {number}@example.com, @ada")
    on.carl.say(on.channel, f"@channel {number}")
    await on.relayed(f"@{GUARD}channel {number}")


async def test_people_bind_their_accounts_and_are_called_by_each_other(
    daemon: Daemon, inspircd: Inspircd, meet: Meet
) -> None:
    """Ada is called by either of her names, before and after a restart; and nobody sees how she was bound."""
    async with scene(inspircd, meet) as on:
        file = bridge(on.mattermost, on.relay.token, on.town.id, inspircd, on.channel)
        await daemon.start(file)
        await bind(on)
        await mentions_cross(on, 1)
        assert await daemon.stop() == 0
        await daemon.start(file)
        await mentions_cross(on, 2)
        assert await daemon.stop() == 0
        assert not [each for each in on.mattermost.messages(on.town) if "bind" in each]


async def test_mattermost_and_a_web_chat_are_bound_and_call_each_other(daemon: Daemon) -> None:
    """What is answered in the room is seen by the one who asked alone; a bound name is called in both directions."""
    async with SandboxMattermost() as server, aiohttp.ClientSession() as http:
        team = server.add_team("main")
        relay, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
        town = server.add_channel(team, "town", members=[relay, ada])
        alone = server.add_direct_channel(ada, relay)
        await daemon.start({
            "global": {"http": {"port": 0}},
            "mattermost": {"mm": {"server_url": server.url, "token": relay.token}},
            "webchat": {"web": {}},
            "rules": [{"type": "connect", "channels": {"mm": {"channel_id": town.id}, "web": {"room": "lobby"}}}],
        })  # fmt: skip
        web = Side(daemon, http, "web")

        async def told(nth: int) -> str:
            def answers() -> list[str]:
                return [each.message for each in server.posts(alone) if each.user_id == relay.id]

            await server.until(lambda: len(answers()) >= nth)
            return answers()[nth - 1]

        async with web.joined("Countess") as countess, web.joined("Carl") as carl:
            server.post_as(ada, alone, "bind")
            code = found(r"code is (\S+)", await told(1))
            await countess.say(type="post", id=f"says-{1:020}", text=f"!nb bind confirm {code}")
            number = found(r"accept (\d+)", str((await countess.until("told"))["text"]))
            await countess.say(type="post", id=f"says-{2:020}", text=f"!nb bind accept {number}")
            server.post_as(ada, alone, f"bind accept {found(r'accept ([0-9]+)', await told(2))}")
            assert (await told(3)).startswith("You are bound to")
            await does(carl, type="post", text="@Countess, not @Countessa")
            await server.until(lambda: f"@ada, not @{GUARD}Countessa" in server.messages(town))
            server.post_as(ada, town, "for @ada")
            seen: list[Frame] = []
            while not seen or seen[-1]["type"] != "message" or seen[-1]["message"]["text"] != "for @Countess":
                seen.append(await carl.next())
            assert not [frame for frame in seen if frame["type"] == "told"]
        assert await daemon.stop() == 0
        assert not [each for each in server.messages(town) if "bind" in each]
