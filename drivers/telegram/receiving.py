"""Updates on their way into the core, one after the other, whether they were asked for or are brought by a webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec

from drivers.telegram import wire
from drivers.telegram.albums import Gathering
from drivers.telegram.api import Api
from drivers.telegram.chats import Chats
from drivers.telegram.events import Reader, Skipped
from drivers.telegram.people import People
from nextbridge.driver import Host
from nextbridge.envelope import Event
from nextbridge.errors import Retry

__all__ = ["Receiver"]

_ALBUM_SECONDS = 1.0
"""After which an album of which nothing more has come is complete: its parts come at once."""


class Receiver:
    """Takes updates for one connection. `close` it at the end."""

    def __init__(self, host: Host, api: Api, me: wire.User, chats: Chats, people: People, reader: Reader) -> None:
        self._host = host
        self._api = api
        self._me = me
        self._chats = chats
        self._people = people
        self._reader = reader
        self._gathering = Gathering(host.store)
        self._turn = asyncio.Lock()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Go on with what an earlier connection has left. Once, before the first update."""
        await self._gathering.load()
        for chat in self._gathering.chats():
            self._wait_for_more(chat)

    def close(self) -> None:
        """Let go of timers and tasks. What was gathered stays for the next connection."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._closing:
            task.cancel()

    async def take(self, raw: msgspec.Raw) -> tuple[int, list[Awaitable[object]]]:
        """Hand one update over: gives its number, and what has to be awaited before it is confirmed.

        What cannot be read is counted and passed over: asked for again it would be as unreadable, for ever.
        """
        update = msgspec.json.decode(raw, type=wire.Update)
        async with self._turn:
            try:
                return update.update_id, await self._accept(update)
            except Skipped as skipped:
                self._host.skipped(str(skipped), message=skipped.message)
            except wire.UNREADABLE as error:
                self._host.skipped("unreadable")
                self._host.log.warning("update_unreadable", update=update.update_id, reason=str(error))
        return update.update_id, []

    async def _accept(self, update: wire.Update) -> list[Awaitable[object]]:
        for posted in (update.message, update.channel_post):
            if bytes(posted):
                return await self._message(posted)
        edited = update.edited_message if bytes(update.edited_message) else update.edited_channel_post
        if bytes(edited):
            message = msgspec.json.decode(edited, type=wire.Message)
            await self._close_album(message.chat.id)
            return [await self._host.accept(await self._reader.edited(message, update.update_id))]
        if bytes(update.message_reaction):
            told = msgspec.json.decode(update.message_reaction, type=wire.ReactionUpdated)
            await self._close_album(told.chat.id)
            topics = self._chats.topics.get(told.chat.id, set())
            events = await self._reader.reactions(told, update.update_id, topics)
            return [await self._host.accept(event) for event in events]
        if bytes(update.my_chat_member):
            changed = msgspec.json.decode(update.my_chat_member, type=wire.MemberUpdated)
            await self._chats.membership(changed, self._api, self._me)
            raise Skipped("own_membership")
        raise Skipped("unknown_update")

    async def _message(self, raw: msgspec.Raw) -> list[Awaitable[object]]:
        message = msgspec.json.decode(raw, type=wire.Message)
        chat = message.chat.id
        if message.from_ is not None and message.from_.id == self._me.id:
            raise Skipped("own_message")
        if message.left_chat_member is None or message.left_chat_member.id != self._me.id:
            await self._chats.met(message.chat, message.message_thread_id if message.is_topic_message else None)
        told = self._gathering.was_told(message) if message.media_group_id else None
        if told:
            raise Skipped("known_album_part")
        if self._gathering.continues(message):
            await self._gather(message, raw)
            return []
        await self._close_album(chat)
        # where the album was complete without it, a part is a message of its own
        if message.media_group_id and told is None:
            if self._gathering.is_full():
                await self._close_album(self._gathering.chats()[0])
            await self._gather(message, raw)
            return []
        if message.migrate_to_chat_id is not None:
            await self._chats.moved(chat, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id is not None:
            await self._chats.moved(message.migrate_from_chat_id, chat)
        if message.new_chat_title:
            self._chats.renamed(chat, message.new_chat_title)
        return [await self._host.accept(event) for event in await self._events(message)]

    async def _events(self, message: wire.Message) -> list[Event]:
        chat = message.chat.id
        if message.left_chat_member is not None:
            self._people.left(chat, message.left_chat_member)
            return await self._reader.comings(message)
        for user in message.new_chat_members:
            self._people.seen(chat, user)
        if message.new_chat_members:
            return await self._reader.comings(message)
        if message.from_ is not None and message.sender_chat is None:
            self._people.seen(chat, message.from_)
        return [await self._reader.posted([message])]

    # --- albums -------------------------------------------------------------------------------------------------------

    async def _gather(self, message: wire.Message, raw: msgspec.Raw) -> None:
        await self._gathering.add(message, raw)
        self._wait_for_more(message.chat.id)

    def _wait_for_more(self, chat: int) -> None:
        if (timer := self._timers.pop(chat, None)) is not None:
            timer.cancel()
        self._timers[chat] = asyncio.get_running_loop().call_later(_ALBUM_SECONDS, self._complete, chat)

    def _complete(self, chat: int) -> None:
        self._timers.pop(chat, None)
        task = asyncio.get_running_loop().create_task(self._completed(chat))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _completed(self, chat: int) -> None:
        async with self._turn:
            try:
                await self._close_album(chat)
            except Retry:
                self._wait_for_more(chat)  # it lies where it lay

    async def _close_album(self, chat: int) -> None:
        """Hand over the album that is open in a chat, if there is one."""
        if (timer := self._timers.pop(chat, None)) is not None:
            timer.cancel()
        parts = await self._gathering.seal(chat)
        if not parts:
            return
        if parts[0].from_ is not None and parts[0].sender_chat is None:
            self._people.seen(chat, parts[0].from_)
        try:
            event = await self._reader.posted(parts)
        except Skipped as skipped:
            self._host.skipped(str(skipped), message=skipped.message)
        else:
            await kept([await self._host.accept(event)])
        await self._gathering.close(chat)


async def kept(pending: list[Awaitable[object]]) -> None:
    """Return once all of it is on disk. Raises Retry where it is not kept: then nothing is confirmed to Telegram."""
    try:
        for each in pending:
            await each
    except Exception as error:
        raise Retry("what was received could not be kept") from error
