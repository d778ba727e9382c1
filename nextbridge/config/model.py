"""The operator's file once it is read, validated and resolved: what the rest of the core is built from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

from nextbridge.config.types import Duration, NonBlank, Off, ProxyUrl, Secret, Settings, in_seconds
from nextbridge.driver import Driver
from nextbridge.envelope import Channel, ChannelKey, InstanceId
from nextbridge.http.addresses import AddressGuard

__all__ = [
    "Config",
    "Endpoint",
    "FilterSettings",
    "GlobalSettings",
    "HttpSettings",
    "Instance",
    "LogSettings",
    "MessageSettings",
    "NamedUser",
    "OpsChannel",
    "OpsSettings",
    "OtelSettings",
    "ReplaceSettings",
    "Rule",
    "RuleSettings",
    "StatusPageSettings",
    "Terms",
    "User",
]


_SHORTEST_TOKEN = 16
"""Characters of what opens the status page, which can drop dead letters."""


class HttpSettings(Settings, frozen=True):
    """The daemon's own HTTP server."""

    # a blank one would be every address of the machine
    host: Annotated[
        str,
        Meta(
            pattern=r"^[^\s/]+$(?!\n)",
            description="The address it listens on.",
            extra_json_schema={"x-hint": "write an address of this machine alone: 127.0.0.1, or 0.0.0.0 for all"},
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Its port; 0 takes any free one.")] = 8778


class MetricsSettings(Settings, frozen=True):
    """What Prometheus reads, at `/metrics` of the daemon's HTTP server."""

    token: Annotated[
        Secret | None,
        Meta(description="What a scrape has to give as its bearer token; without one, whoever reaches the server may."),
    ] = None


class StatusPageSettings(Settings, frozen=True):
    """What operators see in a browser, at `/status/` of the daemon's HTTP server."""

    token: Annotated[
        Secret | None,
        Meta(
            description="What whoever opens the page has to give, or has in the link: …/status/#token=<token>. Without "
            "one only the machine that the daemon runs on can open it.",
        ),
    ] = None


class OtelSettings(Settings, frozen=True):
    """Where traces of messages are sent, by OTLP over HTTP: the extra `nextbridge[otel]`."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$(?!\n)",
            description="The collector's address for traces.",
            examples=["http://127.0.0.1:4318/v1/traces"],
            extra_json_schema={
                "x-hint": "write the whole address, http://127.0.0.1:4318/v1/traces, and a key of yours in headers"
            },
        ),
    ]
    headers: Annotated[
        dict[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$(?!\n)")], Secret],
        Meta(description="What the collector wants to see with each request, such as `Authorization`."),
    ] = field(default_factory=dict)
    service_name: Annotated[NonBlank, Meta(description="What the relay is called in the traces.")] = "nextbridge"
    sample: Annotated[
        float, Meta(ge=0, le=1, description="Of how many messages a trace is made: 1 of all, 0.01 of one in a hundred.")
    ] = 1.0


class LogSettings(Settings, frozen=True):
    """What stands in the log."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least that is logged; debug has a line for every step of a message's way."),
    ] = "info"
    content: Annotated[
        bool,
        Meta(description="Whether debug lines have what is said, and by whom: for a test, not for every day."),
    ] = False


class OpsSettings(Settings, frozen=True):
    """Where the operators are told of trouble, beside the keys of the channel."""

    instance: Annotated[str, Meta(description="One of the instances, which is also in this channel.")]
    after: Annotated[
        Duration,
        Meta(description="How long an instance may be down, or the first message for a channel wait, untold."),
    ] = "5min"


class GlobalSettings(Settings, frozen=True):
    """What holds for all instances."""

    base_url: (
        Annotated[
            str,
            Meta(
                pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$(?!\n)",
                description="Where the daemon's HTTP server is reached from outside, through your reverse proxy.",
                examples=["https://bridge.example.com"],
                extra_json_schema={"x-hint": "write the address that a browser opens, e.g. https://bridge.example.com"},
            ),
        ]
        | None
    ) = None
    proxy: ProxyUrl | None = None
    http: HttpSettings = HttpSettings()
    command_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_-]{1,20}$(?!\n)",
            description="The word that begins a command to the relay: with nb, `!nb help`.",
            extra_json_schema={"x-hint": "write up to 20 letters and digits, without the exclamation mark"},
        ),
    ] = "nb"
    give_up_after: Annotated[
        Duration,
        Meta(description="How long a message may wait for a target before it becomes a dead letter, with the reason."),
    ] = "24h"
    remember: Annotated[
        Duration,
        Meta(
            description="How long a delivered message is remembered, so that an edit, a reply or a second report of it "
            "finds it."
        ),
    ] = "30d"
    backfill: Annotated[
        Duration | Off,
        Meta(
            description="How old a message may be that was posted while there was no connection and is relayed "
            "afterwards, where the platform keeps a history. 0: nothing is relayed afterwards."
        ),
    ] = "24h"
    backfill_messages: Annotated[
        int, Meta(ge=1, description="How many messages of one channel are relayed afterwards at most: the newest.")
    ] = 1000
    spool_size: Annotated[
        int,
        Meta(ge=0, description="Bytes that attachments may take on disk, all together: on their way, or behind links."),
    ] = 1_073_741_824
    media_keep: Annotated[
        Duration,
        Meta(
            description="How long a file that a platform cannot take is kept for whoever has its link. Only with "
            "base_url; ends earlier where spool_size is reached and the room is needed for new files."
        ),
    ] = "7d"
    fetch_allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts and networks that a file may be fetched from although they are not on the public "
            "internet, where a chat user gives the address of one.",
            examples=[["files.example.internal", "10.1.0.0/16"]],
        ),
    ] = ()

    log: LogSettings = LogSettings()
    metrics: MetricsSettings | None = None
    otel: OtelSettings | None = None
    status_page: StatusPageSettings | None = None
    watch: Annotated[
        bool,
        Meta(
            description="Whether the file is read again by itself when it changes, as by `nextbridge reload`. With a "
            "mistake in it nothing changes, and the log says so."
        ),
    ] = False

    @property
    def address(self) -> str | None:
        """`base_url` without a final slash."""
        return None if self.base_url is None else self.base_url.rstrip("/")

    def __post_init__(self) -> None:
        try:
            AddressGuard(self.fetch_allow)
        except ValueError as error:
            raise ValueError(f"fetch_allow: {error}; write a host's name, or a network as 10.1.0.0/16") from error
        token = None if self.status_page is None else self.status_page.token
        if token is not None and len(token.reveal()) < _SHORTEST_TOKEN:
            raise ValueError(
                f"status_page.token has fewer than {_SHORTEST_TOKEN} characters, so it could be guessed; "
                "`openssl rand -hex 20` makes one"
            )
        if in_seconds(self.remember) < in_seconds(self.give_up_after):
            raise ValueError(
                f"remember ({self.remember}) is shorter than give_up_after ({self.give_up_after}): "
                "a message that arrives late could not be edited any more"
            )
        if in_seconds(self.remember) < in_seconds(self.backfill):
            raise ValueError(
                f"remember ({self.remember}) is shorter than backfill ({self.backfill}): "
                "what was relayed could not be told from what was missed"
            )


class MessageSettings(Settings, frozen=True, omit_defaults=True):
    """How messages are shown in a channel: its `msg`."""

    msg_format: Annotated[
        str | None,
        Meta(
            description="How a message is shown here. Variables: {platform} {instance_id} {from} {user} {nickname} "
            '{username} {user_id} {user_avatar} {msg} {time}, and <richheader title="…" content="…"/>. With it the '
            "author's name stands in the text; without it, where the platform can, on the message itself.",
            examples=["<{nickname}> {msg}"],
        ),
    ] = None
    name_format: Annotated[
        str | None,
        Meta(
            description="The name a message is shown under, where the platform can show one. Same variables but {msg}.",
            examples=["{nickname} ({platform})"],
        ),
    ] = None


class NamedUser(Settings, frozen=True, omit_defaults=True):
    """Somebody on one instance alone."""

    user: Annotated[NonBlank, Meta(description="Their id, handle or shown name.")]
    instance: Annotated[str, Meta(description="The instance on which they are called so.")]


User: TypeAlias = NonBlank | NamedUser
"""Somebody by id, handle or shown name, wherever they are or on one instance."""

Pattern: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        description="What is looked for: a regular expression of RE2. It is found anywhere; ^ and $ are the text's "
        "ends, and with (?i) before it capitals do not matter.",
    ),
]


class ReplaceSettings(Settings, frozen=True):
    """What is written in place of something."""

    pattern: Pattern
    put: Annotated[
        str,
        Meta(
            max_length=1000,
            description=r"What stands there instead: \1 to \9 for what the groups found, \0 for all of it.",
        ),
    ] = field(default="", name="with")


class FilterSettings(Settings, frozen=True, omit_defaults=True):
    """What of its channels' conversation a rule relays, and what it changes in it."""

    allow: Annotated[
        tuple[User, ...],
        Meta(
            description="Only what these do is relayed, by id or handle (anybody may take a shown name). Capitals do "
            "not matter."
        ),
    ] = ()
    deny: Annotated[
        tuple[User, ...],
        Meta(description="What these do is not relayed, by id, handle or shown name. Capitals do not matter."),
    ] = ()
    ignore_bots: Annotated[bool, Meta(description="What bots do is not relayed.")] = False
    ignore_text: Annotated[
        tuple[Pattern, ...], Meta(description="A message in whose text one of these is found is not relayed.")
    ] = ()
    ignore_names: Annotated[
        tuple[Pattern, ...],
        Meta(description="What those do in whose handle or shown name one of these is found is not relayed."),
    ] = ()
    files: Annotated[
        Literal["keep", "strip", "with_text"],
        Meta(
            description="strip: messages are relayed without their files, and not at all where that is all they are. "
            "with_text: a message of files alone is not relayed."
        ),
    ] = "keep"
    replace: Annotated[
        tuple[ReplaceSettings, ...],
        Meta(description="What is found in a text, and what stands there instead; one after the other."),
    ] = ()
    formatting: Annotated[
        Literal["keep", "strip"],
        Meta(description="strip: bold, italics, headings and code are shown as plain words."),
    ] = "keep"


class RuleSettings(Settings, frozen=True, omit_defaults=True):
    """What a rule says beside its channels: how what happens to messages is shown where a platform cannot show it."""

    on_edit: Annotated[
        Literal["copy", "nothing"],
        Meta(
            description="What an edit does where the platform cannot change a message (any more): copy posts the new "
            "text, marked as a correction; nothing leaves the old text."
        ),
    ] = "copy"
    on_delete: Annotated[
        Literal["notice", "nothing"],
        Meta(
            description="What a deletion does where the platform cannot take a message back: notice says that it was "
            "deleted; nothing leaves it."
        ),
    ] = "nothing"
    on_reaction: Annotated[
        Literal["line", "nothing"],
        Meta(description="What a reaction does where the platform has none: line says who reacted to what, and how."),
    ] = "nothing"
    allow_mass_mentions: Annotated[
        bool,
        Meta(
            description="Whether @all, @channel, @here and the like call everybody on the other side, too. False: they "
            "are shown and call nobody."
        ),
    ] = False
    joins: Annotated[bool, Meta(description="Say who joins and leaves.")] = False
    topics: Annotated[bool, Meta(description="Say when somebody changes a channel's topic.")] = False
    sync_topic: Annotated[
        bool,
        Meta(
            description="Give the other channels the same topic, where the platform has topics and the relay may set "
            "them."
        ),
    ] = False
    typing: Annotated[bool, Meta(description="Show who is typing, where both platforms can.")] = False
    filter: Annotated[
        FilterSettings, Meta(description="Which messages the rule relays, and what it changes in them.")
    ] = FilterSettings()


class Terms(Struct, frozen=True, omit_defaults=True):
    """What a delivery is accepted under, whatever the file says later: the journal keeps it with the delivery."""

    msg: MessageSettings = MessageSettings()
    rule: RuleSettings = RuleSettings()


class Instance(Struct, frozen=True, kw_only=True):
    """One account on one platform."""

    id: InstanceId
    driver: type[Driver[Any, Any]]
    settings: Settings
    """Of the driver's `settings_type`."""
    enabled: bool = True


class Endpoint(Struct, frozen=True, kw_only=True):
    """One channel in a rule."""

    instance: InstanceId
    key: ChannelKey
    """By `Driver.channel_key`: perhaps a stand-in until the instance has connected."""
    settings: Settings
    """Of the driver's `channel_type`."""
    msg: MessageSettings = MessageSettings()

    @property
    def channel(self) -> Channel:
        return Channel(self.instance, self.key)


class Rule(Struct, frozen=True, kw_only=True):
    """Which channels' messages go where. In a `connect` each channel is a source and a target."""

    id: str
    kind: Literal["connect", "forward"]
    sources: tuple[Endpoint, ...]
    targets: tuple[Endpoint, ...]
    settings: RuleSettings = RuleSettings()
    enabled: bool = True


class OpsChannel(Struct, frozen=True, kw_only=True):
    """Where the operators are told of trouble."""

    endpoint: Endpoint
    after: int
    """Seconds that it may last untold."""


class Config(Struct, frozen=True, kw_only=True):
    """Everything the operator said, valid and with its secrets resolved."""

    path: Path
    general: GlobalSettings
    instances: Mapping[InstanceId, Instance]
    """Disabled ones included; rules may name them."""
    rules: tuple[Rule, ...]
    ops: OpsChannel | None = None
    """`global.ops_channel`."""
