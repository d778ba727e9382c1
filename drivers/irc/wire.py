"""One line of IRC, read and written. Knows the grammar and no command.

Sources: RFC 1459 section 2.3, https://ircv3.net/specs/extensions/message-tags. Reading never raises: a server is not
trusted, and what cannot be read is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["Line", "cut", "decode", "escape_tag", "parse", "render", "unescape_tag"]

_NO_TAGS: Mapping[str, str] = {}
_ESCAPES = {":": ";", "s": " ", "\\": "\\", "r": "\r", "n": "\n"}
_TAG_ESCAPES = str.maketrans({";": r"\:", " ": r"\s", "\\": r"\\", "\r": r"\r", "\n": r"\n", "\0": None})
_FORBIDDEN = str.maketrans({"\r": " ", "\n": " ", "\0": None})


class Line(Struct, frozen=True):
    """A received line."""

    command: str
    """In capitals, or three digits."""
    params: tuple[str, ...] = ()
    source: str = ""
    """`nick!user@host`, or a server's name, or empty."""
    tags: Mapping[str, str] = _NO_TAGS

    @property
    def nick(self) -> str:
        """The nick (or the server's name) that it comes from."""
        return self.source.partition("!")[0].partition("@")[0]

    def param(self, place: int) -> str:
        """The parameter at `place` (negative from the end), or nothing where the server sent none."""
        try:
            return self.params[place]
        except IndexError:
            return ""


def decode(data: bytes) -> str:
    """The characters of a received line: UTF-8 and, where it is none, Latin-1, as old clients send."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse(text: str) -> Line | None:
    """The line in `text` (without its end), or None where there is none. Takes time linear in the text."""
    text = text.translate(_FORBIDDEN)
    tags = _NO_TAGS
    source = ""
    if text.startswith("@"):
        raw, _, text = text[1:].partition(" ")
        tags = _tags(raw)
        text = text.lstrip(" ")
    if text.startswith(":"):
        source, _, text = text[1:].partition(" ")
    head, colon, last = text.partition(" :")
    words = [word for word in head.split(" ") if word]
    if not words or words[0].startswith(":"):
        return None
    params = words[1:]
    if colon:
        params.append(last)
    return Line(words[0].upper(), tuple(params), source, tags)


def _tags(raw: str) -> Mapping[str, str]:
    tags = {}
    for part in raw.split(";"):
        name, _, value = part.partition("=")
        if name:
            tags[name] = unescape_tag(value) if "\\" in value else value
    return tags


def unescape_tag(value: str) -> str:
    """A tag's value as it was before it was put on the wire."""
    parts: list[str] = []
    characters = iter(value)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            parts.append(_ESCAPES.get(following, following))
        else:
            parts.append(character)
    return "".join(parts)


def escape_tag(value: str) -> str:
    """A tag's value as it goes on the wire."""
    return value.translate(_TAG_ESCAPES)


def render(command: str, *params: str, tags: Mapping[str, str] = _NO_TAGS) -> bytes:
    """A line with its end, to be sent. No parameter and no tag can end it early: line breaks in one become spaces.

    Only the last parameter may be empty or hold spaces; that is the caller's to know, as are the names of tags.
    """
    words = [command, *(param.translate(_FORBIDDEN) for param in params)]
    if params and (not words[-1] or " " in words[-1] or words[-1].startswith(":")):
        words[-1] = ":" + words[-1]
    prefix = f"@{';'.join(f'{name}={escape_tag(value)}' for name, value in tags.items())} " if tags else ""
    return (prefix + " ".join(words)).encode("utf-8", "replace") + b"\r\n"


def cut(text: str, room: int) -> list[str]:
    """`text` in pieces of at most `room` bytes of UTF-8 each, cut between characters. `room` is at least 4."""
    data = text.encode("utf-8", "replace")
    pieces = []
    start = 0
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:  # not inside a character
            end -= 1
        pieces.append(data[start:end].decode("utf-8"))
        start = end
    pieces.append(data[start:].decode("utf-8"))
    return pieces
