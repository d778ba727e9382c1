"""The way to a server: where it is, through which proxy, and what its failing means. For slixmpp's streams.

slixmpp's own way (https://slixmpp.readthedocs.io/) tries for ever, knows no proxies and does not say what failed.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from python_socks import ProxyConnectionError, ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy
from slixmpp.xmlstream import XMLStream

from drivers.xmpp.settings import XmppSettings
from nextbridge.errors import DriverError, Paused, Retry
from nextbridge.http.client import unreachable

__all__ = ["Address", "Broken", "connect", "tls_context", "untrusted"]

_PROXIES = {"http": ProxyType.HTTP, "socks4": ProxyType.SOCKS4, "socks5": ProxyType.SOCKS5, "socks5h": ProxyType.SOCKS5}
_PROXY_PORTS = {"http": 8080, "socks4": 1080, "socks5": 1080, "socks5h": 1080}
_DIRECT = "xmpps-client"


class Broken(Retry):
    """The connection ended; the session on the server may be gone on with."""


class Address(Struct, frozen=True):
    """Where to connect to."""

    host: str
    port: int
    direct: bool = False
    """TLS from the first byte."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


async def connect(stream: XMLStream, settings: XmppSettings, context: ssl.SSLContext, proxy: str | None) -> None:
    """Give `stream` a connection: to the first of the server's addresses that takes one.

    Raises Retry, and Paused where only the operator can help.
    """
    error: DriverError = Retry(f"{settings.domain} has no address")
    for address in await _addresses(stream, settings):
        try:
            async with asyncio.timeout(settings.answer_timeout):
                return await _connect(stream, address, settings.domain, context, proxy)
        except ssl.SSLCertVerificationError as reason:
            error = untrusted(settings, reason)
        except ssl.SSLError as reason:
            error = Retry(f"{address} does not speak TLS as it should ({reason.reason or reason}): check port and tls")
        except ProxyConnectionError as reason:
            error = Retry(f"the proxy cannot be reached: {unreachable(reason.__cause__ or reason)}")
        except ProxyError as reason:
            error = Retry(f"the proxy did not connect to {address}: {reason}")
        except TimeoutError:
            error = Retry(f"{address} did not answer within {settings.answer_timeout:g} s")
        except UnicodeError:
            error = Paused(f"{address.host!r} cannot be the name of a server: correct host or jid", scope="instance")
        except OSError as reason:
            error = Retry(f"cannot connect to {address}: {unreachable(reason)}")
    raise error


async def _addresses(stream: XMLStream, settings: XmppSettings) -> list[Address]:
    if settings.host is not None:
        return [Address(settings.host, settings.effective_port, settings.tls == "direct")]
    stream.enable_direct_tls = settings.tls != "starttls"
    stream.enable_starttls = settings.tls != "direct"
    found = await stream.get_dns_records(settings.domain)
    stream.enable_starttls = True
    return [
        Address(host, port, service == _DIRECT if service else settings.tls == "direct")
        for service, _, host, port in found
    ] or [Address(settings.domain, 5223 if settings.tls == "direct" else 5222, settings.tls == "direct")]


async def _connect(
    stream: XMLStream, address: Address, domain: str, context: ssl.SSLContext, proxy: str | None
) -> None:
    loop = asyncio.get_running_loop()
    # the certificate is the domain's, whatever host the records name: RFC 6120, 13.7.2.1
    tls, expected = (context, domain) if address.direct else (None, None)
    if proxy is None:
        await loop.create_connection(lambda: stream, address.host, address.port, ssl=tls, server_hostname=expected)
        return
    parts = urlsplit(proxy)
    if parts.scheme not in _PROXIES or parts.hostname is None:
        raise Paused(
            f"XMPP goes through http and socks proxies, not {parts.scheme}: set this instance's proxy, or null",
            scope="instance",
        )
    # the proxy resolves the name: there may be no DNS but through it
    via = Proxy(
        _PROXIES[parts.scheme],
        parts.hostname,
        parts.port or _PROXY_PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        rdns=True,
    )
    socket = await via.connect(address.host, address.port)
    try:
        await loop.create_connection(lambda: stream, sock=socket, ssl=tls, server_hostname=expected)
    except BaseException:
        socket.close()
        raise


def tls_context(settings: XmppSettings) -> ssl.SSLContext:
    """What certificates are checked against. Reads files. Raises Paused where one cannot be read."""
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Paused(f"cannot read the certificates in {settings.ca_file}: {error}", scope="instance") from error


def untrusted(settings: XmppSettings, error: ssl.SSLError) -> Paused:
    """What it means that a server's certificate is not the domain's."""
    why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or str(error)
    return Paused(
        f"the certificate of {settings.domain} is not trusted ({why.rstrip('.')}): check jid and host, or set "
        "ca_file to the authority that signed it",
        scope="instance",
    )
