"""The driver of the noticeboard, and its bench: what the suite is tried on, and an example to copy.

It has every capability that needs neither files nor an HTTP server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from nextbridge.config.types import Secret, Settings
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Downloads,
    Driver,
    Excerpt,
    Finding,
    Forgets,
    Guarantees,
    History,
    Host,
    Identity,
    Limits,
    Outgoing,
    Pages,
    Portraits,
    Receipt,
    RetryRecognition,
    Uploads,
)
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
from nextbridge.errors import Gone, Paused, Rejected, Retry
from nextbridge.markup import PLAIN
from nextbridge.sandbox.contract import Bench, Heard, Situation
from tests.contract.board import Act, Notice, Noticeboard, Told

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
        told: asyncio.Queue[Told] = asyncio.Queue()
        board.watching.add(told)
        try:
            for channel in self.channels:
                await self.host.resolved(channel, channel.key, channel.settings.room)
                if channel.settings.room in board.locked:
                    self.host.unavailable(channel.key, "the room is locked: ask the porter")
            await self.host.connected(UserId(self.me), realm=self.settings.address)
            self._board = board
            while (what := await told.get()) is not None:
                await (self.take(what) if isinstance(what, Notice) else self.witness(what))
        finally:
            self._board = None
            board.watching.discard(told)

    async def take(self, notice: Notice) -> None:
        """Hand over a notice, where it is somebody else's and says anything."""
        if notice.author == self.me or notice.to not in {"", self.me}:
            return
        if not notice.text:
            self.host.skipped("blank_notice")
            return
        event = Posted(
            channel=Channel(self.host.instance, ChannelKey(notice.room or f"whispers of {notice.author}")),
            message=MessageId(str(notice.number)),
            author=_author(notice.author),
            at=notice.at,
            channel_name=notice.room,
            text=PLAIN.read(notice.text),
            reply_to=None if notice.answers is None else MessageId(str(notice.answers)),
            addressed=bool(notice.to),
            direct=bool(notice.to),
        )
        await self.host.accept(event)

    async def witness(self, act: Act) -> None:
        """Hand over what somebody else did."""
        if act.by == self.me:
            return
        if act.what == "typing":
            self.host.typing(ChannelKey(act.room), _author(act.by))
        elif (event := self.event_of(act)) is None:
            self.host.skipped(act.what)
        else:
            await self.host.accept(event)

    def event_of(self, act: Act) -> Event | None:
        """The event that an act is, where it is one."""
        channel, author = Channel(self.host.instance, ChannelKey(act.room)), _author(act.by)
        made, version = MessageId(f"act {act.count}"), str(act.count)
        match act.what, act.notice:
            case "came", _:
                return Joined(channel=channel, message=made, author=author, at=act.at)
            case "went", _:
                return Left(channel=channel, message=made, author=author, at=act.at)
            case "entitled", _:
                return TopicChanged(channel=channel, message=made, author=author, at=act.at, topic=act.text)
            case "changed", Notice() as notice:
                message, text = MessageId(str(notice.number)), PLAIN.read(notice.text)
                return Edited(channel=channel, message=message, author=author, at=act.at, version=version, text=text)
            case "removed", Notice() as notice:
                return Deleted(channel=channel, message=MessageId(str(notice.number)), author=author, at=act.at)
            case ("reacted" | "took back") as what, Notice() as notice:
                return Reacted(
                    channel=channel,
                    message=MessageId(str(notice.number)),
                    author=author,
                    at=act.at,
                    version=version,
                    emoji=act.text,
                    added=what == "reacted",
                )
            case _:
                return None

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        board = self._ready()
        if message.channel not in board.rooms:
            raise Rejected(f"there is no room {message.channel}")
        if message.channel in board.locked:
            raise Paused("the room is locked: ask the porter", scope="channel")
        if len(message.text) > self.limits(message.channel).text:
            raise Rejected("it does not fit on a notice")
        answers = None if message.reply_to is None else _number(message.reply_to)
        with _troubles():
            notice = await board.pin(
                message.channel, self.me, message.text, key=message.key, action=message.action, answers=answers
            )
        return Receipt(MessageId(str(notice.number)))

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        board, number = self._ready(), _number(message)
        if number in board.notices and board.notices[number].author != self.me:
            raise Rejected("somebody else has pinned it up")
        with _troubles():
            await board.change(number, self.me, revised.text, action=revised.action)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        with _troubles():
            await self._ready().remove(_number(message), self.me)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        board = self._ready()
        if emoji not in board.emoji:
            raise Rejected("there is no such sticker")
        with _troubles():
            await board.react(_number(message), self.me, emoji, add=add)

    @property
    def answers(self) -> Literal["any"]:
        return "any"

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        notices = {} if self._board is None else self._board.notices
        notice = notices.get(int(message)) if message.isdecimal() else None
        return None if notice is None else Excerpt(notice.author, notice.text)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        with _troubles():
            await self._ready().do("entitled", self.me, channel, topic[:100])

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        people = set() if self._board is None else self._board.people
        found = [each for each in people if each.lower() == name.lower()]
        return _author(found[0]) if len(found) == 1 else None

    async def tell(self, user: UserId, text: str) -> None:
        board = self._ready()
        if user not in board.people:
            raise Rejected("nobody of that name comes here")
        with _troubles():
            await board.pin("", self.me, text, to=user)

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        if self._board is not None and self._board.is_open:
            await self._board.do("typing", self.me, channel)

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

    def _ready(self) -> Noticeboard:
        if self._board is None:
            raise Retry("the board is shut")
        return self._board

    def _found(self) -> Noticeboard:
        board = BOARDS.get(self.settings.address)
        if board is None or not board.is_open:
            raise Retry("there is no board, or it is shut")
        if self.settings.secret.reveal() != board.secret:
            raise Paused("the porter knows us not: look at the secret", scope="instance")
        return board


def _author(name: str) -> Author:
    return Author(UserId(name), name.lower(), name)


def _number(message: MessageId) -> int:
    if not message.isdecimal():
        raise Gone("no notice has that number")
    return int(message)


@contextmanager
def _troubles() -> Iterator[None]:
    """What the board says, as the contract has it."""
    try:
        yield
    except ConnectionError:
        raise Retry("the board was shut") from None
    except LookupError:
        raise Gone("the notice hangs there no more") from None


# --- the bench ----------------------------------------------------------------------------------------------------


class BoardBench(Bench):
    driver = BoardDriver
    example = ({"address": "main hall", "secret": "open sesame"}, {"room": "hall"})
    without: ClassVar = {
        **dict.fromkeys((Uploads, Downloads), "paper holds text alone"),
        Forgets: "the board is the house's",
        Identity: "the porter pins up everything",
        History: "what was taken down is gone",
        Pages: "it hangs on a wall",
        Portraits: "nobody draws people there",
        Situation.LOST_RECEIVING: "a shut board neither tells nor takes anything",
    }

    async def start(self) -> None:
        self.board = BOARDS[str(id(self))] = Noticeboard()
        self.stack.callback(BOARDS.pop, str(id(self)))
        self._told: asyncio.Queue[Told] = asyncio.Queue()
        self._heard: dict[str, asyncio.Queue[Notice]] = {room: asyncio.Queue() for room in self.board.rooms}
        self._private: asyncio.Queue[Heard] = asyncio.Queue()
        self._saw_typing = asyncio.Event()
        self._said = self._last_heard = 0
        self.board.watching.add(self._told)
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
        self._said = (await self.board.pin(self.rooms()[room].room, self.person, text)).number

    async def hear(self, room: int = 0) -> Heard:
        async with asyncio.timeout(2):
            notice = await self._heard[self.rooms()[room].room].get()
        self._last_heard = notice.number
        return self._as_seen(notice)

    async def look(self) -> list[Heard]:
        return [self._as_seen(each) for each in self.board.notices.values() if each.room == "hall"]

    async def revise(self, text: str) -> None:
        await self.board.change(self._said, self.person, text)

    async def touch(self) -> None:
        await self.board.move(self._said, self.person)

    async def take_back(self) -> None:
        await self.board.remove(self._said, self.person)

    async def answer(self, text: str) -> None:
        await self.board.pin("hall", self.person, text, answers=self._last_heard)

    async def react(self, emoji: str, *, add: bool) -> None:
        await self.board.react(self._last_heard, self.person, emoji, add=add)

    async def come(self) -> str:
        await self.board.do("came", "Joe", "hall")
        return "Joe"

    async def go(self) -> None:
        await self.board.do("went", "Joe", "hall")

    async def set_topic(self, topic: str) -> None:
        await self.board.do("entitled", self.person, "hall", topic)

    async def be_typing(self) -> None:
        await self.board.do("typing", self.person, "hall")

    async def whisper(self, text: str) -> None:
        await self.board.pin("", self.person, text, to=BoardDriver.me)

    async def topic(self) -> str:
        return self.board.topics["hall"]

    async def see_typing(self) -> None:
        async with asyncio.timeout(2):
            await self._saw_typing.wait()

    async def be_told(self) -> Heard:
        async with asyncio.timeout(2):
            return await self._private.get()

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
            match await self._told.get():
                case Notice(to=to) as notice if to == self.person:
                    self._private.put_nowait(self._as_seen(notice))
                case Notice(to="") as notice if notice.author != self.person:
                    self._heard[notice.room].put_nowait(notice)
                case Act("typing", by) if by != self.person:
                    self._saw_typing.set()
                case _:
                    pass

    def _as_seen(self, notice: Notice) -> Heard:
        answered = None if notice.answers is None else self.board.notices.get(notice.answers)
        return Heard(
            author=notice.author,
            text=notice.text,
            action=notice.action,
            answers=None if answered is None else answered.text,
            reactions=tuple(sorted(emoji for _, emoji in notice.reactions)),
        )
