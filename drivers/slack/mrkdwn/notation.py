"""The signs of mrkdwn, for its reader and its writer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from nextbridge.markup import Bold, Italic, Strike

__all__ = [
    "BOUNDARY",
    "EMOJI_NAME",
    "FORMATS",
    "LINKED",
    "MEANS_ITSELF",
    "PERSON",
    "TONES",
    "decoded",
    "encoded",
    "sign_of",
]

MEANS_ITSELF = "\u2060"
"""Word joiner: what follows it is no sign."""
BOUNDARY = "\u200b"
"""Zero width space: formatting may begin or end beside it, as beside a space."""

FORMATS: Mapping[str, type[Bold | Italic | Strike]] = MappingProxyType({"*": Bold, "_": Italic, "~": Strike})
EMOJI_NAME = r"[a-z0-9_+'\-]{1,100}"
PERSON = re.compile(r"[UW][A-Z0-9]{2,30}")
"""A person's id."""
LINKED = re.compile(r"(?:https?://|mailto:)[^\s<>|]+", re.IGNORECASE)
"""An address that is shown as a link. Others are text: a link that Slack does not take costs the whole message."""

TONES: Mapping[str, str] = MappingProxyType(
    {
        "_medium_light_skin_tone": "3",
        "_medium_dark_skin_tone": "5",
        "_medium_skin_tone": "4",
        "_light_skin_tone": "2",
        "_dark_skin_tone": "6",
    }
)
"""How emoji names end elsewhere, and the number of the skin tone that Slack has for it. No ending hides a later one."""

_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ENTITY = re.compile("|".join(_ENTITIES))


def sign_of(kind: type[Bold | Italic | Strike]) -> str:
    """What stands on both sides of formatted text."""
    return next(sign for sign, each in FORMATS.items() if each is kind)


def encoded(text: str) -> str:
    """With the three characters that are always signs as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def decoded(text: str) -> str:
    """The characters that entities stand for."""
    return _ENTITY.sub(lambda found: _ENTITIES[found.group()], text)
