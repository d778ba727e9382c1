"""What the operator says of a Slack app and of a channel, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from nextbridge.config.types import MaxFileSize, OptionalCaFile, OptionalProxy, ReconnectDelay, Secret, Settings
from nextbridge.driver import Remark
from nextbridge.envelope import ChannelKey

__all__ = ["SlackChannel", "SlackSettings", "channel_key", "channel_mistakes", "mistakes", "name_of", "secret_of"]


class SlackSettings(Settings, frozen=True):
    """One app in one workspace. Its events come by Socket Mode (`app_token`) or by HTTP (`signing_secret`)."""

    bot_token: Annotated[
        Secret,
        Meta(description="The Bot User OAuth Token of the app, xoxb-…: OAuth & Permissions, after installing it."),
    ]
    app_token: Annotated[
        Secret | None,
        Meta(
            description="An App-Level Token with the scope connections:write, xapp-…: Basic Information. Events "
            "come by Socket Mode then, over a connection that the relay opens."
        ),
    ] = None
    signing_secret: Annotated[
        Secret | None,
        Meta(
            description="The app's Signing Secret: Basic Information. With it, and without app_token, events come by "
            "HTTP to /slack/<instance>/events below global.base_url."
        ),
    ] = None
    api_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$(?!\n)",
            description="Where the Web API is: of a proxy before Slack, or of a stand-in.",
            extra_json_schema={"x-hint": "write the address of the Web API, e.g. https://slack.com/api/"},
        ),
    ] = "https://slack.com/api/"
    max_file_size: MaxFileSize = 52428800
    proxy: OptionalProxy = UNSET
    ca_file: OptionalCaFile = UNSET
    reconnect_delay: ReconnectDelay = 5.0


class SlackChannel(Settings, frozen=True):
    """A channel by its id or by its name."""

    channel_id: (
        Annotated[
            str,
            Meta(
                pattern=r"^[CGD][A-Z0-9]{7,20}$(?!\n)",
                description="The channel's id.",
                examples=["C0123456789"],
                extra_json_schema={
                    "x-hint": "a channel id is a C and capitals and digits, like C0123456789; it is at the bottom of "
                    "the channel's details in Slack. To use the channel's name, write `channel` instead"
                },
            ),
        ]
        | UnsetType
    ) = UNSET
    channel: (
        Annotated[
            str,
            Meta(
                pattern=r"^#?[^\s#@.,:A-Z]{1,80}$(?!\n)",
                description="The channel's name, with or without its #.",
                examples=["general"],
                extra_json_schema={"x-hint": "a channel's name has small letters, digits, hyphens and underscores"},
            ),
        ]
        | UnsetType
    ) = UNSET


def secret_of(secret: Secret) -> str:
    """Its value without the spaces that pasting leaves around it."""
    return secret.reveal().strip()


def mistakes(settings: SlackSettings) -> Iterator[Remark]:
    """What is wrong with an instance's settings."""
    bot = secret_of(settings.bot_token)
    if bot.startswith("xapp-"):
        text = "this is an app-level token, which belongs in app_token; here goes the Bot User OAuth Token, xoxb-…"
        yield Remark(("bot_token",), text)
    elif bot.startswith("xoxp-"):
        text = "this is a person's token; the relay needs the Bot User OAuth Token, xoxb-… (OAuth & Permissions)"
        yield Remark(("bot_token",), text)
    elif re.fullmatch(r"[!-~]+", bot) is None:
        yield Remark(("bot_token",), "it is blank or has a space inside; copy the Bot User OAuth Token alone")
    elif settings.bot_token.reveal() != bot:
        yield Remark(("bot_token",), "the spaces around it are left off", fatal=False)
    if settings.app_token is not None and re.fullmatch(r"xapp-[!-~]+", secret_of(settings.app_token)) is None:
        text = "an app-level token begins with xapp-; make one under Basic Information, with connections:write"
        yield Remark(("app_token",), text)
    elif settings.app_token is not None and settings.app_token.reveal() != secret_of(settings.app_token):
        yield Remark(("app_token",), "the spaces around it are left off", fatal=False)
    if settings.signing_secret is not None and not secret_of(settings.signing_secret):
        yield Remark(("signing_secret",), "it is blank; copy the Signing Secret from the app's Basic Information")
    if settings.app_token is None and settings.signing_secret is None:
        yield Remark((), "events have no way here; add `app_token` (Socket Mode), or `signing_secret` (HTTP)")
    elif settings.app_token is not None and settings.signing_secret is not None:
        text = "events come by Socket Mode, since there is an app_token; leave signing_secret out"
        yield Remark(("signing_secret",), text, fatal=False)


def channel_mistakes(channel: SlackChannel) -> Iterator[Remark]:
    """What is wrong with a channel."""
    if channel.channel_id is not UNSET and channel.channel is not UNSET:
        yield Remark((), "it has a channel_id and a name; keep the channel_id alone")
    elif channel.channel_id is UNSET and channel.channel is UNSET:
        yield Remark((), "it names no channel; add `channel_id`, or `channel` with the channel's name")


def name_of(channel: SlackChannel) -> str:
    """The name that the file has for a channel without an id, as Slack writes it."""
    return (channel.channel or "").removeprefix("#")


def channel_key(channel: SlackChannel) -> ChannelKey:
    """The id, or `name:channel`, which no id looks like."""
    return ChannelKey(channel.channel_id if channel.channel_id is not UNSET else f"name:{name_of(channel)}")
