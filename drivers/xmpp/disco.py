"""What anybody is asked: what they are and can, and which services and rooms they have (XEP-0030, XEP-0059)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct

from drivers.xmpp.stanzas import element, name
from drivers.xmpp.stream import Refused, Stream
from nextbridge.errors import Retry

__all__ = ["About", "Item", "Items", "about", "items_of", "services_of"]

_INFO: Final = "http://jabber.org/protocol/disco#info"
_ITEMS: Final = "http://jabber.org/protocol/disco#items"
_RSM: Final = "http://jabber.org/protocol/rsm"
_MOST_SERVICES: Final = 30


class About(Struct, frozen=True):
    """What somebody says of themselves."""

    query: ET.Element
    """The whole answer."""
    features: frozenset[str]
    identities: frozenset[tuple[str, str]]
    """Category and type: `("conference", "text")`."""


class Item(Struct, frozen=True):
    """A service or a room."""

    address: str
    name: str


class Items(Struct, frozen=True):
    """Some of somebody's."""

    found: list[Item]
    total: int
    """How many there are, as far as they say so; else as many as were told."""


async def about(stream: Stream, address: str, *, seconds: float) -> About:
    """Raises Refused and Retry."""
    answer = await stream.request(address, element(_INFO, "query"), seconds=seconds)
    query = answer.find(name(_INFO, "query"))
    query = element(_INFO, "query") if query is None else query
    return About(
        query,
        frozenset(each.get("var", "") for each in query.iterfind(name(_INFO, "feature"))),
        frozenset((each.get("category", ""), each.get("type", "")) for each in query.iterfind(name(_INFO, "identity"))),
    )


async def items_of(stream: Stream, address: str, *, most: int, seconds: float) -> Items:
    """So many of them: by pages, where they are told so. Raises Refused and Retry."""
    found: dict[str, Item] = {}
    total, last = 0, ""
    while len(found) < most:
        query = element(_ITEMS, "query")
        rsm = element(_RSM, "set")
        rsm.append(element(_RSM, "max", str(most - len(found))))
        if last:
            rsm.append(element(_RSM, "after", last))
        query.append(rsm)
        answer = await stream.request(address, query, seconds=seconds)
        before = len(found)
        for each in answer.iterfind(f"{name(_ITEMS, 'query')}/{name(_ITEMS, 'item')}"):
            if jid := each.get("jid"):
                found[jid] = Item(jid, each.get("name") or jid)
        page = answer.find(f"{name(_ITEMS, 'query')}/{name(_RSM, 'set')}")
        count, last = (_text(page, "count"), _text(page, "last")) if page is not None else ("", "")
        if count.isascii() and count.isdigit() and len(count) < 10:
            total = int(count)
        # who pages ends with a page without a last one, or with one that is told again
        if not last or len(found) == before:
            break
    return Items(list(found.values())[:most], max(total, len(found)))


async def services_of(stream: Stream, domain: str, *, seconds: float) -> AsyncIterator[tuple[str, About]]:
    """A server itself, and each service of it that answers. Raises Retry."""
    addresses = [domain]
    with suppress(Refused):
        services = await items_of(stream, domain, most=_MOST_SERVICES, seconds=seconds)
        addresses += [each.address for each in services.found]
    for address in addresses:
        try:
            yield address, await about(stream, address, seconds=seconds)
        except (Refused, Retry):
            continue


def _text(page: ET.Element, tag: str) -> str:
    found = page.find(name(_RSM, tag))
    return "" if found is None else found.text or ""
