"""What people do to messages crosses between two Mattermost servers, both ways, before and after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest
from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from tests.process import Daemon

PICTURE = b"\x89PNG\r\n\x1a\n" + b"not much of a picture"


class Side(Struct):
    """One server, with the person who talks there."""

    server: SandboxMattermost
    bot: Account
    person: Account
    channel: Channel

    def posts(self) -> list[Post]:
        return [post for post in self.server.posts(self.channel) if not post.type.startswith("system_")]

    def saying(self, text: str) -> Post:
        """The one post that says this."""
        (found,) = [post for post in self.posts() if post.message == text]
        return found

    async def shows(self, *texts: str) -> None:
        """Return once the channel shows these, in this order."""
        await self.server.until(lambda: [post.message for post in self.posts()] == list(texts), within=15)

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.server.until(condition, within=15)

    def reactions(self, text: str) -> set[tuple[str, str]]:
        """Who reacted to the post that says this, and how."""
        metadata = self.saying(text).metadata
        found = getattr(metadata, "reactions", None) or []
        return {(each.user_id, each.emoji_name) for each in found}


class Bridge:
    """Two servers and the daemon between them; `near` is where things are done, `far` where they are seen."""

    def __init__(self, daemon: Daemon, near: Side, far: Side, file: dict[str, object]) -> None:
        self.daemon = daemon
        self.near = near
        self.far = far
        self.file = file
        self._numbers = count(1)

    async def start(self) -> None:
        """Return once both sides hear each other."""
        await self.daemon.start(self.file)
        for here, there in ((self.near, self.far), (self.far, self.near)):
            text = f"is anybody there? {next(self._numbers)}"
            asked = here.server.post_as(here.person, here.channel, text)
            await there.until(lambda there=there, text=text: text in [post.message for post in there.posts()])  # type: ignore[misc]
            here.server.delete(asked)
            await there.until(lambda there=there, text=text: text not in [post.message for post in there.posts()])  # type: ignore[misc]

    async def restart(self) -> None:
        assert await self.daemon.stop() == 0
        await self.start()


def side(server: SandboxMattermost, name: str) -> Side:
    team = server.add_team("main")
    bot = server.add_bot("relay", team=team)
    person = server.add_user(name, nickname=name.capitalize(), team=team)
    return Side(server, bot, person, server.add_channel(team, "town", members=[bot, person]))


@pytest.fixture(params=["eastwards", "westwards"])
async def bridge(daemon: Daemon, request: pytest.FixtureRequest) -> AsyncIterator[Bridge]:
    """Two servers, each with somebody in its channel, joined by a rule that leaves nothing out."""
    async with SandboxMattermost() as one, SandboxMattermost() as other:
        east, west = side(one, "ada"), side(other, "wim")
        file: dict[str, object] = {
            "global": {"http": {"port": 0}},
            "mattermost": {
                "east": {"server_url": one.url, "token": east.bot.token, "reconnect_delay": 0.2},
                "west": {"server_url": other.url, "token": west.bot.token, "reconnect_delay": 0.2},
            },
            "rules": [
                {
                    "id": "town",
                    "type": "connect",
                    "typing": True,
                    "sync_topic": True,
                    "joins": True,
                    "channels": {
                        "east": {"channel_id": east.channel.id},
                        "west": {"channel_id": west.channel.id},
                    },
                }
            ],
        }
        near, far = (east, west) if request.param == "eastwards" else (west, east)
        yield Bridge(daemon, near, far, file)


Pause = Callable[[Bridge], Awaitable[None]]


@pytest.fixture(params=["at once", "after a restart"])
def pause(request: pytest.FixtureRequest) -> Pause:
    """What lies between a message and what is done to it."""

    async def pause(bridge: Bridge) -> None:
        if request.param == "after a restart":
            await bridge.restart()

    return pause


async def test_an_edit_and_a_deletion_cross(bridge: Bridge, pause: Pause) -> None:
    """The same post says something else, then is gone; a pin is no edit. What is in parts gains and loses parts."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    post = near.server.post_as(near.person, near.channel, "teh **cat**")
    await far.shows("teh **cat**")
    copy = far.saying("teh **cat**").id
    await pause(bridge)
    near.server.pin(post)
    near.server.edit(post, "the _cat_")
    await far.shows("the _cat_")
    assert far.saying("the _cat_").id == copy
    near.server.delete(post)
    await far.shows()


async def test_an_answer_stands_under_what_it_answers(bridge: Bridge, pause: Pause) -> None:
    """From either side, under the root on the other; and a deleted root takes along what its answers became."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    root = near.server.post_as(near.person, near.channel, "root")
    await far.shows("root")
    await pause(bridge)
    near.server.post_as(near.person, near.channel, "from near", root=root)
    await far.shows("root", "from near")
    copy = far.saying("root")
    assert far.saying("from near").root_id == copy.id
    far.server.post_as(far.person, far.channel, "from far", root=copy)
    await near.shows("root", "from near", "from far")
    assert near.saying("from far").root_id == root.id
    near.server.delete(root)
    await far.shows()


async def test_reactions_cross_and_one_stands_for_all(bridge: Bridge, pause: Pause) -> None:
    """To the message from the other side, and to one's own; taken back with the last."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    post = near.server.post_as(near.person, near.channel, "cake?")
    await far.shows("cake?")
    await pause(bridge)
    near.server.react_as(near.person, post, "+1")
    await far.until(lambda: far.reactions("cake?") == {(far.bot.id, "+1")})
    far.server.react_as(far.person, far.saying("cake?"), "tada")
    await near.until(lambda: (near.bot.id, "tada") in near.reactions("cake?"))
    near.server.take_back_reaction(near.person, post, "+1")
    await far.until(lambda: far.reactions("cake?") == {(far.person.id, "tada")})
    far.server.take_back_reaction(far.person, far.saying("cake?"), "tada")
    await near.until(lambda: near.reactions("cake?") == set())


async def test_a_post_with_files_is_edited_without_posting_again(bridge: Bridge, pause: Pause) -> None:
    """The files arrive with the text, byte for byte, and stay where they are when the text changes."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    files = [near.server.upload_as(near.person, near.channel, name, PICTURE) for name in ("a cat.png", "b.png")]
    post = near.server.post_as(near.person, near.channel, "two cats", files=files)
    await far.shows("two cats")
    assert far.server.files_of(far.saying("two cats")) == [("a cat.png", PICTURE), ("b.png", PICTURE)]
    await pause(bridge)
    near.server.edit(post, "two kittens")
    await far.shows("two kittens")
    assert far.server.files_of(far.saying("two kittens")) == [("a cat.png", PICTURE), ("b.png", PICTURE)]


async def test_a_text_that_grows_and_shrinks_keeps_its_parts_in_step(bridge: Bridge, pause: Pause) -> None:
    """With a limit of its own on the other side a message is in parts there; edits add and remove parts."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    post = near.server.post_as(near.person, near.channel, "x" * 10)
    await far.shows("x" * 10)
    await pause(bridge)
    grown = " ".join(["word"] * 3200)
    assert len(grown) < 16_383
    near.server.edit(post, grown)
    await far.until(lambda: "".join(each.message for each in far.posts()).replace(" ", "") == grown.replace(" ", ""))
    near.server.edit(post, "small")
    await far.shows("small")


async def test_what_happens_while_the_daemon_is_away_is_made_good(bridge: Bridge) -> None:
    """Edits and deletions of what had crossed, and posts with their edits, out of the history, in order."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    kept = near.server.post_as(near.person, near.channel, "kept")
    gone = near.server.post_as(near.person, near.channel, "gone")
    await far.shows("kept", "gone")
    assert await bridge.daemon.stop() == 0
    near.server.edit(kept, "kept, edited")
    near.server.delete(gone)
    new = near.server.post_as(near.person, near.channel, "new")
    near.server.edit(new, "new, edited")
    near.server.post_as(near.person, near.channel, "answer", root=kept)
    await bridge.daemon.start(bridge.file)
    await far.shows("kept, edited", "new, edited", "answer")
    assert far.saying("answer").root_id == far.saying("kept, edited").id


async def test_a_topic_crosses_and_who_joins_is_told(bridge: Bridge) -> None:
    """sync_topic sets the channel's header; joins says who comes."""
    await bridge.start()
    near, far = bridge.near, bridge.far
    near.server.change_header(near.person, near.channel, "cakes today")
    await far.until(lambda: far.server.header(far.channel) == "cakes today")
    guest = near.server.add_user("guest", nickname="Guest")
    near.server.add_member(near.channel, guest, by=near.person)
    await far.until(lambda: any("joined" in post.message for post in far.posts()))
