"""Rooms that are encrypted: reads what is said there, and gives the devices in them the keys of what we say."""

from __future__ import annotations

import asyncio
import secrets
import time

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from drivers.matrix.encryption.ciphers import Decrypting, Encrypting
from drivers.matrix.encryption.keys import Keys
from drivers.matrix.encryption.machine import Machine
from drivers.matrix.media import Cipher
from drivers.matrix.rooms import Rooms
from nextbridge.driver import Host
from nextbridge.envelope import ChannelKey
from nextbridge.errors import DriverError

__all__ = ["RoomEncryption"]

_QUERIED_AT_ONCE = 200
"""People whose devices are asked for in one call."""
_SILENT = 60.0
"""Seconds for which somebody is not asked after again whose server did not tell of their devices."""
_MEMBERS = {"join", "invite"}


class RoomEncryption:
    """One account's, on one device."""

    def __init__(self, api: Api, host: Host, rooms: Rooms, user: str, device: str) -> None:
        self._api = api
        self._host = host
        self._user, self._device = user, device
        self._keys = Keys(api)
        self._machine = Machine(user, device, lambda room: rooms.is_joined(ChannelKey(room)))
        self._turn = asyncio.Lock()
        self._members: dict[ChannelKey, set[str]] = {}
        """Who is in the rooms that we speak in; a room whose members changed unheard is not among them."""
        self._silent: dict[str, float] = {}
        """People whose servers did not answer, and when they are asked again."""
        self.rooms: set[str] = set()
        """Those that were encrypted at any time: what a server says later changes nothing."""

    async def open(self) -> str:
        """Read the keys, and publish what has to be. Why nothing can be encrypted or read; empty where it can.

        Raises Retry, Paused and Refusal.
        """
        await self._machine.open(self._host.folder)
        self.rooms = await self._machine.encrypted_rooms()
        ours = await self._machine.own_keys()
        known = (await self._keys.query([self._user])).get("device_keys", {}).get(self._user, {}).get(self._device)
        if known is not None and known.get("keys", {}).get(f"ed25519:{self._device}") != ours["ed25519"]:
            return (
                f"the device {self._device} has other keys than the state folder: they were lost, or the token is that "
                "of another program. Log in anew and give the relay that token; where it logs in with a password, "
                "remove the account's device on the homeserver"
            )
        await self._publish()
        return ""

    async def close(self) -> None:
        """Let go of the keys."""
        await self._machine.close()

    # --- what a sync brings ---

    async def take(self, batch: wire.Sync) -> set[str]:
        """The keys and news of devices; before what is said in the rooms is read. The ids of new keys of rooms."""
        new = await self._machine.take(batch)
        try:
            await self._publish()
            await self._mend()
        except (Refusal, DriverError) as error:
            self._host.log.info("keys_not_exchanged", reason=str(error))  # the next sync tries again
        return new

    def unheard(self, room: ChannelKey | None = None) -> None:
        """Who came into a room, or into any, was not told."""
        if room is None:
            self._members.clear()
        else:
            self._members.pop(room, None)

    def note(self, room: ChannelKey, event: wire.Event) -> None:
        """A membership of a room that changed."""
        if event.type == "m.room.member" and event.state_key and room in self._members:
            is_in = wire.Content(event.content).text("membership") in _MEMBERS
            (self._members[room].add if is_in else self._members[room].discard)(event.state_key)

    async def note_encrypted(self, room: ChannelKey) -> None:
        """A room is encrypted."""
        if room not in self.rooms:
            self.rooms.add(room)
            await self._machine.note_encrypted(room)

    async def _publish(self) -> None:
        keys = await self._machine.to_upload()
        if keys is not None:
            await self._machine.uploaded(await self._keys.upload(keys))

    async def _mend(self) -> None:
        """Begin a new session with devices whose session with us is broken."""
        wedged = await self._machine.wedged()
        if wedged:
            await self._machine.claimed(await self._keys.claim(wedged))
            for kind, messages in await self._machine.outgoing():
                await self._keys.send(kind, secrets.token_hex(16), messages)

    # --- reading and writing ---

    async def has_key(self, room: ChannelKey, event: wire.Event) -> bool:
        return await self._machine.has_key(room, event)

    async def decrypted(self, room: ChannelKey, event: wire.Event) -> wire.Event | None:
        return await self._machine.decrypted(room, event)

    async def encrypted(self, room: ChannelKey, kind: str, content: dict[str, object]) -> dict[str, object]:
        async with self._turn:
            await self._share(room)
            sealed: dict[str, object] = await self._machine.encrypted(room, kind, content)
        if "m.relates_to" in content:
            sealed["m.relates_to"] = content["m.relates_to"]  # the server groups by it
        return sealed

    async def _share(self, room: ChannelKey) -> None:
        """See to it that all devices in the room have the key of what is said next."""
        users = frozenset(await self._members_of(room))
        await self._query(await self._machine.to_query(users))
        devices = await self._machine.devices(users)
        if not await self._machine.needs_sharing(room, devices):
            return
        missing = await self._machine.without_session(users)
        if missing:
            await self._machine.claimed(await self._keys.claim(missing))
        given: set[tuple[str, str]] = set()
        for to, messages in await self._machine.shares(room, users):
            await self._keys.send("m.room.encrypted", secrets.token_hex(16), messages)
            given |= to
        await self._machine.shared(room, devices, given)
        if len(given) < len(devices):
            self._host.log.info("devices_without_key", room=room, number=len(devices) - len(given))

    async def _query(self, users: set[str]) -> None:
        now = time.monotonic()
        self._silent = {user: until for user, until in self._silent.items() if until > now}
        asked = sorted(users - self._silent.keys())
        for start in range(0, len(asked), _QUERIED_AT_ONCE):
            some = asked[start : start + _QUERIED_AT_ONCE]
            answer = await self._keys.query(some)
            await self._machine.queried(answer)
            told = answer.get("device_keys", {})
            self._silent |= {user: now + _SILENT for user in some if user not in told}

    async def _members_of(self, room: ChannelKey) -> set[str]:
        if room not in self._members:
            found = await self._api.members(room)
            self._members[room] = {
                event.state_key
                for event in wire.events_of(found.chunk)
                if event.state_key and wire.Content(event.content).text("membership") in _MEMBERS
            }
        return self._members[room]

    # --- files ---

    def encrypting(self) -> Cipher:
        return Encrypting()

    def decrypting(self, key: wire.Content) -> Cipher:
        return Decrypting(key)
