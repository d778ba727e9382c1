"""What the operator says of an account on a Matrix homeserver and of a room there, and what is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType

from nextbridge.config.types import MaxFileSize, OptionalCaFile, OptionalProxy, ReconnectDelay, Secret, Settings
from nextbridge.driver import Remark
from nextbridge.envelope import ChannelKey

__all__ = [
    "ApplicationService",
    "Homeserver",
    "MatrixRoom",
    "MatrixSettings",
    "realm_of",
    "remarks",
    "room_key",
    "room_remarks",
]


_SHORTEST_TOKEN = 16


class ApplicationService(Settings, frozen=True):
    """The relay as an application service of the homeserver, as `nextbridge registration` tells it."""

    as_token: Annotated[
        Secret, Meta(description="The token by which the homeserver knows the relay: a long random one.")
    ]
    hs_token: Annotated[Secret, Meta(description="Another one, by which the relay knows the homeserver.")]
    puppets: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9_.-]*$(?!\n)",
            max_length=40,
            description="What the names of the accounts begin with that stand for people elsewhere; nobody else can "
            "take such a name.",
        ),
    ] = "nextbridge_"
    url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s?#]+)?$(?!\n)",
            description="Where the homeserver reaches this instance. By default `/matrix/<instance>` below "
            "global.base_url.",
            examples=["http://127.0.0.1:8778/matrix/home"],
        ),
    ] = ""


class MatrixSettings(Settings, frozen=True):
    """One account on a Matrix homeserver, by an access token or by its password."""

    homeserver: Annotated[
        str,
        Meta(
            pattern=r"^\s*https?://[^\s/?#@]+(/[^\s?#]*)?\s*$",
            description="The address of the homeserver's client API.",
            examples=["https://matrix.example.com"],
            extra_json_schema={
                "x-hint": "write the address that clients use, e.g. https://matrix.example.com; your client shows it "
                "under Settings > Help & About > Homeserver"
            },
        ),
    ]
    user_id: Annotated[
        str,
        Meta(
            pattern=r"^@[^\s:@]+:[^\s/@]+$(?!\n)",
            description="The account's whole id.",
            examples=["@relay:example.com"],
            extra_json_schema={"x-hint": "write the whole id, like @relay:example.com"},
        ),
    ]
    access_token: Annotated[Secret, Meta(description="The account's access token.")] | UnsetType = UNSET
    password: (
        Annotated[
            Secret,
            Meta(
                description="The account's password, in place of a token: the relay logs in once and keeps the token "
                "that it gets in the state folder."
            ),
        ]
        | UnsetType
    ) = UNSET
    application_service: (
        Annotated[
            ApplicationService,
            Meta(
                description="In place of a token: the homeserver knows the relay by a registration file, and each "
                "person elsewhere has an account of their own there."
            ),
        ]
        | UnsetType
    ) = UNSET
    max_file_size: MaxFileSize = 52428800
    proxy: OptionalProxy = UNSET
    ca_file: OptionalCaFile = UNSET
    reconnect_delay: ReconnectDelay = 5.0


class MatrixRoom(Settings, frozen=True):
    """A room by its id, or by an alias of it."""

    room_id: (
        Annotated[
            str,
            Meta(
                pattern=r"^!\S+$(?!\n)",
                description="The room's id.",
                examples=["!AbCdEfGhIjKlMnOpQr:example.com"],
                extra_json_schema={
                    "x-hint": "a room id begins with an exclamation mark; in Element it is under Room settings > "
                    "Advanced > Internal room ID. To use the room's address, write `alias` instead"
                },
            ),
        ]
        | UnsetType
    ) = UNSET
    alias: (
        Annotated[
            str,
            Meta(
                pattern=r"^#[^\s:]+:\S+$(?!\n)",
                description="One of the room's addresses.",
                examples=["#ops:example.com"],
                extra_json_schema={"x-hint": "an alias is like #ops:example.com, with its server"},
            ),
        ]
        | UnsetType
    ) = UNSET


class Homeserver(Struct, frozen=True):
    """Where a homeserver is, made of `homeserver` however it was written."""

    url: str
    """Without a final slash and without `/_matrix`."""

    @classmethod
    def of(cls, address: str) -> Homeserver:
        """The homeserver at `address`, with what people add to it by mistake taken off."""
        url = address.strip().rstrip("/")
        return cls(re.sub(r"/+_matrix(/.*)?$", "", url).rstrip("/"))


def realm_of(user_id: str) -> str:
    """What ids belong to: an account's homeserver, by its name. Rooms of one server have members of many."""
    return user_id.partition(":")[2]


def remarks(settings: MatrixSettings) -> Iterator[Remark]:
    """What is wrong with an instance's settings, or was put right."""
    url = Homeserver.of(settings.homeserver).url
    if not _can_be_opened(url):
        yield Remark(("homeserver",), "nothing can be reached there: look at the host and at the port (65535 at most)")
    elif settings.homeserver != url:
        yield Remark(("homeserver",), f"taken as {url}; write it so", fatal=False)
    if settings.application_service is not UNSET:
        yield from _service_remarks(settings, settings.application_service)
    elif settings.access_token is UNSET and settings.password is UNSET:
        yield Remark((), "it has no way to log in; add `access_token`, `password` or `application_service`")
    elif settings.access_token is not UNSET and settings.password is not UNSET:
        yield Remark(("password",), "there is an access_token too; keep one of the two")
    if settings.access_token is not UNSET and re.search(r"\s|^$", settings.access_token.reveal()):
        yield Remark(("access_token",), "it is blank or has a space inside; copy the token alone")
    if settings.password is not UNSET and not settings.password.reveal():
        yield Remark(("password",), "it is empty")


def _service_remarks(settings: MatrixSettings, service: ApplicationService) -> Iterator[Remark]:
    for key, other in (("access_token", settings.access_token), ("password", settings.password)):
        if other is not UNSET:
            yield Remark((key,), "an application service has no use for it; take it out")
    for key, token in (("as_token", service.as_token), ("hs_token", service.hs_token)):
        if len(token.reveal()) < _SHORTEST_TOKEN or re.search(r"\s", token.reveal()):
            yield Remark(
                ("application_service", key),
                f"write {_SHORTEST_TOKEN} random characters or more and no space: `openssl rand -hex 32` makes some",
            )
    if service.as_token.reveal() == service.hs_token.reveal():
        yield Remark(("application_service", "hs_token"), "it is the as_token; make another one")
    if settings.user_id[1:].startswith(service.puppets):
        yield Remark(
            ("application_service", "puppets"),
            f"the relay's own name, {settings.user_id}, begins so, too; choose another beginning for the puppets",
        )


def _can_be_opened(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def room_remarks(room: MatrixRoom) -> Iterator[Remark]:
    """What is wrong with a room."""
    if room.room_id is UNSET and room.alias is UNSET:
        yield Remark((), "it names no room; add `room_id`, or `alias` with one of the room's addresses")
    elif room.room_id is not UNSET and room.alias is not UNSET:
        yield Remark((), "it has a room_id and an alias; keep the room_id alone")


def room_key(room: MatrixRoom) -> ChannelKey:
    """The id, or the alias, which no id looks like."""
    return ChannelKey(room.alias or "" if room.room_id is UNSET else room.room_id)
