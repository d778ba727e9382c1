"""What the operator says of a bot on Discord and of a channel there, and what is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from nextbridge.config.types import MaxFileSize, OptionalCaFile, OptionalProxy, ReconnectDelay, Secret, Settings
from nextbridge.driver import Remark
from nextbridge.envelope import ChannelKey

__all__ = [
    "DiscordChannel",
    "DiscordSettings",
    "api_of",
    "channel_key",
    "repairs",
    "token_of",
]

Identity = Literal["webhook", "bot"]
Answers = Literal["link", "reply"]

_IDENTITY = Meta(
    description="How names are shown: by a webhook, which the bot makes and which bears each author's name and "
    "picture, or by the bot, with the name in the text."
)
_ANSWERS = Meta(
    description="How an answer shows what it answers where names are shown by a webhook, which Discord lets answer "
    "nothing: by a link to it above the text (link), or as the bot's own reply with the name in the text (reply)."
)


class DiscordSettings(Settings, frozen=True):
    """One bot on Discord."""

    token: Annotated[Secret, Meta(description="The bot's token, from the developer portal (Bot > Reset Token).")]
    identity: Annotated[Identity, _IDENTITY] = "webhook"
    answers: Annotated[Answers, _ANSWERS] = "link"
    api_url: Annotated[
        str,
        Meta(
            pattern=r"^\s*https?://[^\s/?#@]+(/[^\s?#]*)?\s*$",
            description="Where the API is reached, for those who go through a proxy of their own for it; the version "
            "follows it.",
            examples=["https://discord.com/api"],
            extra_json_schema={"x-hint": "write it as https://discord.com/api, without a question mark or a #"},
        ),
    ] = "https://discord.com/api"
    max_file_size: MaxFileSize = 52428800
    proxy: OptionalProxy = UNSET
    ca_file: OptionalCaFile = UNSET
    reconnect_delay: ReconnectDelay = 5.0


class DiscordChannel(Settings, frozen=True):
    """A text or announcement channel, a forum, a thread, or the chat of a voice channel, by its id."""

    channel_id: Annotated[
        str,
        Meta(
            pattern=r"^[0-9]{15,20}$(?!\n)",
            description="The channel's id.",
            examples=["1098765432109876543"],
            extra_json_schema={
                "x-hint": "a channel id is a number of 17 to 20 digits in quotes; turn on Settings > Advanced > "
                "Developer Mode in Discord, then right-click the channel > Copy Channel ID"
            },
        ),
    ]
    identity: Annotated[Identity, _IDENTITY] | UnsetType = UNSET
    answers: Annotated[Answers, _ANSWERS] | UnsetType = UNSET


def api_of(settings: DiscordSettings) -> str:
    """The API's address with its version, however it was written, without a final slash."""
    url = re.sub(r"/+v[0-9]+$", "", settings.api_url.strip().rstrip("/")).rstrip("/")
    return f"{url}/v10"


def token_of(settings: DiscordSettings) -> str:
    """The token without what pasting leaves around it, and without the word `Bot` that is its header's."""
    return re.sub(r"^Bot\s+", "", settings.token.reveal().strip())


def repairs(settings: DiscordSettings) -> Iterator[Remark]:
    """What is wrong with an instance's settings, or was put right."""
    written, token = settings.token.reveal(), token_of(settings)
    if not token:
        yield Remark(("token",), "it is blank; the developer portal shows the bot's token under Bot > Reset Token")
    elif re.search(r"[\s\x00-\x1f\x7f]", token):
        yield Remark(("token",), "it has a space or a line break inside; copy the token alone")
    elif token.isdecimal():
        yield Remark(("token",), "this is an id; the token is a longer text with two dots, under Bot > Reset Token")
    elif re.fullmatch(r"[0-9a-fA-F]{64}", token):
        yield Remark(("token",), "this is the application's public key; the token is under Bot > Reset Token")
    elif written != token:
        yield Remark(("token",), "the spaces and the word Bot before it are left off", fatal=False)


def channel_key(channel: DiscordChannel) -> ChannelKey:
    """The id."""
    return ChannelKey(channel.channel_id)
