"""The one way out: an aiohttp session through the operator's proxy and trusting the operator's own CA.

Every driver that speaks HTTP or WebSocket opens its session here, so that `proxy` and `ca_file` mean the same on every
platform. It keeps no cookies and follows no environment variables: what the operator's file says is what holds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import aiohttp

from nextbridge import __version__
from nextbridge.errors import Paused

if TYPE_CHECKING:
    from aiohttp import ClientRequest
    from aiohttp.abc import AbstractResolver
    from aiohttp.client import ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

__all__ = [
    "CONNECTION_ERRORS",
    "Answered",
    "ProxyFailed",
    "open_session",
    "proxy_connector",
    "tls_context",
    "unreachable",
]

Answered = Callable[[int | None, str | None], None]
"""Is told of each answer: its status and its Date; of a request that had none, None and None."""

TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=20, sock_read=30)
"""A session's default, in seconds. A transfer of a file sets its own."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080


class ProxyFailed(aiohttp.ClientConnectionError):
    """The proxy cannot be reached, or does not let us through: in words for the operator."""


CONNECTION_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)
"""What a request of a session raises when the other side was not reached, or the answer broke off."""


async def open_session(
    *, proxy: str | None = None, ca_file: str | None = None, answered: Answered | None = None
) -> aiohttp.ClientSession:
    """A session for one instance; the caller closes it.

    `proxy` is an http, https, socks4, socks5 or socks5h address; names are resolved by the proxy. `ca_file` is a PEM
    file whose certificates are trusted beside the system's. `answered` is `Host.answered`. Raises Paused (of the
    instance) when either cannot be used.
    """
    context = await asyncio.to_thread(tls_context, ca_file)
    connector = aiohttp.TCPConnector(ssl=context) if proxy is None else proxy_connector(proxy, context)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"NextBridge/{__version__}"},
        trace_configs=None if answered is None else [_traced(answered)],
    )


def _traced(answered: Answered) -> aiohttp.TraceConfig:
    async def ended(_: object, __: object, request: aiohttp.TraceRequestEndParams) -> None:
        headers = request.response.headers
        # what a cache kept is no word of now
        answered(request.response.status, None if "Age" in headers else headers.get("Date"))

    async def failed(_: object, __: object, request: aiohttp.TraceRequestExceptionParams) -> None:
        if not isinstance(request.exception, asyncio.CancelledError):  # nobody waits for it any more
            answered(None, None)

    config = aiohttp.TraceConfig()
    config.on_request_end.append(ended)
    config.on_request_exception.append(failed)
    return config


def unreachable(error: BaseException) -> str:  # noqa: PLR0911 - a sentence a cause
    """Why a connection failed, in a few words for the operator. Without secrets: only names and codes are taken."""
    match error:
        case (
            aiohttp.ClientConnectorCertificateError()
            | ssl.SSLCertVerificationError()
            | aiohttp.ClientOSError(__cause__=ssl.SSLCertVerificationError())
        ):
            return _distrusted(error)
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "its name is not known to the DNS; look at the spelling"
        case ProxyFailed():
            return str(error)
        case TimeoutError():
            return "it does not answer in time"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return f"no TLS connection came about ({_tls_reason(error)}); look at the port, and whether it is https"
        case OSError(errno=int(code)) if code > 0:
            return os.strerror(code)
        case ConnectionResetError():
            return "it was reset"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return "the connection broke off"
        case _:
            return type(error).__name__


def _first(error: BaseException) -> BaseException:
    """What an error came of."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED = 9, 10
_CERT_OF_ANOTHER_NAME = {62, 64}
"""What OpenSSL found wrong (X509_V_ERR_… in its x509_vfy.h): of a name, and of an address."""


def _distrusted(error: BaseException) -> str:
    """Why a certificate does not count, by what OpenSSL found."""
    # aiohttp's own errors are of OpenSSL's class, and have nothing of what it found
    found = error if hasattr(error, "verify_code") else error.__cause__
    code = getattr(found, "verify_code", None)
    if code == _CERT_HAS_EXPIRED:
        return "its certificate has expired; it has to be renewed there, unless this machine's clock is wrong"
    if code == _CERT_NOT_YET_VALID:
        return "its certificate is not valid yet; look at this machine's clock"
    if code in _CERT_OF_ANOTHER_NAME:
        return "its certificate is for another name; write the server's name as its certificate has it"
    why = getattr(found, "verify_message", "nobody who is known vouches for it")
    return f"its certificate is not trusted ({why}); name the file of a private CA as ca_file"


def _tls_reason(error: BaseException) -> str:
    """OpenSSL's words, such as `wrong version number`."""
    inner = getattr(error, "os_error", error)
    reason = getattr(inner, "reason", None)
    return reason.replace("_", " ").lower() if isinstance(reason, str) else type(inner).__name__


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What servers have to prove. Blocking. Raises Paused (of the instance) where the file cannot be used."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError as error:
            raise Paused(f"ca_file {ca_file}: holds no certificate in PEM form", scope="instance") from error
        except OSError as error:
            raise Paused(f"ca_file {ca_file} cannot be read: {error.strerror}", scope="instance") from error
    return context


def proxy_connector(
    proxy: str, context: ssl.SSLContext, *, resolver: AbstractResolver | None = None
) -> aiohttp.TCPConnector:
    """A connector through a proxy. Names are looked up by the proxy, or by `resolver`, and then it is given an address.

    Raises Paused (of the instance) where the proxy's own address is none.
    """
    # imported here: most operators have no proxy
    from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError, ProxyType

    class Connector(ProxyConnector):
        """Says in aiohttp's own words that the proxy failed, so that callers know one kind of error."""

        async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
            try:
                return await super().connect(req, traces, timeout)
            except ProxyTimeoutError as error:
                raise ProxyFailed("the proxy does not answer in time") from error
            except ProxyConnectionError as error:
                raise ProxyFailed(f"the proxy cannot be reached: {unreachable(_first(error))}") from error
            except ProxyError as error:
                raise ProxyFailed(f"the proxy does not let us through: {error}") from error

        async def _connect_via_proxy(
            self,
            host: str,
            port: int,
            ssl: ssl.SSLContext | None = None,
            timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        ) -> tuple[asyncio.Transport, ResponseHandler]:
            if resolver is None:
                return await super()._connect_via_proxy(host, port, ssl, timeout)
            address = (await resolver.resolve(host, port))[0]["host"]
            transport, protocol = await super()._connect_via_proxy(address, port, None, timeout)
            if ssl is not None:
                # by its name, which the proxy was not told
                loop = asyncio.get_running_loop()
                secured = await loop.start_tls(transport, protocol, ssl, server_hostname=host)
                assert secured is not None  # noqa: S101 - only where the loop is closing
                protocol.connection_made(secured)
                return secured, protocol
            return transport, protocol

    kinds = {
        "http": ProxyType.HTTP,
        "https": ProxyType.HTTP,
        "socks4": ProxyType.SOCKS4,
        "socks5": ProxyType.SOCKS5,
        "socks5h": ProxyType.SOCKS5,
    }
    try:
        address = urlsplit(proxy)
        kind = kinds[address.scheme]
        port = address.port or _DEFAULT_PORTS.get(address.scheme, _SOCKS_PORT)
    except (ValueError, KeyError):
        # the original error may quote the password
        raise Paused("proxy: write it as http://host:port or socks5://host:port", scope="instance") from None
    return Connector(
        host=address.hostname or "",
        port=port,
        proxy_type=kind,
        username=unquote(address.username) if address.username else None,
        password=unquote(address.password or "") if address.username else None,
        rdns=True,
        proxy_ssl=context if address.scheme == "https" else None,
        ssl=context,
    )
