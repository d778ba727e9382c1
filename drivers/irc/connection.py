"""The stream to a server: TCP, TLS and a proxy, lines read within bounds, lines written as the pacer allows."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import unquote, urlsplit

from python_socks import ProxyConnectionError, ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from drivers.irc import wire
from drivers.irc.pacing import Pacer
from drivers.irc.settings import IrcSettings
from drivers.irc.wire import Line
from nextbridge.errors import Paused, Retry
from nextbridge.http.client import unreachable

__all__ = ["Broken", "Connection"]

_LONGEST = 16384
"""Bytes of one line: 8191 of tags and 512 of message are the most that the protocol knows, and servers may say more."""
_PROXIES = {"http": ProxyType.HTTP, "socks4": ProxyType.SOCKS4, "socks5": ProxyType.SOCKS5, "socks5h": ProxyType.SOCKS5}
_PROXY_PORTS = {"http": 8080, "socks4": 1080, "socks5": 1080, "socks5h": 1080}


class Broken(Retry):
    """The connection ended without a farewell: whatever the server said last did not reach us."""


class Connection:
    """An open connection. Made by `open`; `close` may be called more than once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pacer: Pacer) -> None:
        self.overlong = 0
        """Lines that were thrown away because they were longer than any line may be, and are not counted yet."""
        self._reader = reader
        self._writer = writer
        self._pacer = pacer
        self._buffer = b""
        self._lines: list[bytes] = []  # read and not yet handed out, the next one last
        self._overflowing = False

    @classmethod
    async def open(cls, settings: IrcSettings, proxy: str | None, pacer: Pacer) -> Connection:
        """Connect. Raises Retry, and Paused where only the operator can help (a certificate that is not trusted)."""
        where = f"{settings.host}:{settings.effective_port}"
        try:
            context = await asyncio.to_thread(_tls, settings) if settings.tls else None
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(filter(None, (settings.ca_file, settings.tls_cert_file, settings.tls_key_file)))
            raise Paused(f"cannot read the certificates in {files}: {error}", scope="instance") from error
        try:
            async with asyncio.timeout(settings.answer_timeout):
                reader, writer = await _streams(settings, proxy, context)
        except ssl.SSLCertVerificationError as error:
            raise Paused(
                f"the certificate of {where} is not trusted ({error.verify_message}): check host, set ca_file to the "
                "authority that signed it or, if you must, tls_verify to false",
                scope="instance",
            ) from error
        except ssl.SSLError as error:
            raise Retry(
                f"{where} does not speak TLS as it should ({error.reason or error}): check port and tls"
            ) from error
        except ProxyConnectionError as error:
            raise Retry(f"the proxy cannot be reached: {unreachable(error.__cause__ or error)}") from error
        except ProxyError as error:
            raise Retry(f"the proxy did not connect to {where}: {error}") from error
        except TimeoutError as error:
            doubt = ": check port and tls" if settings.tls else ""
            raise Retry(f"{where} did not answer within {settings.answer_timeout:g} s{doubt}") from error
        except UnicodeError as error:
            raise Paused(f"{settings.host!r} cannot be the name of a server: correct host", scope="instance") from error
        except OSError as error:
            raise Retry(f"cannot connect to {where}: {unreachable(error)}") from error
        return cls(reader, writer, pacer)

    async def read(self) -> Line:
        """The next line. Safe to cancel. Raises Retry where the connection has ended."""
        while True:
            while self._lines:
                line = wire.parse(wire.decode(self._lines.pop().rstrip(b"\r")))
                if line is not None:
                    return line
            try:
                data = await self._reader.read(65536)
            except (OSError, ssl.SSLError) as error:
                raise Broken(f"the connection broke: {error}") from error
            if not data:
                raise Retry("the server closed the connection")
            self._take(data)

    def _take(self, data: bytes) -> None:
        *whole, rest = (self._buffer + data).split(b"\n")
        for number, line in enumerate(whole):
            if (number == 0 and self._overflowing) or len(line) > _LONGEST:
                self.overlong += 1
            else:
                self._lines.append(line)
        self._lines.reverse()
        if whole:
            self._overflowing = False
        if len(rest) > _LONGEST:
            self._overflowing, rest = True, b""
        self._buffer = rest

    async def turn(self) -> None:
        """Return when the next message may go out."""
        await self._pacer.turn()

    def send(self, data: bytes) -> None:
        """Write a message's line. Its turn has come. Raises Retry where the connection has ended."""
        if self._writer.is_closing():
            raise Retry("the connection is closed")
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the system has taken what was written. Raises Retry where the connection has ended."""
        try:
            await self._writer.drain()
        except (OSError, ssl.SSLError) as error:
            raise Broken(f"the connection broke: {error}") from error

    def put(self, command: str, *params: str) -> None:
        """Send a line that belongs to the connection itself, at once; messages wait for it afterwards."""
        self._pacer.charge()
        self.send(wire.render(command, *params))

    def abort(self) -> None:
        """End the connection at once; whoever reads from it is told."""
        self._writer.transport.abort()

    async def close(self, farewell: str = "") -> None:
        """Say QUIT if there is a farewell, and let go."""
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError, Retry):
            async with asyncio.timeout(2):
                if farewell:
                    self.send(wire.render("QUIT", farewell))
                    await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()
        self._writer.transport.abort()


async def _streams(
    settings: IrcSettings, proxy: str | None, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = settings.host if context is not None else None
    if proxy is None:
        return await asyncio.open_connection(settings.host, settings.effective_port, ssl=context, server_hostname=name)
    parts = urlsplit(proxy)
    if parts.scheme not in _PROXIES or parts.hostname is None:
        raise Paused(
            f"IRC goes through http, socks4 and socks5 proxies, not {parts.scheme}: set this instance's proxy, or null",
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
    socket = await via.connect(settings.host, settings.effective_port, timeout=settings.answer_timeout)
    try:
        return await asyncio.open_connection(sock=socket, ssl=context, server_hostname=name)
    except BaseException:
        socket.close()
        raise


def _tls(settings: IrcSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if not settings.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.tls_cert_file is not None:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    return context
