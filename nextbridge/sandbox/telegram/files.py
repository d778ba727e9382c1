"""The files of the stand-in: what was sent with messages, under ids that say nothing."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Literal

from msgspec import Struct

from nextbridge.sandbox.telegram.records import Kind, MediaFile, PhotoSize, Sticker

__all__ = ["LARGEST_DOWNLOAD", "LARGEST_PHOTO", "LARGEST_UPLOAD", "Files", "Kept"]

LARGEST_UPLOAD = 50 * 1024 * 1024
LARGEST_PHOTO = 10 * 1024 * 1024
LARGEST_DOWNLOAD = 20 * 1024 * 1024
"""Bytes, on the cloud; see https://core.telegram.org/bots/api#sending-files and #getfile."""

_FOLDERS: dict[Kind, str] = {
    "photo": "photos", "document": "documents", "video": "videos", "audio": "music", "voice": "voice",
    "video_note": "video_notes", "animation": "animations", "sticker": "stickers",
}  # fmt: skip
_ENDINGS = {"photo": ".jpg", "voice": ".oga", "video_note": ".mp4", "sticker": ".webp"}


class Kept(Struct, frozen=True):
    """A file."""

    id: str
    unique_id: str
    kind: Kind
    name: str
    media_type: str
    content: bytes
    path: str
    """As `getFile` gives it."""


class Files:
    """All of them, by id and by path."""

    def __init__(self) -> None:
        self._by_id: dict[str, Kept] = {}
        self._by_path: dict[str, Kept] = {}
        self.largest_download = LARGEST_DOWNLOAD
        self.largest_upload = LARGEST_UPLOAD
        self.folder: Path | None = None
        """Where a server that runs with `--local` puts the files; None for one that does not."""

    def keep(self, kind: Kind, name: str, media_type: str, content: bytes) -> Kept:
        """Keep a file, under new ids."""
        number = len(self._by_id)
        ending = _ENDINGS.get(kind) or ("." + name.rpartition(".")[2] if "." in name and name.isascii() else "")
        path = f"{_FOLDERS[kind]}/file_{number}{ending if ending.replace('.', '').isalnum() else ''}"
        kept = Kept(
            f"BQACAgIAAx{secrets.token_urlsafe(24)}", f"AgAD{secrets.token_urlsafe(8)}", kind, name, media_type,
            content, path,
        )  # fmt: skip
        self._by_id[kept.id] = self._by_path[kept.path] = kept
        return kept

    def find(self, file_id: str) -> Kept | None:
        """By id."""
        return self._by_id.get(file_id)

    def at(self, path: str) -> Kept | None:
        """By path."""
        return self._by_path.get(path)


def as_photo(kept: Kept) -> tuple[PhotoSize, ...]:
    """A picture in two sizes, the smaller first; here they are the same file."""
    return tuple(
        PhotoSize(
            file_id=kept.id, file_unique_id=f"{kept.unique_id}{size}", width=size, height=size,
            file_size=len(kept.content),
        )
        for size in (90, 320)
    )  # fmt: skip


def as_sticker(
    kept: Kept, emoji: str, *, kind: Literal["static", "animated", "video"], preview: Kept | None
) -> Sticker:
    """A sticker; an animated one has a still picture beside it."""
    return Sticker(
        file_id=kept.id,
        file_unique_id=kept.unique_id,
        file_size=len(kept.content),
        emoji=emoji,
        type="regular",
        width=512,
        height=512,
        is_animated=kind == "animated",
        is_video=kind == "video",
        thumbnail=as_photo(preview)[0] if preview is not None else None,
    )


def as_media(kept: Kept) -> MediaFile:
    """Any other file."""
    is_moving = kept.kind in {"video", "animation"}
    return MediaFile(
        file_id=kept.id,
        file_unique_id=kept.unique_id,
        file_size=len(kept.content),
        file_name=None if kept.kind in {"voice", "video_note"} else kept.name,
        mime_type=kept.media_type if kept.kind != "video_note" else None,
        duration=1 if kept.kind != "document" else None,
        width=320 if is_moving else None,
        height=240 if is_moving else None,
        length=240 if kept.kind == "video_note" else None,
    )
