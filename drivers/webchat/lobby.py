"""What all browsers of one web chat share: its rooms, its people and the limits that hold for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from drivers.webchat.authors import Authors
from drivers.webchat.messages import Change, Message
from drivers.webchat.names import same_name
from drivers.webchat.room import Room
from drivers.webchat.settings import WebChatSettings
from nextbridge.http.door import Door
from nextbridge.media.hosted import Files
from nextbridge.pace import Pace

__all__ = ["Lobby", "Person", "Relay"]

Relay: TypeAlias = Callable[[Room, Message, Change], Awaitable[None]]
"""Hands what was done at a browser to the relay; returns once it is on disk there."""
TellTyping: TypeAlias = Callable[[Room, str, str], None]
"""Tells the relay that the author with this id and name is typing in the room."""

_WRONG_TOKEN_COSTS = 1.0
"""Seconds until a wrong token is answered."""
MOST_AT_THE_DOOR = 50
"""Connections that have not shown the token yet."""


class Person(Protocol):
    """A browser's connection, as the others need to know it."""

    @property
    def admitted(self) -> bool: ...

    @property
    def author(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def room(self) -> Room | None: ...

    def hear(self, frame: str) -> None:
        """See `Listener.hear`."""

    async def dismiss(self) -> None:
        """Close the connection; the page comes back by itself."""


class Lobby:
    """One instance's, from the time that its rooms are loaded."""

    def __init__(
        self,
        settings: WebChatSettings,
        door: Door,
        authors: Authors,
        rooms: Mapping[str, Room],
        files: Files,
        *,
        relay: Relay,
        tell_typing: TellTyping,
    ) -> None:
        self.settings = settings
        self.door = door
        self.authors = authors
        self.rooms = rooms
        self.files = files
        self.relay = relay
        self.tell_typing = tell_typing
        self.people: set[Person] = set()
        self.posts = Pace(settings.messages_per_minute, burst=min(10, settings.messages_per_minute))
        self.reactions = Pace(settings.messages_per_minute, burst=min(20, settings.messages_per_minute))
        self.typing = Pace(30, burst=5)
        self.uploads = Pace(60, burst=20)
        self.joins = Pace(60, burst=20)
        self.arrivals = Pace(120, burst=100)
        """New authors, over all browsers: having many of them is no way round the pace of each."""
        self.warnings = Pace(6, burst=5)

    async def refuse_token(self, log: FilteringBoundLogger, request: web.Request) -> None:
        """Somebody showed a wrong token: the operator is told, and they wait for the answer."""
        if not self.warnings.take(""):
            log.warning("webchat_token_refused", peer=request.remote)
        await asyncio.sleep(_WRONG_TOKEN_COSTS)

    def full(self, *, admitted: bool) -> bool:
        """Whether no further connection is taken: none at all, or none that has still to show the token."""
        at_the_door = sum(not person.admitted for person in self.people)
        return len(self.people) >= self.settings.max_connections or (not admitted and at_the_door >= MOST_AT_THE_DOOR)

    def room_full(self, room: Room) -> bool:
        """Whether nobody else can enter."""
        return sum(person.room is room for person in self.people) >= self.settings.max_connections_per_room

    def name_taken(self, room: Room, name: str, author: str) -> bool:
        """Whether somebody else in the room has a name that people would take for this one."""
        return any(
            person.room is room and person.author != author and same_name(person.name) == same_name(name)
            for person in self.people
        )

    def present(self, author: str) -> list[Person]:
        """The connections of an author that are in a room."""
        return [person for person in self.people if person.author == author and person.room is not None]

    def named(self, room: Room, name: str) -> Person | None:
        """Who in the room has a name that people would take for this one; None where it is nobody."""
        return next(
            (person for person in self.people if person.room is room and same_name(person.name) == same_name(name)),
            None,
        )
