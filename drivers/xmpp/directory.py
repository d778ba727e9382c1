"""The rooms of a server, for `nextbridge channels`: those that its services show to everybody (XEP-0045, 6.3)."""

from __future__ import annotations

from drivers.xmpp.disco import items_of, services_of
from drivers.xmpp.files import home_of
from drivers.xmpp.probing import looking
from drivers.xmpp.settings import XmppSettings
from drivers.xmpp.stream import InUse, Refused
from nextbridge.driver import Directory, Listed, Unlisted

__all__ = ["directory"]

_ROOMS = ("conference", "text")
_MOST = 1_000
_BY_HAND = "Write a room by its address, as ops@conference.example.com; chat programs show that in the room's details."


async def directory(settings: XmppSettings, proxy: str | None) -> Directory | Unlisted:
    """Log in beside a running relay, ask, and leave. Raises DriverError."""
    seconds = settings.answer_timeout
    found: list[Listed] = []
    left_out, services, silent = 0, [], []
    try:
        async with looking(settings, proxy) as stream:
            async for address, about in services_of(stream, home_of(settings), seconds=seconds):
                if _ROOMS not in about.identities:
                    continue
                services.append(address)
                try:
                    rooms = await items_of(stream, address, most=_MOST - len(found), seconds=seconds)
                except Refused:
                    silent.append(address)
                    continue
                left_out += rooms.total - len(rooms.found)
                found += [Listed(f"{each.name} ({each.address})", {"room": each.address}) for each in rooms.found]
    except InUse as error:
        if not settings.is_component:
            raise
        return Unlisted(f"a component has one connection, which a running relay has ({error.reason})", _BY_HAND)
    if not services:
        return Unlisted(f"{home_of(settings)} has no service of rooms that it tells of", _BY_HAND)
    refused = f"{', '.join(silent)} tells nobody which rooms there are. " if silent else ""
    note = f"{refused}Hidden rooms are not shown, nor those of other servers: write such a one by its address."
    return Directory(sorted(found, key=lambda each: each.name.casefold()), left_out=left_out, note=note)
