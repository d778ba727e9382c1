"""Which of our messages a room has taken: it sends each back to us as to everybody, or refuses it."""

from __future__ import annotations

import asyncio

from drivers.xmpp.stanzas import Failure
from nextbridge.envelope import MessageId
from nextbridge.errors import DriverError

__all__ = ["Echoes", "RefusedMessage"]


class RefusedMessage(Exception):
    """The room did not take a message."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.condition)
        self.failure = failure


class Echoes:
    """The messages of one room that are on their way, by the ids that we gave them."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[MessageId]] = {}

    def __contains__(self, sender_id: str) -> bool:
        return sender_id in self._awaited

    def expect(self, sender_id: str) -> asyncio.Future[MessageId]:
        """To be called before it is sent, and again by whoever sends it anew while it is on its way.

        The future is shared: wait for it with `asyncio.wait`, or shielded.
        """
        found = self._awaited.get(sender_id)
        if found is None or found.done():
            found = self._awaited[sender_id] = asyncio.get_running_loop().create_future()
            found.add_done_callback(_looked_at)
        return found

    def forget(self, sender_id: str) -> None:
        """It was not sent after all."""
        self._awaited.pop(sender_id, None)

    def came(self, sender_id: str, message: MessageId) -> None:
        """It is there."""
        if (future := self._awaited.pop(sender_id, None)) is not None and not future.done():
            future.set_result(message)

    def refused(self, sender_id: str, failure: Failure) -> None:
        """It is not, and will not be."""
        if (future := self._awaited.pop(sender_id, None)) is not None and not future.done():
            future.set_exception(RefusedMessage(failure))

    def lost(self, error: DriverError, *, keep: bool) -> None:
        """The connection is gone. With `keep` it may be resumed, and what was on its way still is then."""
        for sender_id, future in tuple(self._awaited.items()):
            if not future.done():
                future.set_exception(error)
            if not keep:
                del self._awaited[sender_id]


def _looked_at(future: asyncio.Future[MessageId]) -> None:
    """Its sender may have heard of it on another way, or have been cancelled."""
    if not future.cancelled():
        future.exception()
