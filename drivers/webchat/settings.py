"""The web chat's keys in the operator's file: an instance's and a room's."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from nextbridge.config.types import NonBlank, Secret, Settings

__all__ = ["LARGEST_MESSAGE", "Origin", "RoomSettings", "WebChatSettings"]

LARGEST_MESSAGE = 16_000
"""Characters of one message that comes from another platform, and the most that `max_message` may allow."""

Origin: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^https?://[A-Za-z0-9.*\[\]:-]+$(?!\n)",
        extra_json_schema={"x-hint": "write an origin: https://host or https://host:port, with nothing after it"},
    ),
]


class WebChatSettings(Settings, frozen=True):
    """One web chat: its page is served by the daemon at `/webchat/<instance>/`."""

    title: Annotated[NonBlank, Meta(description="Shown at the top of the page.")] = "Web chat"
    token: Annotated[
        Secret | None,
        Meta(
            description="Asked of everybody who opens the page. Without one, only this very machine can open it. "
            "People can be given it in the link: …/webchat/<instance>/#token=<token>"
        ),
    ] = None
    history: Annotated[
        int, Meta(ge=20, le=2000, description="Messages kept of each room, and shown when it is opened.")
    ] = 200
    max_message: Annotated[
        int, Meta(ge=1, le=LARGEST_MESSAGE, description="The longest message that can be typed, in characters.")
    ] = 4000
    messages_per_minute: Annotated[
        int, Meta(ge=1, le=6000, description="What one browser may send; what is more waits in the browser.")
    ] = 60
    max_file_size: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes; a larger file cannot be uploaded, and one from another platform is shown by its name. "
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
    max_connections: Annotated[
        int, Meta(ge=1, le=10_000, description="Browsers connected at once, over all rooms.")
    ] = 500
    max_connections_per_room: Annotated[
        int, Meta(ge=1, le=10_000, description="Browsers connected at once to one room.")
    ] = 200
    embed_from: Annotated[
        tuple[Origin, ...],
        Meta(description="The sites that may show the page in a frame.", examples=[["https://intranet.example.com"]]),
    ] = ()


class RoomSettings(Settings, frozen=True):
    """A channel of the web chat."""

    room: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)",
            description="The room's name. It exists because a rule names it.",
            examples=["lobby"],
            extra_json_schema={"x-hint": "a room's name has 1 to 64 letters, digits, dots, underscores and hyphens"},
        ),
    ]
