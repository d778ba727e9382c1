"""The signs of Mattermost's notation that its reader and its writer must agree on: guards, addresses, names."""

from __future__ import annotations

import re
import sys

from nextbridge.markup import Inline, Text

__all__ = [
    "CALLS_EVERYBODY",
    "GUARD",
    "MARKUP",
    "NAMES_AN_EMOJI",
    "address_at",
    "has_markup",
    "is_bare_address",
    "is_safe_address",
    "linked",
]

GUARD = "\u200b"
"""A zero-width space. Mattermost knows no escape for '@', ':', '&' and '=': this, put behind the sign (before a '='),
takes its meaning away and shows nothing. The reader takes one away where the writer would have put it, so the writer
adds another where a user's text has one there already."""

CALLS_EVERYBODY = re.compile(r"@(?:all|channel|here)(?![a-z0-9])", re.IGNORECASE)
"""What the server may take for a mass mention: it splits words at `.`, `-` and `:` and ignores case."""

NAMES_AN_EMOJI = re.compile(r"(?=.*[A-Za-z+-]|100\Z|1234\Z)[A-Za-z0-9_+-]+\Z")
"""Names that an emoji can have; of the numbers only two do, so times stay as they are."""

MARKUP = re.compile(
    r"[\\`*\[@\r\0\u200b]|~~|(?<![A-Za-z0-9_])_|_(?![A-Za-z0-9_])|:[A-Za-z0-9_+-]+:|&\#?[A-Za-z0-9]+;"
    r"|://|[wW]{3}\.|mailto:|^[ ]{0,3}(?:[-+=>\#|:]|\d+[.](?:\s|$))|^(?:[ ]{4}|[ ]{0,3}\t)",
    re.MULTILINE,
)
"""Where markup can be; a text without any is plain."""
_SIGN = re.compile(r"[\\`*\[@\r\0\u200b~_:&]")
_LINE_OR_WWW = re.compile(r"^[ ]{0,3}[-+=>\#|:\d\t ]|[wW]{3}\.", re.MULTILINE)


def has_markup(text: str) -> bool:
    """Whether there is MARKUP in `text`. For most texts, which have no sign that it could begin with, much faster."""
    may = _SIGN.search(text) is not None or _LINE_OR_WWW.search(text) is not None
    return may and MARKUP.search(text) is not None


_SCHEMES = frozenset({"http", "https", "ftp", "ftps", "mailto", "tel", "sip", "sips", "xmpp", "irc", "ircs", "matrix"})

_ADDRESS = re.compile(r"(?:https?://|ftp://|mailto:|www\.)(?:(?!\*\*|~~)[^\s<>`\"\[\]{}|\\^\u200b])+", re.IGNORECASE)
_ENDINGS = frozenset("?!.,:;*_~'")


def address_at(text: str, place: int = 0, end: int = sys.maxsize) -> str:
    """The bare address that starts at `place` and ends before `end`, without the punctuation after it.

    Empty where there is none, and where the server could find a mass mention in it.
    """
    found = _ADDRESS.match(text, place, end)
    if found is None:
        return ""
    address = found[0]
    length = len(address)
    opened = closed = -1
    while length and ((last := address[length - 1]) in _ENDINGS or last == ")"):
        if last == ")":
            if opened < 0:
                opened, closed = address.count("("), address.count(")")
            if opened >= closed:
                break
            closed -= 1
        length -= 1
    address = address[:length]
    if len(address) <= len("www.") or address.endswith(("//", "mailto:")) or CALLS_EVERYBODY.search(address):
        return ""
    return address


def is_bare_address(url: str, children: tuple[Inline, ...]) -> bool:
    """Whether a link to `url` that reads `children` is what a bare address becomes."""
    match children:
        case (Text(words),) if words:
            return url == linked(words) and address_at(words) == words
        case _:
            return False


def linked(address: str) -> str:
    """Where the link goes that a bare address becomes."""
    return f"http://{address}" if address[:4].lower() == "www." else address


def is_safe_address(url: str) -> bool:
    """Whether a link may go there: an absolute address that runs no script and opens no file."""
    scheme, colon, rest = url.partition(":")
    return bool(colon and rest) and scheme.lower() in _SCHEMES
