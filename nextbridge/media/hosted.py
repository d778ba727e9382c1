"""The files of a platform that the daemon itself hosts: those of messages, and those that are not posted yet.

A file lies in the folder under its id. Beside one that is not posted yet there is a `.json` that says whose it is, so
that it can still be posted after a restart. A file that belongs to a message is removed with it. All files together are
bounded: where there is no room, the oldest make it. No method blocks the event loop.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nextbridge.driver import LocalFile
from nextbridge.media.content import HEAD, signature

__all__ = [
    "LOOSE_SHARE",
    "MOST_FILES",
    "File",
    "FileMissing",
    "Files",
    "ImageType",
    "NoRoom",
    "clean_name",
    "largest_within",
    "read",
]

MOST_FILES = 10
"""Files of one message."""

ImageType: TypeAlias = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
"""What a page may show as it stands: pictures that hold nothing active."""

_LOOSE_SECONDS = 3600.0
"""An uploaded file is kept so long for the message that it is meant for."""
_MOST_LOOSE_OF_ONE = 2 * MOST_FILES
_MOST_LOOSE = 1000
"""Uploaded files that are not posted yet, of one author and of all."""
LOOSE_SHARE = 4
"""They take no more than this part of all that files may take, and so does one file."""
_LONGEST_NAME = 150
_LONGEST_ENDING = 16
_SHOWN: tuple[ImageType, ...] = get_args(ImageType)
_CHUNK = 1 << 18


class File(Struct, frozen=True, omit_defaults=True):
    """A file of a message."""

    id: str
    """Nobody can guess it: it is the file's address."""
    name: str
    """As its owner named it; to be shown, never used as a path."""
    size: int
    """Bytes."""
    image: ImageType | None = None
    """What its first bytes show it to be, where a page may show it."""


class NoRoom(Exception):
    """A file that is over a limit. The text ends a sentence that begins with the file."""

    def __init__(self, text: str, index: int = 0) -> None:
        super().__init__(text)
        self.index = index
        """Which of several it is."""


class FileMissing(Exception):
    """A file that is not there (any more), or is somebody else's."""


class _Loose(Struct, frozen=True):
    """A file that is not posted yet."""

    file: File
    author: str
    at: float
    """Seconds since 1970."""


class Files:
    """`load` comes first; everything else after it."""

    def __init__(self, folder: Path, *, largest: int, total: int) -> None:
        """`largest` bounds one file and `total` all of them, in bytes."""
        self.largest = min(largest, largest_within(total))
        self._folder = folder
        self._total = total
        self._used = 0
        """Bytes, those of files that are still arriving among them."""
        self._complete: dict[str, File] = {}
        """The oldest first."""
        self._loose: dict[str, _Loose] = {}
        """The oldest first."""

    # --- as a whole ---

    async def load(self, posted: Iterable[File]) -> None:
        """Find the files that messages need or may still need, and remove the others. Raises OSError."""
        self._complete, self._loose = await asyncio.to_thread(self._read, {file.id: file for file in posted})
        self._used = sum(file.size for file in self._complete.values())

    def _read(self, needed: dict[str, File]) -> tuple[dict[str, File], dict[str, _Loose]]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        loose: list[_Loose] = []
        for note in self._folder.glob("*.json"):
            with suppress(msgspec.DecodeError):
                loose.append(msgspec.json.decode(note.read_bytes(), type=_Loose))
        late = time.time() - _LOOSE_SECONDS
        loose.sort(key=lambda each: each.at)
        waiting = {each.file.id: each for each in loose if each.at > late and each.file.id not in needed}
        wanted = needed | {each.file.id: each.file for each in waiting.values()}
        there: list[tuple[float, str]] = []
        for path in self._folder.iterdir():
            if path.name in wanted:
                there.append((path.stat().st_mtime, path.name))
            elif path.suffix != ".json" or path.stem not in waiting:
                path.unlink()
        return {name: wanted[name] for _, name in sorted(there)}, waiting

    def find(self, id: str) -> tuple[File, Path] | None:  # noqa: A002 - the field's name
        """The file of a message and where it lies, or None where there is none."""
        file = self._complete.get(id)
        return None if file is None or id in self._loose else (file, self._folder / id)

    async def discard(self, files: Iterable[File]) -> None:
        """Forget files: their message is gone, or will never be."""
        await self._forget(file.id for file in files)

    async def _forget(self, ids: Iterable[str]) -> None:
        going = [each for each in ids if each in self._complete]
        for each in going:
            self._used -= self._complete.pop(each).size
            self._loose.pop(each, None)
        if going:
            await asyncio.to_thread(self._unlink, going)

    def _unlink(self, ids: Iterable[str]) -> None:
        _unlink(self._folder / name for each in ids for name in (each, f"{each}.json"))

    async def _reserve(self, size: int) -> None:
        """Count `size` more bytes, and let the oldest files make room for them. Raises NoRoom."""
        self._used += size
        going: list[str] = []
        over = self._used - self._total
        for each, file in self._complete.items():
            if over <= 0:
                break
            going.append(each)
            over -= file.size
        if over > 0:
            self._used -= size
            raise NoRoom("finds no room just now")
        try:
            await self._forget(going)
        except BaseException:
            self._used -= size
            raise

    # --- from a browser ---

    async def upload(self, author: str, name: str, chunks: AsyncIterator[bytes]) -> File:
        """Take in a file that an author wants to post. Returns once it is on disk.

        Raises NoRoom, OSError, and what `chunks` raises; nothing is left of it then.
        """
        await self._forget(self._overdue(author))
        id = _new_id()  # noqa: A001 - the field's name
        size, head = 0, b""
        try:
            file = await asyncio.to_thread((self._folder / id).open, "xb")
            try:
                async for chunk in chunks:
                    if size + len(chunk) > self.largest:
                        raise NoRoom(f"is larger than {self.largest} bytes")
                    await self._reserve(len(chunk))
                    size += len(chunk)
                    head = (head + chunk)[:HEAD] if len(head) < HEAD else head
                    await asyncio.to_thread(file.write, chunk)
                loose = _Loose(File(id, clean_name(name), size, _image_type(head)), author, time.time())
                await asyncio.to_thread(self._finish, file, loose)
            finally:
                await asyncio.to_thread(file.close)
        except BaseException:
            self._used -= size
            await asyncio.to_thread(self._unlink, [id])
            raise
        self._complete[id] = loose.file
        self._loose[id] = loose
        return loose.file

    def _finish(self, file: BinaryIO, loose: _Loose) -> None:
        file.flush()
        os.fsync(file.fileno())
        (self._folder / f"{loose.file.id}.json").write_bytes(msgspec.json.encode(loose))
        _sync(self._folder)

    def _overdue(self, author: str) -> list[str]:
        """What has to go before the author uploads one more: what was not posted in time, or is too much."""
        now = time.time()
        mine = sum(loose.author == author for loose in self._loose.values()) - _MOST_LOOSE_OF_ONE + 1
        number = len(self._loose) - _MOST_LOOSE + 1
        size = sum(loose.file.size for loose in self._loose.values()) + self.largest - largest_within(self._total)
        going: list[str] = []
        for each, loose in self._loose.items():
            is_mine = loose.author == author
            if loose.at < now - _LOOSE_SECONDS or number > 0 or size > 0 or (is_mine and mine > 0):
                going.append(each)
                number -= 1
                size -= loose.file.size
                mine -= is_mine
        return going

    async def withdraw(self, author: str, id: str) -> None:  # noqa: A002 - the field's name
        """Forget a file that its author uploaded and does not want to post. Does nothing where it is not there."""
        if (loose := self._loose.get(id)) is not None and loose.author == author:
            await self._forget([id])

    def claim(self, author: str, ids: Iterable[str]) -> tuple[File, ...]:
        """The author's uploaded files, for a message: nothing else can have them now. Raises FileMissing."""
        found = [self._loose.get(each) for each in dict.fromkeys(ids)]
        files = tuple(loose.file for loose in found if loose is not None and loose.author == author)
        if len(files) < len(found):
            raise FileMissing
        for file in files:
            del self._loose[file.id]
        return files

    def release(self, author: str, files: Iterable[File]) -> None:
        """The message that they were claimed for did not come about."""
        for file in files:
            self._loose[file.id] = _Loose(file, author, time.time())

    async def settle(self, files: Iterable[File]) -> None:
        """The message that they were claimed for is on disk."""
        notes = [self._folder / f"{file.id}.json" for file in files]
        if notes:
            await asyncio.to_thread(_unlink, notes)

    # --- from another platform ---

    async def adopt(self, files: Iterable[LocalFile]) -> tuple[File, ...]:
        """Take over the files of a message, all or none. Returns once they are on disk. Raises NoRoom and OSError."""
        originals = tuple(files)
        if not originals:
            return ()
        for index, file in enumerate(originals):
            if file.size > self.largest:
                raise NoRoom(f"is larger than {self.largest} bytes", index)
        size = sum(file.size for file in originals)
        await self._reserve(size)
        made = tuple(File(_new_id(), clean_name(file.name), file.size) for file in originals)
        try:
            images = await asyncio.to_thread(self._take_over, originals, made)
        except BaseException:
            self._used -= size
            await asyncio.to_thread(self._unlink, [file.id for file in made])
            raise
        made = tuple(replace(file, image=image) for file, image in zip(made, images, strict=True))
        self._complete |= {file.id: file for file in made}
        return made

    def _take_over(self, originals: Iterable[LocalFile], made: Iterable[File]) -> list[ImageType | None]:
        images: list[ImageType | None] = []
        for original, file in zip(originals, made, strict=True):
            path = self._folder / file.id
            try:
                path.hardlink_to(original.path)
            except OSError:  # another file system, or one without links
                with original.path.open("rb") as source, path.open("xb") as copy:
                    shutil.copyfileobj(source, copy, _CHUNK)
                    copy.flush()
                    os.fsync(copy.fileno())
            with path.open("rb") as opened:
                images.append(_image_type(opened.read(HEAD)))
        _sync(self._folder)
        return images


def largest_within(total: int) -> int:
    """How large one file may be where all may take `total` bytes."""
    return total // LOOSE_SHARE


def clean_name(name: str) -> str:
    """A file's name without what cannot be shown or sent, and not too long; its ending is kept."""
    shown = "".join(each for each in name if each.isprintable()).replace("/", "_").replace("\\", "_").strip()
    if len(shown) > _LONGEST_NAME:
        stem, dot, ending = shown.rpartition(".")
        kept = f"{dot}{ending}" if dot and len(ending) <= _LONGEST_ENDING else ""
        shown = f"{(stem if kept else shown)[: _LONGEST_NAME - len(kept)]}{kept}"
    return shown or "file"


def _image_type(head: bytes) -> ImageType | None:
    """What picture begins with these bytes, of those that a page may show; None for anything else."""
    found = signature(head)
    return next((each for each in _SHOWN if each == found), None)


async def read(path: Path) -> AsyncGenerator[bytes, None]:
    """The bytes of a file, a little at a time. Raises OSError."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)


def _new_id() -> str:
    return secrets.token_hex(16)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
