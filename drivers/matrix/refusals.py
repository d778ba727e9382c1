"""What a refusal of the homeserver means for the core: for this act alone, or for all of the room."""

from __future__ import annotations

from drivers.matrix.api import Api, Refusal
from drivers.matrix.rooms import Rooms, to_be_invited
from nextbridge.envelope import ChannelKey
from nextbridge.errors import DriverError, Gone, Paused, Rejected

__all__ = ["Refusals"]


class Refusals:
    """Translates for one account."""

    def __init__(self, api: Api, me: str, rooms: Rooms) -> None:
        self._api = api
        self._me = me
        self._rooms = rooms

    async def of_message(self, room: ChannelKey, refusal: Refusal) -> Paused | Rejected:
        """Of a message. Raises as a look-up."""
        if refusal.about_rights:
            self._rooms.refused(room)
            return await self._closed(room) or Paused(
                f"{self._me} may not speak in room {self._rooms.name(room)} ({refusal.message}); "
                "give it the power level that messages take there",
                scope="channel",
            )
        return self._rejected(refusal)

    async def of_act(self, room: ChannelKey, refusal: Refusal, right: str) -> Paused | Rejected:
        """Of an act that takes a right of its own: without it, messages go on."""
        if refusal.about_rights:
            closed = await self._closed(room)
            if closed is not None:
                self._rooms.refused(room)
                return closed
            return Rejected(f"{self._me} has no right to {right} in room {self._rooms.name(room)}: {refusal.message}")
        return self._rejected(refusal)

    def of_look(self, refusal: Refusal, what: str) -> Gone | Rejected:
        """Of a look at a message."""
        if refusal.status in {400, 403, 404}:
            return Gone(f"the message that {what} is not there any more")
        return self._rejected(refusal)

    async def _closed(self, room: ChannelKey) -> Paused | None:
        """Why nothing passes in the room for now; None where we are in it."""
        try:
            membership = (await self._api.state(room, "m.room.member", self._me)).text("membership")
        except Refusal:
            membership = ""
        except DriverError:
            return None
        if membership == "join":
            return None
        return Paused(to_be_invited(self._rooms.name(room), self._me), scope="channel")

    @staticmethod
    def _rejected(refusal: Refusal) -> Rejected:
        if refusal.status == 413 or refusal.code == "M_TOO_LARGE":
            return Rejected("the homeserver finds the message too large")
        return Rejected(f"the homeserver refuses it ({refusal.status}): {refusal.message}")
