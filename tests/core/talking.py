"""Script platforms, each a server of its own, where people can be told something alone and called by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from nextbridge.driver import ConfiguredChannel, Host
from nextbridge.envelope import Author, ChannelKey, Posted, UserId
from nextbridge.markup import Mention, MentionKind, Paragraph, Quote, RichText
from nextbridge.markup.plain import PlainText
from nextbridge.markup.tree import Block, Inline
from tests.core.script import Daemon, ScriptChannel, ScriptDriver, ScriptSettings

ALICE = Author(id=UserId("u1"), username="alice", name="Alice A")
BOB = Author(id=UserId("u2"), username="bob", name="Bob")
MALLORY = Author(id=UserId("u3"), username="mallory", name="Mallory")


class Calling(PlainText):
    """Plain text in which a call of somebody can be seen: `<call name>`, `<call-channel name>`."""

    name = "calling"

    def write(self, blocks: tuple[Block, ...]) -> str:
        def seen(node: Inline) -> Inline:
            match node:
                case Mention(name=name, kind=MentionKind.USER, user=user):
                    return Mention(f"<call {name} {user}>")
                case Mention(name=name, kind=kind, permitted=True):
                    return Mention(f"<call-{kind.value} {name}>")
                case _:
                    return node

        def look(block: Block) -> Block:
            match block:
                case Paragraph(children):
                    return Paragraph(tuple(map(seen, children)))
                case Quote(children):
                    return Quote(tuple(map(look, children)))
                case _:
                    return block

        return super().write(tuple(map(look, blocks)))


class LonelyDriver(ScriptDriver):
    """Nobody can be told anything alone there."""

    platform: ClassVar[str] = "lonely"
    dialect = Calling()

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.members: dict[str, Author] = {}
        self.asked: list[str] = []
        self.look_up: Callable[[], Awaitable[None]] | None = None

    @property
    def realm(self) -> str:
        return self.host.instance

    @property
    def own_name(self) -> str:
        return "relay"

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        self.asked.append(name)
        if self.look_up is not None:
            await self.look_up()
        found = [each for each in self.members.values() if name.casefold() in {each.username, each.name.casefold()}]
        return found[0] if len(found) == 1 else None

    def join(self, *people: Author) -> None:
        for each in people:
            self.members[each.id] = each


class TalkingDriver(LonelyDriver):
    """Everything is there."""

    platform: ClassVar[str] = "talking"

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.told: list[tuple[str, str]] = []
        self.refuses: Exception | None = None
        self.reads = asyncio.Event()
        self.reads.set()

    async def tell(self, user: UserId, text: str) -> None:
        await self.reads.wait()
        if self.refuses is not None:
            raise self.refuses
        self.told.append((user, text))
        await self.nudge()

    async def says(self, author: Author, text: str, **fields: Any) -> Posted:
        """Somebody posts in the channel "1"."""
        return await self.post(text, author=author, **fields)

    async def whispers(self, author: Author, text: str) -> Posted:
        """Somebody writes to the relay alone."""
        return await self.post(text, author=author, channel=f"with-{author.id}", direct=True, addressed=True)

    async def answer_to(self, author: Author, *, nth: int = 1) -> str:
        """The nth thing that this one is told alone."""
        await self.until(lambda: len(self.told_to(author)) >= nth)
        return self.told_to(author)[nth - 1]

    def told_to(self, author: Author) -> list[str]:
        return [text for user, text in self.told if user == author.id]


class PassingDriver(TalkingDriver):
    """As on IRC: a user id is a name that may change hands, and people are called by `name:`."""

    platform: ClassVar[str] = "passing"
    accounts_last = False
    calls_by_bare_name = True


def talking(running: Daemon, instance: str) -> TalkingDriver:
    driver = running[instance]
    assert isinstance(driver, TalkingDriver)
    return driver


def pair(running: Daemon) -> tuple[TalkingDriver, TalkingDriver]:
    """The sides `a` and `b`."""
    return talking(running, "a"), talking(running, "b")


def rich(*inlines: Inline) -> RichText:
    return RichText((Paragraph(inlines),))
