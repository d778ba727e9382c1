"""The XMPP keys of the operator's file: an instance's block, and a room in a rule."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import UNSET, Meta

from nextbridge.config.types import NonBlank, OptionalProxy, Secret, Settings
from nextbridge.driver import Remark

__all__ = ["XmppChannel", "XmppSettings", "channel_remarks", "remarks"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class XmppSettings(Settings, frozen=True):
    """One account on an XMPP server, or one component of it."""

    jid: Annotated[
        str,
        Meta(
            pattern=r"^([^\s@/\"&'<>:]+@)?[^\s@/\"&'<>]+$",
            description="The relay's address. With component_secret the component's, which has no @.",
            examples=["relay@example.com"],
            extra_json_schema={"x-hint": "an address is written like relay@example.com, without a resource behind it"},
        ),
    ]
    nick: Annotated[
        NonBlank, Meta(description="The nick that the relay wants in the rooms. It takes another while it is in use.")
    ] = "relay"
    password: Annotated[Secret | None, Meta(description="The account's password.")] = None
    component_secret: Annotated[
        Secret | None,
        Meta(
            description="Instead of a password: the relay is a component of the server, which knows it by this secret. "
            "Then each author from elsewhere is in the rooms under their own name."
        ),
    ] = None
    host: Annotated[
        Annotated[str, Meta(pattern=r"^[^\s/:]+$|^[0-9a-fA-F:.]+$")] | None,
        Meta(
            description="Where the server is reached; absent, what the domain's SRV records say. A component needs it.",
            extra_json_schema={"x-hint": "a host name or an address alone, without a port"},
        ),
    ] = None
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="The port on host; absent, 5222 (5223 with direct TLS, 5347 for a component)."),
    ] = None
    tls: Annotated[
        Literal["starttls", "direct"] | None,
        Meta(
            description="How the connection is encrypted, which it always is: begun in the clear, or from its first "
            "byte. Absent, what the SRV records say, else starttls. (A component's connection is not encrypted.)"
        ),
    ] = None
    ca_file: Annotated[NonBlank | None, Meta(description="A file with the certificate of a private authority.")] = None
    proxy: OptionalProxy = UNSET
    max_file_size: Annotated[
        int, Meta(ge=1, description="Bytes of a file that is relayed at most, to the rooms and from them.")
    ] = 50 * 1024 * 1024
    ping_interval: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds after which the server and each room are asked whether we are there."),
    ] = 60.0
    answer_timeout: Annotated[
        float,
        Meta(gt=0, le=600, description="Seconds that the server, or a room, has to answer or to take a message."),
    ] = 30.0
    rejoin_delay: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds before a room is joined again after a kick or a refusal.")
    ] = 30.0
    reconnect_delay: Annotated[float, Meta(gt=0, le=3600, description="Seconds before the first reconnection.")] = 5.0

    @property
    def is_component(self) -> bool:
        return self.component_secret is not None

    @property
    def effective_port(self) -> int:
        """The port that is meant on `host`: the given one, else the usual one."""
        return self.port or (5347 if self.is_component else 5223 if self.tls == "direct" else 5222)

    @property
    def domain(self) -> str:
        """The domain of the relay's address."""
        return self.jid.rpartition("@")[2].lower()


class XmppChannel(Settings, frozen=True):
    """A room (MUC)."""

    room: Annotated[
        str,
        Meta(
            pattern=r"^[^\s@/\"&'<>]+@[^\s@/\"&'<>]+$",
            description="The room's address.",
            examples=["ops@conference.example.com"],
            extra_json_schema={"x-hint": "a room is written like ops@conference.example.com, without a nick behind it"},
        ),
    ]
    password: Annotated[Secret | None, Meta(description="The room's password, where it has one.")] = None


def remarks(settings: XmppSettings) -> Iterable[Remark]:
    """What the schema cannot say about an instance. No I/O."""
    yield from _of_a_component(settings) if settings.is_component else _of_an_account(settings)
    if not _is_name(settings.domain):
        yield Remark(("jid",), f"{settings.domain} cannot be the name of a server: correct it")
    if settings.port is not None and settings.host is None:
        yield Remark(("port",), 'a port is the port of a "host": add it, or let the SRV records say both')
    if isinstance(settings.proxy, str) and settings.proxy.startswith("https://"):
        yield Remark(("proxy",), "XMPP goes through http://, socks4:// and socks5:// proxies, not through https://")
    if re.search(r"[\x00-\x1f\x7f]", settings.nick):
        yield Remark(("nick",), "a nick holds no control characters")


def _of_a_component(settings: XmppSettings) -> Iterable[Remark]:
    if settings.password is not None:
        yield Remark(("password",), "a component has no password: remove it, or component_secret")
    if "@" in settings.jid:
        yield Remark(("jid",), f"a component's address is a domain: {settings.domain}, for instance")
    if settings.host is None:
        yield Remark(("component_secret",), 'a component needs the server\'s "host": 127.0.0.1, mostly')
    elif settings.host not in _LOOPBACK:
        text = "a component's connection is not encrypted: use it on the same machine or in a network of your own"
        yield Remark(("host",), text, fatal=False)
    if settings.tls is not None:
        yield Remark(("tls",), "a component's connection has no TLS: remove it")


def _of_an_account(settings: XmppSettings) -> Iterable[Remark]:
    if settings.password is None:
        yield Remark((), 'an account needs its "password", a component its "component_secret"')
    if "@" not in settings.jid:
        yield Remark(("jid",), f"an account's address has an @; did you mean relay@{settings.jid}?")


def _is_name(domain: str) -> bool:
    """Whether a server can have it: not with a label that is empty or longer than 63 letters."""
    try:
        domain.encode("idna")
    except UnicodeError:
        return False
    return True


def channel_remarks(channel: XmppChannel, settings: XmppSettings) -> Iterable[Remark]:
    """What the schema cannot say about a room. No I/O."""
    if channel.room.lower() == settings.jid.lower():
        yield Remark(("room",), "that is the relay's own address: write the room's")
