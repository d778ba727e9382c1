"""The IRC keys of the operator's file: an instance's block, and a channel in a rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import UNSET, Meta

from nextbridge.config.types import NonBlank, OptionalProxy, Secret, Settings
from nextbridge.driver import Remark

__all__ = ["IrcChannel", "IrcSettings", "Sasl", "channel_remarks", "remarks"]

Word = Annotated[
    str,
    Meta(
        pattern=r"^[^\s\x00:@!,*?]+$",
        extra_json_schema={"x-hint": "one word, without spaces and without any of : @ ! , * ?"},
    ),
]


class Sasl(Settings, frozen=True):
    """An account on the network, for its services to know the relay by."""

    mechanism: Annotated[
        Literal["PLAIN", "EXTERNAL"],
        Meta(description="PLAIN: by username and password. EXTERNAL: by the certificate in tls_cert_file."),
    ] = "PLAIN"
    username: Annotated[NonBlank | None, Meta(description="The account's name.")] = None
    password: Annotated[Secret | None, Meta(description="The account's password.")] = None


class IrcSettings(Settings, frozen=True):
    """One nick on one IRC network."""

    host: Annotated[
        str,
        Meta(
            pattern=r"^[^\s/:]+$|^[0-9a-fA-F:.]+$",
            description="The server's name.",
            examples=["irc.libera.chat"],
            extra_json_schema={"x-hint": "a host name or an address alone, without irc:// and without a port"},
        ),
    ]
    nick: Annotated[Word, Meta(description="The nick that the relay wants. It takes another while this one is in use.")]
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="The server's port; absent, 6697 with TLS and 6667 without."),
    ] = None
    tls: Annotated[bool, Meta(description="Whether the connection is encrypted.")] = True
    tls_verify: Annotated[
        bool, Meta(description="Whether the server's certificate must be trusted; false accepts any.")
    ] = True
    ca_file: Annotated[NonBlank | None, Meta(description="A file with the certificate of a private authority.")] = None
    tls_cert_file: Annotated[
        NonBlank | None, Meta(description="Our own certificate (PEM), for SASL EXTERNAL or CertFP.")
    ] = None
    tls_key_file: Annotated[
        NonBlank | None, Meta(description="Its private key (PEM), where it is not in the same file.")
    ] = None
    username: Annotated[Word | None, Meta(description="The user name (ident); absent, the nick.")] = None
    realname: Annotated[NonBlank, Meta(description="What WHOIS shows as the real name.")] = "NextBridge relay"
    password: Annotated[Secret | None, Meta(description="The server's password (PASS), where it has one.")] = None
    sasl: Annotated[Sasl | None, Meta(description="The account to log in to.")] = None
    proxy: OptionalProxy = UNSET
    messages_per_second: Annotated[
        float,
        Meta(
            gt=0,
            le=100_000,
            description="How fast the relay sends, on average. Faster than the server allows is a disconnection for "
            "flooding. Networks usually allow a line in two seconds (0.5), and more to accounts that they exempt. A "
            "server without echo-message is asked by PING whether it took a message, which counts as one more.",
        ),
    ] = 0.5
    burst: Annotated[
        int,
        Meta(ge=1, le=100_000, description="How many messages may go out at once after a pause. Networks allow 5."),
    ] = 4
    reactions: Annotated[
        bool,
        Meta(
            description="Whether a reaction is put on a message where the server passes it on (the client tag "
            "draft/react). Few people's programs show it. False: a rule's on_reaction says what is shown instead."
        ),
    ] = False
    ping_interval: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds of silence after which the server is asked whether it is there."),
    ] = 60.0
    answer_timeout: Annotated[
        float,
        Meta(
            gt=0,
            le=600,
            description="Seconds that the server has to take the connection, answer a PING or acknowledge a message.",
        ),
    ] = 30.0
    rejoin_delay: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds before a channel is joined again after a kick or a refusal.")
    ] = 30.0
    reconnect_delay: Annotated[float, Meta(gt=0, le=3600, description="Seconds before the first reconnection.")] = 5.0

    @property
    def effective_port(self) -> int:
        """The port that is meant: the given one, else the usual one."""
        return self.port or (6697 if self.tls else 6667)


class IrcChannel(Settings, frozen=True):
    """A channel on the network."""

    channel: Annotated[
        str,
        Meta(
            pattern=r"^[^\s,:\x07\x00]+$",
            description="The channel's name with its sign.",
            examples=["#ops"],
            extra_json_schema={"x-hint": "a channel is written with its sign, like #ops, without spaces and commas"},
        ),
    ]
    key: Annotated[Secret | None, Meta(description="The channel's key (mode +k), where it has one.")] = None


def remarks(settings: IrcSettings) -> Iterable[Remark]:
    """What the schema cannot say about an instance. No I/O."""
    sasl = settings.sasl
    if sasl is not None and sasl.mechanism == "PLAIN":
        if sasl.username is None:
            yield Remark(("sasl",), 'SASL PLAIN needs the account\'s name: add "username"')
        if sasl.password is None:
            yield Remark(("sasl",), 'SASL PLAIN needs the account\'s password: add "password"')
    if sasl is not None and sasl.mechanism == "EXTERNAL":
        if settings.tls_cert_file is None:
            yield Remark(("sasl", "mechanism"), 'SASL EXTERNAL needs our certificate: add "tls_cert_file"')
        if not settings.tls:
            yield Remark(("tls",), "SASL EXTERNAL needs TLS")
    if settings.tls_key_file is not None and settings.tls_cert_file is None:
        yield Remark(("tls_key_file",), "a key needs its certificate: add tls_cert_file")
    secrets = settings.password is not None or (sasl is not None and sasl.password is not None)
    if not settings.tls and secrets and settings.host not in {"localhost", "127.0.0.1", "::1"}:
        yield Remark(("tls",), "without TLS the password travels in the clear", fatal=False)
    if settings.password is not None and any(sign in settings.password.reveal() for sign in "\r\n\0"):
        yield Remark(("password",), "a server's password holds no line break")
    if isinstance(settings.proxy, str) and settings.proxy.startswith("https://"):
        yield Remark(("proxy",), "IRC goes through http://, socks4:// and socks5:// proxies, not through https://")


def channel_remarks(channel: IrcChannel) -> Iterable[Remark]:
    """What the schema cannot say about a channel. No I/O."""
    if channel.channel[0].isalnum():
        yield Remark(("channel",), f"a channel's name starts with its sign; did you mean #{channel.channel}?")
    if channel.key is not None and (
        not channel.key.reveal() or any(sign in channel.key.reveal() for sign in " ,\r\n\0")
    ):
        yield Remark(("key",), "a channel's key is one word without commas")
