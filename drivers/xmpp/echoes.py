"""Which of our messages a room has taken: it sends each back to us as to everybody, or refuses it."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from drivers.xmpp.stanzas import Failure
from nextbridge.envelope import MessageId
from nextbridge.errors import DriverError

__all__ = ["Echoes", "RefusedMessage"]


class RefusedMessage(Exception):
    """The room did not take a message."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.condition)
        self.failure = failure


class _Awaited(Struct, frozen=True):
    """A message on its way."""

    to: str
    """Who may refuse it: whom it was sent to."""
    future: asyncio.Future[MessageId]


class Echoes:
    """The messages of one room that are on their way, by the ids that we gave them."""

    def __init__(self) -> None:
        self._awaited: dict[str, _Awaited] = {}

    def __contains__(self, sender_id: str) -> bool:
        return sender_id in self._awaited

    def expect(self, sender_id: str, to: str) -> asyncio.Future[MessageId]:
        """To be called before it is sent `to` an address, and by whoever sends it anew while it is on its way.

        The future is shared: wait for it with `asyncio.wait`, or shielded.
        """
        found = self._awaited.get(sender_id)
        if found is None or found.future.done():
            found = self._awaited[sender_id] = _Awaited(to, asyncio.get_running_loop().create_future())
            found.future.add_done_callback(_looked_at)
        return found.future

    def forget(self, sender_id: str) -> None:
        """It was not sent after all."""
        self._awaited.pop(sender_id, None)

    def came(self, sender_id: str, message: MessageId) -> None:
        """It is there."""
        if (awaited := self._awaited.pop(sender_id, None)) is not None and not awaited.future.done():
            awaited.future.set_result(message)

    def refused(self, sender_id: str, sender: str, failure: Failure) -> None:
        """It is not, and will not be, as `sender` says: a room hands on what people say of each other's messages."""
        awaited = self._awaited.get(sender_id)
        if awaited is None or sender not in {awaited.to, awaited.to.partition("/")[0]}:
            return
        del self._awaited[sender_id]
        if not awaited.future.done():
            awaited.future.set_exception(RefusedMessage(failure))

    def lost(self, error: DriverError, *, keep: bool) -> None:
        """The connection is gone. With `keep` it may be resumed, and what was on its way still is then."""
        for sender_id, awaited in tuple(self._awaited.items()):
            if not awaited.future.done():
                awaited.future.set_exception(error)
            if not keep:
                del self._awaited[sender_id]


def _looked_at(future: asyncio.Future[MessageId]) -> None:
    """Its sender may have heard of it on another way, or have been cancelled."""
    if not future.cancelled():
        future.exception()
