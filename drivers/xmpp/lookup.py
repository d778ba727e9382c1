"""What was said in a room, found by its id: in memory, or in the room's archive where that is not enough."""

from __future__ import annotations

from collections.abc import Callable

from drivers.xmpp.archive import CLOCKS_DIFFER, EXTENDED, Archive, Kept
from drivers.xmpp.backlog import Backlog, Said
from drivers.xmpp.ourselves import Ourselves
from drivers.xmpp.stanzas import MAM
from drivers.xmpp.stream import Refused
from nextbridge.envelope import MessageId
from nextbridge.errors import Retry

__all__ = ["Lookup"]

_LOOKED_THROUGH = 4
"""Pages of the archive that are looked through for a message that somebody names."""
_MOST_PAGES = 40
"""Pages that are looked through for a message of ours that may have arrived."""


class Lookup:
    """In one room; `features` tells what that offers now. What is found is remembered."""

    def __init__(
        self, archive: Archive, backlog: Backlog, us: Ourselves, features: Callable[[], frozenset[str]]
    ) -> None:
        self._archive = archive
        self._backlog = backlog
        self._us = us
        self._features = features

    async def find(self, message: MessageId) -> Said | None:
        """A message by its id. Raises Retry."""
        found = self._backlog.find(message)
        if found is not None or MAM not in self._features():
            return found
        try:
            if EXTENDED in self._features():
                page = await self._archive.page(ids=(message,), most=1)
                kept = next((each for each in page.kept if each.id == message), None)
            else:
                kept = await self._looked_for(lambda each: each.id == message)
        except Refused:
            return None
        # of what was taken back an archive keeps a stone
        return self._remembered(kept) if kept is not None and kept.message.is_new else None

    async def find_sent(self, person: str, sender_id: str) -> MessageId | None:
        """What the room calls the message to which somebody gave this id. Raises Retry."""
        found = self._backlog.by_sender(person, sender_id)
        if found is not None or MAM not in self._features():
            return found

        def is_it(each: Kept) -> bool:
            message = each.message
            return message.id == sender_id and message.person == person and message.is_new

        try:
            kept = await self._looked_for(is_it)
        except Refused:
            return None
        return None if kept is None else self._remembered(kept).message

    async def find_ours(self, sender_id: str, since: int) -> MessageId | None:
        """What became of a message of ours that may have been sent since then. Raises Retry."""
        found = self._backlog.ours(sender_id)
        if found is not None or MAM not in self._features():
            return found
        try:
            async for each in self._archive.backwards(pages=_MOST_PAGES):
                if each.message.id == sender_id and self._us.said(each.message):
                    return self._remembered(each).message
                if each.at < since - CLOCKS_DIFFER:
                    break
        except Refused as error:
            condition = error.failure.condition
            raise Retry(f"the archive of {self._archive.room} does not say what arrived ({condition})") from None
        return None

    async def _looked_for(self, is_it: Callable[[Kept], bool]) -> Kept | None:
        async for each in self._archive.backwards(pages=_LOOKED_THROUGH):
            if is_it(each):
                return each
        return None

    def _remembered(self, kept: Kept) -> Said:
        return self._backlog.heard(kept.message, ours=self._us.said(kept.message))
