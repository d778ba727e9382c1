"""What a file is by its content. Its name and what its source says of it are a chat user's words.

The signatures are those of `filetype`, which looks for nothing else: it takes no text for a program and no page for a
picture, as libraries do that guess by likelihood.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import filetype  # type: ignore[import-untyped]

__all__ = ["HEAD", "PICTURES", "head_of", "is_shown_inline", "media_type_of", "signature"]

HEAD = 8192
"""Bytes of a file's beginning that are looked at."""
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What counts as somebody's picture."""

_INLINE = PICTURES | {
    "image/avif",
    "video/mp4",
    "video/webm",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
    "audio/x-wav",
    "audio/x-flac",
}
_UNKNOWN = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII)
_NEVER_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WRITTEN_AS_TEXT = {"application/pdf", "application/postscript", "application/rtf"}


def head_of(path: Path) -> bytes:
    """The file's beginning. Blocking. Raises OSError."""
    with path.open("rb") as file:
        return file.read(HEAD)


def signature(head: bytes) -> str | None:
    """The media type that a file's beginning proves, or None where it proves nothing."""
    found: str | None = filetype.guess_mime(head) if head else None
    if found is None or (_is_text(head) and found not in _WRITTEN_AS_TEXT):
        return None  # a text may begin with the letters of a signature
    return found


def media_type_of(head: bytes, said: str) -> str:
    """The media type of a file that begins so; `said` is believed where the content does not contradict it."""
    said = said.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(said):
        said = _UNKNOWN
    found = signature(head)
    if found is None:
        return _of_text(head, said) if head and _is_text(head) else said
    if found == "application/zip" and said.startswith("application/"):
        return said  # most documents are archives of that kind
    kinds = {found.partition("/")[0], said.partition("/")[0]}
    if kinds == {"audio", "video"} and found.partition("/")[2] == said.partition("/")[2]:
        return said  # one container for both
    return found


def is_shown_inline(head: bytes) -> bool:
    """Whether a browser may show a file that begins so: what it is, is proven, and it can hold nothing that runs."""
    return signature(head) in _INLINE


def _of_text(head: bytes, said: str) -> str:
    if said.startswith(("text/", "application/")):
        return "text/plain" if said == _UNKNOWN else said
    return said if said == "image/svg+xml" and b"<svg" in head else "text/plain"


def _is_text(head: bytes) -> bool:
    if _NEVER_IN_TEXT.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut
    except UnicodeDecodeError:
        return False
    return True
