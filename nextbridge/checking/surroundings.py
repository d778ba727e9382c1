"""`nextbridge check --online` of `global`: whether the daemon could listen, and whether its collector takes traces."""

from __future__ import annotations

import asyncio
import ipaddress
from http import HTTPStatus

import aiohttp

from nextbridge.checking.doubts import doubt
from nextbridge.config.model import Config, HttpSettings, OtelSettings
from nextbridge.driver import Address, Finding
from nextbridge.errors import DriverError
from nextbridge.http.client import CONNECTION_ERRORS, open_session, unreachable
from nextbridge.http.server import NAME, HttpError, can_listen

__all__ = ["look_around"]

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_OWN_TIMEOUT = aiohttp.ClientTimeout(total=3)
"""For this machine's own."""


async def look_around(config: Config) -> list[Finding]:
    """Look at what the file's `global` needs. Does I/O, raises nothing; a running daemon is not disturbed."""
    looks = [_http(config.general.http)]
    if config.general.otel is not None:
        looks.append(_otel(config.general.otel, has_proxy=config.general.proxy is not None))
    return [finding for found in await asyncio.gather(*looks) for finding in found]


async def _http(settings: HttpSettings) -> list[Finding]:
    try:
        await can_listen(settings)
    except HttpError as error:
        if await _is_daemon(settings):
            return [Finding(True, "http", f"a daemon listens on {settings.host}:{settings.port}")]
        return [Finding(False, "http", str(error))]
    port = "a free port" if settings.port == 0 else str(settings.port)
    return [Finding(True, "http", f"the daemon can listen on {settings.host}, {port}")]


async def _is_daemon(settings: HttpSettings) -> bool:
    """Whether one like us has the address."""
    host = settings.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if address.is_unspecified:  # it listens on all, this one among them
            host = "127.0.0.1" if address.version == 4 else "::1"
    host = f"[{host}]" if ":" in host else host
    try:
        async with (
            await open_session() as session,
            session.get(f"http://{host}:{settings.port}/healthz", timeout=_OWN_TIMEOUT) as answer,
        ):
            return answer.headers.get("Server") == NAME
    except (DriverError, *CONNECTION_ERRORS, ValueError):
        return False


async def _otel(settings: OtelSettings, *, has_proxy: bool) -> list[Finding]:
    """Sends no trace: an empty request is answered as any other (https://opentelemetry.io/docs/specs/otlp/)."""
    endpoint = settings.endpoint
    headers = {name: value.reveal() for name, value in settings.headers.items()}
    headers["Content-Type"] = "application/x-protobuf"
    try:
        async with (
            await open_session() as session,
            session.post(endpoint, data=b"", headers=headers, timeout=_TIMEOUT, allow_redirects=False) as answer,
        ):
            return [_judged(endpoint, answer.status)]
    except (*CONNECTION_ERRORS, ValueError) as error:
        past = ", and global.proxy is not used for it" if has_proxy else ""
        findings = [Finding(False, "otel", f"{endpoint} cannot be reached: {unreachable(error)}{past}")]
    address = Address.of("otel.endpoint", endpoint)
    text = None if address is None else await doubt(address)
    return findings if text is None else [*findings, Finding(False, "otel.endpoint", text)]


def _judged(endpoint: str, status: int) -> Finding:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Finding(True, "otel", f"{endpoint} takes traces")
    advice = "look whether it takes OTLP over HTTP, and at its own log"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        advice = "put the key that it wants into global.otel.headers"
    elif status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED} or status < HTTPStatus.BAD_REQUEST:
        advice = "look at the path, which is /v1/traces mostly"
    return Finding(False, "otel", f"{endpoint} answers {status}: {advice}")
