"""One account on one homeserver and all that is known around it: what events are read with, and sent with."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from drivers.matrix import wire
from drivers.matrix.api import Api
from drivers.matrix.direct import DirectRooms
from drivers.matrix.media import Ciphers
from drivers.matrix.people import People
from drivers.matrix.puppets import Puppets
from drivers.matrix.rooms import Rooms
from drivers.matrix.seen import Seen
from nextbridge.driver import Host
from nextbridge.envelope import ChannelKey, UserId

__all__ = ["Account", "Encryption"]


class Encryption(Ciphers, Protocol):
    """What makes and reads encrypted events and files, on one device."""

    @property
    def rooms(self) -> set[str]:
        """Those that were encrypted at any time."""

    async def note_encrypted(self, room: ChannelKey) -> None:
        """A room is encrypted, and stays so whatever the homeserver says later."""

    def note(self, room: ChannelKey, event: wire.Event) -> None:
        """A membership of a room that changed: who came is given the keys, who went is given no more."""

    def unheard(self, room: ChannelKey | None = None) -> None:
        """Who came into a room, or into any, was not told."""

    async def take(self, batch: wire.Sync) -> set[str]:
        """The keys and news of devices; before what is said in the rooms is read. The ids of new keys of rooms."""

    async def has_key(self, room: ChannelKey, event: wire.Event) -> bool:
        """Whether the key of an encrypted event was given to us."""

    async def decrypted(self, room: ChannelKey, event: wire.Event) -> wire.Event | None:
        """The event that is in an encrypted one; None where there is no key for it."""

    async def encrypted(self, room: ChannelKey, kind: str, content: dict[str, object]) -> dict[str, object]:
        """The content of the encrypted event that holds this one. Does I/O. Raises as a call of the Api."""


class Account(Struct, frozen=True, kw_only=True):
    """Made once, when it is first known who we are."""

    host: Host
    api: Api
    me: UserId
    rooms: Rooms
    people: People
    seen: Seen
    direct: DirectRooms
    encryption: Encryption | None
    why_not: str = ""
    """Why there is no encryption, and what the operator is to do."""
    puppets: Puppets | None = None
    """Those who stand for people elsewhere, where we are an application service."""

    def is_ours(self, user: str) -> bool:
        """Whether what that account does is done by us."""
        return user == self.me or (self.puppets is not None and self.puppets.owns(user))

    def acting(self, user: str) -> Api | None:
        """The calls of an account of ours; None where it is not ours."""
        if user == self.me:
            return self.api
        return self.puppets.acting(user) if self.puppets is not None and self.puppets.owns(user) else None
