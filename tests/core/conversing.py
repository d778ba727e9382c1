"""Script platforms where messages can be changed, answered and reacted to, and the words for what people do there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Literal

import click.testing
from msgspec import Struct

from nextbridge.cli import main
from nextbridge.driver import ConfiguredChannel, Excerpt, Gone, Host, Outgoing, Receipt, Rejected
from nextbridge.envelope import (
    Author,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    Event,
    Joined,
    Left,
    MessageId,
    Posted,
    Reacted,
    TopicChanged,
    UserId,
)
from nextbridge.markup import RichText
from tests.core.script import Daemon, ScriptChannel, ScriptDriver, ScriptSettings

Answer = Callable[[Outgoing], Awaitable[Receipt]]

BOB = Author(id=UserId("u2"), username="bob", name="Bob")


class Shown(Struct):
    """A message as the channel shows it."""

    text: str
    answers: str | None = None
    reactions: tuple[str, ...] = ()


class ConversingDriver(ScriptDriver):
    """Shows everything, and keeps it over restarts in `boards`; `trouble` is awaited before each change."""

    platform: ClassVar[str] = "conversing"
    boards: ClassVar[dict[str, dict[str, Shown]]] = {}
    answers: ClassVar[Literal["any", "root"]] = "any"
    numbers: ClassVar[count[int]] = count(1)

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.board = self.boards.setdefault(host.instance, {})
        self.changes: list[tuple[str, str]] = []
        """What was asked for, in order: the kind and the message."""
        self.topics: list[str] = []
        self.typists: list[str] = []
        self.recalled: dict[str, Excerpt] = {}
        self.trouble: Callable[[str], Awaitable[None]] | None = None

    async def deliver(self, message: Outgoing) -> Receipt:
        if message.reply_to is not None and message.reply_to not in self.board:
            raise Gone("what it answers is gone")
        self.shown.append(message)
        number = f"{self.host.instance}-{next(self.numbers)}"
        self.board[number] = Shown(message.text, message.reply_to)
        await self.nudge()
        return Receipt(MessageId(number))

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._change("edit", message)
        self.board[message].text = revised.text
        await self.nudge()

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        await self._change("delete", message)
        del self.board[message]
        await self.nudge()

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await self._change("react" if add else "unreact", message)
        shown = self.board[message]
        shown.reactions = tuple({*shown.reactions, emoji} if add else {*shown.reactions} - {emoji})
        await self.nudge()

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        await self._change("topic", None)
        self.topics.append(topic)
        await self.nudge()

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        self.typists.append(author.name)
        await self.nudge()

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        return self.recalled.get(message)

    async def _change(self, what: str, message: MessageId | None) -> None:
        self.changes.append((what, message or ""))
        await self.nudge()
        if self.trouble is not None:
            await self.trouble(what)
        if message is not None and message not in self.board:
            raise Gone("it is not there any more")

    # --- what people do ---

    async def say(self, text: str, **fields: Any) -> Posted:
        """Somebody posts; what is posted is on the board, too."""
        event = await self.post(text, **fields)
        self.board[event.message] = Shown(text, event.reply_to)
        return event

    async def does(self, event: Event) -> None:
        """Something happens; returns once it is on disk or skipped."""
        await (await self.host.accept(event))

    async def edits(self, posted: Posted, text: str, version: str = "1") -> None:
        self.board[posted.message].text = text
        await self.does(
            Edited(
                channel=posted.channel,
                message=posted.message,
                author=posted.author,
                at=posted.at + 1000,
                version=version,
                text=RichText.plain(text),
            )
        )

    async def deletes(self, posted: Posted, *, with_thread: bool = False) -> None:
        del self.board[posted.message]
        await self.does(
            Deleted(
                channel=posted.channel,
                message=posted.message,
                author=posted.author,
                at=posted.at + 1000,
                with_thread=with_thread,
            )
        )

    async def reacts(
        self, posted: Posted | MessageId, emoji: str, *, by: Author = BOB, added: bool = True, version: str = ""
    ) -> None:
        channel = posted.channel if isinstance(posted, Posted) else self.home
        message = posted.message if isinstance(posted, Posted) else posted
        await self.does(
            Reacted(
                channel=channel,
                message=message,
                author=by,
                at=1_700_000_001_000,
                version=version or f"{emoji} {by.id} {added} {next(self.numbers)}",
                emoji=emoji,
                added=added,
            )
        )

    async def joins(self, author: Author = BOB) -> None:
        await self.does(Joined(channel=self.home, message=self._new(), author=author, at=1_700_000_000_000))

    async def leaves(self, author: Author = BOB, reason: str = "") -> None:
        await self.does(
            Left(channel=self.home, message=self._new(), author=author, at=1_700_000_000_000, reason=reason)
        )

    async def changes_topic(self, topic: str, author: Author = BOB) -> None:
        await self.does(
            TopicChanged(channel=self.home, message=self._new(), author=author, at=1_700_000_000_000, topic=topic)
        )

    @property
    def home(self) -> Channel:
        """The channel "1" of this instance."""
        return Channel(self.host.instance, ChannelKey("1"))

    def _new(self) -> MessageId:
        return MessageId(f"notice-{next(self.numbers)}")

    # --- what is there ---

    @property
    def said(self) -> list[str]:
        """The texts on the board, in order."""
        return [each.text for each in self.board.values()]

    def id_of(self, text: str) -> MessageId:
        """The id of the one message that says this."""
        (found,) = [number for number, each in self.board.items() if each.text == text]
        return MessageId(found)


class RootsDriver(ConversingDriver):
    """Knows threads by their root only, and refuses anything else."""

    platform: ClassVar[str] = "roots"
    answers: ClassVar[Literal["any", "root"]] = "root"

    async def deliver(self, message: Outgoing) -> Receipt:
        if message.reply_to is not None and self.board[message.reply_to].answers is not None:
            raise AssertionError("a root was asked for")
        return await super().deliver(message)


class HalfSeenDriver(ConversingDriver):
    """Shows what a message answers to the few whose programs know of it: as IRC with client tags."""

    platform: ClassVar[str] = "half_seen"
    quotes_answers: ClassVar[bool] = True


class LackingDriver(ConversingDriver):
    """A server that lacks what others of its platform have."""

    platform: ClassVar[str] = "lacking"
    answers: ClassVar[Literal["any", "root"] | None] = None  # type: ignore[assignment]


class FixedDriver(ScriptDriver):
    """What was said stays said, and cannot be answered: as IRC."""

    platform: ClassVar[str] = "fixed"


BOTH = {"a": ConversingDriver, "b": ConversingDriver}
"""Two sides that can everything."""


def conversing(running: Daemon, instance: str) -> ConversingDriver:
    """One side of a daemon."""
    driver = running[instance]
    assert isinstance(driver, ConversingDriver)
    return driver


def sides(running: Daemon) -> tuple[ConversingDriver, ConversingDriver]:
    """The two sides, `a` and `b`."""
    return conversing(running, "a"), conversing(running, "b")


async def refuse(message: Outgoing) -> Receipt:
    """The answer of a platform that will never take a message."""
    raise Rejected("too ugly")


def refusing(*errors: Exception) -> Callable[[str], Awaitable[None]]:
    """Raises each error once, in order, and then nothing."""
    left = list(errors)

    async def trouble(what: str) -> None:
        if left:
            raise left.pop(0)

    return trouble


def taking(driver: ScriptDriver, parts: int) -> Answer:
    """Shows so many parts, and refuses what comes after."""

    async def answer(message: Outgoing) -> Receipt:
        if len(driver.shown) >= parts:
            raise Rejected("too much")
        return await driver.deliver(message)

    return answer


def holding(driver: ScriptDriver) -> tuple[Answer, asyncio.Event]:
    """Shows nothing before the event is set, and then everything."""
    go_on = asyncio.Event()

    async def answer(message: Outgoing) -> Receipt:
        await go_on.wait()
        return await driver.deliver(message)

    return answer, go_on


async def retry_all(state: Path) -> None:
    """The operator tries every dead letter again, while the daemon runs."""
    arguments = ["dead", "retry", "--all", "--state", str(state)]
    result = await asyncio.to_thread(click.testing.CliRunner().invoke, main, arguments)
    assert result.exit_code == 0
