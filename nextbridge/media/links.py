"""Signed addresses on the daemon's own HTTP server: whoever has one may open it, and nobody can make one up.

An address is the same each time that it is made, so that an edited message has the links that it had. The key is made
with the state folder's journal and stays with it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import TypeAlias
from urllib.parse import quote, unquote

from msgspec import Struct, json

from nextbridge.envelope import InstanceId, UserId
from nextbridge.journal import Journal

__all__ = ["Asked", "FileAsked", "Links", "PictureAsked", "link_key"]

_SIGNATURE_BYTES = 16
_LONGEST_STEM = 40
_LONGEST_ENDING = 10
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


class FileAsked(Struct, frozen=True):
    """A signed address names an attachment."""

    event_id: int
    place: int


class PictureAsked(Struct, frozen=True):
    """A signed address names somebody's picture."""

    instance: InstanceId
    user: UserId
    version: str


Asked: TypeAlias = FileAsked | PictureAsked


class Links:
    """Makes and reads the addresses. Pure."""

    def __init__(self, base_url: str, key: bytes) -> None:
        """`base_url` is where the HTTP server is reached from outside, without a final slash."""
        self._base_url = base_url
        self._key = key

    def file(self, event_id: int, place: int, name: str) -> str:
        """The address of an attachment. The name in it is for people; it opens nothing."""
        signed = self._signature("file", str(event_id), str(place))
        return f"{self._base_url}/media/file/{event_id}.{place}.{signed}/{_for_people(name)}"

    def picture(self, instance: str, user: str, version: str) -> str:
        """The address of somebody's picture; another version is another address."""
        signed = self._signature("avatar", instance, user, version)
        return f"{self._base_url}/media/avatar/{_segment(instance)}/{_segment(user)}/{_segment(version)}.{signed}"

    def read(self, path: str) -> Asked | None:
        """What a path asks for (what follows `/media/`, percent-encoded); None where it bears no signature of ours."""
        segments = [unquote(each) for each in path.split("/")]
        match segments:
            case ["file", signed, _]:
                return self._file(signed)
            case ["avatar", instance, user, signed]:
                version, _, signature = signed.rpartition(".")
                asked = PictureAsked(InstanceId(instance), UserId(user), version)
                return asked if self._is_ours(signature, "avatar", instance, user, version) else None
            case _:
                return None

    def _file(self, signed: str) -> FileAsked | None:
        event_id, _, rest = signed.partition(".")
        place, _, signature = rest.partition(".")
        if not (_NUMBER.fullmatch(event_id) and _NUMBER.fullmatch(place)):
            return None
        return FileAsked(int(event_id), int(place)) if self._is_ours(signature, "file", event_id, place) else None

    def _is_ours(self, signature: str, *of: str) -> bool:
        return hmac.compare_digest(signature.encode("utf-8", "replace"), self._signature(*of).encode())

    def _signature(self, *of: str) -> str:
        # as JSON, so that no two lists of words look alike
        written = json.encode([each.encode("utf-8", "surrogatepass").hex() for each in of])
        digest = hmac.digest(self._key, written, "sha256")[:_SIGNATURE_BYTES]
        return urlsafe_b64encode(digest).decode().rstrip("=")


async def link_key(journal: Journal) -> bytes:
    """The key of this state folder's links; made where there is none yet. Raises JournalError."""
    kept = await journal.read("media", "key")
    if kept is None:
        kept = secrets.token_hex(32)
        await journal.write("media", "key", kept)
        await journal.flush()
    return bytes.fromhex(kept)


def _for_people(name: str) -> str:
    """A file's name in letters that no proxy, chat or shell does anything with; short, so that it fits into a line."""
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", stem, flags=re.ASCII).strip("-")[:_LONGEST_STEM].strip("-") or "file"
    ending = re.sub(r"[^A-Za-z0-9]+", "", ending, flags=re.ASCII)[:_LONGEST_ENDING]
    return f"{stem}.{ending}" if ending else stem


def _segment(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")
