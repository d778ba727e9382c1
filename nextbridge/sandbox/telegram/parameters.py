"""The parameters of a call, however they came: in the address, as a form, as multipart or as JSON.

All four are allowed (https://core.telegram.org/bots/api#making-requests). In forms a structure is JSON in a field.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.telegram.refusals import bad_request

__all__ = ["Parameters", "Upload"]

T = TypeVar("T")


class Upload(Struct, frozen=True):
    """A file that came with a call."""

    name: str
    media_type: str
    content: bytes


class Parameters:
    """By name, each turned into what is asked for. Raises Refusal where that cannot be."""

    def __init__(self, values: dict[str, Any], uploads: dict[str, Upload]) -> None:
        self._values = values
        self._uploads = uploads

    @classmethod
    async def of(cls, request: web.Request) -> Parameters:
        """Those of a request, its body read."""
        values: dict[str, Any] = dict(request.query)
        uploads: dict[str, Upload] = {}
        if request.content_type == "application/json":
            body = await request.read()
            try:
                values |= msgspec.json.decode(body, type=dict[str, Any]) if body else {}
            except msgspec.DecodeError as error:
                raise bad_request("can't parse JSON object") from error
        elif request.content_type in {"multipart/form-data", "application/x-www-form-urlencoded"}:
            for name, value in (await request.post()).items():
                if isinstance(value, web.FileField):
                    uploads[name] = Upload(value.filename, value.content_type, value.file.read())
                elif isinstance(value, bytes | bytearray):
                    uploads[name] = Upload(name, "application/octet-stream", bytes(value))
                else:
                    values[name] = value
        return cls(values, uploads)

    def text(self, name: str) -> str:
        """A string; empty where it is not there."""
        value = self._values.get(name, "")
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def number(self, name: str, default: int = 0) -> int:
        """A whole number."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        try:
            return int(str(value))
        except ValueError as error:
            raise bad_request(f"invalid {name} specified") from error

    def flag(self, name: str) -> bool:
        """True or False; False where it is not there."""
        return str(self._values.get(name, "")).lower() in {"true", "1", "yes"}

    def structure(self, name: str, kind: type[T], default: T) -> T:
        """An object or a list."""
        value = self._values.get(name)
        if value is None or value == "":
            return default
        try:
            if isinstance(value, str):
                return msgspec.json.decode(value, type=kind)
            return msgspec.convert(value, kind)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise bad_request(f"can't parse {name}: {error}") from error

    def has(self, name: str) -> bool:
        """Whether it was given at all."""
        return name in self._values

    def upload(self, name: str) -> Upload | None:
        """The file of that field, or the one that the field's `attach://` names."""
        if name in self._uploads:
            return self._uploads[name]
        reference = self.text(name)
        return self._uploads.get(reference.removeprefix("attach://")) if reference.startswith("attach://") else None
