"""Files of encrypted rooms, encrypted and decrypted as they stream (specification, "Sending encrypted attachments")."""

from __future__ import annotations

import base64
import hashlib
import secrets

import msgspec
from Crypto.Cipher import AES
from msgspec import Raw

from drivers.matrix import wire

__all__ = ["Decrypting", "Encrypting"]

_KEY = 32
_HALF = 8
"""Bytes of the counter that are drawn; the other half counts."""


class Encrypting:
    """One file, by a key of its own."""

    def __init__(self) -> None:
        self._key, self._nonce = secrets.token_bytes(_KEY), secrets.token_bytes(_HALF)
        self._cipher = AES.new(self._key, AES.MODE_CTR, nonce=self._nonce, initial_value=0)
        self._hash = hashlib.sha256()

    def update(self, chunk: bytes) -> bytes:
        encrypted = self._cipher.encrypt(chunk)
        self._hash.update(encrypted)
        return encrypted

    def finish(self) -> Raw:
        """The `EncryptedFile` that its message holds, the address aside."""
        key = base64.urlsafe_b64encode(self._key).decode().rstrip("=")
        file = {
            "v": "v2",
            "key": {"kty": "oct", "alg": "A256CTR", "ext": True, "k": key, "key_ops": ["encrypt", "decrypt"]},
            "iv": _unpadded(self._nonce + bytes(_HALF)),
            "hashes": {"sha256": _unpadded(self._hash.digest())},
        }
        return Raw(msgspec.json.encode(file))


class Decrypting:
    """One file, by the key that its message holds."""

    def __init__(self, file: wire.Content) -> None:
        """Raises ValueError where the key is none, or of a version that is not known."""
        if file.text("v") != "v2":
            raise ValueError("it is of another version")
        key, start = _decoded(file.part("key").text("k")), _decoded(file.text("iv"))
        self._expected = _decoded(file.part("hashes").text("sha256"))
        if (len(key), len(start), len(self._expected)) != (_KEY, 2 * _HALF, 32):
            raise ValueError("the key, the counter or the hash has another length")
        initial = int.from_bytes(start[_HALF:], "big")
        self._cipher = AES.new(key, AES.MODE_CTR, nonce=start[:_HALF], initial_value=initial)
        self._hash = hashlib.sha256()

    def update(self, chunk: bytes) -> bytes:
        self._hash.update(chunk)
        return self._cipher.decrypt(chunk)

    def finish(self) -> Raw:
        """Raises ValueError where the file is not the one that was encrypted."""
        if not secrets.compare_digest(self._hash.digest(), self._expected):
            raise ValueError("its hash is another")
        return Raw(b"{}")


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Base64 with or without its padding, of either alphabet. Raises ValueError."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
