"""Puppets: an account on the homeserver for each person elsewhere who speaks in one of its rooms.

A puppet's id is made of where the person is and of their id there, so that it is theirs for ever and says nothing that
they chose. Its name and picture are those that the person has now, and it is a member of the rooms that they spoke in.
Who has not spoken in a room for a month leaves it, and comes back with their next message; of a room that is bridged no
more all of them leave. So no puppet stays behind under somebody's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import TypeVar
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from drivers.matrix.api import Api, Refusal
from drivers.matrix.settings import ApplicationService
from nextbridge.driver import Host, Outgoing
from nextbridge.envelope import Author, ChannelKey, UserId
from nextbridge.errors import DriverError, Paused, Rejected
from nextbridge.http.guarded import GuardedSession
from nextbridge.markup.legible import one_line

__all__ = ["Puppets"]

T = TypeVar("T")

_KNOWN_AT_ONCE = 10_000
_MOST_IN_A_ROOM = 1_000
"""Puppets in a room; whoever has been silent for longest leaves when there are more."""
_IDLE = 30 * 24 * 3600
_NOTED_EVERY = 24 * 3600
"""Seconds: how long a puppet stays without speaking, and how exactly that is remembered."""
_LONGEST_NAME = 100
_LARGEST_PICTURE = 2_000_000
_PICTURES_AT_ONCE = 8
_SECONDS_FOR_A_PICTURE = 30.0
_ROOMS = "puppets/rooms"
_TAKEN = {"M_USER_IN_USE", "M_EXCLUSIVE"}


class _Looks(Struct):
    """What a puppet was given to look like, as far as is known."""

    name: str = ""
    picture: str | None = None
    """The address that its picture was made of."""


class Puppets:
    """All of one instance. `api` is the relay's own account, which may act as any of them."""

    def __init__(self, api: Api, me: UserId, service: ApplicationService, host: Host, pictures: GuardedSession) -> None:
        self._api = api
        self._me = me
        self._prefix = f"@{service.puppets}"
        self._server = me.partition(":")[2]
        self._host = host
        self._pictures = pictures
        self._looks: OrderedDict[UserId, _Looks] = OrderedDict()
        self._of: OrderedDict[UserId, UserId] = OrderedDict()
        """The puppet of an author, for what says no more of them than their id."""
        self._turns: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()
        """One at a time makes a puppet ready."""
        self._spoke: dict[str, dict[str, int]] | None = None
        self._dressing: set[asyncio.Task[None]] = set()

    def owns(self, user: str) -> bool:
        """Whether that account is a puppet: nobody else can have such a name."""
        return user.startswith(self._prefix) and user.endswith(f":{self._server}")

    def of(self, home: str, author: Author) -> UserId:
        """The puppet of somebody. `home` says where their id belongs: platform and server."""
        platform = re.sub(r"[^a-z0-9]", "", home.partition(":")[0].lower())[:20] or "x"
        digest = hashlib.blake2s(f"{home}\0{author.id}".encode("utf-8", "replace"), digest_size=10).hexdigest()
        return UserId(f"{self._prefix}{platform}_{digest}:{self._server}")

    def last_of(self, author: Author) -> UserId | None:
        """The puppet that somebody of that id spoke through last, since the start; None where none did."""
        return self._of.get(author.id)

    def acting(self, user: str) -> Api:
        """The calls of one of them."""
        return self._api.acting_as(user)

    async def speaking(self, message: Outgoing) -> Api:
        """The calls of the puppet that says a message, which is in the room and looks as it should.

        Does I/O at the first message of somebody, and where their name has changed. Raises as a call, Refusal, Paused
        where it cannot come in, and Rejected where it is banned.
        """
        home = message.mark.origin.partition("/")[0]
        return await self.present(message.channel, home, message.author, message.name, message.avatar)

    async def present(
        self, room: ChannelKey, home: str, author: Author, name: str | None = None, picture: str | None = None
    ) -> Api:
        """The calls of somebody's puppet, which is in the room and looks as it should. Raises as `speaking`.

        Without a name it keeps the one that it has, or has the author's own.
        """
        user = self.of(home, author)
        _kept(self._of, author.id, user)
        api = self.acting(user)
        turn = self._turns.setdefault(user, asyncio.Lock())
        async with turn:
            looks = self._looks.get(user)
            if looks is None:
                await self._register(user)
                looks = _Looks()
            name = one_line(name or looks.name or author.name, _LONGEST_NAME)
            if name and looks.name != name:
                await self._name(api, user, name)
                looks.name = name
            _kept(self._looks, user, looks)
            if picture is not None and looks.picture != picture:
                looks.picture = picture
                self._dress(api, user, picture)
            await self._in(room, user, api)
        return api

    async def gone(self, room: ChannelKey, user: str) -> None:
        """It is in that room no more: it was removed, or is banned."""
        rooms = await self._rooms()
        if rooms.get(room, {}).pop(user, None) is not None:
            await self._keep()

    async def tidy(self, open_rooms: Iterable[ChannelKey]) -> None:
        """Let those leave who have been silent for long, and all of them where nothing is bridged any more."""
        rooms, bridged, now = await self._rooms(), set(open_rooms), int(time.time())
        for room, spoke in list(rooms.items()):
            by_silence = sorted(spoke, key=lambda user, spoke=spoke: spoke[user])  # type: ignore[misc]
            too_many = by_silence[: max(len(spoke) - _MOST_IN_A_ROOM, 0)]
            leaving = [user for user, at in spoke.items() if ChannelKey(room) not in bridged or at < now - _IDLE]
            for user in dict.fromkeys([*leaving, *too_many]):
                with suppress(Refusal):
                    await self.acting(user).leave(ChannelKey(room))
                spoke.pop(user, None)  # it may have been removed meanwhile
            if not spoke:
                rooms.pop(room, None)
            if leaving or too_many:
                await self._keep()

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._dressing:
            task.cancel()
        await asyncio.gather(*self._dressing, return_exceptions=True)
        await self._pictures.close()

    # --- how it looks -------------------------------------------------------------------------------------------------

    async def _register(self, user: UserId) -> None:
        try:
            await self._api.register(user[1:].partition(":")[0])
        except Refusal as refusal:
            if refusal.code not in _TAKEN:
                raise

    async def _name(self, api: Api, user: UserId, name: str) -> None:
        """Give it a name, unless it has it: each change is told to all of its rooms."""
        if (await self._api.profile(user)).displayname != name:
            await api.set_profile(user, "displayname", name)

    def _dress(self, api: Api, user: UserId, address: str) -> None:
        """Give it a picture, while it speaks: nobody waits for that."""
        if len(self._dressing) >= _PICTURES_AT_ONCE:
            self._looks[user].picture = None  # with the next message
            return
        task = asyncio.create_task(self._pictured(api, user, address))
        self._dressing.add(task)
        task.add_done_callback(self._dressing.discard)

    async def _pictured(self, api: Api, user: UserId, address: str) -> None:
        kept = f"puppets/picture/{user}"
        digest = hashlib.blake2s(address.encode("utf-8", "replace")).hexdigest()  # whose it is does not stand there
        try:
            if await self._host.store.get(kept) == digest:
                return
            async with self._pictures.open(
                address, largest=_LARGEST_PICTURE, kinds=("image",), seconds=_SECONDS_FOR_A_PICTURE
            ) as chunks:
                content = b"".join([chunk async for chunk in chunks])
            await api.set_profile(user, "avatar_url", await api.upload_picture(content))
            await self._host.store.set(kept, digest)
        except (Refusal, DriverError) as error:
            self._host.log.info("picture_not_shown", user=user, reason=str(error))

    # --- where it is --------------------------------------------------------------------------------------------------

    async def _in(self, room: ChannelKey, user: UserId, api: Api) -> None:
        rooms, now = await self._rooms(), int(time.time())
        spoke = rooms.get(room, {}).get(user)
        if spoke is None:
            await self._come(room, user, api)
        if spoke is None or spoke < now - _NOTED_EVERY:
            rooms.setdefault(room, {})[user] = now
            await self._keep()

    async def _come(self, room: ChannelKey, user: UserId, api: Api) -> None:
        try:
            await api.join(room)
        except Refusal as refusal:
            if not refusal.about_rights:
                raise
        else:
            return
        try:
            await self._api.invite(room, user)
        except Refusal as refusal:
            if not refusal.about_rights:
                raise
            await self._explain(room, user, refusal)
        await api.join(room)

    async def _explain(self, room: ChannelKey, user: UserId, refusal: Refusal) -> None:
        """Raise what it means that somebody cannot be invited."""
        try:
            membership = (await self._api.state(room, "m.room.member", user)).text("membership")
        except Refusal:
            membership = ""
        if membership == "ban":
            raise Rejected("its author's puppet is banned from the room") from refusal
        if membership in {"join", "invite"}:
            return
        raise Paused(
            f"{self._me} may not invite to the room ({refusal.message}); give it the power level that invitations take",
            scope="channel",
        ) from refusal

    async def _rooms(self) -> dict[str, dict[str, int]]:
        """Who is in which room, and when they last spoke there, in seconds since 1970. Read once."""
        if self._spoke is None:
            kept = await self._host.store.get(_ROOMS)
            if self._spoke is None:
                self._spoke = {} if kept is None else msgspec.json.decode(kept, type=dict[str, dict[str, int]])
        return self._spoke

    async def _keep(self) -> None:
        await self._host.store.set(_ROOMS, msgspec.json.encode(await self._rooms()).decode())


def _kept(known: OrderedDict[UserId, T], key: UserId, value: T) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _KNOWN_AT_ONCE:
        known.popitem(last=False)
