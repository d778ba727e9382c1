"""Who people are in a room: by the room's state, as it comes with what they say, or looked up once, and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from nextbridge.envelope import Author, ChannelKey, UserId
from nextbridge.errors import DriverError, Retry

__all__ = ["People", "handle"]

_KNOWN_AT_ONCE = 10_000
_LONGEST_NAME = 200
_LOOK_UP = 5.0
"""Seconds that somebody waits for what is only nice to have."""


class Person(Struct, frozen=True, gc=False):
    """Somebody's name and picture in a room; both may be empty."""

    name: str = ""
    picture: str = ""


class People:
    """A bounded cache of the members of all rooms; whoever has been silent for longest is forgotten first."""

    def __init__(self, log: FilteringBoundLogger, *, size: int = _KNOWN_AT_ONCE) -> None:
        self._log = log
        self._size = size
        self._known: OrderedDict[tuple[ChannelKey, str], Person] = OrderedDict()

    def told(self, room: ChannelKey, user: str, content: wire.Content) -> None:
        """The room's state says so of somebody."""
        self._keep(room, user, Person(content.text("displayname")[:_LONGEST_NAME], content.text("avatar_url")))

    def forget_all(self) -> None:
        """What changed while there was no connection is unknown."""
        self._known.clear()

    async def author(self, api: Api, room: ChannelKey, user: str, *, bot: bool = False) -> Author:
        """Somebody in a room. Where the look-up fails, under their id. Raises Paused where the token is refused."""
        person = self._known.get((room, user))
        if person is not None:
            self._known.move_to_end((room, user))
        else:
            person = await self._look_up(api, room, user)
        return Author(
            id=UserId(user),
            username=handle(user),
            name=person.name.strip() or handle(user),
            bot=bot,
            portrait=person.picture if person.picture.startswith("mxc://") else "",
        )

    async def member(self, api: Api, room: ChannelKey, name: str, is_puppet: Callable[[str], bool]) -> Author | None:
        """The one in the room of that whole id or shown name; None where it is nobody, or several.

        Who stands for somebody elsewhere is nobody. Raises nothing.
        """
        wanted = name.casefold()
        if not wanted.strip():
            return None
        try:
            async with asyncio.timeout(_LOOK_UP):
                found = await api.joined_members(room)
        except (Refusal, DriverError, TimeoutError):
            return None
        named = [
            user
            for user, member in found.joined.items()
            if not is_puppet(user)
            and wanted in {handle(user).casefold(), user.casefold(), (member.display_name or "").casefold()}
        ]
        if len(named) != 1:
            return None
        member = found.joined[named[0]]
        self._keep(room, named[0], Person((member.display_name or "")[:_LONGEST_NAME], member.avatar_url or ""))
        return await self.author(api, room, named[0])

    async def _look_up(self, api: Api, room: ChannelKey, user: str) -> Person:
        try:
            content = await api.state(room, "m.room.member", user)
        except Refusal:
            return self._keep(room, user, Person())
        except Retry as error:
            self._log.warning("name_unknown", user=user, reason=str(error))
            return Person()  # it is tried again the next time
        return self._keep(room, user, Person(content.text("displayname")[:_LONGEST_NAME], content.text("avatar_url")))

    def _keep(self, room: ChannelKey, user: str, person: Person) -> Person:
        self._known[room, user] = person
        self._known.move_to_end((room, user))
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return person


def handle(user: str) -> str:
    """A user id without its sign: `alice:example.com`. It is whole, since there is an alice on other servers too."""
    return user.removeprefix("@")
