"""Uploaded files: what is known about each, and its bytes, which a stand-in can keep in memory."""

from __future__ import annotations

import mimetypes
import struct
from pathlib import PurePosixPath

from msgspec import UNSET

from nextbridge.sandbox.mattermost.clock import Clock, milliseconds
from nextbridge.sandbox.mattermost.records import FileId, FileInfo, PostId, UserId, new_id
from nextbridge.sandbox.mattermost.refusals import Refusal

__all__ = ["Files"]


class Files:
    """Uploads, attached to a post or not yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._infos: dict[FileId, FileInfo] = {}
        self._contents: dict[FileId, bytes] = {}
        self._uploaded_to: dict[FileId, str] = {}

    def add(self, user_id: UserId, channel_id: str, name: str, content: bytes) -> FileInfo:
        now = milliseconds(self._clock)
        extension = PurePosixPath(name).suffix.removeprefix(".").lower()
        info = FileInfo(
            id=FileId(new_id()),
            user_id=user_id,
            create_at=now,
            update_at=now,
            name=name,
            extension=extension,
            size=len(content),
            mime_type=_mime_type(name),
        )
        if (size := _image_size(content)) is not None:
            info.width, info.height = size
            info.has_preview_image = True
        self._infos[info.id] = info
        self._contents[info.id] = content
        self._uploaded_to[info.id] = channel_id
        return info

    def info(self, file_id: str) -> FileInfo:
        info = self._infos.get(FileId(file_id))
        if info is None:
            raise Refusal(404, "app.file_info.get.app_error", "Unable to get the file info.")
        return info

    def infos(self, file_ids: list[FileId]) -> list[FileInfo]:
        return [self._infos[file_id] for file_id in file_ids]

    def content(self, file_id: FileId) -> bytes:
        return self._contents[file_id]

    def channel_of(self, file_id: FileId) -> str:
        """Where it was uploaded to; a `FileInfo` does not tell."""
        return self._uploaded_to[file_id]

    def attach(self, file_ids: list[FileId], post_id: PostId, user_id: UserId) -> list[FileId]:
        """Those that are the user's own and in no post yet; the real server drops the others without a word."""
        attached = []
        for file_id in file_ids:
            info = self._infos.get(file_id)
            if info is not None and info.user_id == user_id and info.post_id is UNSET:
                info.post_id = post_id
                attached.append(file_id)
        return attached


def _mime_type(name: str) -> str:
    guessed, _ = mimetypes.guess_type(name)
    if guessed is None:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def _image_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, GIF or JPEG; None for anything else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    if content.startswith((b"GIF87a", b"GIF89a")) and len(content) >= 10:
        width, height = struct.unpack("<HH", content[6:10])
        return width, height
    if content.startswith(b"\xff\xd8"):
        return _jpeg_size(content)
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
