"""Who may open a page of the daemon: by the address asked for, where the request comes from, its origin and its token.

A page on another site can make a visitor's browser send requests here, so a request from this very machine is not
trusted for that alone: the name it asks for must be ours (against DNS rebinding), and a WebSocket must be opened by
our own page (against hijacking).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import Any

from aiohttp import web
from msgspec import Struct
from yarl import URL

from nextbridge.config.types import Secret

__all__ = ["Door", "TurnedAway", "peer_of"]

_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class TurnedAway(Exception):
    """A request that goes no further. `text` is for the person at the browser, perhaps the operator."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Door(Struct, frozen=True, kw_only=True):
    """The rules of one page."""

    page: str
    """What people call it: "web chat"."""
    token_key: str
    """Where its token stands in the operator's file."""
    token: Secret | None
    base_url: str | None

    def needs_token(self, request: web.Request) -> bool:
        """Whether the visitor has to show the token.

        Raises TurnedAway where the address is not ours, and where a token is needed and none is set.
        """
        host = _host_of(request)
        if host is None or not self._is_ours(host, request):
            raise TurnedAway(
                421,
                f"The {self.page} is not known under this address. If people are to reach it here, set global.base_url "
                "in the configuration to the address that they use.",
            )
        if self.token is None and not self._is_local(host, request):
            raise TurnedAway(
                403,
                f"Only the machine that it runs on can open this {self.page}, because it has no token. To open it to "
                f"others, set {self.token_key} in the configuration to a long random text, and give people the link "
                "with #token= and that text at its end.",
            )
        # A reverse proxy on this machine may pass no header on that would tell it: where there is a token, it is asked.
        return self.token is not None

    def check_origin(self, request: web.Request) -> None:
        """Raises TurnedAway where a page of another site opens the connection. What is no browser names no origin."""
        origin = request.headers.get("Origin")
        if origin is None:
            return
        asked = _url(origin)
        if asked is None or not asked.absolute or asked.host is None:
            raise TurnedAway(403, f"The connection was opened by no page of this {self.page}.")
        ours = _url(f"{asked.scheme}://{request.headers.get('Host', '')}")
        if ours is not None and (asked.host, asked.port) == (ours.host, ours.port):
            return
        base = _url(self.base_url) if self.base_url else None
        if base is not None and asked.origin() == base.origin():
            return
        raise TurnedAway(403, "The connection was opened by the page of another site.")

    def opens(self, token: str | None) -> bool:
        """Whether this is the token. Takes the same time whatever is wrong with it."""
        if self.token is None or token is None:
            return False
        return hmac.compare_digest(_digest(token), _digest(self.token.reveal()))

    def opened_by_header(self, request: web.Request) -> bool:
        """Whether the request shows the token as `Authorization: Bearer`."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.casefold() == "bearer" and self.opens(token.strip())

    def _is_ours(self, host: str, request: web.Request) -> bool:
        base = _url(self.base_url) if self.base_url else None
        if _is_loopback(host) or (base is not None and host == base.host):
            return True
        # An address in digits cannot be rebound, and this one is where the request arrived.
        return _address(host) is not None and _address(host) == _address(_end(request, "sockname"))

    def _is_local(self, host: str, request: web.Request) -> bool:
        # Behind a reverse proxy on this machine everybody seems to come from here.
        base = _url(self.base_url) if self.base_url else None
        proxied = any(name in request.headers for name in _FORWARDED) or (
            base is not None and not _is_loopback(base.host or "")
        )
        return not proxied and _is_loopback(host) and _is_loopback(_end(request, "peername"))


def peer_of(request: web.Request) -> str:
    """Where a request comes from, to tell apart who guesses; of IPv6 the network, since one machine has a whole one.

    A reverse proxy on this machine writes whom it asks for at the end of X-Forwarded-For.
    """
    given = request.remote or ""
    if _is_loopback(given):
        given = request.headers.get("X-Forwarded-For", given).rpartition(",")[2].strip()
    address = _address(given) or _address(request.remote or "")
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _host_of(request: web.Request) -> str | None:
    url = _url(f"http://{request.headers.get('Host', '')}")
    return url.host if url is not None else None


def _url(text: str) -> URL | None:
    try:
        return URL(text)
    except ValueError:
        return None


def _end(request: web.Request, which: str) -> str:
    end: Any = request.transport.get_extra_info(which) if request.transport is not None else None
    return str(end[0]) if isinstance(end, tuple) and end else ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_loopback(host: str) -> bool:
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
