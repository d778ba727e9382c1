"""A conversation between Mattermost and IRC where people's clients know the client tags of IRCv3."""

from __future__ import annotations

from drivers.irc import wire
from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from tests.irc.conftest import Inspircd, Meet, Person, unique
from tests.pairs.test_mattermost_irc import GUARD, bridge
from tests.process import Daemon


class Scene:
    """Ada on Mattermost and Ben on IRC, who is an operator of the channel there."""

    def __init__(self, mattermost: SandboxMattermost, ben: Person, room: str) -> None:
        self.mattermost, self.ben, self.room = mattermost, ben, room
        team = mattermost.add_team("main")
        self.relay = mattermost.add_bot("relay", team=team)
        self.ada: Account = mattermost.add_user("ada", nickname="Ada", team=team)
        self.town: Channel = mattermost.add_channel(team, "town", members=[self.relay, self.ada])

    async def ben_sees(self, text: str) -> dict[str, str]:
        """The tags of the line that says this, once Ben has seen it."""
        line = await self.ben.expect(lambda line: line.replace(GUARD, "").endswith(f" PRIVMSG {self.room} :{text}"))
        parsed = wire.parse(line)
        assert parsed is not None
        return dict(parsed.tags)

    async def ada_sees(self, text: str) -> Post:
        """The post that says this, once Ada has seen it."""
        return await self.mattermost.shown(self.town, text, within=15)


async def scene(mattermost: SandboxMattermost, inspircd: Inspircd, meet: Meet) -> Scene:
    room = unique("#")
    ben = await meet(inspircd.port, nick=unique("B"), capabilities="message-tags echo-message")
    await ben.join(room)
    return Scene(mattermost, ben, room)


async def test_answers_and_reactions_cross_by_tags_also_after_a_restart(
    daemon: Daemon, inspircd: Inspircd, meet: Meet
) -> None:
    """An answer on IRC stands in the thread; one from Mattermost names its parent and quotes it, for all to see."""
    async with SandboxMattermost() as mattermost:
        on = await scene(mattermost, inspircd, meet)
        file = bridge(mattermost, on.relay.token, on.town.id, inspircd, on.room)
        await daemon.start(file)
        question = mattermost.post_as(on.ada, on.town, "tea?")
        asked = (await on.ben_sees("<Ada> tea?"))["msgid"]
        on.ben.send(f"@+draft/reply={asked} PRIVMSG {on.room} :before")
        assert (await on.ada_sees("before")).root_id == question.id
        said = (await on.ben_sees("before"))["msgid"]
        assert await daemon.stop() == 0
        await daemon.start(file)
        on.ben.send(f"@+draft/reply={said} PRIVMSG {on.room} :after")
        answer = await on.ada_sees("after")
        assert answer.root_id == question.id
        on.ben.send(f"@+draft/react=👍;+draft/reply={asked} TAGMSG {on.room}")
        await mattermost.until(lambda: mattermost.reactions_of(question) == ["+1"], within=15)
        on.ben.send(f"@+draft/unreact=👍;+draft/reply={asked} TAGMSG {on.room}")
        await mattermost.until(lambda: mattermost.reactions_of(question) == [], within=15)
        mattermost.post_as(on.ada, on.town, "with milk", root=question)
        for text in ("<Ada> > Ada: tea?", "<Ada> with milk"):
            assert (await on.ben_sees(text))["+draft/reply"] == asked
        assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []


async def test_who_comes_what_the_topic_is_and_who_types_crosses(
    daemon: Daemon, inspircd: Inspircd, meet: Meet
) -> None:
    """Each as the rule says; a topic that the relay may not set is no message that waits."""
    async with SandboxMattermost() as mattermost:
        on = await scene(mattermost, inspircd, meet)
        told = {"joins": True, "sync_topic": True, "typing": True}
        await daemon.start(bridge(mattermost, on.relay.token, on.town.id, inspircd, on.room, **told))
        mattermost.post_as(on.ada, on.town, "hello")
        await on.ben_sees("<Ada> hello")
        carl = await meet(inspircd.port, nick=unique("C"))
        await carl.join(on.room)
        carl.send(f"PART {on.room} :tea is ready")
        await on.ada_sees("*joined*")
        await on.ada_sees("*left (tea is ready)*")
        on.ben.send(f"TOPIC {on.room} :All about tea")
        await mattermost.until(lambda: mattermost.header(on.town) == "All about tea", within=15)
        mattermost.change_header(on.ada, on.town, "refused")
        mattermost.post_as(on.ada, on.town, "still here")
        await on.ben_sees("<Ada> still here")
        assert [line for line in on.ben.lines if "TOPIC" in line and "refused" in line] == []
        on.ben.send(f"MODE {on.room} -t")
        await on.ben.settled()
        mattermost.change_header(on.ada, on.town, "All about cakes")
        await on.ben.expect(lambda line: line.endswith(f" TOPIC {on.room} :All about cakes"))
        mattermost.type_as(on.ada, on.town)
        await on.ben.expect(lambda line: "+typing=active" in line and " TAGMSG " in line)
        assert await daemon.stop() == 0
    assert daemon.events("delivery_buried") == []
    assert len(daemon.events("topic_not_set")) == 1
