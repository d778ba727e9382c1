"""The web chat as a platform: rooms that live in the daemon, opened with any browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import ClassVar, Literal

from aiohttp import web
from msgspec.structs import replace

from drivers.webchat.authors import Authors
from drivers.webchat.events import author_of, event_of
from drivers.webchat.frames import Told, Typist, encode
from drivers.webchat.lobby import Lobby
from drivers.webchat.messages import FROM_ELSEWHERE, Change, Message, emptied, reacted
from drivers.webchat.room import NotThere, Room
from drivers.webchat.settings import LARGEST_MESSAGE, RoomSettings, WebChatSettings
from drivers.webchat.site import Site
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Directory,
    Driver,
    Excerpt,
    FileRejected,
    Finding,
    Gone,
    Guarantees,
    Host,
    Limits,
    Listed,
    LocalFile,
    Outgoing,
    Receipt,
    Rejected,
    Remark,
    Retry,
    RetryRecognition,
    Somebody,
)
from nextbridge.emoji import read_emoji
from nextbridge.envelope import Attachment, Author, Channel, ChannelKey, MessageId, UserId
from nextbridge.http.door import Door
from nextbridge.labels import in_words
from nextbridge.markup import PLAIN
from nextbridge.media.hosted import LOOSE_SHARE, MOST_FILES, Files, NoRoom, largest_within, read

__all__ = ["WebChatDriver"]

_SHORT_TOKEN = 16
_LONGEST_TOPIC = 250


class WebChatDriver(Driver[WebChatSettings, RoomSettings]):
    """Rooms by name, on a page that the daemon serves.

    A room keeps its newest `history` messages on disk. A delivery's key lives as long as its message is among them.
    """

    platform: ClassVar[str] = "webchat"
    title: ClassVar[str] = "Web chat"
    settings_type = WebChatSettings
    channel_type = RoomSettings
    dialect = PLAIN
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.KEPT,
        retry_recognised_by=RetryRecognition.KEY,
        history="nothing is missed: the room lives in the daemon",
    )

    def __init__(
        self, settings: WebChatSettings, channels: Sequence[ConfiguredChannel[RoomSettings]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self._files = Files(host.folder / "files", largest=settings.max_file_size, total=settings.files_size)
        self._rooms = {
            str(channel.key): Room(str(channel.key), host.store, history=settings.history, discard=self._files.discard)
            for channel in channels
        }
        self._names = {str(channel.key): channel.settings.room for channel in channels}
        self._door = Door(
            page="web chat",
            token_key=f"webchat.{host.instance}.token",
            token=settings.token,
            base_url=host.base_url,
        )
        self._site = Site(self._door, settings.embed_from, host.log)
        self._lobby: Lobby | None = None
        """While `run` runs."""

    @classmethod
    def channel_key(cls, settings: RoomSettings) -> ChannelKey:
        return ChannelKey(settings.room.lower())

    @classmethod
    def remarks(cls, settings: WebChatSettings) -> Iterable[Remark]:
        token = settings.token
        if token is not None and len(token.reveal().strip()) < _SHORT_TOKEN:
            yield Remark(
                ("token",),
                f"the token is too short to keep strangers out; use at least {_SHORT_TOKEN} random characters, such as "
                "the output of: openssl rand -hex 16",
            )
        elif token is not None and token.reveal() != token.reveal().strip():
            yield Remark(("token",), "the token has spaces around it; remove them")
        if settings.max_file_size > largest_within(settings.files_size):
            yield Remark(
                ("max_file_size",),
                f"one file may take a quarter of files_size: write {largest_within(settings.files_size)} at most, or "
                f"files_size {settings.max_file_size * LOOSE_SHARE} at least",
            )

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - every room has the same
        return Limits(text=LARGEST_MESSAGE, files=MOST_FILES)

    @property
    def shows_identity(self) -> bool:
        return True

    @property
    def answers(self) -> Literal["any", "root"]:
        return "any"

    @property
    def largest_file(self) -> int:
        return self._files.largest

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:  # noqa: ARG002 - every room is alike
        largest = self._files.largest
        if largest == 0:
            return "the web chat takes no files"
        return None if file.size <= largest else f"over the {in_words(largest)} that the web chat takes"

    # --- the relay's side ---

    async def run(self) -> None:
        await self._site.load()
        authors = await Authors.load(self.host.store)
        for room in self._rooms.values():
            await room.load()
        try:
            await self._files.load(file for room in self._rooms.values() for file in room.files())
        except OSError as error:
            raise Retry(f"the folder of its files cannot be used: {error.strerror or error}") from error
        for channel in self.channels:
            await self.host.resolved(channel, channel.key, channel.settings.room)
        me = f"{self.platform}:{self.host.instance}"
        lobby = Lobby(
            self.settings,
            self._door,
            authors,
            self._rooms,
            self._files,
            relay=self._relay,
            tell_typing=self._tell_typing,
        )
        await self.host.connected(UserId(me), realm=me)
        self._lobby = lobby
        self._site.open(lobby)
        try:
            for room in self._rooms.values():
                await room.recover(partial(self._relay, room))
            await asyncio.Event().wait()
        finally:
            self._lobby = None
            self._site.close()
            await asyncio.gather(*(person.dismiss() for person in tuple(lobby.people)))
            for room in self._rooms.values():
                await room.settle()

    async def _relay(self, room: Room, message: Message, change: Change) -> None:
        channel = Channel(self.host.instance, ChannelKey(room.key))
        await (await self.host.accept(event_of(message, change, channel, self._names[room.key])))

    def _tell_typing(self, room: Room, author: str, name: str) -> None:
        self.host.typing(ChannelKey(room.key), author_of(author, name))

    def _room(self, channel: ChannelKey) -> Room:
        room = self._rooms.get(channel)
        if room is None:
            raise Rejected(f"there is no room {channel} in this web chat")
        if not room.loaded:
            raise Retry("the web chat is being started")
        return room

    async def send(self, message: Outgoing) -> Receipt:
        room = self._room(message.channel)
        origin = message.platform or message.mark.origin.partition("/")[0] or "relay"

        @asynccontextmanager
        async def compose() -> AsyncIterator[Message]:
            parent = None if message.reply_to is None else room.get(_number(message.reply_to))
            if message.reply_to is not None and (parent is None or parent.gone):
                raise _gone()
            files = await self._files.adopt(message.files)
            try:
                yield Message(
                    message.name or origin,
                    message.text,
                    origin=origin,
                    action=message.action,
                    reply_to=None if parent is None else parent.id,
                    thread=None if parent is None else parent.thread or parent.id,
                    files=files,
                )
            except BaseException:
                await self._files.discard(files)
                raise

        try:
            kept = await room.add(message.key, compose)
        except NoRoom as error:
            raise FileRejected(f"it {error}", index=error.index) from None
        except OSError as error:
            raise Retry(f"its files cannot be kept: {error.strerror or type(error).__name__}") from error
        return Receipt(MessageId(str(kept.id)))

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        def said(now: Message) -> Message:
            if now.author is not None:
                raise Rejected("somebody at a browser wrote it")
            if (now.text, now.action) == (revised.text, revised.action):
                return now
            return replace(now, text=revised.text, action=revised.action, edited=True)

        await self._change(revised.channel, message, said)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        def removed(now: Message) -> Message:
            if now.author is not None:
                raise Rejected("somebody at a browser wrote it")
            return emptied(now)

        await self._change(channel, message, removed)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        read = read_emoji(emoji)
        if read is None:
            raise Rejected("the web chat has no custom emoji")

        def changed(now: Message) -> Message:
            found = reacted(now, read, FROM_ELSEWHERE, add=add)
            if found is None:
                raise Rejected("there are too many reactions to this message")
            return found

        await self._change(channel, message, changed)

    async def _change(self, channel: ChannelKey, message: MessageId, make: Callable[[Message], Message]) -> None:
        try:
            await self._room(channel).change(_number(message), make)
        except NotThere:
            raise _gone() from None

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        room = self._rooms.get(channel)
        found = None if room is None else room.get(_number(message))
        return None if found is None or found.gone else Excerpt(found.name, found.text)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        shown = "".join(each if each.isprintable() else " " for each in topic)
        await self._room(channel).set_topic(" ".join(shown.split())[:_LONGEST_TOPIC])

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        if (room := self._rooms.get(channel)) is not None:
            room.say(Typist(author.name))

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        room = self._rooms.get(channel)
        if self._lobby is None or room is None:
            return None
        person = self._lobby.named(room, name)
        return None if person is None else author_of(person.author, person.name)

    async def tell(self, user: UserId, text: str) -> None:
        if self._lobby is None:
            raise Retry("the web chat is being started")
        present = self._lobby.present(user)
        if not present:
            raise Rejected("the person is not in the web chat now")
        frame = encode(Told(text, time.time_ns() // 1_000_000))
        for person in present:
            person.hear(frame)

    async def forget(self, who: Somebody, *, really: bool) -> int:
        if self._lobby is None:
            raise Retry("the web chat is being started")
        taken = 0
        for key, room in self._rooms.items():
            await room.recover(partial(self._relay, room))
            copies = frozenset(map(_number, who.copies.get(ChannelKey(key), ())))
            taken += await room.forget(who.names, copies, really=really)
        return taken

    @asynccontextmanager
    async def open_attachment(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        if self._lobby is None:
            raise Retry("the web chat is being started")
        found = self._files.find(attachment.id)
        if found is None:
            raise Gone("the file is not kept any more")
        file, path = found
        if file.size > self.largest_file:
            raise Rejected(f"it is larger than {self.largest_file} bytes")
        async with aclosing(read(path)) as chunks:
            yield chunks

    async def probe(self) -> list[Finding]:
        who = "everybody who has the token" if self.settings.token else "this machine only: no token is set"
        return [
            Finding(True, "access", f"the page can be opened by {who}"),
            *(Finding(True, f"room {room}", "is kept by this daemon") for room in self._rooms),
        ]

    async def directory(self) -> Directory:
        rooms = [Listed(each.settings.room, {"room": each.settings.room}) for each in self.channels]
        return Directory(rooms, note="A room is there because a rule names it; another name makes another room.")

    # --- the browsers' side ---

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        return await self._site.answer(request, path)


def _gone() -> Gone:
    return Gone("the room does not hold this message any more")


def _number(message: MessageId) -> int:
    """A message's number in its room; one that no message has, where the id is none of ours."""
    return int(message) if message.isdecimal() and len(message) < 20 else 0
