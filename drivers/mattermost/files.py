"""Files out and in: uploaded from disk to be attached to a post, and fetched with our token, as pictures are."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from nextbridge.driver import LocalFile, Outgoing
from nextbridge.envelope import Attachment, DeliveryKey, UserId
from nextbridge.errors import FileRejected, Gone, Rejected
from nextbridge.media.bounded import bounded, too_large

__all__ = ["Uploaded", "download", "portrait"]

_KEPT = 1000


class Uploaded:
    """What was uploaded for posts that are not made yet, so that a retry of a post uploads nothing twice."""

    def __init__(self) -> None:
        self._ids: OrderedDict[tuple[DeliveryKey, Path], str] = OrderedDict()

    async def ids(self, message: Outgoing, api: Api) -> tuple[str, ...]:
        """The ids of the message's files, uploaded where they were not. One after the other, in order.

        Raises FileRejected for a file that will never pass, Refusal where we are no member of the channel, and as any
        call.
        """
        return tuple([await self._id(message, place, file, api) for place, file in enumerate(message.files)])

    def forget(self, message: Outgoing) -> None:
        """The post is made: its files belong to it."""
        for file in message.files:
            self._ids.pop((message.key, file.path), None)

    async def _id(self, message: Outgoing, place: int, file: LocalFile, api: Api) -> str:
        known = self._ids.get((message.key, file.path))
        if known is not None:
            return known
        try:
            opened = await asyncio.to_thread(file.path.open, "rb")
        except OSError as error:
            raise FileRejected(f"the spooled file cannot be read: {error.strerror}", index=place) from error
        try:
            name = wire.storable(file.name) or "file"
            uploaded = await api.upload(message.channel, name, file.size, opened)
        except Refusal as refusal:
            if refusal.about_rights:
                # no right to upload, or no member at all: then this raises Refusal, and the post itself has to wait
                await api.membership(message.channel)
            raise FileRejected(f"the server refuses it: {refusal.message}", index=place) from refusal
        finally:
            await asyncio.to_thread(opened.close)
        self._ids[message.key, file.path] = uploaded
        if len(self._ids) > _KEPT:
            self._ids.popitem(last=False)
        return uploaded


@asynccontextmanager
async def portrait(api: Api, user: UserId) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of somebody's picture. Entering, and reading, raises as `download`."""
    try:
        async with api.portrait(user) as response:
            yield api.chunks(response)
    except Refusal as refusal:
        kind = Gone if refusal.about_rights or refusal.status == 400 else Rejected
        raise kind(f"the server has no picture of them: {refusal.message}") from refusal


@asynccontextmanager
async def download(api: Api, attachment: Attachment, largest: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of an attachment, counted as they come.

    Entering, and reading, raises Gone, Rejected (no right, or more than `largest` bytes) or Retry.
    """
    try:
        async with api.download(attachment.id, largest=largest) as response:
            if (response.content_length or 0) > largest:
                raise too_large(largest)
            yield bounded(api.chunks(response), largest)
    except Refusal as refusal:
        if refusal.status == 404:
            raise Gone(f"the file is not there any more: {refusal.message}") from refusal
        raise Rejected(f"the server does not give the file out: {refusal.message}") from refusal
