"""Who is in a room, and by what they are told apart."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from drivers.xmpp.stanzas import Message, Presence
from nextbridge.envelope import Author, ChannelKey, UserId

__all__ = ["Occupant", "Occupants"]


class Occupant(Struct, frozen=True):
    """Somebody in a room."""

    nick: str
    real: str = ""
    """Their own address, where the room shows it."""
    occupant: str = ""
    """The room's id of them, where it has such ids."""
    photo: str = ""
    role: str = ""


class Occupants:
    """The people in one room, by nick.

    A person's id is their own address where the room shows it; else the room's id of them (0421), which stays theirs;
    else the address of their nick in the room, which is worth what a nick is worth. None looks like another: an address
    of a person has neither `?` nor `/` in its domain.
    """

    def __init__(self, room: ChannelKey) -> None:
        self._room = room
        self._by_nick: dict[str, Occupant] = {}

    def __contains__(self, nick: str) -> bool:
        return nick in self._by_nick

    def __iter__(self) -> Iterator[Occupant]:
        return iter(self._by_nick.values())

    def clear(self) -> None:
        """Nobody is known to be there."""
        self._by_nick.clear()

    def came(self, nick: str, presence: Presence) -> bool:
        """Take in a presence. Whether they were not there before."""
        before = self._by_nick.get(nick)
        photo = presence.photo if presence.photo is not None else "" if before is None else before.photo
        self._by_nick[nick] = Occupant(nick, presence.real, presence.occupant, photo, presence.role)
        return before is None

    def renamed(self, nick: str, to: str) -> None:
        """They have another nick: their presence under it follows, and is no coming."""
        if (occupant := self._by_nick.pop(nick, None)) is not None:
            self._by_nick[to] = occupant

    def went(self, nick: str) -> Occupant | None:
        """They are there no more."""
        return self._by_nick.pop(nick, None)

    def get(self, nick: str) -> Occupant | None:
        """Whoever has the nick now."""
        return self._by_nick.get(nick)

    def called(self, name: str) -> Occupant | None:
        """Whoever's nick is `name`, in whatever capitals; None where it is nobody, or several."""
        exact = self._by_nick.get(name)
        if exact is not None or not name:
            return exact
        found = [each for each in self if each.nick.casefold() == name.casefold()]
        return found[0] if len(found) == 1 else None

    def by_id(self, user: UserId) -> Occupant | None:
        """Whoever's id this is."""
        return next((each for each in self if self.id_of(each) == user), None)

    def id_of(self, occupant: Occupant) -> UserId:
        """Their id for the core."""
        if occupant.real:
            return UserId(occupant.real)
        if occupant.occupant:
            return UserId(f"{self._room}?{occupant.occupant}")
        return UserId(f"{self._room}/{occupant.nick}")

    def author(self, occupant: Occupant) -> Author:
        """As the core knows people."""
        return Author(self.id_of(occupant), occupant.nick, occupant.nick, portrait=occupant.photo)

    def author_of(self, message: Message) -> Author:
        """Who said something; perhaps they are there no more, or somebody else has their nick now."""
        nick = message.sender.partition("/")[2]
        if message.occupant:
            present = next((each for each in self if each.occupant == message.occupant), None)
            known = Occupant(
                nick,
                "" if present is None else present.real,
                message.occupant,
                "" if present is None else present.photo,
            )
            return self.author(known)
        return self.author(self._by_nick.get(nick) or Occupant(nick))
