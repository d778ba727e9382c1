"""Conversations with one person: which rooms are one, whose invitation to one is followed, and how one is begun.

The account keeps the list on the homeserver, as all clients do (`m.direct`, specification, "Direct Messaging"). A room
where a third has come in is a conversation with one person no more.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from nextbridge.driver import Host
from nextbridge.envelope import ChannelKey, UserId
from nextbridge.errors import DriverError

__all__ = ["DIRECT", "DirectRooms", "conversations"]

DIRECT = "m.direct"
"""The list's name in the account's data."""
_MOST = 1_000
"""Conversations at a time; further invitations are left open."""
_MOST_LOOKED_THROUGH = 50
"""Rooms of the file in which somebody who invites us is looked for."""


def conversations(content: wire.Content) -> dict[str, list[str]]:
    """The rooms with each person, as the account's data have them."""
    return {user: content.texts(user) for user in content.raw()}


class DirectRooms:
    """One account's."""

    def __init__(self, api: Api, me: UserId, host: Host) -> None:
        self._api = api
        self._me = me
        self._host = host
        self._with: dict[str, list[str]] = {}
        self.rooms: set[ChannelKey] = set()
        """All of them: what is said there is said to us alone."""

    def take(self, events: list[Raw]) -> None:
        """The account's data, as a sync tells of it."""
        for content in wire.contents_of(events, DIRECT):
            self._with = conversations(content)
            self.rooms.clear()
            self.rooms.update(ChannelKey(room) for rooms in self._with.values() for room in rooms)

    async def follow(self, room: ChannelKey, by: str, known_in: Iterable[ChannelKey]) -> bool:
        """Join the conversation that somebody invites us to, where they are in one of those rooms. Raises nothing."""
        if len(self.rooms) >= _MOST:
            return False
        try:
            for each in list(known_in)[:_MOST_LOOKED_THROUGH]:
                if await self._is_in(each, by):
                    await self._api.join(room)
                    await self._note(UserId(by), room)
                    return True
        except (Refusal, DriverError) as error:
            self._host.log.info("invitation_not_followed", room=room, reason=str(error))
        return False

    async def room_with(self, user: UserId) -> ChannelKey:
        """A room where that person and we are alone, made where there is none. Raises as a call, and Refusal."""
        for room in reversed(self._with.get(user, ())):
            if await self._is_alone(ChannelKey(room), user):
                return ChannelKey(room)
        await self._api.profile(user)  # nobody of that id: Refusal, before a room is made
        made = await self._api.create_direct(user)
        await self._note(user, made)
        return made

    async def joined_by_another(self, room: ChannelKey, event: wire.Event) -> None:
        """Somebody's membership of one of them changed."""
        owner = next((each for each, rooms in self._with.items() if room in rooms), None)
        is_there = wire.Content(event.content).text("membership") in {"join", "invite"}
        if owner is None or not is_there or event.state_key in {owner, self._me}:
            return
        self._with[owner] = [each for each in self._with[owner] if each != room]
        self.rooms.discard(room)
        await self._keep()

    async def _is_alone(self, room: ChannelKey, user: UserId) -> bool:
        try:
            joined = (await self._api.joined_members(room)).joined.keys()
            if joined == {self._me}:  # they have left, or not come yet
                return (await self._api.state(room, "m.room.member", user)).text("membership") == "invite"
        except Refusal:
            return False
        return joined == {self._me, user}

    async def _is_in(self, room: ChannelKey, user: str) -> bool:
        try:
            return (await self._api.state(room, "m.room.member", user)).text("membership") == "join"
        except Refusal:
            return False

    async def _note(self, user: UserId, room: ChannelKey) -> None:
        self._with.setdefault(user, []).append(room)
        self.rooms.add(room)
        await self._keep()

    async def _keep(self) -> None:
        try:
            await self._api.set_account_data(self._me, DIRECT, self._with)
        except (Refusal, DriverError) as error:
            self._host.log.warning("conversations_not_kept", reason=str(error))
