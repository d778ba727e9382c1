"""What the tags of Matrix's HTML mean, which of them clients are to show, and which addresses are mentions.

The tags and attributes that are permitted are those that the specification suggests to clients (Client-Server API,
"m.room.message msgtypes", version 1.18); mentions are its "Matrix URIs" and matrix.to addresses (Appendices, "URIs").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

from drivers.matrix.html.builder import Format
from nextbridge.markup import Bold, Italic, Strike, Underline

__all__ = [
    "DEEPEST",
    "EVERYBODY",
    "FORMATS",
    "HIDDEN",
    "LANGUAGE",
    "PARTS",
    "PERMITTED",
    "address_of",
    "is_user",
    "language_of",
    "permitted_attributes",
    "safe_address",
    "user_in",
]

DEEPEST = 100
"""Tags must not be nested deeper than this, the specification says; what is deeper is text."""

FORMATS: Final[dict[str, Format]] = {
    "b": Bold,
    "strong": Bold,
    "i": Italic,
    "em": Italic,
    "cite": Italic,
    "u": Underline,
    "ins": Underline,
    "s": Strike,
    "del": Strike,
    "strike": Strike,
}
PARTS = frozenset(
    {"p", "div", "details", "summary", "caption", "center", "section", "article", "header", "footer", "dl", "dt", "dd"}
)
"""What stands on lines of its own."""
HIDDEN = frozenset({"mx-reply", "script", "style", "template", "head", "title", "iframe", "object", "noframes"})
"""What is not shown with all that is in it. `mx-reply` was, up to version 1.12, a copy of what is answered."""

PERMITTED = {
    tag: tag for tag in ("h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "blockquote", "ul", "ol", "li", "pre")
}
PERMITTED |= {tag: tag for tag in ("b", "i", "u", "s", "strong", "em", "del", "sup", "sub", "code", "span", "a", "img")}
PERMITTED |= {tag: tag for tag in ("table", "thead", "tbody", "tr", "th", "td", "caption", "br", "hr")}
PERMITTED |= {"details": "details", "summary": "summary", "strike": "s", "font": "span", "ins": "u", "tt": "code"}
"""The tags that may be sent, with what older ones are called now."""
_ATTRIBUTES = {
    "span": ("data-mx-bg-color", "data-mx-color", "data-mx-spoiler", "data-mx-maths"),
    "div": ("data-mx-maths",),
    "a": ("href",),
    "img": ("src", "alt", "title", "width", "height", "data-mx-emoticon"),
    "ol": ("start",),
    "code": ("class",),
}

EVERYBODY = "mx-room"
"""The tag around a call of everybody in a text of ours. No client knows it: it becomes `m.mentions` of the event."""

LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,40}\Z")
_SCHEMES = frozenset({"https", "http", "ftp", "mailto", "magnet"})
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_USER = re.compile(r"@[^\s:\x00-\x1f\x7f]{0,254}:[A-Za-z0-9.:\[\]-]{1,255}\Z")
_MATRIX_TO = re.compile(r"https?://(?:www\.)?matrix\.to/#/(?P<who>(?:@|%40)[^/?#]+)(?:\?.*)?\Z", re.IGNORECASE)
_URI = re.compile(r"matrix:(?:u|user)/(?P<who>[^/?#]+)(?:\?.*)?\Z", re.IGNORECASE)
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]")


def is_user(name: str) -> bool:
    """Whether `name` is the id of a person on Matrix: `@alice:example.org`."""
    return len(name) <= 255 and _USER.match(name) is not None


def user_in(address: str) -> str | None:
    """The id of whom a link to `address` mentions; None where it is no mention."""
    if found := _MATRIX_TO.match(address.strip()):
        user = unquote(found["who"])
    elif found := _URI.match(address.strip()):
        user = "@" + unquote(found["who"]).removeprefix("@")
    else:
        return None
    return user if is_user(user) else None


def address_of(user: str) -> str:
    """The address that mentions `user`."""
    return "https://matrix.to/#/" + quote(user, safe="@:")


def safe_address(address: str) -> str | None:
    """`address` as a link may go there: absolute, of a scheme that clients follow; None where it is not."""
    address = _NOT_IN_ADDRESS.sub(lambda found: quote(found[0], errors="replace"), address.strip())
    scheme, colon, rest = address.partition(":")
    return address if colon and rest and scheme.lower() in _SCHEMES else None


def language_of(attributes: Mapping[str, str]) -> str:
    """The language of code, by its class; empty where it has none."""
    for name in (attributes.get("class") or "").split():
        if name.startswith("language-") and LANGUAGE.match(name[len("language-") :]):
            return name[len("language-") :]
    return ""


def permitted_attributes(tag: str, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those of a tag's attributes that may be sent, `tag` being its name today."""
    for name in _ATTRIBUTES.get(tag, ()):
        value = attributes.get(name)
        if value is None and name == "data-mx-color":
            value = attributes.get("color")
        if value is not None and (allowed := _allowed(name, value, attributes)) is not None:
            yield name, allowed


def _allowed(name: str, value: str, attributes: Mapping[str, str]) -> str | None:
    match name:
        case "href":
            user = user_in(value)
            return safe_address(value) if user is None else address_of(user)
        case "src":
            return value if value.startswith("mxc://") and not _NOT_IN_ADDRESS.search(value) else None
        case "start" | "width" | "height":
            return value if _NUMBER.match(value) else None
        case "data-mx-color" | "data-mx-bg-color":
            return value if _COLOUR.match(value) else None
        case "class":
            language = language_of(attributes)
            return f"language-{language}" if language else None
        case _:
            return value
