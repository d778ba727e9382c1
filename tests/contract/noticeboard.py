"""The smallest platform there is, with its driver and its bench: what the suite is tried on, and an example to copy.

A noticeboard is a list of notices in memory. It remembers their keys for ever, and can be shut.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from nextbridge.config.types import Secret, Settings
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Driver,
    Finding,
    Guarantees,
    Host,
    Limits,
    Outgoing,
    Receipt,
    RetryRecognition,
)
from nextbridge.envelope import Author, Channel, ChannelKey, MessageId, Posted, UserId
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.markup import PLAIN
from nextbridge.sandbox.contract import CAPABILITIES, Bench, Heard, Situation

# --- the platform -------------------------------------------------------------------------------------------------


class Notice(Struct, frozen=True):
    number: int
    at: int
    room: str
    author: str
    text: str
    action: bool = False


class Noticeboard:
    """The server. Whoever watches is told of each notice; a shut board tells them by None."""

    def __init__(self) -> None:
        self.secret = "open sesame"
        self.rooms = {"hall", "attic", "cellar"}
        self.locked = {"cellar"}
        self.is_open = True
        self.answering = asyncio.Event()
        self.answering.set()
        self.watching: set[asyncio.Queue[Notice | None]] = set()
        self._notices: list[Notice] = []
        self._by_key: dict[str, Notice] = {}

    async def pin(self, room: str, author: str, text: str, *, key: str | None = None, action: bool = False) -> Notice:
        """Pin up a notice; the same key gives the notice that it had."""
        await asyncio.sleep(0)
        if not self.is_open:
            raise ConnectionError
        if key is not None and key in self._by_key:
            return self._by_key[key]
        notice = Notice(len(self._notices) + 1, time.time_ns() // 1_000_000, room, author, text, action)
        self._notices.append(notice)
        if key is not None:
            self._by_key[key] = notice
        for queue in self.watching:
            queue.put_nowait(notice)
        for _ in range(5):
            # the answer is on its way: who reads the board is faster
            await asyncio.sleep(0)
        await self.answering.wait()
        if not self.is_open:
            raise ConnectionError
        return notice

    def shut(self) -> None:
        self.is_open = False
        self.answering.set()
        for queue in self.watching:
            queue.put_nowait(None)


BOARDS: dict[str, Noticeboard] = {}
"""Where boards are found, by their address."""

# --- the driver ---------------------------------------------------------------------------------------------------


class BoardSettings(Settings, frozen=True):
    address: Annotated[str, Meta(description="Where the board hangs.")]
    secret: Annotated[Secret, Meta(description="What the porter asks for.")]


class RoomSettings(Settings, frozen=True):
    room: Annotated[str, Meta(description="The room that it hangs in.")]


class BoardDriver(Driver[BoardSettings, RoomSettings]):
    platform = "noticeboard"
    title = "Noticeboard"
    settings_type: ClassVar[type[Settings]] = BoardSettings
    channel_type: ClassVar[type[Settings]] = RoomSettings
    dialect = PLAIN
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE, retry_recognised_by=RetryRecognition.KEY, history="nothing"
    )
    me: ClassVar[str] = "the relay"

    def __init__(
        self, settings: BoardSettings, channels: Sequence[ConfiguredChannel[RoomSettings]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self._board: Noticeboard | None = None

    @classmethod
    def channel_key(cls, settings: RoomSettings) -> ChannelKey:
        return ChannelKey(settings.room)

    def limits(self, channel: ChannelKey) -> Limits:
        return Limits(text=200)

    async def run(self) -> None:
        board = self._found()
        notices: asyncio.Queue[Notice | None] = asyncio.Queue()
        board.watching.add(notices)
        try:
            for channel in self.channels:
                await self.host.resolved(channel, channel.key, channel.settings.room)
                if channel.settings.room in board.locked:
                    self.host.unavailable(channel.key, "the room is locked: ask the porter")
            await self.host.connected(UserId(self.me), realm=self.settings.address)
            self._board = board
            while (notice := await notices.get()) is not None:
                await self.take(notice)
        finally:
            self._board = None
            board.watching.discard(notices)

    async def take(self, notice: Notice) -> None:
        """Hand over a notice, where it is somebody else's and says anything."""
        if notice.author == self.me:
            return
        if not notice.text:
            self.host.skipped("blank_notice")
            return
        event = Posted(
            channel=Channel(self.host.instance, ChannelKey(notice.room)),
            message=MessageId(str(notice.number)),
            author=Author(UserId(notice.author), notice.author.lower(), notice.author),
            at=notice.at,
            channel_name=notice.room,
            text=PLAIN.read(notice.text),
        )
        await self.host.accept(event)

    async def send(self, message: Outgoing) -> Receipt:
        board = self._board
        if board is None:
            raise Retry("the board is shut")
        if message.channel not in board.rooms:
            raise Rejected(f"there is no room {message.channel}")
        if message.channel in board.locked:
            raise Paused("the room is locked: ask the porter", scope="channel")
        if len(message.text) > self.limits(message.channel).text:
            raise Rejected("it does not fit on a notice")
        try:
            notice = await board.pin(message.channel, self.me, message.text, key=message.key, action=message.action)
        except ConnectionError:
            raise Retry("the board was shut") from None
        return Receipt(MessageId(str(notice.number)))

    async def probe(self) -> list[Finding]:
        try:
            board = self._found()
        except (Retry, Paused) as error:
            return [Finding(False, "board", error.reason)]
        return [
            Finding(False, each.key, "it is locked: ask the porter")
            if each.key in board.locked
            else Finding(True, each.key, "it is open")
            for each in self.channels
        ]

    def _found(self) -> Noticeboard:
        board = BOARDS.get(self.settings.address)
        if board is None or not board.is_open:
            raise Retry("there is no board, or it is shut")
        if self.settings.secret.reveal() != board.secret:
            raise Paused("the porter knows us not: look at the secret", scope="instance")
        return board


# --- the bench ----------------------------------------------------------------------------------------------------


class BoardBench(Bench):
    driver = BoardDriver
    example = ({"address": "main hall", "secret": "open sesame"}, {"room": "hall"})
    without: ClassVar = {
        **dict.fromkeys(CAPABILITIES, "paper holds text alone"),
        Situation.LOST_RECEIVING: "a shut board neither tells nor takes anything",
    }

    async def start(self) -> None:
        self.board = BOARDS[str(id(self))] = Noticeboard()
        self.stack.callback(BOARDS.pop, str(id(self)))
        self._notices: asyncio.Queue[Notice | None] = asyncio.Queue()
        self._heard: dict[str, asyncio.Queue[Heard]] = {room: asyncio.Queue() for room in self.board.rooms}
        self.board.watching.add(self._notices)
        listening = asyncio.create_task(self._listen())
        self.stack.callback(listening.cancel)

    def settings(self) -> BoardSettings:
        return BoardSettings(address=str(id(self)), secret=Secret(self.board.secret))

    def rooms(self) -> tuple[RoomSettings, RoomSettings]:
        return RoomSettings(room="hall"), RoomSettings(room="attic")

    @property
    def person(self) -> str:
        return "Ida"

    async def say(self, text: str, room: int = 0) -> None:
        await self.board.pin(self.rooms()[room].room, self.person, text)

    async def hear(self, room: int = 0) -> Heard:
        async with asyncio.timeout(2):
            return await self._heard[self.rooms()[room].room].get()

    async def be_noisy(self) -> None:
        await self.say("")

    async def cut(self) -> None:
        self.board.shut()

    async def lose_answers(self) -> None:
        self.board.answering.clear()

    async def mend(self) -> None:
        self.board.is_open = True

    def refused(self) -> tuple[BoardSettings, str]:
        return BoardSettings(address=str(id(self)), secret=Secret("open barley")), "open barley"

    async def closed_room(self) -> RoomSettings:
        return RoomSettings(room="cellar")

    async def _listen(self) -> None:
        while True:
            notice = await self._notices.get()
            if notice is not None and notice.author != self.person:
                heard = Heard(author=notice.author, text=notice.text, action=notice.action)
                self._heard[notice.room].put_nowait(heard)
