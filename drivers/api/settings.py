"""The HTTP API's keys in the operator's file: an instance's, a token's and a room's."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from nextbridge.config.types import Secret, Settings

__all__ = ["LARGEST_MESSAGE", "MOST_HISTORY", "ROOM_PATTERN", "ApiSettings", "Right", "RoomSettings", "TokenSettings"]

LARGEST_MESSAGE = 16_000
"""Characters of one message that comes from another platform, and the most that `max_message` may allow."""
MOST_HISTORY = 10_000

Right: TypeAlias = Literal["read", "write", "read_write"]

ROOM_PATTERN = r"^[A-Za-z0-9._-]{1,64}$(?!\n)"
RoomName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=ROOM_PATTERN,
        extra_json_schema={"x-hint": "a room's name has 1 to 64 letters, digits, dots, underscores and hyphens"},
    ),
]


class TokenSettings(Settings, frozen=True):
    """What one program shows to be let in, and what it may do then."""

    name: Annotated[
        str,
        Meta(
            pattern=ROOM_PATTERN,
            description="What the program is called in the log, and its messages where they name no author.",
            examples=["minecraft"],
            extra_json_schema={"x-hint": "a name has 1 to 64 letters, digits, dots, underscores and hyphens"},
        ),
    ]
    token: Annotated[Secret, Meta(description="Sent by the program as `Authorization: Bearer`.")]
    rights: Annotated[Right, Meta(description="What the program may do in its rooms.")] = "read_write"
    rooms: Annotated[
        tuple[RoomName, ...] | None,
        Meta(description="The rooms that it may use; all of the instance where they are not named."),
    ] = None


class ApiSettings(Settings, frozen=True):
    """One HTTP API: it is served by the daemon below `/api/<instance>/`."""

    tokens: Annotated[
        tuple[TokenSettings, ...],
        Meta(min_length=1, max_length=1000, description="The programs that may use the API."),
    ]
    history: Annotated[
        int,
        Meta(
            ge=20,
            le=MOST_HISTORY,
            description="Entries kept of each room, on disk: what a program that was away so long can still read.",
        ),
    ] = 1000
    max_message: Annotated[
        int, Meta(ge=1, le=LARGEST_MESSAGE, description="The longest message that a program may post, in characters.")
    ] = 4000
    messages_per_minute: Annotated[
        int,
        Meta(ge=1, le=60_000, description="What one token may post, edit, delete and react; what is more is refused."),
    ] = 600
    max_file_size: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes; a larger file cannot be posted, and one from another platform is shown by its name. "
            "0: no files.",
        ),
    ] = 20 * 1024 * 1024
    files_size: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes that all files of the rooms may take on disk. Where there is no room for a new one, the "
            "oldest are forgotten; otherwise a file is, when its message is.",
        ),
    ] = 512 * 1024 * 1024
    max_readers: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Streams, sockets and waiting requests at once; a further one is refused.",
        ),
    ] = 200


class RoomSettings(Settings, frozen=True):
    """A channel of the HTTP API."""

    room: Annotated[
        RoomName,
        Meta(description="The room's name. It exists because a rule names it.", examples=["ops"]),
    ]
