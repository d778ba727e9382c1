"""What the daemon tells systemd: ready, its status, that it is alive, that it stops. Outside systemd, nothing at all.

The protocol is one datagram of `KEY=value` lines to the socket that `$NOTIFY_SOCKET` names: sd_notify(3). It is spoken
here because it is shorter than what one would depend on: sdnotify, whose last release is of 2017, or systemd-python and
cysystemd, which bind a C library.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

import structlog

from nextbridge.redaction import redaction

__all__ = ["ServiceManager"]

_LONGEST_STATUS = 500
"""Characters; `systemctl status` shows one line."""


class ServiceManager:
    """systemd, as the daemon sees it. Every method may be called at any time, on the event loop, and never raises."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID` from `environ` (by default the process's own)."""
        environ = os.environ if environ is None else environ
        self._log = structlog.get_logger()
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval = _watchdog_interval(environ) if self._address else None
        """Seconds within which systemd wants to hear `alive`, or it restarts the daemon; None where it does not."""

    def ready(self, status: str) -> None:
        """The start is over: what depends on the daemon may start."""
        self._tell(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """What `systemctl status` shows, one line. Secrets in it are masked."""
        self._tell(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """The file is being read again; `ready` says that it is over."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """The daemon ends by itself or was told to, and drains."""
        self._tell(f"STOPPING=1\nSTATUS={_line(status)}")

    def alive(self) -> None:
        """The event loop turns."""
        self._tell("WATCHDOG=1")

    async def feed_watchdog(self) -> None:
        """Say `alive` twice in each interval until cancelled; returns at once where there is no watchdog.

        It is a task of the event loop itself, so a loop that hangs falls silent and the daemon is restarted.
        """
        while self.watchdog_interval is not None:
            self.alive()
            await asyncio.sleep(self.watchdog_interval / 2)

    def _tell(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)  # the event loop must not wait for systemd
                channel.sendto(message.encode(errors="replace"), self._address)
        except OSError as error:
            self._log.warning("systemd_not_told", what=message.partition("=")[0], reason=str(error))


def _address(notify_socket: str) -> str | None:
    """A path as it is; `@name` is the abstract socket of that name. Another family (vsock) is not for a daemon."""
    match notify_socket[:1]:
        case "/":
            return notify_socket
        case "@":
            return "\0" + notify_socket[1:]
        case _:
            return None


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """None unless the watchdog is on and watches this process, not a parent that passed its environment on."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1_000_000 if microseconds > 0 else None


def _line(text: str) -> str:
    """On one line: a line break would begin another assignment. Masked before it is cut: half a secret is one too."""
    return " ".join(redaction.mask(text).split())[:_LONGEST_STATUS]
