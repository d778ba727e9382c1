"""Matrix's JSON, decoded once: what `/sync` and the other calls of the client-server API answer.

Facts are of the specification, v1.15 (https://spec.matrix.org/v1.15/client-server-api/). What people write (the content
of events) may hold anything under any key, so that `Content` looks at each field by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, field

from nextbridge.envelope import Mark

__all__ = [
    "MARK_FIELD",
    "UNREADABLE",
    "AccountData",
    "Aliased",
    "Annotations",
    "Content",
    "Context",
    "Decrypted",
    "DeviceLists",
    "Event",
    "Events",
    "Failure",
    "Invitation",
    "JoinedMembers",
    "JoinedRoom",
    "JoinedRooms",
    "LeftRoom",
    "LoggedIn",
    "MediaConfig",
    "Member",
    "Nothing",
    "Page",
    "Placed",
    "Profile",
    "Room",
    "Sent",
    "Sync",
    "Transaction",
    "Uploaded",
    "Versions",
    "WhoAmI",
    "contents_of",
    "event_of",
    "events_of",
    "header_safe",
    "storable",
]

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises where a server's bytes are not what they should be: no UTF-8, or nested without an end, too."""

MARK_FIELD = "nextbridge.mark"
"""The field of a message's content that holds the relay's mark."""

_LONGEST_MARK = 512
"""Characters of one field of a mark; ours are far shorter."""
_MOST_PLACES = 32
"""Rooms that a message may have come through."""
_NO_JSON = Raw(b"{}")
_ANY_FILE = "application/octet-stream"

# --- events -------------------------------------------------------------------------------------------------------


class Content:
    """The content of an event, or an object inside it: any field may be missing, or of a type that it should not be."""

    def __init__(self, raw: Raw | None) -> None:
        self.whole = _NO_JSON if raw is None else raw
        self._fields: Mapping[str, Raw] = {} if raw is None else _lenient(raw, dict[str, Raw]) or {}

    def __bool__(self) -> bool:
        return bool(self._fields)

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def text(self, key: str) -> str:
        """A string; empty where there is none."""
        return self._field(key, str) or ""

    def texts(self, key: str) -> list[str]:
        """A list of strings; empty where it is not that."""
        return self._field(key, list[str]) or []

    def number(self, key: str) -> int | None:
        """A whole number that is not negative."""
        found = self.level(key)
        return found if found is not None and found >= 0 else None

    def level(self, key: str) -> int | None:
        """A power level: a whole number, below 0 for whoever is muted."""
        return self._field(key, int)

    def says(self, key: str) -> bool:
        """Whether it is true, and nothing that only looks like it."""
        return self._field(key, bool) is True

    def part(self, key: str) -> Content:
        """An object; empty where there is none."""
        return Content(self._fields.get(key))

    def raw(self) -> dict[str, Raw]:
        """All fields, for what is to be sent again as it is."""
        return dict(self._fields)

    @property
    def mark(self) -> Mark | None:
        """A relay's mark, if it looks like one."""
        mark = self._field(MARK_FIELD, Mark)
        if mark is None or len(mark.via) > _MOST_PLACES:
            return None
        longest = max(map(len, (mark.daemon, mark.delivery, mark.origin, *mark.via)))
        return mark if longest <= _LONGEST_MARK else None

    def _field(self, key: str, kind: type[T]) -> T | None:
        raw = self._fields.get(key)
        return None if raw is None else _lenient(raw, kind)


class Event(Struct, frozen=True):
    """An event of a room's timeline or state."""

    type: str
    sender: str
    content: Raw = _NO_JSON
    event_id: str = ""
    """Missing in the stripped state of an invitation."""
    origin_server_ts: int = 0
    """Milliseconds, by the clock of the sender's server: a member from elsewhere may have it say anything."""
    state_key: str | None = None
    redacts: str = ""
    unsigned: Raw = _NO_JSON

    @property
    def is_redacted(self) -> bool:
        """Whether it was taken back: of its content nothing is left."""
        return "redacted_because" in Content(self.unsigned)


class Decrypted(Struct, frozen=True):
    """What is in an encrypted event."""

    type: str
    room_id: str
    content: Raw = _NO_JSON


def event_of(raw: Raw) -> Event:
    """An event. Raises one of UNREADABLE."""
    return msgspec.json.decode(raw, type=Event)


def contents_of(chunk: list[Raw], kind: str) -> list[Content]:
    """The contents of those of a kind; what is of the moment has no sender."""
    contents = []
    for raw in chunk:
        with suppress(*UNREADABLE):
            found = msgspec.json.decode(raw, type=AccountData)
            if found.type == kind:
                contents.append(Content(found.content))
    return contents


def events_of(chunk: list[Raw]) -> list[Event]:
    """Those of a list that can be read."""
    events = []
    for raw in chunk:
        with suppress(*UNREADABLE):
            events.append(event_of(raw))
    return events


# --- /sync --------------------------------------------------------------------------------------------------------


class AccountData(Struct, frozen=True):
    """A piece of what the account keeps on the server."""

    type: str
    content: Raw = _NO_JSON


class Events(Struct, frozen=True):
    """A list of events, each still to be decoded."""

    events: list[Raw] = field(default_factory=list)


class Timeline(Struct, frozen=True):
    """The newest events of a room since the last sync."""

    events: list[Raw] = field(default_factory=list)
    limited: bool = False
    """There are more before these."""
    prev_batch: str | None = None


class JoinedRoom(Struct, frozen=True):
    """A room that we are in."""

    state: Events = field(default_factory=Events)
    """As it was before the timeline begins."""
    timeline: Timeline = field(default_factory=Timeline)
    ephemeral: Events = field(default_factory=Events)


class Invitation(Struct, frozen=True):
    """A room that we are invited to, as far as we may see it."""

    invite_state: Events = field(default_factory=Events)


class LeftRoom(Struct, frozen=True):
    """A room that we are in no more."""

    timeline: Timeline = field(default_factory=Timeline)


class Rooms(Struct, frozen=True):
    """The rooms in which something happened; all of them where it is the first sync."""

    join: dict[str, JoinedRoom] = field(default_factory=dict)
    invite: dict[str, Invitation] = field(default_factory=dict)
    leave: dict[str, LeftRoom] = field(default_factory=dict)


class DeviceLists(Struct, frozen=True):
    """Whose devices are other ones now."""

    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


class Sync(Struct, frozen=True):
    """What happened since a token."""

    next_batch: str
    rooms: Rooms = field(default_factory=Rooms)
    account_data: Events = field(default_factory=Events)
    to_device: Events = field(default_factory=Events)
    device_lists: DeviceLists = field(default_factory=DeviceLists)
    device_one_time_keys_count: dict[str, int] = field(default_factory=dict)


# --- what other calls answer ----------------------------------------------------------------------------------------


class Transaction(Struct, frozen=True):
    """What a homeserver tells an application service, at once."""

    events: list[Raw] = field(default_factory=list)
    ephemeral: list[Raw] = field(default_factory=list)
    """Since version 1.13; Synapse wrote it otherwise before."""
    earlier_ephemeral: list[Raw] = field(default_factory=list, name="de.sorunome.msc2409.ephemeral")


class Placed(Struct, frozen=True):
    """Of an event that comes without its room around it: the room."""

    room_id: str = ""


class Page(Struct, frozen=True):
    """`/messages`: a part of a room's history. `end` is missing where there is no more."""

    chunk: list[Raw] = field(default_factory=list)
    end: str | None = None


class Context(Struct, frozen=True):
    """`/context`: the tokens around an event."""

    end: str = ""
    """From where what came after it is read."""


class Annotations(Struct, frozen=True):
    """`/relations`: the events that are about another."""

    chunk: list[Raw] = field(default_factory=list)
    next_batch: str | None = None


class WhoAmI(Struct, frozen=True):
    """Whose token it is."""

    user_id: str
    device_id: str = ""


class LoggedIn(Struct, frozen=True):
    """`/login`."""

    user_id: str
    access_token: str
    device_id: str


class Versions(Struct, frozen=True):
    """Which versions of the specification the server keeps to."""

    versions: list[str] = field(default_factory=list)


class Sent(Struct, frozen=True):
    """The id of what was sent."""

    event_id: str


class Room(Struct, frozen=True):
    """The id of a room that was joined or made."""

    room_id: str


class JoinedRooms(Struct, frozen=True):
    """The ids of the rooms that we are in."""

    joined_rooms: list[str]


class Aliased(Struct, frozen=True):
    """The room that an alias names."""

    room_id: str
    servers: list[str] = field(default_factory=list)


class Member(Struct, frozen=True):
    """Somebody's name and picture."""

    display_name: str | None = None
    avatar_url: str | None = None


class JoinedMembers(Struct, frozen=True):
    """Who is in a room."""

    joined: dict[str, Member] = field(default_factory=dict)


class Profile(Struct, frozen=True):
    """Somebody's name and picture, in no room."""

    displayname: str | None = None
    avatar_url: str | None = None


class Uploaded(Struct, frozen=True):
    """Where an uploaded file is: `mxc://server/id`."""

    content_uri: str


class MediaConfig(Struct, frozen=True):
    """What the server says of files."""

    upload_size: int | None = field(default=None, name="m.upload.size")
    """Bytes; None where it does not say."""


class Nothing(Struct, frozen=True):
    """An answer of which nothing is used."""


class Failure(Struct, frozen=True):
    """A refusal, as the server says it."""

    errcode: str
    error: str = ""
    retry_after_ms: float | None = None


def _lenient(raw: Raw, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.ValidationError, *UNREADABLE):
        return None


def storable(text: str) -> str:
    """`text` without what cannot be in an event: no half of a surrogate pair, and no NUL, which databases refuse."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def header_safe(kind: str) -> str:
    """A media type that a chat user's program gave, as it can stand in a header."""
    return kind if re.fullmatch(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}", kind) else _ANY_FILE
