"""Which of a room's occupants are ours: the relay, and whom a component lets in for people from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drivers.xmpp.occupants import Occupants
from drivers.xmpp.stanzas import Message

__all__ = ["Ourselves"]


class Ourselves:
    """By nick. The room hears of its occupants after those of ours who enter and leave it, and in its own order."""

    def __init__(self, nick: str, occupants: Occupants) -> None:
        self.nick = nick
        """The relay's own."""
        self._occupants = occupants
        self._others: dict[str, str] = {}
        """The room's ids of the others, by nick."""
        self._parting: set[str] = set()
        """Those nicks whose bearer has left, as the room is to hear in a moment."""
        self._entering: dict[str, asyncio.Future[Any]] = {}

    def __contains__(self, nick: str) -> bool:
        return nick == self.nick or nick in self._others

    def __len__(self) -> int:
        return 1 + len(self._others)

    def are_there_as(self, nick: str) -> bool:
        """Whether one of the others is in the room under this nick."""
        return nick in self._others

    def said(self, message: Message) -> bool:
        """Whether one of us said it."""
        me = self._occupants.get(self.nick)
        if message.occupant and me is not None and me.occupant:
            return message.occupant == me.occupant or message.occupant in self._others.values()
        return message.sender.partition("/")[2] in self

    # --- what the others hear themselves ----------------------------------------------------------------------------

    @contextmanager
    def entering(self, nick: str, outcome: asyncio.Future[Any]) -> Iterator[None]:
        """One of us asks to be let in under a nick; `outcome` is done once it is decided. Cancelled on leaving."""
        self._entering[nick] = outcome
        try:
            yield
        finally:
            self._entering.pop(nick, None)
            outcome.cancel()

    def enter(self, nick: str, occupant: str) -> None:
        """One of us bears this nick now; with the room's id of them, if it has such ids."""
        self._others[nick] = occupant
        self._parting.discard(nick)

    def part(self, nick: str) -> None:
        """One of us bears it no more: whoever has it after what the room has heard so far is somebody else."""
        if nick in self._occupants:
            self._parting.add(nick)
        else:
            self._others.pop(nick, None)

    # --- what the room hears ----------------------------------------------------------------------------------------

    async def decided(self, nick: str) -> None:
        """Return once it is known whether whoever comes under this nick is one of us."""
        if (outcome := self._entering.get(nick)) is not None:
            await asyncio.wait({outcome})

    def gone(self, nick: str) -> None:
        """The room has heard that whoever bore it does not any more."""
        if nick in self._parting:
            self._parting.discard(nick)
            self._others.pop(nick, None)

    def clear(self) -> None:
        """Nobody of us is in the room."""
        self._others.clear()
        self._parting.clear()
