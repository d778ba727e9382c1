"""Files out and in: how each kind is sent, and how those that come are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.telegram import wire
from drivers.telegram.api import Api, Migrated, Refusal
from nextbridge.driver import LocalFile
from nextbridge.envelope import Attachment
from nextbridge.errors import Gone, Rejected
from nextbridge.labels import in_words
from nextbridge.media.bounded import bounded, over, too_large

__all__ = [
    "ANIMATED",
    "FILES",
    "VIDEO",
    "VOICE",
    "attachments_of",
    "converted",
    "download",
    "kinds_of",
    "largest_download",
    "read_chunks",
    "refuses",
]

FILES = 10
"""In one album; see https://core.telegram.org/bots/api#sendmediagroup."""

_MB = 1024 * 1024
_PHOTO = 10 * _MB
_UPLOAD, _LOCAL_UPLOAD = 50 * _MB, 2000 * _MB
_DOWNLOAD = 20 * _MB
"""Bytes; https://core.telegram.org/bots/api#sending-files and #getfile, and what a local server lifts."""

_KINDS = {
    "image/jpeg": "photo",
    "image/png": "photo",
    "image/webp": "photo",
    "image/gif": "animation",
    "video/mp4": "video",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
}
ANIMATED, VIDEO, VOICE = "animated sticker", "video sticker", "voice message"
"""What can be converted; see `conversion`."""
_CHUNK = 65536


def refuses(file: LocalFile, own_limit: int, *, is_local: bool) -> str | None:
    """Why a file would not be taken, or None."""
    limit = _LOCAL_UPLOAD if is_local else _UPLOAD
    if file.size == 0:
        return "empty, which Telegram refuses"
    if file.size > own_limit:
        return over(own_limit)
    if file.size > limit:
        return f"over the {in_words(limit)} that Telegram takes"
    return None


def largest_download(own_limit: int, *, is_local: bool) -> int:
    """Bytes of the largest file that can be fetched."""
    return own_limit if is_local else min(own_limit, _DOWNLOAD)


def kinds_of(files: Sequence[LocalFile], *, as_shown: bool) -> list[str]:
    """How the files of a message are sent together: only some kinds can stand in one album."""
    kinds = [_KINDS.get(file.media_type, "document") if as_shown else "document" for file in files]
    kinds = [
        "document" if kind == "photo" and file.size > _PHOTO else kind for kind, file in zip(kinds, files, strict=True)
    ]
    if len(kinds) > 1 and not (set(kinds) <= {"photo", "video"} or set(kinds) == {"audio"}):
        return ["document"] * len(kinds)
    return kinds


def converted(attachment_id: str) -> tuple[str, str]:
    """Which conversion a file needs, if any, and its id."""
    kind, _, file_id = attachment_id.rpartition(":")
    return kind, file_id


def attachments_of(message: wire.Message, kinds: frozenset[str] = frozenset()) -> tuple[Attachment, ...]:
    """The file of a message that was received, if it has one. Photos and voice messages have no names of their own.

    What is of one of the `kinds` will be converted when it is fetched.
    """
    number = message.message_id
    if message.photo:
        photo = max(message.photo, key=lambda size: size.width * size.height)
        return (Attachment(photo.file_id, f"photo_{number}.jpg", "image/jpeg", photo.file_size),)
    if message.sticker is not None:
        return _of_sticker(message.sticker, kinds)
    if message.voice is not None and VOICE in kinds:
        return (Attachment(f"{VOICE}:{message.voice.file_id}", f"voice_{number}.m4a", "audio/mp4"),)
    named = (
        (message.animation, f"animation_{number}.mp4", "video/mp4"),
        (message.document, f"file_{number}", "application/octet-stream"),
        (message.video, f"video_{number}.mp4", "video/mp4"),
        (message.audio, f"audio_{number}.mp3", "audio/mpeg"),
        (message.voice, f"voice_{number}.ogg", "audio/ogg"),
        (message.video_note, f"video_message_{number}.mp4", "video/mp4"),
    )
    for media, name, media_type in named:
        if media is not None:
            found = Attachment(media.file_id, media.file_name or name, media.mime_type or media_type, media.file_size)
            return (found,)
    return ()


def _of_sticker(sticker: wire.Sticker, kinds: frozenset[str]) -> tuple[Attachment, ...]:
    name = f"sticker {sticker.emoji}".strip()
    moving = ANIMATED if sticker.is_animated else VIDEO if sticker.is_video else ""
    if moving in kinds:
        return (Attachment(f"{moving}:{sticker.file_id}", f"{name}.gif", "image/gif"),)
    if sticker.is_animated:
        # nothing elsewhere shows Telegram's own format; its still picture everything does
        still = sticker.thumbnail
        if still is None:
            return (Attachment(sticker.file_id, f"{name}.tgs", "application/x-tgsticker", sticker.file_size),)
        return (Attachment(still.file_id, f"{name}.webp", "image/webp", still.file_size),)
    if sticker.is_video:
        return (Attachment(sticker.file_id, f"{name}.webm", "video/webm", sticker.file_size),)
    return (Attachment(sticker.file_id, f"{name}.webp", "image/webp", sticker.file_size),)


@asynccontextmanager
async def download(api: Api, file_id: str, largest: int) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of a file, counted as they come.

    Entering, and reading, raises Gone, Rejected (more than `largest` bytes, or more than the cloud gives) or Retry.
    """
    try:
        found = await api.call("getFile", wire.File, file_id=file_id)
        if (found.file_size or 0) > largest:
            raise too_large(largest)
        if api.is_local and found.file_path.startswith("/"):
            yield bounded(read_chunks(Path(found.file_path)), largest)
            return
        async with api.download(found.file_path, largest=largest) as response:
            if (response.content_length or 0) > largest:
                raise too_large(largest)
            yield bounded(api.chunks(response), largest)
    except Refusal as refusal:
        if refusal.says("file is too big"):
            raise Rejected(f"it is over the {in_words(_DOWNLOAD)} that Telegram's cloud gives to bots") from refusal
        raise Gone(f"the file is not there any more: {refusal.description}") from refusal
    except Migrated as moved:
        raise Gone("the file is not there any more") from moved


async def read_chunks(path: Path) -> AsyncIterator[bytes]:
    """A file of this machine. Raises Rejected where it cannot be read."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}") from error
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)
