"""Messages on their way to Telegram: texts, files and albums."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import IO

from msgspec.structs import replace

from drivers.telegram import wire
from drivers.telegram.albums import Albums
from drivers.telegram.api import Api, Migrated, Part, Refusal
from drivers.telegram.chats import Chats
from drivers.telegram.events import Reader
from drivers.telegram.files import kinds_of
from drivers.telegram.formatted import Formatted, in_units
from drivers.telegram.ids import message_id, number_of
from drivers.telegram.notation import parse
from drivers.telegram.people import People
from drivers.telegram.refusals import of_send
from drivers.telegram.settings import Place, TelegramSettings
from nextbridge.driver import LocalFile, Outgoing, Receipt
from nextbridge.envelope import ChannelKey, DeliveryKey, MessageId
from nextbridge.errors import FileRejected, Paused, Rejected
from nextbridge.markup.plain import one_line

__all__ = ["LONGEST_CAPTION", "LONGEST_TEXT", "Sender"]

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
"""UTF-16 code units that are seen; https://core.telegram.org/bots/api#sendmessage and #sendphoto."""
_HALVES = 1000


class Sender:
    """Sends for one connection's account."""

    def __init__(
        self,
        api: Api,
        me: wire.User,
        settings: TelegramSettings,
        chats: Chats,
        people: People,
        albums: Albums,
        reader: Reader,
    ) -> None:
        self._api = api
        self._me = me
        self._settings = settings
        self._chats = chats
        self._people = people
        self._albums = albums
        self._reader = reader
        self._halves: OrderedDict[DeliveryKey, int] = OrderedDict()
        """The text of a message whose files are still to be sent: a retry does not send it twice."""

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`. Each call is bounded to 25 s, one with files by their size."""
        place = self.place(message.channel)
        try:
            return await self._send(message, place)
        except Migrated as moved:
            await self._chats.moved(int(place.chat), moved.chat)
            place = Place(str(moved.chat), place.topic)
            try:
                # the number of what it answers is of the old group
                return await self._send(replace(message, reply_to=None), place)
            except Refusal as refusal:
                raise self._refused(refusal, message) from refusal
        except Refusal as refusal:
            raise self._refused(refusal, message) from refusal

    def place(self, channel: ChannelKey) -> Place:
        """Where something goes. Raises Rejected and Paused."""
        place = self._chats.place(channel)
        if place is None:
            raise Rejected(f"{channel} names no chat of Telegram's")
        if place.id is None:
            raise Paused(f"chat {place.chat} was not found yet: look at its name", scope="channel")
        return place

    def text(self, message: Outgoing, chat: int) -> Formatted:
        """What a message says, as Telegram is to show it."""
        shown = parse(message.text.encode("utf-8", "replace").decode())
        if message.action:
            shown = shown.all_over("italic")
        return self._with_names(shown, chat)

    def _with_names(self, shown: Formatted, chat: int) -> Formatted:
        """Who has no @name is called by the name that people see, and not by their number."""
        for place in reversed(range(len(shown.spans))):
            span = shown.spans[place]
            if span.kind != "text_mention" or shown.text[span.start : span.end] != span.detail:
                continue
            name = self._people.name(chat, int(span.detail))
            if name is None:
                continue
            more = len(name) - (span.end - span.start)
            text = shown.text[: span.start] + name + shown.text[span.end :]
            spans = [
                replace(
                    each,
                    start=each.start + more if each.start >= span.end else each.start,
                    end=each.end + more if each.end >= span.end else each.end,
                )
                for each in shown.spans
            ]
            shown = Formatted(text, tuple(spans))
        return shown

    def _refused(self, refusal: Refusal, message: Outgoing) -> Exception:
        error = of_send(refusal, self._chats.name(message.channel), self._me.username, len(message.files))
        if isinstance(error, Paused):
            self._chats.paused(message.channel)
        return error

    async def _send(self, message: Outgoing, place: Place) -> Receipt:
        chat = int(place.chat)
        shown = self.text(message, chat)
        reply = None
        if message.reply_to is not None:
            reply = {"message_id": number_of(chat, message.reply_to)}
        where: dict[str, object] = {
            "chat_id": chat,
            "message_thread_id": place.topic,
            "reply_parameters": reply,
        }
        if not message.files:
            return Receipt(self._noted(place, [await self._send_text(shown, where)]))
        numbers: list[int] = []
        if in_units(shown.text) > LONGEST_CAPTION:
            numbers.append(await self._first_half(message.key, shown, where))
            shown, where["reply_parameters"] = Formatted(""), None
        numbers += await self._send_files(message.files, shown, where)
        self._halves.pop(message.key, None)
        await self._albums.remember(chat, numbers)
        return Receipt(self._noted(place, numbers))

    def _noted(self, place: Place, numbers: Sequence[int]) -> MessageId:
        chat = int(place.chat)
        for number in numbers:
            self._reader.sent(chat, place.topic, number)
        return message_id(chat, numbers[0])

    async def _first_half(self, key: DeliveryKey, shown: Formatted, where: Mapping[str, object]) -> int:
        """The text alone, where it is too long to stand beneath files."""
        if key not in self._halves:
            self._halves[key] = await self._send_text(shown, where)
            if len(self._halves) > _HALVES:
                self._halves.popitem(last=False)
        return self._halves[key]

    async def _send_text(self, shown: Formatted, where: Mapping[str, object]) -> int:
        await self._api.pacer.turn(int(str(where["chat_id"])))
        parameters = {**where, "text": shown.text, "entities": shown.entities or None}
        sent = await self._api.call_with("sendMessage", wire.Message, parameters)
        return sent.message_id

    async def _send_files(self, files: Sequence[LocalFile], shown: Formatted, where: Mapping[str, object]) -> list[int]:
        kinds = kinds_of(files, as_shown=self._settings.photos)
        try:
            return await self._send_as(kinds, files, shown, where)
        except Refusal as refusal:
            if set(kinds) == {"document"} or refusal.status == 403 or refusal.says("not enough rights", "repl"):
                raise
            # a picture that is none, or too long for its width: as a file everything passes
            return await self._send_as(["document"] * len(files), files, shown, where)

    async def _send_as(
        self, kinds: Sequence[str], files: Sequence[LocalFile], shown: Formatted, where: Mapping[str, object]
    ) -> list[int]:
        await self._api.pacer.turn(int(str(where["chat_id"])), len(files))
        caption = shown.text or None
        entities = shown.entities or None
        size = sum(file.size for file in files)
        async with AsyncExitStack() as stack:
            opened = [await _opened(stack, place, file) for place, file in enumerate(files)]
            if len(files) == 1:
                (kind,), (file,) = kinds, files
                part = Part(kind, _name(file), file.media_type, opened[0])
                parameters = {**where, "caption": caption, "caption_entities": entities}
                method = f"send{kind.capitalize()}"
                return [(await self._api.upload(method, wire.Message, [part], size, parameters)).message_id]
            parts = [
                Part(f"file{place}", _name(file), file.media_type, opened[place]) for place, file in enumerate(files)
            ]
            media: list[dict[str, object]] = [
                {"type": kind, "media": f"attach://file{place}"} for place, kind in enumerate(kinds)
            ]
            if caption is not None:
                # of an album the text stands at its first, which stands for the whole
                media[0] |= {"caption": caption, "caption_entities": shown.entities}
            parameters = {**where, "media": media}
            sent = await self._api.upload("sendMediaGroup", list[wire.Message], parts, size, parameters)
        return [each.message_id for each in sent]


async def _opened(stack: AsyncExitStack, place: int, file: LocalFile) -> IO[bytes]:
    try:
        opened = await asyncio.to_thread(file.path.open, "rb")
    except OSError as error:
        raise FileRejected(f"the spooled file cannot be read: {error.strerror}", index=place) from error
    stack.push_async_callback(asyncio.to_thread, opened.close)
    return opened


def _name(file: LocalFile) -> str:
    """As its author named it, on one line: a header holds it."""
    return one_line(file.name, 200) or "file"
