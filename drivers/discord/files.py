"""Files out and in: sent with a message from disk, and fetched from Discord's file server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any

import aiohttp
import msgspec

from drivers.discord import wire
from drivers.discord.api import Api, Body, Refused
from nextbridge.driver import LocalFile
from nextbridge.envelope import Attachment
from nextbridge.errors import FileRejected, Gone
from nextbridge.media.bounded import bounded, too_large

__all__ = ["MOST_FILES", "download", "largest_of", "named", "opened"]

MOST_FILES = 10
_MEBIBYTE = 1 << 20
_BY_TIER = {2: 50 * _MEBIBYTE, 3: 100 * _MEBIBYTE}


def largest_of(guild: wire.Guild | None) -> int:
    """Bytes of a file, by the guild's boosts (API Reference, "Uploading Files")."""
    return _BY_TIER.get(guild.premium_tier if guild is not None else 0, 10 * _MEBIBYTE)


@asynccontextmanager
async def opened(files: Sequence[LocalFile], content: Mapping[str, Any]) -> AsyncIterator[Body]:
    """The body of a request with this JSON and these files, which are read from disk while it is sent.

    Raises FileRejected where one of them cannot be read.
    """
    if not files:
        encoded = msgspec.json.encode(content)
        yield lambda: encoded
        return
    handles: list[IO[bytes]] = []
    try:
        for place, file in enumerate(files):
            try:
                handles.append(await asyncio.to_thread(file.path.open, "rb"))
            except OSError as error:
                raise FileRejected(f"the spooled file cannot be read: {error.strerror}", index=place) from error

        def body() -> aiohttp.FormData:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("payload_json", msgspec.json.encode(content).decode(), content_type="application/json")
            for place, handle in enumerate(handles):
                # what it is called stands in the JSON, where no quoting can harm it
                form.add_field(
                    f"files[{place}]", handle, filename=f"file-{place}", content_type="application/octet-stream"
                )
            return form

        yield body
    finally:
        for handle in handles:
            await asyncio.to_thread(handle.close)


def named(files: Sequence[LocalFile]) -> list[dict[str, object]]:
    """What a message says of its files (Message Resource, "Attachment Request Structure")."""
    return [_named(place, wire.storable(file.name).replace("\n", " ")) for place, file in enumerate(files)]


def _named(place: int, name: str) -> dict[str, object]:
    stem, dot, _ = name.rpartition(".")
    return {"id": place, "filename": name or "file", "title": (stem if dot and stem else name) or "file"}


@asynccontextmanager
async def download(api: Api, attachment: Attachment, largest: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of an attachment, from an address that its message is asked for: they expire within a day.

    Entering, and reading, raises Gone, Rejected (more than `largest` bytes) or Retry.
    """
    channel, _, rest = attachment.id.partition("/")
    message, _, number = rest.partition("/")
    if not all(each.isdecimal() and each.isascii() for each in (channel, message, number)):
        raise Gone("there is no such file")
    try:
        found = await api.message(channel, message)
    except Refused as refused:
        raise Gone(f"the message of the file is not there any more: {refused.message}") from refused
    forwarded = (each for snapshot in found.message_snapshots for each in snapshot.message.attachments)
    url = next((each.url for each in (*found.attachments, *forwarded) if each.id == number), None)
    if url is None:
        raise Gone("the file is not there any more")
    async with api.download(url, largest) as response:
        if response.status >= 400:
            raise Gone("Discord does not have the file any more")
        if (response.content_length or 0) > largest:
            raise too_large(largest)
        yield bounded(api.chunks(response), largest)
