"""Who is in the configured channels, and which comings and goings are told: a crowd's are counted, not told.

What a server says of members (353, JOIN, PART, KICK, QUIT, NICK) comes in order, so it is always right by what it said
last. A netsplit takes away half a network at once and brings it back a while later: nobody came and nobody went.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from drivers.irc.pacing import Pacer
from drivers.irc.server import Server
from nextbridge.envelope import ChannelKey

__all__ = ["Roster", "is_split"]

_MOST_MEMBERS = 50_000
"""Of one channel; more than the largest networks have in one."""
_MOST_SPLIT = 20_000
_TOLD_AT_ONCE = 20
_TOLD_A_SECOND = 0.2
"""Comings and goings of one channel that are told: twenty at once, and then one in five seconds."""
_SPLIT = re.compile(r"^[\w*-]+(?:\.[\w*-]+)+ [\w*-]+(?:\.[\w*-]+)+$")


def is_split(reason: str) -> bool:
    """Whether a QUIT is the network's doing: servers name the two that were parted, and nothing else."""
    return len(reason) <= 300 and _SPLIT.match(reason) is not None


class _Room:
    def __init__(self) -> None:
        self.members: dict[str, str] = {}  # folded nicks to nicks
        self.told = Pacer(_TOLD_A_SECOND, _TOLD_AT_ONCE)


class Roster:
    """The members of one connection's channels, by the channel's key. Knows nobody where we are not in the channel."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._rooms: dict[ChannelKey, _Room] = {}
        self._split: OrderedDict[str, None] = OrderedDict()  # folded nicks that a netsplit took away

    def begin(self, channel: ChannelKey) -> None:
        """We are in the channel; its members are told next."""
        self._rooms[channel] = _Room()

    def end(self, channel: ChannelKey) -> None:
        """We are in it no more."""
        self._rooms.pop(channel, None)

    def names(self, channel: ChannelKey, words: str) -> None:
        """Take a line of NAMES: nicks, each perhaps with signs of what they may do."""
        for word in words.split():
            self.entered(channel, word.lstrip(self._server.member_signs))

    def entered(self, channel: ChannelKey, nick: str) -> None:
        """Somebody is in the channel."""
        room = self._rooms.get(channel)
        if room is not None and nick and len(room.members) < _MOST_MEMBERS:
            room.members[self._server.fold(nick)] = nick

    def left(self, channel: ChannelKey, nick: str) -> None:
        """Somebody is in it no more."""
        if (room := self._rooms.get(channel)) is not None:
            room.members.pop(self._server.fold(nick), None)

    def gone(self, nick: str) -> list[ChannelKey]:
        """Somebody is on the network no more. Returns the channels that they were in."""
        folded = self._server.fold(nick)
        return [channel for channel, room in self._rooms.items() if room.members.pop(folded, None) is not None]

    def renamed(self, old: str, new: str) -> None:
        """Somebody is called otherwise."""
        for channel in self.gone(old):
            self.entered(channel, new)

    def find(self, channel: ChannelKey, name: str) -> str | None:
        """The nick of the member who is called `name`, all of it, as the server compares nicks."""
        room = self._rooms.get(channel)
        return None if room is None else room.members.get(self._server.fold(name))

    # --- crowds -----------------------------------------------------------------------------------------------------

    def is_told(self, channel: ChannelKey) -> bool:
        """Whether one more coming or going of the channel is told now; then it counts."""
        room = self._rooms.get(channel)
        return room is not None and room.told.at_once()

    def parted(self, nick: str) -> None:
        """A netsplit took somebody away."""
        self._split[self._server.fold(nick)] = None
        if len(self._split) > _MOST_SPLIT:
            self._split.popitem(last=False)

    def is_back(self, nick: str) -> bool:
        """Whether who joins had been taken away by a netsplit."""
        return self._server.fold(nick) in self._split

    def met(self, nick: str) -> None:
        """Who was taken away does something else than join: from now on they come and go as others do."""
        self._split.pop(self._server.fold(nick), None)
