"""What a program asks for: the body of each request, read as strictly as it is documented."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from drivers.api.refusals import Refused
from drivers.api.settings import LARGEST_MESSAGE
from nextbridge.emoji import LONGEST_EMOJI

__all__ = [
    "KEY_HEADER",
    "LONGEST_NAME",
    "PATIENCE",
    "DeleteRequest",
    "EditRequest",
    "MessageRequest",
    "ReactionRequest",
    "Request",
    "cleaned",
    "digest_of",
    "one_line",
    "read_body",
    "read_data",
    "read_key",
]

KEY_HEADER = "Idempotency-Key"
LONGEST_NAME = 64
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
PATIENCE = 30.0
"""Seconds for the next bytes of a body."""
_VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f]"
"""A character that is neither a space nor a control character: there is something in it."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

B = TypeVar("B", bound=Struct)

_Number: TypeAlias = Annotated[int, Meta(ge=1, le=2**53 - 1, description="A message's id.")]
_Name: TypeAlias = Annotated[str, Meta(max_length=LONGEST_NAME, pattern=_VISIBLE)]
_Text: TypeAlias = Annotated[
    str, Meta(max_length=LARGEST_MESSAGE, pattern=_VISIBLE, description="What is said, as plain text.")
]
_Action: TypeAlias = Annotated[bool, Meta(description="The text says what the author does: `waves`.")]


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: Annotated[
        _Name | None, Meta(description="The author's name, as people see it; the token's name where it is not given.")
    ] = None
    user_id: Annotated[
        _Name | None,
        Meta(description="Tells this author from the token's others, whatever their names; else the username does."),
    ] = None
    avatar: Annotated[
        Annotated[str, Meta(max_length=2000, pattern=r"^https?://[!-~]+$")] | None,
        Meta(description="An address of the author's picture, which anybody can fetch."),
    ] = None
    bot: Annotated[bool, Meta(description="No person did it, but a program by itself.")] = False


class MessageRequest(_Request, frozen=True):
    """Say something."""

    text: _Text
    action: _Action = False
    reply_to: Annotated[_Number | None, Meta(description="The message that this one answers.")] = None


class EditRequest(_Request, frozen=True):
    """Let a message that this token posted say something else."""

    message: _Number
    text: _Text
    action: _Action = False


class DeleteRequest(_Request, frozen=True):
    """Take a message back that this token posted."""

    message: _Number


class ReactionRequest(_Request, frozen=True):
    """Put a reaction on a message, or take the author's own back."""

    message: _Number
    emoji: Annotated[
        str, Meta(min_length=1, max_length=LONGEST_EMOJI, description="One emoji, as a character.", examples=["👍"])
    ]
    add: bool = True


Request: TypeAlias = MessageRequest | EditRequest | DeleteRequest | ReactionRequest


def cleaned(text: str) -> str:
    """A text without control characters and blank ends."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def one_line(text: str) -> str:
    """A name without control characters and with single spaces."""
    return " ".join(_CONTROL.sub("", text).split())


def read_key(request: web.Request) -> str | None:
    """What a repetition of the request has too, or None. Raises Refused."""
    key = request.headers.get(KEY_HEADER)
    if key is not None and _KEY.fullmatch(key) is None:
        raise Refused(400, f"{KEY_HEADER} has 1 to 255 visible characters of ASCII.")
    return key


async def read_body(request: web.Request, kind: type[B]) -> B:
    """The body, which is JSON. Raises Refused."""
    if request.content_type != "application/json":
        raise Refused(415, "The body is to be JSON: Content-Type: application/json.")
    data = await read_data(request)
    try:
        found = msgspec.json.decode(data)
        if isinstance(found, dict):  # to JSON Schema 1.0 is an integer, and some programs have no other numbers
            found = {name: int(each) if _is_whole(each) else each for name, each in found.items()}
        return msgspec.convert(found, kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"The body is not as it should be: {error}") from None


async def read_data(request: web.Request) -> bytes:
    """The body, as it is. Raises Refused."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, "The body is too large.") from None
    except TimeoutError:
        raise Refused(408, "The body did not come in time.") from None


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def digest_of(request: Struct, files: Iterable[str] = ()) -> str:
    """What tells that the same was asked for."""
    whole = [type(request).__name__, msgspec.to_builtins(request), list(files)]
    return hashlib.sha256(msgspec.json.encode(whole)).hexdigest()
