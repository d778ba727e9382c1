"""What no error says, for `check --online`: what is wrong with an address, and that two clocks differ."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from nextbridge.driver import Address, Finding
from nextbridge.errors import DriverError
from nextbridge.http.client import tls_context, unreachable

__all__ = ["doubt", "reached", "skew", "skew_of"]

_SECONDS = 5.0
_CLOCK_SECONDS = 60
"""By so much clocks may differ."""
_SIGNS_OF_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""What Docker and Podman leave in theirs."""
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
"""What OpenSSL calls an answer that is none of TLS (its sslerr.h)."""


async def doubt(address: Address, *, signs: Sequence[Path] = _SIGNS_OF_A_CONTAINER) -> str | None:
    """What the operator is to correct in an address where something was amiss; None where that lies elsewhere.

    Nothing is sent but the beginning of a TLS connection. Does I/O, raises nothing.
    """
    try:
        await _connected(address)
    except (OSError, TimeoutError, UnicodeError):
        return _inside_container(address.host, signs)
    if address.tls is None:
        return None
    speaks = await _speaks_tls(address)
    if speaks is None or speaks == address.tls:
        return None
    if speaks:
        return f"{address.host}:{address.port} speaks TLS: {address.with_tls}"
    return f"{address.host}:{address.port} speaks no TLS: {address.without_tls}, or another port"


def skew(ahead: float) -> list[Finding]:
    """Of two clocks that differ, this machine's by so many seconds: they show wrong times, and hide how late one is."""
    if abs(ahead) <= _CLOCK_SECONDS:
        return []
    side = "ahead of" if ahead > 0 else "behind"
    return [
        Finding(False, "clock", f"this machine's clock is {abs(ahead):.0f} s {side} the server's; have both set by NTP")
    ]


def skew_of(told: str) -> list[Finding]:
    """Likewise, by the time that a server tells (ISO 8601; UTC where it names no zone). Nothing where that is none."""
    try:
        server = datetime.fromisoformat(told)
    except ValueError:
        return []
    return skew(time.time() - server.replace(tzinfo=server.tzinfo or UTC).timestamp())


async def reached(address: Address, ca_file: str | None) -> str | None:
    """Why nobody trusted is there, in a few words and with what to correct in the address; None where somebody is.

    Nothing is sent but the beginning of a TLS connection. For addresses that are not to be asked anything. Does I/O.
    """
    try:
        tls = await asyncio.to_thread(tls_context, ca_file) if address.tls else None
        await _connected(address, tls)
    except DriverError as error:
        return error.reason
    except (OSError, TimeoutError, UnicodeError) as error:
        wrong = await doubt(address)
        return unreachable(error) if wrong is None else f"{unreachable(error)}; {wrong}"
    return None


async def _connected(address: Address, tls: ssl.SSLContext | None = None) -> None:
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
        writer.transport.abort()


async def _speaks_tls(address: Address) -> bool | None:
    """Whether it answers in TLS, whoever it is; None where that shows not."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        await _connected(address, anybody)
    except ssl.SSLError as error:
        return error.reason not in _NO_TLS
    except (OSError, TimeoutError, UnicodeError):
        return None
    return True


def _inside_container(host: str, signs: Sequence[Path]) -> str | None:
    """Why `host` means this container where the operator means the machine; None elsewhere."""
    if host not in {"localhost", "::1"} and not host.startswith("127."):
        return None
    if not any(sign.exists() for sign in signs):
        return None
    return (
        f"{host} is this container itself; name it as the container's network does: the service by its name, "
        "or the machine as host.docker.internal or host.containers.internal"
    )
