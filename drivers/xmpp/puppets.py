"""Who speaks in a room: the relay itself, or, where it is a component, each author from elsewhere by their own name."""

from __future__ import annotations

from drivers.xmpp.room import Room
from nextbridge.driver import Outgoing

__all__ = ["Puppets"]


class Puppets:
    """An account has none: it says everything itself."""

    own_address = ""
    """What the relay itself is in the rooms by, where that has to be said."""

    async def speaker(self, room: Room, message: Outgoing) -> str:  # noqa: ARG002 - for components
        """The address that is to say a message. Raises as `Driver.send`."""
        return self.own_address

    def address_of(self, room: Room, nick: str) -> str:  # noqa: ARG002 - for components
        """The address of ours that has the nick."""
        return self.own_address
