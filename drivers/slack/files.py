"""Files out and in.

Out by the external upload flow, https://docs.slack.dev/messaging/working-with-files: an address for each, the bytes,
and one call that completes them. The message that shows them comes after that; its ts is told by its event, or by
`files.info`. It can bear no mark: which files a delivery completed is kept in the driver's store, so that a retry finds
its message after a restart, too.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from nextbridge.driver import LocalFile, Outgoing, Store
from nextbridge.envelope import Attachment, DeliveryKey, MessageId
from nextbridge.errors import FileRejected, Gone, Rejected, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable
from nextbridge.media.bounded import bounded, too_large

__all__ = ["Uploads", "download"]

_KEPT = 1000
_REMEMBERED = 50
"""Deliveries with files of one channel whose completion is remembered over restarts."""
_FIRST_LOOK, _LAST_LOOK = 0.5, 4.0
"""Seconds between two looks whether the message is there, where its event does not come."""


class _Completed(Struct, frozen=True):
    """A delivery whose files were completed, or were about to be."""

    key: DeliveryKey
    file: str
    """One of them."""


class Uploads:
    """What was uploaded, and what became of it."""

    def __init__(self, store: Store, *, patience: float) -> None:
        """`patience` is how many seconds an attempt waits for its message to be shown."""
        self._store = store
        self._patience = patience
        self._ids: OrderedDict[tuple[DeliveryKey, Path], str] = OrderedDict()
        self._answered: OrderedDict[DeliveryKey, None] = OrderedDict()
        """Deliveries whose completion Slack has acknowledged to this process."""
        self._waiting: dict[str, asyncio.Future[str]] = {}
        """By file."""

    def told(self, message: wire.Message) -> None:
        """A message of ours with files is there."""
        for file in message.files or ():
            waiting = self._waiting.get(file.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message.ts)

    async def send(self, message: Outgoing, blocks: list[object], api: Api) -> MessageId:
        """Upload the message's files and show them with its text, once. Raises Refusal, FileRejected and as a call.

        Raises Retry where the message is not there in time; then the next attempt goes on waiting for it.
        """
        done = await self._remembered(message) if message.attempted is not None else None
        if done is not None:
            ts = await self._shown(done.file, message, api)
            if ts is not None:
                return ts
            if message.key in self._answered:
                raise Retry("Slack has taken the files and does not show them yet")
        ids = [await self._id(message, place, file, api) for place, file in enumerate(message.files)]
        await self._remember(message, ids[0])
        await self._complete(message, ids, blocks, api)
        self._answered[message.key] = None
        if len(self._answered) > _KEPT:
            self._answered.popitem(last=False)
        ts = await self._shown(ids[0], message, api)
        if ts is None:
            raise Retry("Slack has taken the files and does not show them yet")
        for file in message.files:
            self._ids.pop((message.key, file.path), None)
        return ts

    async def _complete(self, message: Outgoing, ids: list[str], blocks: list[object], api: Api) -> None:
        files = [{"id": each, "title": _name(file)} for each, file in zip(ids, message.files, strict=True)]
        arguments = {"files": json.dumps(files), "channel_id": str(message.channel)}
        if blocks:
            arguments["blocks"] = json.dumps(blocks)
        if message.reply_to is not None:
            arguments["thread_ts"] = str(message.reply_to)
        if message.name:
            arguments["username"] = wire.storable(message.name)
            if message.avatar:
                arguments["icon_url"] = message.avatar
        await api.call("files.completeUploadExternal", wire.Nothing, **arguments)

    async def _shown(self, file: str, message: Outgoing, api: Api) -> MessageId | None:
        """The message that shows a file of ours in the channel, once there is one; None where it takes too long."""
        waiting = self._waiting[file] = asyncio.get_running_loop().create_future()
        pause = _FIRST_LOOK
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    found = await self._share(file, message, api)
                    if found is not None:
                        return found
                    done, _ = await asyncio.wait({waiting}, timeout=pause)
                    if done:
                        return MessageId(waiting.result())
                    pause = min(pause * 2, _LAST_LOOK)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(file, None)

    @staticmethod
    async def _share(file: str, message: Outgoing, api: Api) -> MessageId | None:
        try:
            shares = (await api.look_up("files.info", wire.FileAnswer, file=file)).file.shares or {}
        except Refusal:  # not there (yet), or we may not look
            return None
        for places in shares.values():
            for share in places.get(message.channel, ()):
                if isinstance(ts := share.get("ts"), str):
                    return MessageId(ts)
        return None

    async def _id(self, message: Outgoing, place: int, file: LocalFile, api: Api) -> str:
        known = self._ids.get((message.key, file.path))
        if known is not None:
            return known
        try:
            opened = await asyncio.to_thread(file.path.open, "rb")
        except OSError as error:
            raise FileRejected(f"the spooled file cannot be read: {error.strerror}", index=place) from error
        try:
            address = await api.call(
                "files.getUploadURLExternal", wire.UploadAddress, filename=_name(file), length=str(file.size)
            )
            await api.upload(address.upload_url, file.size, opened)
        except Refusal as refusal:
            raise FileRejected(f"Slack refuses it: {refusal}", index=place) from refusal
        finally:
            await asyncio.to_thread(opened.close)
        self._ids[message.key, file.path] = address.file_id
        if len(self._ids) > _KEPT:
            self._ids.popitem(last=False)
        return address.file_id

    async def _remembered(self, message: Outgoing) -> _Completed | None:
        return next((each for each in await self._all(message) if each.key == message.key), None)

    async def _remember(self, message: Outgoing, file: str) -> None:
        others = [each for each in await self._all(message) if each.key != message.key]
        kept = [*others, _Completed(message.key, file)][-_REMEMBERED:]
        await self._store.set(f"completed {message.channel}", msgspec.json.encode(kept).decode())

    async def _all(self, message: Outgoing) -> list[_Completed]:
        kept = await self._store.get(f"completed {message.channel}")
        return [] if kept is None else msgspec.json.decode(kept, type=list[_Completed])


def _name(file: LocalFile) -> str:
    return wire.storable(file.name) or "file"


@asynccontextmanager
async def download(api: Api, token: str, attachment: Attachment, largest: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of an attachment, counted as they come.

    Entering, and reading, raises Gone, Rejected (no right, or more than `largest` bytes) or Retry.
    """
    try:
        file = (await api.look_up("files.info", wire.FileAnswer, file=attachment.id)).file
        url = file.url_private_download or file.url_private
        if not url:
            raise Gone("the file is not there any more")
        async with api.download(url, token, largest=largest) as response:
            if (response.content_length or 0) > largest:
                raise too_large(largest)
            yield _counted(response, largest)
    except Refusal as refusal:
        if refusal.error in {"file_not_found", "file_deleted"}:
            raise Gone(f"the file is not there any more: {refusal}") from refusal
        raise Rejected(f"Slack does not give the file out: {refusal}") from refusal


async def _counted(response: aiohttp.ClientResponse, largest: int) -> AsyncIterator[bytes]:
    try:
        async for chunk in bounded(response.content.iter_chunked(65536), largest):
            yield chunk
    except CONNECTION_ERRORS as error:
        raise Retry(f"the file breaks off: {unreachable(error)}") from None
