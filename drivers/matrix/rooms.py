"""The rooms of the operator's file on the homeserver: which id each has, whether we are in it, where it moved to.

What is known of any room that we are in stands here, too: its name, whether it is encrypted, whether it is a
conversation with one person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import UNSET, Raw, Struct

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from drivers.matrix.settings import MatrixRoom
from nextbridge.driver import ConfiguredChannel, Cursor, Host, Position
from nextbridge.envelope import ChannelKey

__all__ = ["RoomState", "Rooms", "Unavailable", "find_room", "position", "to_be_invited"]

_MOST_MOVES = 20
"""Upgrades of one room that are followed, one after the other."""
_LONGEST_NAME = 200


class Unavailable(Exception):
    """A room that cannot be used for now: `reason` says what the operator is to do."""

    def __init__(self, reason: str, room: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.room = room
        """The one that could not be joined."""


class RoomState(Struct):
    """What is known of a room that we are in."""

    name: str = ""
    alias: str = ""
    encrypted: bool = False
    moved_to: str = ""
    """The room that it was upgraded to."""
    moved_at: int = 0

    def take(self, event: wire.Event) -> None:
        """Note a piece of its state."""
        content = wire.Content(event.content)
        match event.type:
            case "m.room.name":
                self.name = content.text("name")[:_LONGEST_NAME]
            case "m.room.canonical_alias":
                self.alias = content.text("alias")[:_LONGEST_NAME]
            case "m.room.encryption":
                self.encrypted = True  # it cannot be turned off again
            case "m.room.tombstone":
                self.moved_to, self.moved_at = content.text("replacement_room"), event.origin_server_ts


class _Configured(Struct):
    """A room of the file."""

    channel: ConfiguredChannel[MatrixRoom]
    key: ChannelKey
    written: str
    open: bool = False
    told: str = ""
    """What the host was told why it cannot be used."""
    awaited: str = ""
    """The room that could not be joined: another than its own where that was upgraded."""


class Rooms:
    """Resolves the configured rooms, joins them, and tells the host which can be used."""

    def __init__(self, configured: Sequence[ConfiguredChannel[MatrixRoom]], host: Host) -> None:
        self._host = host
        self._configured = [_Configured(each, each.key, _as_written(each.settings)) for each in configured]
        self._turn = asyncio.Lock()
        self._joined: dict[ChannelKey, RoomState] = {}
        self._heard: set[ChannelKey] = set()
        """Those that a sync has told of since we are in them."""
        self._successors: dict[ChannelKey, int] = {}
        """Rooms that were joined in place of one that was upgraded, and when that was."""

    # --- what is known of them ---

    def name(self, room: ChannelKey) -> str:
        """What people call a room: its name or address where they are known, else as the file has it, or its id."""
        state = self._joined.get(room)
        if state is not None and (state.name or state.alias):
            return state.name or state.alias
        return next((each.written for each in self._configured if each.key == room), room)

    def is_configured(self, room: ChannelKey) -> bool:
        """Whether it is one of the file's."""
        return any(each.key == room for each in self._configured)

    def is_wanted(self, room: ChannelKey) -> bool:
        """Whether an invitation to it may be one to a room of the file; which one an alias names is to be asked."""
        return any(
            not each.open and (room in {each.key, each.awaited} or each.key.startswith("#"))
            for each in self._configured
        )

    def is_joined(self, room: ChannelKey) -> bool:
        """Whether we are in it."""
        return room in self._joined

    def is_encrypted(self, room: ChannelKey) -> bool:
        """Whether what is said there has to be encrypted. Never true of one that we are not in."""
        return room in self._joined and self._joined[room].encrypted

    def open_rooms(self) -> set[ChannelKey]:
        """The file's rooms that can be used now."""
        return {each.key for each in self._configured if each.open}

    # --- what the server tells ---

    def began(self) -> None:
        """The next sync tells of all rooms that we are in."""
        self._joined.clear()
        self._heard.clear()

    def entered(self, room: ChannelKey) -> bool:
        """A sync tells of it, as of one that we are in; whether that is new."""
        is_new = room not in self._heard
        self._heard.add(room)
        self._joined.setdefault(room, RoomState())
        return is_new

    def succeeded_at(self, room: ChannelKey) -> int | None:
        """When it took the place of an upgraded room, in milliseconds; None where it did not."""
        return self._successors.get(room)

    def take(self, room: ChannelKey, events: list[Raw]) -> None:
        """Note pieces of the state of a room that we are in."""
        for event in wire.events_of(events):
            self.note(room, event)

    def note(self, room: ChannelKey, event: wire.Event) -> None:
        """Note a piece of its state."""
        if event.state_key == "" and room in self._joined:
            self._joined[room].take(event)

    def left(self, room: ChannelKey, me: str) -> None:
        """We are in it no more: we left, were removed, or are banned."""
        self._joined.pop(room, None)
        self._heard.discard(room)
        for each in self._configured:
            if each.key == room:
                self._close(each, to_be_invited(self.name(room), me))

    # --- the rooms of the file ---

    async def resolve(self, api: Api, me: str) -> None:
        """Look up and join what is not open. Raises Retry and Paused, where none can be looked up."""
        async with self._turn:
            for each in self._configured:
                if not each.open or each.key not in self._joined or self._joined[each.key].moved_to:
                    await self._resolve(each, api, me)

    async def settled(self) -> None:
        """Return once a look-up that is under way is over: a room that was joined by it is then known as the file's."""
        async with self._turn:
            return

    async def _resolve(self, each: _Configured, api: Api, me: str) -> None:
        try:
            room, via = await find_room(each.channel.settings, api)
            room = await self._where_it_is(room, via, api, me)
        except Unavailable as error:
            each.awaited = error.room
            self._close(each, error.reason)
            return
        if each.key != room or not each.open:
            each.key = room
            await self._host.resolved(each.channel, room, self.name(room))
        each.open, each.told = True, ""
        self._host.available(room)

    async def _where_it_is(self, room: ChannelKey, via: tuple[str, ...], api: Api, me: str) -> ChannelKey:
        """Join it, or the one that it was upgraded to. Raises Unavailable."""
        before: ChannelKey | None = None
        for _ in range(_MOST_MOVES):
            if room not in self._joined:
                await _join(room, via, api, me)
                state = self._joined[room] = RoomState()
                await _ask_state(room, state, api)
            if before is not None and await _predecessor(room, api) != before:
                # whoever may close a room could have it point at any other that we are in
                raise Unavailable(
                    f"room {before} says that it moved to {room}, which does not say so; write the new id"
                )
            moved_to, moved_at = self._joined[room].moved_to, self._joined[room].moved_at
            if not moved_to:
                return room
            self._successors[ChannelKey(moved_to)] = moved_at
            via = (room.partition(":")[2], *via) if ":" in room else via
            self._host.log.info("room_upgraded", room=self.name(room), to=moved_to)
            before, room = room, ChannelKey(moved_to)
        raise Unavailable(f"room {room} was upgraded again and again; write the newest one's id")

    def refused(self, room: ChannelKey) -> None:
        """A send was refused there, of which the core knows: the next look may tell that it is open again."""
        for each in self._configured:
            if each.key == room:
                each.open = False

    def gap(self, room: ChannelKey, newest: Position | None = None, *, forget: bool = False) -> None:
        """Something may have happened in it that we did not hear."""
        if self.is_configured(room):
            self._host.gap(room, newest, forget=forget)

    def _close(self, each: _Configured, reason: str) -> None:
        each.open = False
        if each.told != reason:
            each.told = reason
            self._host.unavailable(each.key, reason)


def position(room: ChannelKey, token: str, at: int) -> Position:
    """Where a room stands at a sync token; its newest event is of `at`."""
    return Position(Cursor(room, token), at)


async def find_room(settings: MatrixRoom, api: Api) -> tuple[ChannelKey, tuple[str, ...]]:
    """The id of a configured room, and servers that are in it. Raises Unavailable, Retry and Paused."""
    if settings.room_id is not UNSET:
        server = settings.room_id.partition(":")[2]
        return ChannelKey(settings.room_id), (server,) if server else ()
    alias = settings.alias or ""
    try:
        found = await api.room_of(alias)
    except Refusal as refusal:
        raise Unavailable(f"there is no room {alias} ({refusal.message}); look at the alias") from refusal
    return ChannelKey(found.room_id), tuple(found.servers[:3])


async def _join(room: ChannelKey, via: tuple[str, ...], api: Api, me: str) -> None:
    try:
        await api.join(room, via)
    except Refusal as refusal:
        raise Unavailable(f"{to_be_invited(room, me)} ({refusal.message})", room) from refusal


async def _predecessor(room: ChannelKey, api: Api) -> str:
    """The room whose place it took, as its own first event says (specification, "m.room.create")."""
    try:
        created = await api.state(room, "m.room.create")
    except Refusal:
        return ""
    return created.part("predecessor").text("room_id")


async def _ask_state(room: ChannelKey, state: RoomState, api: Api) -> None:
    """What has to be known of a room before the next sync tells."""
    for kind in ("m.room.name", "m.room.canonical_alias", "m.room.encryption", "m.room.tombstone"):
        try:
            content = await api.state(room, kind)
        except Refusal:
            continue
        state.take(wire.Event(type=kind, sender="", content=content.whole, state_key=""))


def to_be_invited(room: str, me: str) -> str:
    """What the operator is to do about a room that we are not in."""
    return f"we are not in room {room}; invite {me}"


def _as_written(settings: MatrixRoom) -> str:
    return (settings.alias or "") if settings.room_id is UNSET else settings.room_id
