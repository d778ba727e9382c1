"""What was being sent when a connection or the daemon broke off: looked for before it is sent again.

Before each message a note is put on disk: its key, where it goes, and the newest message that stood there. Sends to
one channel follow each other, so what is ours behind that can only be this message. Discord's own `nonce` recognises a
bot's repeated message for a few minutes, and a webhook's never.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import suppress

import msgspec
from msgspec import Struct

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.places import Place, Places, message_id
from nextbridge.driver import Outgoing, Store
from nextbridge.envelope import ChannelKey, DeliveryKey, MessageId

__all__ = ["Attempts", "nonce_of"]

_PAGES = 5
"""Of 100 messages each, that are looked through at most."""
_SLACK = 10_000
"""Milliseconds by which our clock and Discord's may differ, where there is no note."""
_KEPT = 1000


class _Note(Struct):
    key: str
    place: str
    after: int


def nonce_of(key: DeliveryKey) -> str:
    """A delivery's key in the 25 characters that a nonce may have."""
    return hashlib.blake2s(key.encode(), digest_size=12).hexdigest()


class Attempts:
    """One instance's."""

    def __init__(self, store: Store, places: Places) -> None:
        self._store = store
        self._places = places
        self._acknowledged: OrderedDict[str, None] = OrderedDict()
        """Messages of ours that are known to be those of other keys."""

    async def begin(self, message: Outgoing, place: Place) -> None:
        """Put on disk that it is about to be sent."""
        note = _Note(message.key, place.channel, self._places.newest(place))
        await self._store.set(_key(message.channel), msgspec.json.encode(note).decode())

    def done(self, made: str) -> None:
        """A message is known to be there."""
        self._acknowledged[made] = None
        if len(self._acknowledged) > _KEPT:
            self._acknowledged.popitem(last=False)

    async def made_before(
        self, message: Outgoing, place: Place, text: str, api: Api, ours: set[str]
    ) -> MessageId | None:
        """What an earlier attempt has made of it; None where it has to be sent. `ours` are ids that we post under.

        Raises as a call.
        """
        if message.attempted is None:
            return None
        note = None
        if (kept := await self._store.get(_key(message.channel))) is not None:
            with suppress(*wire.UNREADABLE):
                note = msgspec.json.decode(kept, type=_Note)
        exact = note is not None and note.key == message.key
        after = note.after if note is not None and exact else wire.since(message.attempted - _SLACK)
        if place.home.channel.is_forum and not place.thread:
            return await self._post_made_before(place, after, api, ours)
        found = [each for each in await self._after(place.channel, after, api) if _author(each) in ours]
        if not exact:
            found = [each for each in found if each.id not in self._acknowledged]
        same = [each for each in found if _bare(each.content) == _bare(text)]
        if not same and exact and len(found) == 1:
            same = found  # it was edited in the meantime, here or in the lane
        if not same:
            return None
        made = min(same, key=lambda each: int(each.id))
        return message_id(made.id, place.thread)

    async def _post_made_before(self, place: Place, after: int, api: Api, ours: set[str]) -> MessageId | None:
        """A forum's post: a thread with a first message of ours."""
        for thread in await api.threads_of(place.home.channel.guild_id or ""):
            if thread.parent_id == place.channel and int(thread.id) > after and thread.id not in self._acknowledged:
                with suppress(Refused):
                    if _author(await api.message(thread.id, thread.id)) in ours:
                        return message_id(thread.id, thread.id)
        return None

    @staticmethod
    async def _after(channel: str, after: int, api: Api) -> list[wire.Message]:
        messages: list[wire.Message] = []
        for _ in range(_PAGES):
            page = await api.messages(channel, after=str(after))
            messages += page
            if len(page) < 100:
                break
            after = max(int(each.id) for each in page)
        return messages


def _key(channel: ChannelKey) -> str:
    return f"sending/{channel}"


def _author(message: wire.Message) -> str:
    return message.author.id if message.author is not None else ""


def _bare(text: str) -> str:
    """As Discord may have trimmed it."""
    return " ".join(text.split())
