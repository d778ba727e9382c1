"""The Telegram keys of the operator's file: an instance's block, and a chat in a rule."""

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
    "Place",
    "TelegramChannel",
    "TelegramSettings",
    "channel_mistakes",
    "configured_place",
    "mistakes",
    "place_of",
]

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}", re.ASCII)
_CLOUD = "https://api.telegram.org"
_WITHOUT_100 = 10**9
"""A group's id is often copied without its -100 from the address of one of its messages; people's ids look alike."""


class TelegramSettings(Settings, frozen=True):
    """One bot, by the Bot API."""

    token: Annotated[Secret, Meta(description="The bot's token, as @BotFather gave it.")]
    api_url: Annotated[
        str,
        Meta(
            pattern=r"^\s*https?://[^\s/?#@]+(/[^\s?#]*)?\s*$",
            description="The address of the Bot API: Telegram's own, a proxy's, or that of a Bot API server of yours.",
            examples=[_CLOUD, "http://127.0.0.1:8081"],
            extra_json_schema={"x-hint": f"write it as {_CLOUD}, without /bot and the token"},
        ),
    ] = _CLOUD
    local_server: Annotated[
        bool,
        Meta(
            description="api_url is a Bot API server of yours that runs with --local, on this machine: it takes files "
            "of up to 2000 MB and gives files of any size, as paths."
        ),
    ] = False
    webhook: Annotated[
        bool,
        Meta(
            description="Have Telegram call global.base_url for each message, in place of asking it. It has to be an "
            "https address that Telegram can reach."
        ),
    ] = False
    photos: Annotated[
        bool,
        Meta(
            description="Show pictures, films and sound as such; Telegram makes pictures smaller and forgets their "
            "names. False: every file is sent as it is."
        ),
    ] = True
    max_file_size: MaxFileSize = 52428800
    messages_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="How many messages go to one group or channel in a minute; the others wait for their turn. "
            "Telegram allows about 20.",
        ),
    ] = 20
    messages_per_second: Annotated[
        int, Meta(ge=1, le=100_000, description="How many messages go out in a second, to all chats together.")
    ] = 25
    proxy: OptionalProxy = UNSET
    ca_file: OptionalCaFile = UNSET
    reconnect_delay: ReconnectDelay = 5.0

    @property
    def server(self) -> str:
        """`api_url` without what people add to it."""
        return self.api_url.strip().rstrip("/")

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.server).netloc


class TelegramChannel(Settings, frozen=True):
    """A group, a supergroup, a channel or a topic of a forum."""

    chat: Annotated[
        int
        | Annotated[
            str,
            Meta(
                pattern=r"^(@[A-Za-z][A-Za-z0-9_]{3,31}|-?[0-9]{1,15})$",
                extra_json_schema={
                    "x-hint": "write the chat's id, e.g. -1001234567890, or the @name of a public one; "
                    "docs/telegram.md says how to find it"
                },
            ),
        ],
        Meta(description="The chat's id, or the @name of a public one.", examples=[-1001234567890, "@my_group"]),
    ]
    topic: (
        Annotated[
            int,
            Meta(
                ge=2,
                description="The topic of a forum: the number behind the chat's in the address of one of its messages. "
                "Without it the General topic is meant.",
            ),
        ]
        | UnsetType
    ) = UNSET


class Place(Struct, frozen=True):
    """Where a channel is on Telegram."""

    chat: str
    """An id, or a name with its @."""
    topic: int | None = None

    @property
    def id(self) -> int | None:
        """The chat's id; None where only the server knows it."""
        return None if self.chat.startswith("@") else int(self.chat)

    @property
    def key(self) -> ChannelKey:
        return ChannelKey(self.chat if self.topic is None else f"{self.chat}/{self.topic}")


def configured_place(channel: TelegramChannel) -> Place:
    """Where the operator's file says that it is: by id, or by the public name in small letters."""
    return Place(str(channel.chat).lower(), None if channel.topic is UNSET else channel.topic)


def place_of(key: ChannelKey) -> Place | None:
    """What a key names; None where it names nothing on Telegram."""
    chat, _, topic = key.partition("/")
    if not re.fullmatch(r"@[a-z][a-z0-9_]{3,31}|-?[0-9]{1,15}", chat) or (topic and not topic.isdecimal()):
        return None
    return Place(chat, int(topic) if topic else None)


def mistakes(settings: TelegramSettings) -> Iterator[Remark]:
    """What is wrong with an instance's settings. No I/O."""
    token = settings.token.reveal()
    if not _TOKEN.fullmatch(token.strip()):
        text = "a token looks like 123456789:AAE…, as @BotFather gives it; copy it whole, without `bot` before it"
        yield Remark(("token",), text)
    elif token != token.strip():
        yield Remark(("token",), "the spaces around it are left off", fatal=False)
    server = settings.server
    try:
        readable = bool(urlsplit(server).hostname) and urlsplit(server).port != 0
    except ValueError:
        readable = False
    if not readable:
        yield Remark(("api_url",), "nothing can be reached by this: look at the host and at the port (65535 at most)")
    elif re.search(r"/bot[0-9:]*[^/]*$", urlsplit(server).path):
        yield Remark(("api_url",), "leave off /bot and what follows: the token has its own key")
    elif settings.local_server and server == _CLOUD:
        yield Remark(("local_server",), "that is a server of yours: give its address as api_url")
    elif server.startswith("http://") and not _is_near(server):
        yield Remark(("api_url",), "without https the token travels in the clear", fatal=False)


def _is_near(server: str) -> bool:
    return urlsplit(server).hostname in {"localhost", "127.0.0.1", "::1"}


def channel_mistakes(channel: TelegramChannel) -> Iterator[Remark]:
    """What is wrong with a chat. No I/O."""
    number = channel.chat if isinstance(channel.chat, int) else None
    if isinstance(channel.chat, str) and not channel.chat.startswith("@"):
        number = int(channel.chat)
    if number == 0:
        yield Remark(("chat",), "no chat has this id; docs/telegram.md says how to find it")
    elif number is not None and number >= _WITHOUT_100:
        text = f"the ids of groups are negative; if this is one, write -100{number} (a person's id is as it stands)"
        yield Remark(("chat",), text, fatal=False)
    if channel.topic is not UNSET and number is not None and number > -(10**12):
        yield Remark(("topic",), "only a supergroup has topics, and its id begins with -100")
