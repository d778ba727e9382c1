"""A Mattermost channel and an IRC channel, bridged by the daemon as a process."""

from __future__ import annotations

import asyncio

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.irc.conftest import Inspircd, Meet, unique
from tests.process import Daemon

GUARD = "\u200b"


def bridge(
    mattermost: SandboxMattermost, token: str, channel_id: str, irc: Inspircd, channel: str, **rule: object
) -> dict[str, object]:
    return {
        "global": {"http": {"port": 0}},
        "mattermost": {"mm": {"server_url": mattermost.url, "token": token}},
        "irc": {
            "net": {
                "host": "127.0.0.1", "port": irc.port, "tls": False, "nick": unique("r"),
                "messages_per_second": 10000, "burst": 1000,
            }
        },
        "rules": [
            {"type": "connect", "channels": {"mm": {"channel_id": channel_id}, "net": {"channel": channel}}, **rule}
        ],
    }  # fmt: skip


async def test_a_thousand_messages_each_way_arrive_once_and_in_order(
    daemon: Daemon, inspircd: Inspircd, meet: Meet
) -> None:
    """1,000 posts and 1,000 lines at the same time: each is on the other side, once, in order, under its author."""
    name = f"#{unique('c')}"
    speaker, listener = await meet(inspircd.port, nick=unique("p")), await meet(inspircd.port, nick=unique("q"))
    await speaker.join(name)
    await listener.join(name)
    async with SandboxMattermost() as mattermost:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        await daemon.start(bridge(mattermost, relay.token, town.id, inspircd, name))

        async def post() -> None:
            for number in range(1000):
                mattermost.post_as(ada, town, f"post {number}")
                await asyncio.sleep(0)

        async def say() -> None:
            for number in range(1000):
                speaker.say(name, f"line {number}")
                if number % 50 == 0:
                    await speaker.settled()

        async def hear() -> list[str]:
            heard = [await listener.hears(name, within=60) for _ in range(2000)]
            return [text for text in heard if not text.startswith("line ")]

        _, _, heard = await asyncio.gather(post(), say(), hear())
        assert [text.replace(GUARD, "") for text in heard] == [f"<Ada> post {number}" for number in range(1000)]

        def relayed() -> list[str]:
            return [each.message for each in mattermost.posts(town) if each.user_id == relay.id]

        await mattermost.until(lambda: len(relayed()) >= 1000, within=60)
        assert relayed() == [f"line {number}" for number in range(1000)]
        names = {each.props["override_username"] for each in mattermost.posts(town) if each.user_id == relay.id}
        assert {str(each).replace(GUARD, "") for each in names} == {speaker.nick}
        assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []
    assert relay.token not in daemon.log.read_text(), "no secret is in any line, at the most talkative level"


async def test_formatting_crosses_both_ways(daemon: Daemon, inspircd: Inspircd, meet: Meet) -> None:
    """Bold is bold on the other side, an action is an action, and what looks like markup there is only text."""
    name = f"#{unique('c')}"
    person = await meet(inspircd.port, nick=unique("p"))
    await person.join(name)
    async with SandboxMattermost() as mattermost:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        await daemon.start(bridge(mattermost, relay.token, town.id, inspircd, name))

        mattermost.post_as(ada, town, "hello **world** and `code`\nsecond line")
        first = (await person.hears(name)).replace(GUARD, "")
        assert first == "<Ada> hello \x02world\x02 and \x11code\x11"
        assert (await person.hears(name)).replace(GUARD, "") == "<Ada> second line"

        person.say(name, "\x02bold\x02 and *not bold* @channel")
        person.say(name, "\x01ACTION waves\x01")

        def relayed() -> list[str]:
            return [each.message for each in mattermost.posts(town) if each.user_id == relay.id]

        await mattermost.until(lambda: len(relayed()) == 2)
        assert relayed()[0].startswith(r"**bold** and \*not bold\* @")
        assert "@channel" not in relayed()[0]
        assert relayed()[1] == "*waves*"


async def test_what_is_said_while_a_server_is_away_arrives_in_order_when_it_is_back(
    daemon: Daemon, inspircd: Inspircd, meet: Meet
) -> None:
    """With Mattermost stopped, lines of IRC wait on disk, over a restart of the daemon too, then arrive in order."""
    name = f"#{unique('c')}"
    person = await meet(inspircd.port, nick=unique("p"))
    await person.join(name)
    async with SandboxMattermost() as mattermost:
        team = mattermost.add_team("main")
        relay = mattermost.add_bot("relay", team=team)
        town = mattermost.add_channel(team, "town", members=[relay])
        file = bridge(mattermost, relay.token, town.id, inspircd, name)
        await daemon.start(file)
        await mattermost.stop()
        for number in range(20):
            person.say(name, f"line {number}")
        await person.settled()
        async with asyncio.timeout(20):
            while len(daemon.events("message_accepted")) < 20:  # noqa: ASYNC110 - another process's log
                await asyncio.sleep(0.05)
        assert await daemon.stop() == 0
        await mattermost.start()
        await daemon.start(file)
        await mattermost.until(lambda: len(mattermost.posts(town)) >= 20, within=30)
        assert [each.message for each in mattermost.posts(town)] == [f"line {number}" for number in range(20)]


async def test_what_irc_cannot_show_is_said_as_a_person_would(daemon: Daemon, inspircd: Inspircd, meet: Meet) -> None:
    """An edit is a corrected line, an answer a quote, a deletion and a reaction are told; also after a restart."""
    name = f"#{unique('c')}"
    person = await meet(inspircd.port, nick=unique("p"))
    await person.join(name)

    async def hears() -> str:
        return (await person.hears(name)).replace(GUARD, "")

    async with SandboxMattermost() as mattermost:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        told = {"on_delete": "notice", "on_reaction": "line"}
        file = bridge(mattermost, relay.token, town.id, inspircd, name, **told)
        await daemon.start(file)
        post = mattermost.post_as(ada, town, "teh cat")
        assert await hears() == "<Ada> teh cat"
        assert await daemon.stop() == 0
        await daemon.start(file)
        mattermost.edit(post, "the cat")
        assert await hears() == "<Ada> (edited) the cat"
        mattermost.post_as(ada, town, "it purrs", root=post)
        assert [await hears(), await hears()] == ["<Ada> > Ada: the cat", "<Ada> it purrs"]
        mattermost.react_as(ada, post, "+1")
        assert await hears() == "* Ada reacted with \N{THUMBS UP SIGN} to Ada: the cat"
        mattermost.delete(post)
        assert (await hears()).startswith("* Ada deleted a message of ")
        person.say(name, "what a pity")
        await mattermost.until(lambda: "what a pity" in mattermost.messages(town))
        said = next(each for each in mattermost.posts(town) if each.message == "what a pity")
        mattermost.post_as(ada, town, "indeed", root=said)
        assert [await hears(), await hears()] == [f"<Ada> > {person.nick}: what a pity", "<Ada> indeed"]
        assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []
