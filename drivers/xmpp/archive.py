"""A room's archive: XEP-0313 with the pages of XEP-0059, and the queries by id that its version `extended` has.

Source: https://xmpp.org/extensions/xep-0313.html. A server gives no more than its own limit of messages in one answer
(50 by Prosody's default), and knows the time of each only to the second.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct
from msgspec.structs import replace

from drivers.xmpp.stanzas import DELAY, MAM, Message, element, name, stamp
from nextbridge.errors import Retry

__all__ = ["CLOCKS_DIFFER", "EXTENDED", "Archive", "Kept", "Page", "result_of"]

CLOCKS_DIFFER: Final = 900_000
"""Milliseconds by which a room's clock and ours may differ."""
EXTENDED: Final = f"{MAM}#extended"
_RSM: Final = "http://jabber.org/protocol/rsm"
_FORWARD: Final = "urn:xmpp:forward:0"
_PAGE: Final = 50


class Kept(Struct, frozen=True):
    """A message as the archive keeps it."""

    id: str
    at: int
    """Milliseconds since 1970."""
    message: Message


class Page(Struct, frozen=True):
    """Messages of an archive, the oldest first."""

    kept: tuple[Kept, ...]
    complete: bool
    """There are none beyond, in the direction that was asked for."""


class Archive:
    """One room's. What an answer holds comes ahead of it as messages, which are to be given to `collect`.

    `ask` asks the room, and `read` reads a message as far as the room can be believed.
    """

    def __init__(
        self, room: str, ask: Callable[[ET.Element], Awaitable[ET.Element]], read: Callable[[ET.Element], Message]
    ) -> None:
        self.room = room
        self._ask = ask
        self._read = read
        self._collecting: dict[str, list[Kept]] = {}

    def collect(self, result: ET.Element) -> None:
        """Take a result of a query, which nobody but the room itself can have sent."""
        kept = self._collecting.get(result.get("queryid", ""))
        forwarded = result.find(name(_FORWARD, "forwarded"))
        if kept is None or forwarded is None or len(kept) > _PAGE:
            return
        delay = forwarded.find(name(DELAY, "delay"))
        at = None if delay is None else stamp(delay.get("stamp", ""))
        found = next((each for each in forwarded if each.tag.endswith("}message")), None)
        room_id = result.get("id", "")
        if found is None or at is None or not room_id:
            return
        message = self._read(found)
        if message.sender.partition("/")[0].lower() == self.room:
            kept.append(Kept(room_id, at, replace(message, room_id=room_id, at=at)))

    async def newest(self) -> Kept | None:
        """The newest message; None where there is none. Raises as `page`."""
        page = await self.page(before="", most=1)
        return page.kept[-1] if page.kept else None

    async def page(
        self,
        *,
        before: str | None = None,
        after: str | None = None,
        since: int | None = None,
        ids: tuple[str, ...] = (),
        most: int = _PAGE,
    ) -> Page:
        """Messages before one (empty: the newest), or after one, or since a time.

        Raises Refused (`item-not-found` where the one is not there any more) and Retry.
        """
        query = element(MAM, "query", queryid=uuid.uuid4().hex)
        fields: dict[str, tuple[str, ...]] = {"ids": ids} if ids else {}
        if since is not None:
            moment = datetime.fromtimestamp(since / 1000, UTC)
            fields["start"] = (moment.strftime("%Y-%m-%dT%H:%M:%SZ"),)
        if fields:
            query.append(_form(fields))
        rsm = element(_RSM, "set")
        rsm.append(element(_RSM, "max", str(most)))
        if before is not None:
            rsm.append(element(_RSM, "before", before))
        if after is not None:
            rsm.append(element(_RSM, "after", after))
        query.append(rsm)
        number = query.get("queryid", "")
        kept: list[Kept] = []
        self._collecting[number] = kept
        try:
            answer = await self._ask(query)
        finally:
            del self._collecting[number]
        fin = answer.find(name(MAM, "fin"))
        if fin is None:
            raise Retry(f"{self.room} does not answer as an archive does")
        return Page(tuple(kept), fin.get("complete") in {"true", "1"} or not kept)

    async def backwards(self, *, pages: int) -> AsyncIterator[Kept]:
        """The archive's messages from the newest on, of so many pages at most. Raises as `page`."""
        before = ""
        for _ in range(pages):
            page = await self.page(before=before)
            for each in reversed(page.kept):
                yield each
            if page.complete:
                return
            before = page.kept[0].id


def result_of(stanza: ET.Element) -> ET.Element | None:
    """The result of a query that a message bears."""
    return stanza.find(name(MAM, "result"))


def _form(fields: dict[str, tuple[str, ...]]) -> ET.Element:
    data = "jabber:x:data"
    form = element(data, "x", type="submit")
    for var, values in {"FORM_TYPE": (MAM,), **fields}.items():
        field = element(data, "field", var=var)
        if var == "FORM_TYPE":
            field.set("type", "hidden")
        field.extend(element(data, "value", value) for value in values)
        form.append(field)
    return form
