"""Whatever people do on two Mattermost servers, with trouble and restarts: at the end both show the same."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from drivers.mattermost import MattermostDriver
from drivers.mattermost.settings import MattermostChannel, MattermostSettings
from nextbridge.config.model import Config, Endpoint, GlobalSettings, HttpSettings, Instance, Rule
from nextbridge.config.types import Secret
from nextbridge.envelope import ChannelKey, InstanceId
from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from nextbridge.service import Service

POSTS = "POST /api/v4/posts"
OFTEN = {"say": 2, "answer": 3, "edit": 4, "delete": 1, "react": 3, "unreact": 1, "trouble": 1, "rest": 1, "restart": 1}


class Step(Struct, frozen=True):
    """Somebody does something; `which` chooses among the messages that are there to be chosen."""

    what: str
    side: Literal[0, 1]
    which: int
    words: str
    emoji: str


steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from([each for each, often in OFTEN.items() for _ in range(often)]),
        side=st.sampled_from([0, 1]),
        which=st.integers(0, 9),
        words=st.sampled_from(["yes", "*no* `perhaps`", "one\ntwo", "> quoted"]),
        emoji=st.sampled_from(["+1", "tada"]),
    ),
    max_size=20,
)


class Said(Struct):
    """A message as it ought to be shown on both sides."""

    tag: str
    side: int
    post: Post
    text: str
    root: Said | None
    reactions: set[tuple[int, str]]
    deleted: bool = False


class Side(Struct):
    server: SandboxMattermost
    bot: Account
    person: Account
    channel: Channel

    def posts(self) -> dict[str, Post]:
        """What is shown, by its tag."""
        found = [each for each in self.server.posts(self.channel) if not each.type.startswith("system_")]
        posts = {each.message.split(" ", 1)[0]: each for each in found}
        assert len(posts) == len(found), "a message is there twice"
        return posts


Shown = dict[str, tuple[str, str | None, frozenset[tuple[bool, str]]]]
"""By tag: the text, the root's tag, and the reactions, each with whether it is the relay's."""


class Talk:
    """What people have said, beside the daemon that relays it."""

    def __init__(self, sides: tuple[Side, Side], state: Path) -> None:
        self.sides = sides
        self.state = state
        self.said: dict[str, Said] = {}
        self.number = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        names = [InstanceId("east"), InstanceId("west")]
        ends = tuple(
            Endpoint(
                instance=name, key=ChannelKey(side.channel.id), settings=MattermostChannel(channel_id=side.channel.id)
            )
            for name, side in zip(names, self.sides, strict=True)
        )
        config = Config(
            path=self.state / "config.json",
            general=GlobalSettings(http=HttpSettings(port=0)),
            instances={
                name: Instance(
                    id=name,
                    driver=MattermostDriver,
                    settings=MattermostSettings(
                        server_url=side.server.url, token=Secret(side.bot.token), reconnect_delay=0.1
                    ),
                )
                for name, side in zip(names, self.sides, strict=True)
            },
            rules=(Rule(id="r", kind="connect", sources=ends, targets=ends),),
        )
        service, started = Service(config, self.state), asyncio.Event()
        task = asyncio.create_task(service.run(started=started))
        await started.wait()
        try:
            async with asyncio.timeout(15):
                while service.instances.not_ready():  # noqa: ASYNC110 - as systemd looks
                    await asyncio.sleep(0.01)
            yield
        finally:
            service.stop()
            await task

    def does(self, step: Step) -> None:
        side = self.sides[step.side]
        seen = [each for tag in side.posts() if (each := self.said.get(tag)) is not None]
        own = [each for each in seen if each.side == step.side]
        self.number += 1
        match step.what:
            case "say" | "answer":
                tag = f"#{self.number}"
                parent = seen[step.which % len(seen)] if step.what == "answer" and seen else None
                root = parent.root or parent if parent else None
                there = side.posts().get(root.tag) if root else None
                text = f"{tag} {step.words}"
                post = side.server.post_as(side.person, side.channel, text, root=there)
                self.said[tag] = Said(tag, step.side, post, text, root if there else None, set())
            case "edit" if own:
                said = own[step.which % len(own)]
                said.text = f"{said.tag} {step.words} {self.number}"
                side.server.edit(said.post, said.text)
            case "delete" if own:
                said = own[step.which % len(own)]
                for each in self.said.values():
                    each.deleted = each.deleted or each is said or each.root is said
                side.server.delete(said.post)
            case "react" | "unreact" if seen:
                said = seen[step.which % len(seen)]
                reaction, added = (step.side, step.emoji), step.what == "react"
                if added == (reaction in said.reactions):
                    return
                (said.reactions.add if added else said.reactions.remove)(reaction)
                act = side.server.react_as if added else side.server.take_back_reaction
                act(side.person, side.posts()[said.tag], step.emoji)
            case "trouble":
                side.server.faults.answer(500, body="<html>", content_type="text/html", route=POSTS)
                side.server.faults.drop_answer(route=POSTS)
            case _:
                pass

    def shown(self, side: Side) -> Shown:
        posts = side.posts()
        tags = {post.id: tag for tag, post in posts.items()}
        return {
            tag: (
                post.message,
                tags.get(post.root_id),  # type: ignore[call-overload]
                frozenset(
                    (each.user_id == side.bot.id, each.emoji_name)
                    for each in getattr(post.metadata, "reactions", None) or ()
                ),
            )
            for tag, post in posts.items()
        }

    def meant(self, place: int) -> Shown:
        return {
            each.tag: (
                each.text,
                each.root.tag if each.root else None,
                frozenset((where != place, emoji) for where, emoji in each.reactions),
            )
            for each in self.said.values()
            if not each.deleted
        }

    async def settled(self) -> None:
        """Until both sides show what was meant; who looks too long is told what they show."""
        try:
            async with asyncio.timeout(10):
                while any(self.shown(side) != self.meant(place) for place, side in enumerate(self.sides)):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            for place, side in enumerate(self.sides):
                assert self.shown(side) == self.meant(place)


async def converse(script: list[Step], state: Path) -> None:
    async with SandboxMattermost() as one, SandboxMattermost() as other:
        sides = []
        for server in (one, other):
            team = server.add_team("main")
            bot, person = server.add_bot("relay", team=team), server.add_user("ada", team=team)
            sides.append(Side(server, bot, person, server.add_channel(team, "town", members=[bot, person])))
        talk = Talk((sides[0], sides[1]), state)
        left = list(script)
        while True:
            async with talk.running():
                if not talk.said:
                    talk.does(Step("say", 0, 0, "begin", "+1"))
                    talk.does(Step("say", 1, 0, "begin", "+1"))
                    await talk.settled()  # the rule has begun
                while left and (step := left.pop(0)).what != "restart":
                    # who answers what is being deleted elsewhere finds out on one side only
                    if step.what == "delete":
                        await talk.settled()
                    talk.does(step)
                    await (talk.settled() if step.what in {"rest", "delete"} else asyncio.sleep(0))
                # a reaction that is not heard is not made good
                await talk.settled()
                if not left:
                    return


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=steps)
def test_both_servers_show_the_same_conversation(script: list[Step]) -> None:
    """Posts, answers, edits, deletions and reactions on both sides, wrong and lost answers, restarts; in any order."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(converse(script, Path(folder) / "state"))
