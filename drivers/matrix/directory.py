"""The rooms of an account, for `nextbridge channels`: those that it is in, and those that it is invited to.

One sync tells of all of them. It goes on from nowhere, and so takes nothing from a daemon that listens as the same
device: what is sent to a device is kept for it until a later sync says that it has come. An application service has no
device, and Synapse no sync for it: there each room is asked, and invitations are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from msgspec import structs

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from drivers.matrix.direct import DIRECT, conversations
from drivers.matrix.rooms import RoomState
from nextbridge.driver import Directory, Listed
from nextbridge.envelope import ChannelKey
from nextbridge.together import together

__all__ = ["directory", "directory_of_service"]

_STATE = ("m.room.create", "m.room.name", "m.room.canonical_alias", "m.room.encryption", "m.room.tombstone")
_SPACE = "m.space"
"""A room of rooms, in which nobody speaks (specification, "Spaces")."""
_MOST_ASKED = 300
_ASKED_AT_ONCE = 8
_FILTER = {
    "presence": {"types": list[str]()},
    "account_data": {"types": [DIRECT]},
    "room": {
        "state": {"types": _STATE},
        "timeline": {"limit": 1},
        "ephemeral": {"types": list[str]()},
        "account_data": {"types": list[str]()},
    },
}


async def directory(api: Api) -> Directory:
    """By name, without spaces, upgraded rooms and conversations with one person. Raises as a call, and Refusal."""
    sync = await api.sync(None, wait=0, filters=_FILTER)
    rooms = {room: ([*each.state.events, *each.timeline.events], "") for room, each in sync.rooms.join.items()}
    rooms |= {room: (each.invite_state.events, "invited") for room, each in sync.rooms.invite.items()}
    for content in wire.contents_of(sync.account_data.events, DIRECT):
        for conversation in {room for each in conversations(content).values() for room in each}:
            rooms.pop(conversation, None)
    return _sorted(
        listed for room, (state, note) in rooms.items() for listed in _listed(room, wire.events_of(state), note)
    )


async def directory_of_service(api: Api) -> Directory:
    """Likewise for the account of an application service."""
    rooms = await api.joined_rooms()

    async def asked(room: str) -> list[Listed]:
        return list(_listed(room, await _state(api, ChannelKey(room)), ""))

    found = await together(asked, rooms[:_MOST_ASKED], most=_ASKED_AT_ONCE)
    return structs.replace(
        _sorted(listed for each in found for listed in each),
        left_out=max(0, len(rooms) - _MOST_ASKED),
        note="Invitations are not shown: they are brought to the daemon, which follows those to the rules' rooms.",
    )


async def _state(api: Api, room: ChannelKey) -> list[wire.Event]:
    events = []
    for kind in _STATE:
        with suppress(Refusal):  # it has none, or we are gone
            events.append(wire.Event(kind, "", (await api.state(room, kind)).whole))
    return events


def _sorted(rooms: Iterable[Listed]) -> Directory:
    return Directory(sorted(rooms, key=lambda each: each.name.casefold()))


def _listed(room: str, events: Iterable[wire.Event], note: str) -> Iterator[Listed]:
    state = RoomState()
    for event in events:
        if event.type == "m.room.create" and wire.Content(event.content).text("type") == _SPACE:
            return
        state.take(event)
    if state.moved_to:
        return
    name = state.name or state.alias or room
    if state.name and state.alias:
        name = f"{state.name} ({state.alias})"
    notes = [each for each in (note, "encrypted" if state.encrypted else "") if each]
    yield Listed(name, {"room_id": room}, ", ".join(notes))
