"""Fetches addresses that a chat user gave, and reaches nothing but the public internet by them.

For the drivers of platforms whose messages bear files or pictures as addresses (`open_attachment`, `open_portrait`):
whoever writes there chooses the address. A server's own address, which an operator wrote, is asked by `open_session`;
an address of others that an operator wrote (a webhook's) is asked here, too.

Each address that is really connected to is looked at, after the name was looked up and for each redirect anew: a name
that has another address the second time gains nothing. No name, password, cookie or header of ours goes along.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from nextbridge import __version__
from nextbridge.errors import Gone, Rejected, Retry
from nextbridge.http.addresses import AddressGuard
from nextbridge.http.client import CONNECTION_ERRORS, proxy_connector, tls_context, unreachable
from nextbridge.media.bounded import too_large
from nextbridge.media.content import HEAD, signature

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult
    from aiohttp.connector import AddrInfoType

__all__ = ["GuardedSession", "open_guarded_session", "withheld"]

_MOST_REDIRECTS = 5
_LONGEST_ADDRESS = 4096
_CHUNK = 65536
_EXCEPTED = 1000
"""Addresses of allowed hosts that are remembered."""


class _Forbidden(OSError):
    """A name leads to an address that may not be asked."""


class GuardedSession:
    """Fetches what chat users name. One for each driver, closed by whoever opened it."""

    def __init__(self, session: aiohttp.ClientSession, guard: AddressGuard) -> None:
        """To be had from `open_guarded_session`."""
        self._session = session
        self._guard = guard

    @asynccontextmanager
    async def open(
        self, address: str, *, largest: int, kinds: Sequence[str] = (), seconds: float = 60.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes behind an address, in chunks, as `open_attachment` gives them.

        At most `largest` bytes, within `seconds` altogether. With `kinds` (`("image",)`), only what its content proves
        to be of one of these. Entering, and reading, raises Rejected (what may not be asked, is too large, or of
        another kind), Gone, or Retry.
        """
        until = asyncio.get_running_loop().time() + seconds
        async with AsyncExitStack() as stack:
            with _explained():
                async with asyncio.timeout_at(until):
                    response = await stack.enter_async_context(self._answer(address))
            _check(response, largest)
            yield _bounded(response, until, largest, kinds)

    @asynccontextmanager
    async def ask(
        self, method: str, address: str, *, data: bytes, headers: Mapping[str, str], seconds: float = 30.0
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send something to an address, and give its answer, whatever it says; where it leads on is not followed.

        For addresses that an operator wrote and that lead out: a name that comes to lead inside is not asked. Entering
        raises Rejected for what may not be asked, and Retry.
        """
        url = self._checked(address)
        async with AsyncExitStack() as stack:
            with _explained():
                async with asyncio.timeout(seconds):
                    asking = self._session.request(method, url, data=data, headers=headers, allow_redirects=False)
                    response = await stack.enter_async_context(asking)
            yield response

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()

    @asynccontextmanager
    async def _answer(self, address: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of the address, or of where it leads."""
        url = self._checked(address)
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                location = response.headers.get(hdrs.LOCATION)
                if response.status not in {301, 302, 303, 307, 308} or location is None:
                    yield response
                    return
                try:
                    url = self._checked(str(url.join(URL(location))))
                except ValueError:
                    raise Rejected("it leads to no address that can be fetched") from None
        raise Rejected("it leads on and on")

    def _checked(self, address: str) -> URL:
        """The address, where it may be one. What a name leads to is looked at when it is looked up."""
        try:
            url = URL(address)
            port = url.port
        except ValueError:
            raise Rejected("it is no address that can be fetched") from None
        if len(address) > _LONGEST_ADDRESS or url.scheme not in {"http", "https"} or not url.host or not port:
            raise Rejected("it is no address that can be fetched")
        if url.user is not None or url.password is not None:
            raise Rejected("its address holds a name or password, which is sent nowhere")
        # a number is not looked up, so that the resolver does not see it
        if _is_numeric(url.host) and not self._guard.lets(url.host):
            raise Rejected(_OF_OURS)
        return url


async def open_guarded_session(
    *,
    proxy: str | None = None,
    ca_file: str | None = None,
    allow: Sequence[str] = (),
    resolver: AbstractResolver | None = None,
) -> GuardedSession:
    """A session; the caller closes it.

    `proxy` and `ca_file` as for `open_session`; names are looked up here all the same, and the proxy is asked for the
    address that was found. `allow` is the operator's list (`Host.fetch_allow`), `resolver` looks names up, the system's
    by default. Raises Paused (of the instance) when the proxy or the file cannot be used.
    """
    guard = AddressGuard(allow)
    guarded = _GuardedResolver(resolver or ThreadedResolver(), guard)
    context = await asyncio.to_thread(tls_context, ca_file)
    if proxy is None:
        connector = aiohttp.TCPConnector(
            ssl=context,
            resolver=guarded,
            use_dns_cache=False,
            force_close=True,
            socket_factory=guarded.socket,
        )
    else:
        connector = proxy_connector(proxy, context, resolver=guarded)
    return GuardedSession(
        aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"NextBridge/{__version__}", "Accept-Encoding": "identity"},
            auto_decompress=False,
        ),
        guard,
    )


async def withheld(host: str, allow: Sequence[str]) -> str | None:
    """Why such a session would not ask this host; None where it would. Looks its name up, and connects nowhere.

    A name that leads nowhere is not withheld.
    """
    guard = AddressGuard(allow)
    if _is_numeric(host):
        return None if guard.lets(host) else _OF_OURS
    try:
        await _GuardedResolver(ThreadedResolver(), guard).resolve(host)
    except _Forbidden as error:
        return str(error)
    except (OSError, UnicodeError):
        return None
    return None


class _GuardedResolver(AbstractResolver):
    """Looks names up and gives out only what may be connected to; and makes the sockets, by the same rule."""

    def __init__(self, inner: AbstractResolver, guard: AddressGuard) -> None:
        self._inner = inner
        self._guard = guard
        self._excepted: dict[str, None] = {}
        """Addresses of hosts that the operator allows by name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if _is_numeric(host):  # looked at already
            return [{"hostname": host, "host": host, "port": port, "family": family, "proto": 0, "flags": 0}]
        found = await self._inner.resolve(host, port, family)
        if self._guard.lets_host(host):
            self._excepted |= dict.fromkeys(each["host"] for each in found)
            while len(self._excepted) > _EXCEPTED:
                del self._excepted[next(iter(self._excepted))]
            return found
        open_to_us = [each for each in found if self._guard.lets(each["host"])]
        if found and not open_to_us:
            raise _Forbidden(_OF_OURS)
        return open_to_us

    def socket(self, address: AddrInfoType) -> socket.socket:
        """The socket for an address that is about to be connected to, however it was come by."""
        family, kind, protocol, _, target = address
        numeric = str(target[0])
        if numeric not in self._excepted and not self._guard.lets(numeric):
            raise _Forbidden(_OF_OURS)
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        await self._inner.close()


_OF_OURS = "it is at no public address; global.fetch_allow names the hosts and networks that may be fetched from"


def _is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()


def _check(response: aiohttp.ClientResponse, largest: int) -> None:
    """Raises what an answer means that is not to be read."""
    status = response.status
    if status in {404, 410}:
        raise Gone(f"it is not there any more ({status})")
    if status == 429 or status >= 500:
        raise Retry(f"its server answers {status}")
    if status != 200:
        raise Rejected(f"its server answers {status}")
    if response.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Rejected("its server sends it packed, which was not asked for")
    if (response.content_length or 0) > largest:
        raise too_large(largest)


@contextmanager
def _explained() -> Iterator[None]:
    """What can go wrong with a connection, in the words of the contract."""
    try:
        yield
    except TimeoutError:
        raise Retry("it took too long") from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise Rejected("it is no address that can be fetched") from None
    except CONNECTION_ERRORS as error:
        if (forbidden := _forbidden_in(error)) is not None:
            raise Rejected(str(forbidden)) from None
        raise Retry(f"its server cannot be reached: {unreachable(error)}") from None


def _forbidden_in(error: BaseException | None) -> _Forbidden | None:
    """The refusal that aiohttp wrapped into one of its own errors."""
    while error is not None:
        if isinstance(error, _Forbidden):
            return error
        error = error.__cause__ or error.__context__
    return None


async def _bounded(
    response: aiohttp.ClientResponse, until: float, largest: int, kinds: Sequence[str]
) -> AsyncIterator[bytes]:
    head = bytearray()
    total = 0
    while chunk := await _read(response, until):
        total += len(chunk)
        if total > largest:
            raise too_large(largest)
        if not kinds:
            yield chunk
            continue
        head += chunk
        if len(head) >= HEAD:
            yield _of_kind(head, kinds)
            kinds = ()
    if kinds:
        yield _of_kind(head, kinds)


async def _read(response: aiohttp.ClientResponse, until: float) -> bytes:
    with _explained():
        async with asyncio.timeout_at(until):
            return await response.content.read(_CHUNK)


def _of_kind(head: bytearray, kinds: Sequence[str]) -> bytes:
    found = signature(bytes(head[:HEAD])) or ""
    if found.partition("/")[0] not in kinds:
        raise Rejected(f"it is not of the kind that is wanted ({', '.join(kinds)})")
    return bytes(head)
