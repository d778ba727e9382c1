"""Another person with an encrypting client of the tests' own: the specification's steps on vodozemac, and nothing else.

It knows nothing of the library that the driver uses. Its keys are in memory, and each message has a key of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any, Self
from urllib.parse import quote

import vodozemac
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tests.matrix.person import Person

__all__ = ["SEALED", "SealedPerson"]

_OLM = "m.olm.v1.curve25519-aes-sha2"
_MEGOLM = "m.megolm.v1.aes-sha2"
_ONE_TIME_KEYS = 20
SEALED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": _MEGOLM}}
"""The piece of a room's state that makes it encrypted."""


class SealedPerson(Person):
    """Whoever else is in a room with them, on one device each or more."""

    async def __aenter__(self) -> Self:
        self._keys = vodozemac.Account()
        self._rooms: dict[str, vodozemac.InboundGroupSession] = {}
        """By the id of the key."""
        self._channels: dict[str, vodozemac.Session] = {}
        """By the key of the other device."""
        await super().__aenter__()
        await self._publish()
        return self

    # --- saying ---

    async def say_sealed(self, room: str, content: dict[str, Any], *, give_key: bool = True) -> str:
        """Say something encrypted; without giving the key to anybody where that is asked for."""
        plain = {"type": "m.room.message", "content": content, "room_id": room}
        relation = {"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {}
        return await self.seal(room, json.dumps(plain).encode(), relation, give_key=give_key)

    async def seal(self, room: str, plain: bytes, beside: dict[str, Any], *, give_key: bool = True) -> str:
        """Encrypt any bytes for a room, and send them with what stands openly beside them."""
        session = vodozemac.GroupSession()
        self._last = session.session_id, session.session_key.to_base64()
        if give_key:
            await self.give_key(room)
        sealed: dict[str, Any] = {
            "algorithm": _MEGOLM,
            "ciphertext": session.encrypt(plain).to_base64(),
            "session_id": session.session_id,
            "sender_key": self._identity,
            "device_id": self.account.device,
            **beside,
        }
        return await self.send(room, "m.room.encrypted", sealed)

    async def give_key(self, room: str) -> None:
        """Give the key of what was said last to all devices of all members of the room."""
        await self.give_key_to(await self._devices(room), room, *self._last)

    async def give_key_to(
        self, devices: list[tuple[str, str, dict[str, str]]], room: str, session: str, key: str
    ) -> None:
        """Give the key of a room to these devices, wherever they are."""
        about = {"algorithm": _MEGOLM, "room_id": room, "session_id": session, "session_key": key}
        messages: dict[str, dict[str, Any]] = {}
        for user, device, keys in devices:
            curve, signing = keys[f"curve25519:{device}"], keys[f"ed25519:{device}"]
            payload = {
                "type": "m.room_key",
                "content": about,
                "sender": self.id,
                "recipient": user,
                "recipient_keys": {"ed25519": signing},
                "keys": {"ed25519": self._keys.ed25519_key.to_base64()},
                "sender_device": self.account.device,
            }
            messages.setdefault(user, {})[device] = await self._sealed_to(
                user, device, curve, json.dumps(payload).encode()
            )
        await self._send_to_devices(messages)

    async def tell_devices(self, room: str, plain: bytes) -> None:
        """Encrypt any bytes for each device in the room, and send them there."""
        messages: dict[str, dict[str, Any]] = {}
        for user, device, keys in await self._devices(room):
            sealed = await self._sealed_to(user, device, keys[f"curve25519:{device}"], plain)
            messages.setdefault(user, {})[device] = sealed
        await self._send_to_devices(messages)

    async def _sealed_to(self, user: str, device: str, curve: str, plain: bytes) -> dict[str, Any]:
        kind, sealed = (await self._channel(user, device, curve)).encrypt(plain).to_parts()
        return {
            "algorithm": _OLM,
            "sender_key": self._identity,
            "ciphertext": {curve: {"type": kind, "body": _unpadded(sealed)}},
        }

    async def _send_to_devices(self, messages: dict[str, dict[str, Any]]) -> None:
        path = f"/sendToDevice/m.room.encrypted/{secrets.token_hex(8)}"
        await self.call("PUT", path, {"messages": messages})

    # --- reading ---

    def opened(self, event: dict[str, Any]) -> dict[str, Any]:
        """The content of what is in an encrypted event. Raises KeyError where the key was not given."""
        content = event["content"]
        assert event["type"] == "m.room.encrypted", "it is not encrypted"
        message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
        plain = json.loads(self._rooms[content["session_id"]].decrypt(message).plaintext)
        assert plain["room_id"] == event.get("room_id", plain["room_id"])
        relation = {"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {}
        return {**plain["content"], **relation}

    async def told(self, batch: dict[str, Any]) -> None:
        for event in batch.get("to_device", {}).get("events", []):
            if event["type"] == "m.room.encrypted" and self._identity in event["content"]["ciphertext"]:
                self._take(event["content"], event["content"]["ciphertext"][self._identity])

    def _take(self, content: dict[str, Any], sealed: dict[str, Any]) -> None:
        sender = content["sender_key"]
        if sealed["type"] == 0:
            message = vodozemac.PreKeyMessage.from_base64(sealed["body"])
            known = self._channels.get(sender)
            if known is not None and known.session_matches(message):
                plain = known.decrypt(message.to_any())
            else:
                curve = vodozemac.Curve25519PublicKey.from_base64(sender)
                self._channels[sender], plain = self._keys.create_inbound_session(curve, message)
        else:
            plain = self._channels[sender].decrypt(vodozemac.AnyOlmMessage.normal(_decoded(sealed["body"])))
        said = json.loads(plain)
        if said["type"] == "m.room_key":
            key = vodozemac.SessionKey(said["content"]["session_key"])
            self._rooms[said["content"]["session_id"]] = vodozemac.InboundGroupSession(key)

    # --- files ---

    async def upload_sealed(self, content: bytes) -> dict[str, Any]:
        """The `file` of a message about an encrypted file."""
        key, counter = secrets.token_bytes(32), secrets.token_bytes(8) + bytes(8)
        sealed = Cipher(AES(key), CTR(counter)).encryptor().update(content)
        return {
            "v": "v2",
            "url": await self.upload("", sealed),
            "key": {"kty": "oct", "alg": "A256CTR", "ext": True, "key_ops": ["encrypt", "decrypt"],
                    "k": base64.urlsafe_b64encode(key).decode().rstrip("=")},
            "iv": _unpadded(counter),
            "hashes": {"sha256": _unpadded(hashlib.sha256(sealed).digest())},
        }  # fmt: skip

    async def download_sealed(self, file: dict[str, Any]) -> bytes:
        """What is in an encrypted file."""
        sealed = await self.download(file["url"])
        assert _unpadded(hashlib.sha256(sealed).digest()) == file["hashes"]["sha256"]
        key = base64.urlsafe_b64decode(file["key"]["k"] + "=")
        return Cipher(AES(key), CTR(_decoded(file["iv"]))).decryptor().update(sealed)

    # --- keys ---

    @property
    def _identity(self) -> str:
        return self._keys.curve25519_key.to_base64()

    def _signed(self, what: dict[str, Any]) -> dict[str, Any]:
        canonical = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        signature = self._keys.sign(canonical).to_base64()
        return {**what, "signatures": {self.id: {f"ed25519:{self.account.device}": signature}}}

    async def _publish(self) -> None:
        device = self.account.device
        own = {
            "user_id": self.id,
            "device_id": device,
            "algorithms": [_OLM, _MEGOLM],
            "keys": {f"curve25519:{device}": self._identity, f"ed25519:{device}": self._keys.ed25519_key.to_base64()},
        }
        self._keys.generate_one_time_keys(_ONE_TIME_KEYS)
        keys = {
            f"signed_curve25519:{name}": self._signed({"key": key.to_base64()})
            for name, key in self._keys.one_time_keys.items()
        }
        await self.call("POST", "/keys/upload", {"device_keys": self._signed(own), "one_time_keys": keys})
        self._keys.mark_keys_as_published()

    async def _devices(self, room: str) -> list[tuple[str, str, dict[str, str]]]:
        """The devices of the members, our own aside."""
        members = (await self.call("GET", f"/rooms/{quote(room)}/joined_members"))["joined"]
        found = await self.call("POST", "/keys/query", {"device_keys": {user: [] for user in members}})
        return [
            (user, device, about["keys"])
            for user, devices in found["device_keys"].items()
            for device, about in devices.items()
            if (user, device) != (self.id, self.account.device)
        ]

    async def _channel(self, user: str, device: str, curve: str) -> vodozemac.Session:
        if curve not in self._channels:
            wanted = {"one_time_keys": {user: {device: "signed_curve25519"}}}
            claimed = (await self.call("POST", "/keys/claim", wanted))["one_time_keys"][user][device]
            (key,) = (each["key"] for each in claimed.values())
            self._channels[curve] = self._keys.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(curve), vodozemac.Curve25519PublicKey.from_base64(key)
            )
        return self._channels[curve]


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
