"""matrix-nio's Olm machine, on a thread of its own: it writes its file with every step, which may block.

What strangers can send to a device without end (sessions, keys of rooms) is bounded here; the library keeps everything.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from nio.crypto import Olm  # type: ignore[import-untyped]
from nio.events.to_device import ToDeviceEvent  # type: ignore[import-untyped]
from nio.exceptions import EncryptionError  # type: ignore[import-untyped]
from nio.responses import KeysClaimResponse, KeysQueryResponse, KeysUploadResponse  # type: ignore[import-untyped]
from nio.store import SqliteStore  # type: ignore[import-untyped]

from drivers.matrix import wire

__all__ = ["Machine"]

T = TypeVar("T")

_SESSIONS_OF_A_SENDER = 50
"""Keys of a room that are kept of one device: each is for a hundred messages, or a week."""
_SENDERS_OF_A_ROOM = 5_000
_CHANNELS_OF_A_DEVICE = 5
"""Olm sessions with one device; the newest is used."""
_DEVICES = 20_000
_WEDGED = 100

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError, EncryptionError)
"""What the library raises where somebody's keys are not what they should be; vodozemac's errors are ValueErrors."""

logging.getLogger("nio").setLevel(logging.CRITICAL)  # what it has to say is in how a call ends


class _BoundedOlm(Olm):  # type: ignore[misc]
    """Takes keys of the rooms that we are in, and forgets the oldest of what others can make without end."""

    is_ours: Callable[[str], bool] = staticmethod(lambda _room: False)
    """Whether we are in a room."""

    def create_group_session(
        self, sender_key: str, sender_fp_key: str, room_id: str, session_id: str, session_key: str
    ) -> None:
        if sender_key != self.account.identity_keys["curve25519"] and not self.is_ours(room_id):
            return
        of_room = self.inbound_group_store[room_id]
        if sender_key not in of_room and len(of_room) >= _SENDERS_OF_A_ROOM:
            self._forget(room_id, next(iter(of_room)), _SESSIONS_OF_A_SENDER)
        super().create_group_session(sender_key, sender_fp_key, room_id, session_id, session_key)
        self._forget(room_id, sender_key, len(of_room[sender_key]) - _SESSIONS_OF_A_SENDER)

    def _forget(self, room: str, sender_key: str, number: int) -> None:
        """The oldest keys of a room that a device gave."""
        of_room = self.inbound_group_store[room]
        for session in list(of_room[sender_key])[: max(0, number)]:
            del of_room[sender_key][session]
            self.store.forget_room_key(session)
        if not of_room[sender_key]:
            del of_room[sender_key]

    def trim_channels(self, sender_key: str) -> None:
        """Keep the newest sessions with a device, and a number of devices."""
        known = self.session_store._entries  # noqa: SLF001 - it has no other way to take one out
        for old in known[sender_key][_CHANNELS_OF_A_DEVICE:]:
            self.store.forget_channel(old.id)
        del known[sender_key][_CHANNELS_OF_A_DEVICE:]
        while len(known) > _DEVICES:
            for old in known.pop(next(iter(known))):
                self.store.forget_channel(old.id)


class _BoundedStore(SqliteStore):  # type: ignore[misc]
    """The library's file, from which something can be taken out, too."""

    def forget_room_key(self, session: str) -> None:
        from nio.store.models import MegolmInboundSessions  # type: ignore[import-untyped]

        with self.database.bind_ctx(self.models):
            MegolmInboundSessions.delete().where(MegolmInboundSessions.session_id == session).execute()

    def forget_channel(self, session: str) -> None:
        from nio.store.models import OlmSessions

        with self.database.bind_ctx(self.models):
            OlmSessions.delete().where(OlmSessions.session_id == session).execute()


class Machine:
    """The keys of one device of one account. Everything is done in its turn."""

    def __init__(self, user: str, device: str, is_ours: Callable[[str], bool]) -> None:
        """`is_ours` says whether we are in a room; it is asked on another thread."""
        self.user, self.device = user, device
        self._is_ours = is_ours
        self._thread = ThreadPoolExecutor(1, "matrix-keys")
        self._olm: Any = None

    async def open(self, folder: Path) -> None:
        """Read the device's keys, or make them. Those of another device that was there before are removed."""

        def opened() -> Any:  # noqa: ANN401 - the library has no types
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = f"keys-{hashlib.sha256(f'{self.user} {self.device}'.encode()).hexdigest()[:16]}.db"
            for other in folder.glob("keys-*.db*"):
                if not other.name.startswith(name):
                    other.unlink()
            (folder / name).touch(mode=0o600)
            os.chmod(folder / name, 0o600)  # noqa: PTH101 - also where it was there
            return _BoundedOlm(self.user, self.device, _BoundedStore(self.user, self.device, str(folder), "", name))

        self._olm = await self.do(opened)

    async def close(self) -> None:
        """Let go of the file."""
        if self._olm is not None:
            await self.do(self._olm.store.database.close)
            self._olm = None
        self._thread.shutdown(wait=False)

    async def do(self, what: Callable[[], T]) -> T:
        """Have something done on the thread. Cancelled, it is done all the same."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, what)

    # --- what a sync brings ---

    async def take(self, batch: wire.Sync) -> set[str]:
        """The keys that others sent to this device, and what is told of devices; the ids of new keys of rooms."""

        def taken() -> set[str]:
            olm = self._olm
            # of a room that this very answer tells of we know only afterwards that we are in it
            olm.is_ours = lambda room: room in batch.rooms.join or self._is_ours(room)
            known = {user for user in batch.device_lists.changed if user in olm.tracked_users}
            olm.add_changed_users(known)
            count = batch.device_one_time_keys_count.get("signed_curve25519")
            if count is not None:
                olm.uploaded_key_count = count
            return {session for raw in batch.to_device.events for session in self._to_device(raw)}

        return await self.do(taken)

    def _to_device(self, raw: Raw) -> list[str]:
        olm = self._olm
        try:
            said = msgspec.json.decode(raw)
            if not isinstance(said, dict) or said.get("type") != "m.room.encrypted":
                return []  # requests for keys and for verification are not answered
            event = ToDeviceEvent.parse_event(said)
            made = olm.handle_to_device_event(event)
        except _MALFORMED:
            return []
        sender_key = getattr(event, "sender_key", "")
        if sender_key:
            olm.trim_channels(sender_key)
        session = getattr(made, "session_id", "")
        return [session] if session else []

    # --- reading ---

    async def has_key(self, room: str, event: wire.Event) -> bool:
        """Whether the key of an encrypted event was given to us."""
        return await self.do(lambda: self._session(room, wire.Content(event.content)) is not None)

    async def decrypted(self, room: str, event: wire.Event) -> wire.Event | None:
        """The event in an encrypted one; None where there is no key for it, or where it is not what it claims to be."""
        return await self.do(lambda: self._decrypted(room, event))

    def _decrypted(self, room: str, event: wire.Event) -> wire.Event | None:
        content = wire.Content(event.content)
        session = self._session(room, content)
        if session is None:
            return None
        try:
            plain, index = session.decrypt(content.text("ciphertext"))
            inner = msgspec.json.decode(plain, type=wire.Decrypted)
        except (ValueError, *wire.UNREADABLE):
            return None
        whose = _Place(event.event_id, event.origin_server_ts, session.sender_key, session.id)
        if inner.room_id != room or not self._is_of(event.sender, session):
            return None
        if not self._olm.message_index_ok(index, whose):
            return None  # it is played back
        body = wire.Content(inner.content).raw()
        if "m.relates_to" in content:
            body.setdefault("m.relates_to", content.raw()["m.relates_to"])  # the relation is never encrypted
        return msgspec.structs.replace(event, type=inner.type, content=Raw(msgspec.json.encode(body)))

    def _session(self, room: str, content: wire.Content) -> Any:  # noqa: ANN401 - the library has no types
        if content.text("algorithm") != "m.megolm.v1.aes-sha2":
            return None
        wanted = content.text("session_id")
        # the key of the sender beside it is deprecated (v1.3), and may be missing
        return next((of[wanted] for of in self._olm.inbound_group_store[room].values() if wanted in of), None)

    def _is_of(self, sender: str, session: Any) -> bool:  # noqa: ANN401 - the library has no types
        """Whether the key can be the sender's: it came from a device that is nobody else's."""
        olm = self._olm
        if session.sender_key == olm.account.identity_keys["curve25519"]:
            return bool(sender == self.user)
        return all(device.user_id == sender for device in olm.device_store if device.curve25519 == session.sender_key)

    # --- writing ---

    async def encrypted(self, room: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """An event as the content of an encrypted one. The room's key has to be shared; see `shares`."""

        def made() -> dict[str, Any]:
            plain = msgspec.json.decode(msgspec.json.encode({"type": kind, "content": content}))
            sealed: dict[str, Any] = self._olm.group_encrypt(room, plain)
            return sealed

        return await self.do(made)

    async def needs_sharing(self, room: str, devices: frozenset[tuple[str, str]]) -> bool:
        """Whether the room's key is old, or was given to other devices than these: then another one is made."""

        def looked() -> bool:
            session = self._olm.outbound_group_sessions.get(room)
            if session is None or session.expired or not session.shared:
                return True
            return bool(session.users_shared_with | session.users_ignored != devices)

        return await self.do(looked)

    async def devices(self, users: frozenset[str]) -> frozenset[tuple[str, str]]:
        """The devices of people, our own aside."""

        def listed() -> frozenset[tuple[str, str]]:
            return frozenset(
                (user, device.id)
                for user in users
                for device in self._olm.device_store.active_user_devices(user)
                if device.id != self.device
            )

        return await self.do(listed)

    async def without_session(self, users: frozenset[str]) -> dict[str, list[str]]:
        """Devices that no session was begun with."""
        return await self.do(lambda: dict(self._olm.get_missing_sessions(list(users))))

    async def shares(self, room: str, users: frozenset[str]) -> list[tuple[set[tuple[str, str]], dict[str, Any]]]:
        """A new key of the room for each device, as messages to devices: a few dozen in each."""

        def made() -> list[tuple[set[tuple[str, str]], dict[str, Any]]]:
            self._olm.outbound_group_sessions.pop(room, None)
            # nobody verifies a relay's devices, nor does it verify theirs
            return list(self._olm.share_group_session_parallel(room, sorted(users), ignore_unverified_devices=True))

        return await self.do(made)

    async def shared(self, room: str, devices: frozenset[tuple[str, str]], given: set[tuple[str, str]]) -> None:
        """The room's key was sent to devices; the others cannot be given it."""

        def noted() -> None:
            session = self._olm.outbound_group_sessions[room]
            session.users_shared_with.update(given)
            session.users_ignored.clear()
            session.users_ignored.update(devices - given)
            session.mark_as_shared()

        await self.do(noted)

    # --- keys that are asked of the server ---

    async def to_upload(self) -> dict[str, Any] | None:
        """Keys of ours to be published; None where the server has enough."""

        def made() -> dict[str, Any] | None:
            olm = self._olm
            return dict(olm.share_keys()) if olm.should_upload_keys else None

        return await self.do(made)

    async def uploaded(self, answer: dict[str, Any]) -> None:
        """They are published."""
        counts = {"curve25519": 0, "signed_curve25519": 0} | answer.get("one_time_key_counts", {})
        await self._answer(KeysUploadResponse, [{"one_time_key_counts": counts}])

    async def to_query(self, users: frozenset[str]) -> set[str]:
        """Those of these people whose devices are not known, or are others now."""

        def listed() -> set[str]:
            olm = self._olm
            return {user for user in users if user not in olm.tracked_users or user in olm.users_for_key_query}

        return await self.do(listed)

    async def queried(self, answer: dict[str, Any]) -> None:
        """The devices of people."""
        await self._answer(KeysQueryResponse, _each(answer, "device_keys"))

    async def claimed(self, answer: dict[str, Any]) -> None:
        """One-time keys of devices."""
        await self._answer(KeysClaimResponse, _each(answer, "one_time_keys"))

    async def _answer(self, kind: Any, answers: list[dict[str, Any]]) -> None:  # noqa: ANN401 - the library has no types
        def heard() -> None:
            for each in answers:
                with suppress(*_MALFORMED):
                    self._olm.handle_response(kind.from_dict(each))

        await self.do(heard)

    async def wedged(self) -> dict[str, list[str]]:
        """Devices whose session with us is broken: a new one is to be begun."""

        def listed() -> dict[str, list[str]]:
            found: dict[str, list[str]] = {}
            for device in self._olm.wedged_devices:
                found.setdefault(device.user_id, []).append(device.id)
            del self._olm.wedged_devices[_WEDGED:]
            return found

        return await self.do(listed)

    async def outgoing(self) -> list[tuple[str, dict[str, Any]]]:
        """Messages to devices that tell of a new session, each with its type; they are given out once."""

        def taken() -> list[tuple[str, dict[str, Any]]]:
            waiting = list(self._olm.outgoing_to_device_messages)
            self._olm.outgoing_to_device_messages.clear()
            return [(each.type, each.as_dict()) for each in waiting]

        return await self.do(taken)

    async def own_keys(self) -> dict[str, str]:
        """The device's public keys."""
        return await self.do(lambda: dict(self._olm.account.identity_keys))

    # --- which rooms are encrypted ---

    async def encrypted_rooms(self) -> set[str]:
        """The rooms that were encrypted at any time."""
        return await self.do(lambda: set(self._olm.store.load_encrypted_rooms()))

    async def note_encrypted(self, room: str) -> None:
        """A room is encrypted, and stays so whatever anybody says later."""
        await self.do(lambda: self._olm.store.save_encrypted_rooms({room}))


def _each(answer: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """An answer about several people as one about each: what one of them published may be anything."""
    found = answer.get(key)
    return [{"failures": {}, key: {user: found[user]}} for user in found] if isinstance(found, dict) else []


class _Place(msgspec.Struct, frozen=True):
    """What the library asks of an event to know one that is played back."""

    event_id: str
    server_timestamp: int
    sender_key: str
    session_id: str
