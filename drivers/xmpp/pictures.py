"""Pictures of people: out of the vCard of whoever has the nick (XEP-0153), as their own programs put them there.

Source: https://xmpp.org/extensions/xep-0153.html. A presence names the picture by its SHA-1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from drivers.xmpp.occupants import Occupant
from drivers.xmpp.room import Room
from drivers.xmpp.stanzas import element, name
from drivers.xmpp.stream import Refused, Stream
from nextbridge.errors import Gone, Rejected

__all__ = ["picture_of"]

_VCARD: Final = "vcard-temp"
_LARGEST: Final = 1_000_000
"""Bytes. A stanza has no room for much more."""


async def picture_of(stream: Stream, room: Room, occupant: Occupant, *, seconds: float) -> bytes:
    """The picture of somebody in a room. Raises Gone, Rejected and Retry."""
    if not occupant.photo:
        raise Gone("they have no picture")
    address = f"{room.key}/{occupant.nick}"
    try:
        answer = await stream.request(address, element(_VCARD, "vCard"), seconds=seconds)
    except Refused as error:
        raise Gone(f"the room does not give their picture out ({error.failure.condition})") from None
    found = answer.find(f"{name(_VCARD, 'vCard')}/{name(_VCARD, 'PHOTO')}/{name(_VCARD, 'BINVAL')}")
    try:
        picture = base64.b64decode("" if found is None else found.text or "")
    except (binascii.Error, ValueError):
        raise Rejected("their picture cannot be read") from None
    if not picture:
        raise Gone("they have no picture any more")
    if len(picture) > _LARGEST:
        raise Rejected("their picture is too large")
    if hashlib.sha1(picture, usedforsecurity=False).hexdigest() != occupant.photo.lower():
        raise Rejected("their picture is not the one that their presence names")
    return picture
