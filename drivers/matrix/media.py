"""Files out and in. What is in an encrypted room is encrypted here, and decrypted, on its way.

By the authenticated calls of the specification (v1.11), and by the older ones where a server has no others.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlencode

import aiohttp
import msgspec
from msgspec import Raw, Struct

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal, transfer_time
from nextbridge.driver import LocalFile, Outgoing
from nextbridge.envelope import Attachment, DeliveryKey
from nextbridge.errors import FileRejected, Gone, Rejected, Retry
from nextbridge.media.bounded import bounded, too_large

__all__ = ["Uploads", "download", "picture", "upload_limit"]

_KEPT = 1000
_CHUNK = 65536
_PICTURE_SIZE = "256"
"""Pixels of a side of somebody's picture."""
_PLACE = re.compile(r"mxc://([A-Za-z0-9\[][A-Za-z0-9.:\[\]-]{0,254})/([A-Za-z0-9_-]{1,255})")
"""A server's name and a file's id, by the specification. People write these: nothing else gets into an address of ours,
where a proxy could take it for another call, which the token would open."""
_MEDIA, _OLDER = "_matrix/client/v1/media", "_matrix/media/v3"


class Cipher(Protocol):
    """Encrypts or decrypts a file, a piece at a time."""

    def update(self, chunk: bytes) -> bytes:
        """The next piece. Takes its time: not to be called on the event loop."""

    def finish(self) -> Raw:
        """What is to be kept of it (where it encrypts). Raises ValueError where what came is not what it should be."""


class Ciphers(Protocol):
    """Where ciphers come from; see encryption."""

    def encrypting(self) -> Cipher:
        """One for a new file."""

    def decrypting(self, key: wire.Content) -> Cipher:
        """One for a file that came with that key. Raises ValueError where it is none."""


class Uploaded(Struct, frozen=True):
    """Where a file was put: its address, or its address and key."""

    field: str
    value: Raw


class Uploads:
    """What was uploaded for messages that are not sent yet, so that a retry of a message uploads nothing twice."""

    def __init__(self) -> None:
        self._done: OrderedDict[tuple[DeliveryKey, Path, bool], Uploaded] = OrderedDict()

    async def place(self, message: Outgoing, file: LocalFile, api: Api, ciphers: Ciphers | None) -> Uploaded:
        """Where the message's file is, uploaded where it was not; encrypted where there are ciphers.

        Raises FileRejected for a file that will never pass, and as any call.
        """
        key = message.key, file.path, ciphers is not None
        if key not in self._done:
            self._done[key] = await _upload(api, file, None if ciphers is None else ciphers.encrypting())
            if len(self._done) > _KEPT:
                self._done.popitem(last=False)
        return self._done[key]

    def forget(self, message: Outgoing) -> None:
        """The message is sent: its file belongs to it."""
        for file in message.files:
            for is_encrypted in (False, True):
                self._done.pop((message.key, file.path, is_encrypted), None)


async def _upload(api: Api, file: LocalFile, cipher: Cipher | None) -> Uploaded:
    try:
        opened = await asyncio.to_thread(file.path.open, "rb")
    except OSError as error:
        raise FileRejected(f"the spooled file cannot be read: {error.strerror}", index=0) from error
    # of what is encrypted the server learns neither the name nor the kind
    kind = "application/octet-stream" if cipher is not None else file.media_type
    query = "" if cipher is not None else f"?{urlencode({'filename': wire.storable(file.name) or 'file'})}"
    headers = {"Content-Type": wire.header_safe(kind), "Content-Length": str(file.size)}
    try:
        answer = api.opened(
            "POST",
            f"{_OLDER}/upload{query}",
            data=_pieces(opened, cipher),
            headers=headers,
            within=transfer_time(file.size),
        )
        async with answer as response:
            content = await response.read()
            uploaded = api.decoded(content, wire.Uploaded, response.status)
    except Refusal as refusal:
        raise FileRejected(f"the homeserver refuses it: {refusal.message}", index=0) from refusal
    finally:
        await asyncio.to_thread(opened.close)
    if cipher is None:
        return Uploaded("url", Raw(msgspec.json.encode(uploaded.content_uri)))
    key = msgspec.json.decode(cipher.finish(), type=dict[str, Raw])
    key["url"] = Raw(msgspec.json.encode(uploaded.content_uri))
    return Uploaded("file", Raw(msgspec.json.encode(key)))


async def _pieces(opened: IO[bytes], cipher: Cipher | None) -> AsyncIterator[bytes]:
    def piece() -> bytes:
        chunk = opened.read(_CHUNK)
        return chunk if cipher is None or not chunk else cipher.update(chunk)

    while chunk := await asyncio.to_thread(piece):
        yield chunk


async def upload_limit(api: Api) -> int | None:
    """Bytes of a file that the homeserver takes; None where it does not say."""
    for path in (f"{_MEDIA}/config", f"{_OLDER}/config"):
        try:
            return (await api.look_up(path, wire.MediaConfig)).upload_size
        except Refusal:
            continue
    return None


@asynccontextmanager
async def download(
    api: Api, attachment: Attachment, largest: int, ciphers: Ciphers | None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of an attachment, decrypted, counted as they come.

    Entering, and reading, raises Gone, Rejected (no right, more than `largest` bytes, not what was encrypted) or Retry.
    """
    place, cipher = attachment.id, None
    if place.startswith("{"):
        if ciphers is None:
            raise Rejected("it is encrypted, and encryption is turned off")
        key = wire.Content(Raw(place.encode()))
        place = key.text("url")
        try:
            cipher = ciphers.decrypting(key)
        except ValueError as error:
            raise Rejected(f"its key cannot be used: {error}") from error
    async with _opened(api, "download", place, transfer_time(largest)) as response:
        if (response.content_length or 0) > largest:
            raise too_large(largest)
        chunks = bounded(api.chunks(response), largest)
        yield chunks if cipher is None else _decrypted(chunks, cipher)


@asynccontextmanager
async def picture(api: Api, place: str, largest: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """Somebody's picture, small. Raises as `download`."""
    query = urlencode({"width": _PICTURE_SIZE, "height": _PICTURE_SIZE, "method": "scale"})
    async with _opened(api, "thumbnail", place, transfer_time(largest), query) as response:
        yield bounded(api.chunks(response), largest)


@asynccontextmanager
async def _opened(
    api: Api, call: str, place: str, within: aiohttp.ClientTimeout, query: str = ""
) -> AsyncIterator[aiohttp.ClientResponse]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise Gone("the file has no address that a homeserver gives")
    path = f"{call}/{found[1]}/{found[2]}{f'?{query}' if query else ''}"
    for base in (_MEDIA, _OLDER):
        try:
            async with api.opened("GET", f"{base}/{path}", within=within) as response:
                yield response
                return
        except Refusal as refusal:
            if base == _MEDIA and refusal.is_unknown_call:
                continue
            if refusal.status == 404:
                raise Gone(f"the file is not there any more: {refusal.message}") from refusal
            raise Rejected(f"the homeserver does not give the file out: {refusal.message}") from refusal
    raise Retry("the homeserver has no call for files")


async def _decrypted(chunks: AsyncIterator[bytes], cipher: Cipher) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield await asyncio.to_thread(cipher.update, chunk)
    try:
        cipher.finish()
    except ValueError as error:
        raise Rejected(f"the file is not what was encrypted: {error}") from error
