"""What a connection brings: the answers of `/sync`, one after the other, told to the core in their order.

A room's cursor is the sync token that it was heard up to. So many events come with one token that all but the last of
them bear the one before: what is read again after a crash is known by its ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

from msgspec import Raw

from drivers.matrix import wire
from drivers.matrix.account import Account
from drivers.matrix.api import Api, Refusal
from drivers.matrix.direct import DIRECT, DirectRooms
from drivers.matrix.events import EventReader, Skipped
from drivers.matrix.late_keys import LateKeys
from drivers.matrix.people import People
from drivers.matrix.rooms import Rooms, position
from nextbridge.driver import Cursor, Host
from nextbridge.envelope import ChannelKey, Edited, Event, MessageId, Posted
from nextbridge.errors import Retry

__all__ = ["Listener"]

_WAIT = 30.0
"""Seconds for which the homeserver holds an answer back while there is nothing to tell."""
_STATE_FILTER = {"lazy_load_members": True}
_QUIET = {"types": list[str]()}
_LIVE = {
    "presence": _QUIET,
    "account_data": {"types": [DIRECT]},
    "room": {
        "account_data": _QUIET,
        "ephemeral": {"types": ["m.typing"]},
        "state": _STATE_FILTER,
        "timeline": {"limit": 100, "lazy_load_members": True},
    },
}
_FIRST = {
    **_LIVE,
    "room": {
        "account_data": _QUIET,
        "ephemeral": _QUIET,
        "state": _STATE_FILTER,
        "timeline": {"limit": 1, "lazy_load_members": True},
    },
}
_INVITATIONS_AT_ONCE = 20


class Listener:
    """One account's, for as long as the driver lives: a connection goes on where the last one broke off."""

    def __init__(self, host: Host, rooms: Rooms, people: People) -> None:
        self._host = host
        self._rooms = rooms
        self._people = people
        self.since: str | None = None
        """The token of what was heard up to; None before the first sync."""
        self._late = LateKeys()
        self._joining: set[asyncio.Task[None]] = set()

    def heard(self, room: ChannelKey) -> str:  # noqa: ARG002 - a sync's token is that of all rooms
        """The cursor of what was heard of a room; empty before there is one."""
        return self.since or ""

    async def listen(self, account: Account, realm: str) -> None:
        """Connect, and tell the core what comes, until the connection ends. Raises Retry and Paused."""
        api, me = account.api, account.me
        reader = EventReader(account)
        self._people.forget_all()
        if account.encryption is not None:
            account.encryption.unheard()
        is_first = self.since is None
        if is_first:
            self._rooms.began()
        batch = await self._ask(api, wait=0)
        account.direct.take(batch.account_data.events)
        newest = self._look_around(api, batch) if is_first else {}
        await self._rooms.resolve(api, me)
        if is_first:
            self.since = batch.next_batch
            for each, at in newest.items():
                self._rooms.gap(each, position(each, batch.next_batch, at))
        await self._host.connected(me, realm=realm)
        try:
            while True:
                keys = set[str]() if account.encryption is None else await account.encryption.take(batch)
                if not is_first:
                    await self._take(batch, account, reader)
                await self._read_late(keys, account, reader)
                for room, invitation in batch.rooms.invite.items():
                    self._invited(ChannelKey(room), invitation, account)
                is_first, self.since = False, batch.next_batch
                remaining = self._late.remaining()
                batch = await self._ask(api, wait=_WAIT if remaining is None else min(_WAIT, remaining))
        finally:
            await self._end()

    async def _end(self) -> None:
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)

    async def _ask(self, api: Api, *, wait: float) -> wire.Sync:
        filters = _LIVE if self.since is not None else _FIRST
        try:
            return await api.sync(self.since, wait=wait, filters=filters)
        except Refusal as refusal:
            self.since = None  # a token that it does not know (any more): what is missed is in the history
            reason = f"the homeserver does not say what happened ({refusal.status}): {refusal.message}"
            raise Retry(reason) from refusal

    def _look_around(self, api: Api, batch: wire.Sync) -> dict[ChannelKey, int]:
        """What the first sync says of the rooms that we are in; and when something happened last in each."""
        newest = {}
        for room, joined in batch.rooms.join.items():
            key = ChannelKey(room)
            self._rooms.entered(key)
            self._rooms.take(key, [*joined.state.events, *joined.timeline.events])
            last = max((event.origin_server_ts for event in wire.events_of(joined.timeline.events)), default=0)
            # a member's server may have said any time
            newest[key] = min(last, api.clock.now())
        return newest

    async def _take(self, batch: wire.Sync, account: Account, reader: EventReader) -> None:
        account.direct.take(batch.account_data.events)
        for gone in batch.rooms.leave:
            self._rooms.left(ChannelKey(gone), account.me)
        for room, joined in batch.rooms.join.items():
            await self._room(ChannelKey(room), joined, batch.next_batch, account, reader)

    async def _room(
        self, room: ChannelKey, joined: wire.JoinedRoom, upto: str, account: Account, reader: EventReader
    ) -> None:
        is_new = self._rooms.entered(room)
        self._rooms.take(room, joined.state.events)
        self._note_people(room, joined.state.events)
        await self._typing(room, joined.ephemeral.events, account)
        before = self.since or upto
        events = joined.timeline.events
        if is_new:
            await self._rooms.settled()
            events = self._since_joined(room, events, before, account)
        elif joined.timeline.limited:
            self._rooms.gap(room)
            if account.encryption is not None:
                account.encryption.unheard(room)
        moved = False
        for place, raw in enumerate(events):
            cursor = Cursor(room, upto if place == len(events) - 1 else before)
            moved = await self._event(room, raw, cursor, account, reader) or moved
        if moved:
            await self._rooms.resolve(account.api, account.me)

    def _since_joined(self, room: ChannelKey, events: list[Raw], before: str, account: Account) -> list[Raw]:
        """What was said in a room since we came into it: all of it, where it takes the place of one that we were in."""
        since = self._rooms.succeeded_at(room)
        if since is not None:
            self._rooms.gap(room, position(room, before, since))
            return events
        joined_at, place = account.api.clock.now(), 0
        for number, raw in enumerate(events):
            for event in wire.events_of([raw]):
                if event.type == "m.room.member" and event.state_key == account.me:
                    joined_at, place = event.origin_server_ts, number
        self._rooms.gap(room, position(room, before, joined_at), forget=True)
        return events[place:]

    async def _event(self, room: ChannelKey, raw: Raw, cursor: Cursor, account: Account, reader: EventReader) -> bool:
        """Tell the core of an event, or let it wait; whether the room was upgraded by it."""
        try:
            event = wire.event_of(raw)
        except wire.UNREADABLE as error:
            self._host.skipped("unreadable", cursor=cursor)
            self._host.log.warning("event_unreadable", room=room, reason=str(error)[:200])
            return False
        self._rooms.note(room, event)
        self._note_people(room, [raw])
        if account.encryption is not None:
            account.encryption.note(room, event)
        if self._late.is_waiting(room):
            self._late.hold(room, raw, cursor)
            return False
        key = await _missing_key(room, event, account)
        if key and self._late.is_worth_waiting(key):
            self._late.hold(room, raw, cursor, key)
            return False
        if key:
            self._late.told(room, event.event_id, key, raw)
        return await self._pass_on(room, event, cursor, account, reader)

    async def _pass_on(
        self, room: ChannelKey, event: wire.Event, cursor: Cursor, account: Account, reader: EventReader
    ) -> bool:
        if room in account.direct.rooms and event.type == "m.room.member":
            await account.direct.joined_by_another(room, event)
        try:
            made = await reader.event(room, event)
        except Skipped as reason:
            self._host.skipped(str(reason), cursor=cursor, message=(room, MessageId(event.event_id)))
        else:
            await self._tell(made, cursor)
        return event.type == "m.room.tombstone" and self._rooms.is_configured(room)

    async def _read_late(self, keys: set[str], account: Account, reader: EventReader) -> None:
        """What waited and can be read now, or has waited for long enough; and what becomes readable afterwards."""
        moved = False
        for room in self._late.rooms:
            while (held := self._late.first(room)) is not None:
                event = wire.event_of(held.raw)
                key = await _missing_key(room, event, account)
                if key and not held.key and self._late.is_worth_waiting(key):
                    held = self._late.wait_for(room, key)
                if key and not self._late.is_over(room, held):
                    break
                self._late.release(room)
                if key:
                    self._late.told(room, event.event_id, key, held.raw)
                moved = await self._pass_on(room, event, held.cursor, account, reader) or moved
        for room, raw in self._late.readable(keys):
            with suppress(Skipped):
                said = await reader.event(room, wire.event_of(raw))
                if isinstance(said, Posted):
                    await self._host.accept(_as_edit(said))
        if moved:
            await self._rooms.resolve(account.api, account.me)

    async def _tell(self, made: Event, cursor: Cursor) -> None:
        await self._host.accept(made, cursor=cursor)

    def _note_people(self, room: ChannelKey, events: list[Raw]) -> None:
        for event in wire.events_of(events):
            if event.type == "m.room.member" and event.state_key:
                content = wire.Content(event.content)
                if content.text("membership") in {"join", "invite"}:
                    self._people.told(room, event.state_key, content)

    async def _typing(self, room: ChannelKey, events: list[Raw], account: Account) -> None:
        for content in wire.contents_of(events, "m.typing"):
            for user in content.texts("user_ids"):
                if not account.is_ours(user) and self._rooms.is_configured(room):
                    self._host.typing(room, await self._people.author(account.api, room, user))

    # --- invitations --------------------------------------------------------------------------------------------------

    def _invited(self, room: ChannelKey, invitation: wire.Invitation, account: Account) -> None:
        """Follow an invitation to a room of the file, or to a conversation; others stay open, and are counted."""
        about = [event for event in wire.events_of(invitation.invite_state.events) if event.state_key == account.me]
        is_direct = any(wire.Content(event.content).says("is_direct") for event in about)
        if self._rooms.is_joined(room):
            return  # the invitation was followed meanwhile
        if len(self._joining) >= _INVITATIONS_AT_ONCE:
            self._host.skipped("invitation")
        elif self._rooms.is_wanted(room):
            self._do(self._rooms.resolve(account.api, account.me))
        elif is_direct:
            self._do(self._follow(room, about[-1].sender, account.direct))
        else:
            self._host.skipped("invitation")

    async def _follow(self, room: ChannelKey, by: str, direct: DirectRooms) -> None:
        if not await direct.follow(room, by, self._rooms.open_rooms()):
            self._host.skipped("invitation")

    def _do(self, doing: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(self._quietly(doing))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _quietly(self, doing: Coroutine[object, object, None]) -> None:
        try:
            await doing
        except Retry as error:
            self._host.log.info("invitation_not_followed", reason=error.reason)


async def _missing_key(room: ChannelKey, event: wire.Event, account: Account) -> str:
    """The key that an event would be read with and that is not here; empty where there is none such."""
    if event.type != "m.room.encrypted" or account.encryption is None or account.is_ours(event.sender):
        return ""
    key = wire.Content(event.content).text("session_id")
    return "" if event.is_redacted or await account.encryption.has_key(room, event) else key


def _as_edit(said: Posted) -> Edited:
    """What a message says that was told to be unreadable."""
    return Edited(
        channel=said.channel,
        message=said.message,
        author=said.author,
        at=said.at,
        channel_name=said.channel_name,
        version=f"key {said.message}",
        mark=said.mark,
        text=said.text,
        attachments=said.attachments,
        action=said.action,
    )
