"""The HTTP API as a platform: rooms that live in the daemon, read and written by programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import ClassVar, Literal
from uuid import uuid4

from aiohttp import web

from drivers.api.access import Gate, caller_of
from drivers.api.entries import Delete, Edit, Entry, Message, Person, Reaction, Topic, about
from drivers.api.events import author_of, event_of
from drivers.api.log import Log, NotThere, composed
from drivers.api.rooms import Rooms
from drivers.api.settings import LARGEST_MESSAGE, ApiSettings, RoomSettings
from drivers.api.site import Site
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
from nextbridge.envelope import Attachment, Channel, ChannelKey, MessageId, UserId
from nextbridge.errors import EntryRefused, JournalError
from nextbridge.labels import in_words
from nextbridge.markup import PLAIN
from nextbridge.media.hosted import LOOSE_SHARE, MOST_FILES, Files, NoRoom, largest_within, read
from nextbridge.pace import Pace

__all__ = ["ApiDriver"]

_SHORT_TOKEN = 16
_LONGEST_TOPIC = 250


class ApiDriver(Driver[ApiSettings, RoomSettings]):
    """Rooms by name, below an address that the daemon serves.

    A room keeps its newest `history` entries on disk: a message is acknowledged once it is there, whether or not a
    program has read it, and whoever comes later finds it by the cursor. A delivery's key lives as long as its entry.
    """

    platform: ClassVar[str] = "api"
    title: ClassVar[str] = "HTTP API"
    settings_type = ApiSettings
    channel_type = RoomSettings
    asked_for: ClassVar[tuple[str, ...] | None] = ("tokens.0.name", "tokens.0.token")
    dialect = PLAIN
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.KEPT,
        retry_recognised_by=RetryRecognition.KEY,
        history="nothing is missed: the room lives in the daemon",
    )
    accounts_last: ClassVar[bool] = False

    def __init__(self, settings: ApiSettings, channels: Sequence[ConfiguredChannel[RoomSettings]], host: Host) -> None:
        super().__init__(settings, channels, host)
        self._files = Files(host.folder / "files", largest=settings.max_file_size, total=settings.files_size)
        self._names = {str(channel.key): channel.settings.room for channel in channels}
        self._logs = {
            key: Log(
                key, host.store, history=settings.history, relay=partial(self._relay, key), discard=self._files.discard
            )
            for key in self._names
        }
        self._gate = Gate(settings.tokens)
        self._site = Site(
            Rooms(
                instance=host.instance,
                address=f"{host.base_url or ''}/{self.platform}/{host.instance}",
                settings=settings,
                log=host.log,
                store=host.store,
                logs=self._logs,
                names=self._names,
                files=self._files,
                gate=self._gate,
                pace=Pace(settings.messages_per_minute, burst=max(10, settings.messages_per_minute // 6)),
            )
        )

    @classmethod
    def channel_key(cls, settings: RoomSettings) -> ChannelKey:
        return ChannelKey(settings.room.lower())

    @classmethod
    def remarks(cls, settings: ApiSettings) -> Iterable[Remark]:
        names: set[str] = set()
        secrets: set[str] = set()
        for place, each in enumerate(settings.tokens):
            token = each.token.reveal()
            if len(token.strip()) < _SHORT_TOKEN or not token.isascii():
                yield Remark(
                    ("tokens", place, "token"),
                    f"the token is too short to keep strangers out, or not of ASCII; use at least {_SHORT_TOKEN} "
                    "random characters, such as the output of: openssl rand -hex 16",
                )
            elif token != token.strip():
                yield Remark(("tokens", place, "token"), "the token has spaces around it; remove them")
            if token in secrets:
                yield Remark(("tokens", place, "token"), "another program has this token; give each one of its own")
            if each.name in names:
                yield Remark(("tokens", place, "name"), "another token has this name; give each one of its own")
            names.add(each.name)
            secrets.add(token)
        if settings.max_file_size > largest_within(settings.files_size):
            yield Remark(
                ("max_file_size",),
                f"one file may take a quarter of files_size: write {largest_within(settings.files_size)} at most, or "
                f"files_size {settings.max_file_size * LOOSE_SHARE} at least",
            )

    @classmethod
    def channel_remarks(cls, channel: RoomSettings, settings: ApiSettings) -> Iterable[Remark]:
        if not any(caller_of(each).sees(channel.room.lower()) for each in settings.tokens):
            yield Remark(
                ("room",), "no token of the instance may use this room; name it in the rooms of one", fatal=False
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
            return "the API takes no files"
        return None if file.size <= largest else f"over the {in_words(largest)} that the API takes"

    # --- the relay's side ---

    async def run(self) -> None:
        for log in self._logs.values():
            await log.load()
        try:
            await self._files.load(file for log in self._logs.values() for file in log.files())
        except OSError as error:
            raise Retry(f"the folder of its files cannot be used: {error.strerror or error}") from error
        for channel in self.channels:
            await self.host.resolved(channel, channel.key, channel.settings.room)
        me = f"{self.platform}:{self.host.instance}"
        await self.host.connected(UserId(me), realm=me)
        try:
            for log in self._logs.values():
                log.open()
            self._site.open()
            for log in self._logs.values():
                await log.recover()
            await asyncio.Event().wait()
        finally:
            self._site.close()
            for log in self._logs.values():
                log.close()
            await self._site.readers.leave()
            for log in self._logs.values():
                await log.settle()

    async def _relay(self, key: str, entry: Entry) -> None:
        channel = Channel(self.host.instance, ChannelKey(key))
        try:
            await (await self.host.accept(event_of(entry, channel, self._names[key])))
        except EntryRefused as error:
            self.host.log.error("api_entry_not_relayed", room=key, entry=entry.id, reason=str(error))

    def _log(self, channel: ChannelKey) -> Log:
        log = self._logs.get(channel)
        if log is None:
            raise Rejected(f"there is no room {channel} in this API")
        if not log.loaded:
            raise Retry("the API is being started")
        return log

    async def send(self, message: Outgoing) -> Receipt:
        log = self._log(message.channel)

        @asynccontextmanager
        async def compose() -> AsyncIterator[Entry | None]:
            parent = None if message.reply_to is None else log.get(_number(message.reply_to))
            files = await self._files.adopt(message.files)
            try:
                yield Message(
                    author=_person(message),
                    origin=_origin(message),
                    text=message.text,
                    action=message.action,
                    reply_to=None if parent is None else parent.id,
                    thread=None if parent is None else parent.thread or parent.id,
                    files=files,
                )
            except BaseException:
                await self._files.discard(files)
                raise

        try:
            entry, _ = await log.append(f"relay/{message.key}", compose)
        except NoRoom as error:
            raise FileRejected(f"it {error}", index=error.index) from None
        except NotThere:
            raise _gone() from None
        except OSError as error:
            raise Retry(f"its files cannot be kept: {error.strerror or type(error).__name__}") from error
        except JournalError as error:
            raise Retry("what a program posted before it cannot be kept") from error
        assert entry is not None  # noqa: S101 - a message always makes one
        return Receipt(MessageId(str(entry.id)))

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        log = self._log(revised.channel)

        def make() -> Edit | None:
            now = _from_elsewhere(log.get(_number(message)))
            if (now.text, now.action) == (revised.text, revised.action):
                return None
            return Edit(
                message=now.id,
                author=_person(revised),
                origin=_origin(revised),
                text=revised.text,
                action=revised.action,
                files=now.files,
            )

        await self._change(log, make)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        log = self._log(channel)
        await self._change(log, lambda: Delete(message=_from_elsewhere(log.get(_number(message))).id))

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        shown = read_emoji(emoji)
        if shown is None:
            raise Rejected("the API has no custom emoji")
        log = self._log(channel)

        def make() -> Reaction | None:
            reaction = Reaction(message=_number(message), emoji=shown, added=add)
            return None if log.has_reaction(reaction) == add else reaction

        await self._change(log, make)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        shown = "".join(each if each.isprintable() else " " for each in topic)
        wanted = " ".join(shown.split())[:_LONGEST_TOPIC]
        log = self._log(channel)
        await self._change(log, lambda: None if log.topic == wanted else Topic(topic=wanted))

    async def _change(self, log: Log, make: Callable[[], Entry | None]) -> None:
        """Let something happen that is as it should be already where it is asked for twice."""
        try:
            await log.append(f"relay/{uuid4().hex}", composed(make))
        except NotThere:
            raise _gone() from None
        except JournalError as error:
            raise Retry("what a program did before it cannot be kept") from error

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        log = self._logs.get(channel)
        if log is None:
            return None
        try:
            found = log.get(_number(message))
        except NotThere:
            return None
        return Excerpt(found.author.name if found.author else found.token, found.text)

    async def forget(self, who: Somebody, *, really: bool) -> int:
        taken = 0
        for key in self._logs:
            log = self._log(ChannelKey(key))
            await log.recover()
            copies = frozenset(map(_number, who.copies.get(ChannelKey(key), ())))
            taken += await log.forget(partial(_is_of, who, copies), really=really)
        return taken

    @asynccontextmanager
    async def open_attachment(self, attachment: Attachment) -> AsyncIterator[AsyncIterator[bytes]]:
        found = self._files.find(attachment.id)
        if found is None:
            raise Gone("the file is not kept any more")
        file, path = found
        if file.size > self.largest_file:
            raise Rejected(f"it is larger than {self.largest_file} bytes")
        async with aclosing(read(path)) as chunks:
            yield chunks

    async def probe(self) -> list[Finding]:
        findings = []
        for caller in self._gate.callers:
            missing = sorted((caller.rooms or frozenset()) - self._logs.keys())
            findings.append(
                Finding(False, f"token {caller.name}", f"no rule names its room {missing[0]}; look at the spelling")
                if missing
                else Finding(True, f"token {caller.name}", f"may use {len(caller.rooms or self._logs)} rooms")
            )
        return [*findings, *(Finding(True, f"room {room}", "is kept by this daemon") for room in self._names.values())]

    async def directory(self) -> Directory:
        rooms = [Listed(each.settings.room, {"room": each.settings.room}) for each in self.channels]
        return Directory(rooms, note="A room is there because a rule names it; another name makes another room.")

    # --- the programs' side ---

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        return await self._site.answer(request, path)


def _person(message: Outgoing) -> Person:
    author = message.author
    return Person(
        name=message.name or author.name,
        username=author.username,
        id=author.id,
        avatar=message.avatar,
        bot=author.bot,
    )


def _origin(message: Outgoing) -> str:
    return message.platform or message.mark.origin.partition("/")[0] or "relay"


def _from_elsewhere(message: Message) -> Message:
    if message.token:
        raise Rejected("a program wrote it")
    return message


def _is_of(who: Somebody, copies: frozenset[int], entry: Entry) -> bool:
    author = entry.author
    if entry.token:
        return author_of(entry).id in who.names
    if about(entry) in copies:
        return True
    return bool(who.everywhere) and author is not None and who.everywhere in {author.id, author.username}


def _gone() -> Gone:
    return Gone("the room does not hold this message any more")


def _number(message: MessageId) -> int:
    """A message's number in its room; one that no message has, where the id is none of ours."""
    return int(message) if message.isdecimal() and len(message) < 17 else 0
