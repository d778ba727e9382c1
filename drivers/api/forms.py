"""A message that comes as a form, with files: they go to the disk as they arrive."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import BodyPartReader, MultipartReader, web
from msgspec import Struct
from msgspec.structs import replace

from drivers.api.refusals import Refused
from drivers.api.requests import PATIENCE, MessageRequest
from drivers.api.settings import LARGEST_MESSAGE
from nextbridge.media.hosted import MOST_FILES, File, Files, NoRoom

__all__ = ["FILE", "Form", "read_form"]

FILE = "file"
"""The name of the parts that are files."""
_LONGEST_FIELD = 12 * LARGEST_MESSAGE
_CHUNK = 1 << 16


class Form(Struct, frozen=True):
    """What a form says. Its text may be empty where there are files."""

    message: MessageRequest
    files: tuple[File, ...]
    digests: tuple[str, ...]
    """Of the files' names and contents."""


async def read_form(request: web.Request, files: Files, owner: str) -> Form:
    """The form; its files are `owner`'s then, not posted yet. Raises Refused; nothing is left of the files then."""
    reading = _Reading(files, owner)
    try:
        with _explained():
            return await reading.whole(await request.multipart())
    except BaseException:
        for file in reading.files:
            await files.withdraw(owner, file.id)
        raise


class _Reading:
    def __init__(self, files: Files, owner: str) -> None:
        self.files: list[File] = []
        self._digests: list[str] = []
        self._fields: dict[str, str] = {}
        self._store = files
        self._owner = owner

    async def whole(self, parts: MultipartReader) -> Form:
        async for part in parts:
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise Refused(400, "A part of the form has no name.")
            if part.name == FILE:
                await self._file(part)
            elif part.name in self._fields:
                raise Refused(400, "A field of the form stands twice.")
            else:
                self._fields[part.name] = await _text(part)
        return Form(self._message(), tuple(self.files), tuple(self._digests))

    async def _file(self, part: BodyPartReader) -> None:
        if len(self.files) >= MOST_FILES:
            raise Refused(400, f"A message has {MOST_FILES} files at most.")
        name = part.filename or FILE
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape") + b"\0")
        self.files.append(await self._store.upload(self._owner, name, _chunks(part, digest)))
        self._digests.append(digest.hexdigest())

    def _message(self) -> MessageRequest:
        has_text = "text" in self._fields
        if not has_text and not self.files:
            raise Refused(400, "There is neither a text nor a file.")
        fields = self._fields if has_text else {**self._fields, "text": "files alone"}
        message = msgspec.convert(fields, MessageRequest, strict=False)
        return message if has_text else replace(message, text="")


@contextmanager
def _explained() -> Iterator[None]:
    """What can be wrong with a form, as it is told to the program."""
    try:
        yield
    except NoRoom as error:
        raise Refused(413, f"A file {error}.") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, "The body is too large.") from None
    except TimeoutError:
        raise Refused(408, "The form did not come in time.") from None
    except msgspec.ValidationError as error:
        raise Refused(400, f"The form is not as it should be: {error}") from None
    # aiohttp has no error of its own for a form that is broken or breaks off
    except (ValueError, AssertionError, LookupError, RuntimeError, ConnectionError, web.HTTPException):
        raise Refused(400, "The form did not arrive whole.") from None
    except OSError:
        raise Refused(507, "The files cannot be kept just now. Try again later.") from None


async def _text(part: BodyPartReader) -> str:
    data = bytearray()
    while chunk := await _next(part):
        data += chunk
        if len(data) > _LONGEST_FIELD:
            raise Refused(413, "A field of the form is too long.")
    return data.decode()


async def _chunks(part: BodyPartReader, digest: Any) -> AsyncIterator[bytes]:  # noqa: ANN401 - hashlib names no type
    while chunk := await _next(part):
        digest.update(chunk)
        yield chunk


async def _next(part: BodyPartReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await part.read_chunk(_CHUNK)
