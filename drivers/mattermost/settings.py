"""What the operator says of a Mattermost server and of a channel there, and what is made of it.

What can be put right is (`Server.of`, `token_of`); each such repair is said to the operator by `repairs`.
"""

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
    "MattermostChannel",
    "MattermostSettings",
    "Server",
    "channel_key",
    "channel_mistakes",
    "named",
    "repairs",
    "token_of",
]

_NAME = Meta(
    pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    extra_json_schema={
        "x-hint": "write the name as it stands in the channel's address, "
        "https://SERVER/TEAM/channels/CHANNEL, not the one shown above the channel"
    },
)


class MattermostSettings(Settings, frozen=True):
    """One account (a bot, or a user by a personal access token) on a Mattermost server, 5.37 or later."""

    server_url: Annotated[
        str,
        Meta(
            pattern=r"^\s*https?://[^\s/?#@]+(/[^\s?#]*)?\s*$",
            description="The server's address, as a browser opens it; with its subpath where it has one.",
            examples=["https://mattermost.example.com"],
            extra_json_schema={
                "x-hint": "write the address that a browser opens, e.g. https://mattermost.example.com, "
                "without a user name, a question mark or a #"
            },
        ),
    ]
    token: Annotated[Secret, Meta(description="The bot's access token, or a personal access token.")]
    team: (
        Annotated[str, _NAME, Meta(description="The team of channels that are given by name without one.")] | UnsetType
    ) = UNSET
    max_file_size: MaxFileSize = 52428800
    proxy: OptionalProxy = UNSET
    ca_file: OptionalCaFile = UNSET
    slash_command: Annotated[
        bool,
        Meta(
            description="Make /nb (see command_prefix) a command of its teams, where global.base_url is set and the "
            "account has the right to."
        ),
    ] = True
    reconnect_delay: ReconnectDelay = 5.0


class MattermostChannel(Settings, frozen=True):
    """A channel by its id, or by its name and its team's. Direct and group messages have ids too."""

    channel_id: (
        Annotated[
            str,
            Meta(
                pattern=r"^[a-z0-9]{26}$(?!\n)",
                description="The channel's id.",
                examples=["4xp9fdt77pncbef59f4k1qe83o"],
                extra_json_schema={
                    "x-hint": "a channel id is 26 characters of a-z and 0-9, like 4xp9fdt77pncbef59f4k1qe83o; find it "
                    "in Mattermost under the channel's name > View Info, at the bottom. "
                    "To use the channel's name, write `channel` (and `team`) instead"
                },
            ),
        ]
        | UnsetType
    ) = UNSET
    team: (
        Annotated[str, _NAME, Meta(description="The team's name, as in addresses.", examples=["main"])] | UnsetType
    ) = UNSET
    channel: (
        Annotated[str, _NAME, Meta(description="The channel's name, as in addresses.", examples=["town-square"])]
        | UnsetType
    ) = UNSET


class Server(Struct, frozen=True):
    """Where a server is, made of `server_url` however it was written."""

    url: str
    """Without a final slash and without `/api/v4`."""

    @classmethod
    def of(cls, server_url: str) -> Server:
        """The server at `server_url`, with what people add to it by mistake taken off."""
        url = server_url.strip().rstrip("/")
        return cls(re.sub(r"/+api(/+v4)?$", "", url).rstrip("/"))

    @property
    def api(self) -> str:
        return f"{self.url}/api/v4"

    @property
    def websocket(self) -> str:
        """`https` becomes `wss`, `http` becomes `ws`."""
        return f"ws{self.api.removeprefix('http')}/websocket"

    @property
    def realm(self) -> str:
        """What its ids belong to: host and subpath.

        Two ways to one server (http and https, another port) are one realm. Two servers on one host differ in their
        ids, which are random, so that taking them for one confuses nothing.
        """
        parts = urlsplit(self.url)
        return f"{parts.hostname}{parts.path}"


def token_of(settings: MattermostSettings) -> str:
    """The token without the spaces that pasting leaves around it: the server answers 401 to those."""
    return settings.token.reveal().strip()


def repairs(settings: MattermostSettings) -> Iterator[Remark]:
    """What is wrong with an instance's settings, or was put right."""
    server = Server.of(settings.server_url)
    if not _can_be_opened(server.url):
        yield Remark(("server_url",), "no browser opens this: look at the host and at the port (65535 at most)")
    elif settings.server_url != server.url:
        yield Remark(("server_url",), f"taken as {server.url}; write it so", fatal=False)
    written, token = settings.token.reveal(), token_of(settings)
    if not token:
        yield Remark(("token",), "it is blank; create a bot in Mattermost (Integrations > Bot Accounts) for its token")
    elif re.search(r"[\s\x00-\x1f\x7f]", token):
        yield Remark(("token",), "it has a space or a line break inside; copy the token alone")
    elif written != token:
        yield Remark(("token",), "the spaces around it are left off", fatal=False)


def _can_be_opened(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def channel_mistakes(channel: MattermostChannel, settings: MattermostSettings) -> Iterator[Remark]:
    """What is wrong with a channel of an instance with these settings."""
    if channel.channel_id is not UNSET:
        if channel.channel is not UNSET or channel.team is not UNSET:
            yield Remark((), "it has a channel_id and a name; keep the channel_id alone")
    elif channel.channel is UNSET:
        yield Remark((), "it names no channel; add `channel_id`, or `channel` with the channel's name")
    elif channel.team is UNSET and settings.team is UNSET:
        yield Remark((), "the channel is given by name, so its team is needed: add `team` here or to the instance")


def named(channel: MattermostChannel, settings: MattermostSettings) -> tuple[str, str]:
    """Team and channel by name, as the server writes them. Only for a channel without an id."""
    return (channel.team or settings.team or "").lower(), (channel.channel or "").lower()


def channel_key(channel: MattermostChannel) -> ChannelKey:
    """The id, or `name:team/channel`, which no id looks like. The team is empty where it is the instance's."""
    if channel.channel_id is not UNSET:
        return ChannelKey(channel.channel_id)
    return ChannelKey(f"name:{(channel.team or '').lower()}/{(channel.channel or '').lower()}")
