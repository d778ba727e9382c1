"""What systemd hears, on a real notification socket."""

import asyncio
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import uvloop

from nextbridge.redaction import redaction
from nextbridge.systemd import ServiceManager


class Listener:
    """systemd's end of the notification protocol."""

    def __init__(self, notify_socket: str) -> None:
        self.notify_socket = notify_socket
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(notify_socket.replace("@", "\0", 1))
        self.socket.settimeout(10)

    def heard(self) -> dict[str, str]:
        """The assignments of the next message."""
        lines = self.socket.recv(65536).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def heard_nothing(self) -> bool:
        """Whether no message waits. A datagram to a Unix socket is there as soon as it was sent."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(65536)
        except BlockingIOError:
            return True
        return False


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@nextbridge-{uuid.uuid4()}"
    listener = Listener(name)
    yield listener
    listener.socket.close()


def test_says_ready_with_a_status(systemd: Listener) -> None:
    """Readiness and the status come in one message, on a path and on an abstract socket alike."""
    ServiceManager({"NOTIFY_SOCKET": systemd.notify_socket}).ready("2 of 3 instances connected")
    assert systemd.heard() == {"READY": "1", "STATUS": "2 of 3 instances connected"}


def test_says_status_and_stopping(systemd: Listener) -> None:
    """A status changes nothing else; stopping is announced with the reason."""
    manager = ServiceManager({"NOTIFY_SOCKET": systemd.notify_socket})
    manager.status("3 of 3 instances connected")
    manager.stopping("draining")
    assert systemd.heard() == {"STATUS": "3 of 3 instances connected"}
    assert systemd.heard() == {"STOPPING": "1", "STATUS": "draining"}


def test_reloading_bears_the_monotonic_clock(systemd: Listener) -> None:
    """A reload is told with the time of its start, which systemd needs to match the ready that ends it."""
    ServiceManager({"NOTIFY_SOCKET": systemd.notify_socket}).reloading()
    message = systemd.heard()
    assert message["RELOADING"] == "1"
    assert int(message["MONOTONIC_USEC"]) > 0


def test_a_status_cannot_say_anything_else(systemd: Listener) -> None:
    """A line break in a status, which may quote what a server said, begins no other assignment."""
    ServiceManager({"NOTIFY_SOCKET": systemd.notify_socket}).status("mm_main: refused\nMAINPID=1\r\nSTOPPING=1 \udce4")
    assert systemd.heard() == {"STATUS": "mm_main: refused MAINPID=1 STOPPING=1 ?"}


def test_a_status_shows_no_secret(systemd: Listener) -> None:
    """A secret in a reason is masked, also where the status is cut in the middle of it."""
    secret = "a-token-that-systemd-would-log"
    redaction.add(secret)
    manager = ServiceManager({"NOTIFY_SOCKET": systemd.notify_socket})
    manager.ready(f"mm_main waiting: https://example.com/{secret} cannot be reached")
    assert systemd.heard()["STATUS"] == "mm_main waiting: https://example.com/*** cannot be reached"
    manager.status("x" * 490 + secret)
    assert secret[:4] not in systemd.heard()["STATUS"]


def test_a_long_status_is_cut(systemd: Listener) -> None:
    """A status has a bound, whatever a server says."""
    ServiceManager({"NOTIFY_SOCKET": systemd.notify_socket}).status("x" * 100_000)
    assert 100 < len(systemd.heard()["STATUS"]) <= 1000


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_feeds_the_watchdog_from_the_event_loop(systemd: Listener, loop: type[asyncio.AbstractEventLoop]) -> None:
    """While the loop turns, the watchdog hears of it again and again; a loop that hangs falls silent."""
    manager = ServiceManager(
        {"NOTIFY_SOCKET": systemd.notify_socket, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}
    )

    async def live() -> None:
        task = asyncio.create_task(manager.feed_watchdog())
        for _ in range(3):
            assert await asyncio.to_thread(systemd.heard) == {"WATCHDOG": "1"}
        while not systemd.heard_nothing():
            pass
        hangs_until = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < hangs_until:
            assert systemd.heard_nothing()
        task.cancel()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(live(), 30))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
    ],
    ids=["not asked for", "zero", "no number", "for another process"],
)
async def test_no_watchdog_unless_systemd_watches_this_process(environ: dict[str, str], tmp_path: Path) -> None:
    """The watchdog is fed only where it is on, and for us; the task then ends at once."""
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), **environ})
    assert manager.watchdog_interval is None
    async with asyncio.timeout(5):
        await manager.feed_watchdog()


def test_the_watchdog_interval_is_in_seconds(tmp_path: Path) -> None:
    """WatchdogSec=30 arrives as 30 seconds, with or without the process's number."""
    assert ServiceManager({"NOTIFY_SOCKET": str(tmp_path), "WATCHDOG_USEC": "30000000"}).watchdog_interval == 30


@pytest.mark.parametrize("notify_socket", [None, "", "vsock:2:1234", "notify"])
def test_outside_systemd_nothing_is_said(notify_socket: str | None) -> None:
    """Started by hand, or with a socket of another family, there is nobody to tell and no watchdog: not even a log."""
    environ = {"WATCHDOG_USEC": "30000000"} if notify_socket is None else {"NOTIFY_SOCKET": notify_socket}
    with structlog.testing.capture_logs() as logs:
        manager = ServiceManager(environ)
        manager.ready("ready")
        manager.status("status")
        manager.alive()
        manager.stopping("stopping")
    assert manager.watchdog_interval is None
    assert logs == []


def test_a_deaf_systemd_does_not_hurt(tmp_path: Path) -> None:
    """A socket that is gone, or full, is a warning in the log: it neither raises nor makes the event loop wait."""
    gone = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with structlog.testing.capture_logs() as logs:
        gone.ready("ready")
    assert [(entry["event"], entry["what"]) for entry in logs] == [("systemd_not_told", "READY")]

    full = Listener(str(tmp_path / "full"))
    manager = ServiceManager({"NOTIFY_SOCKET": full.notify_socket})
    with structlog.testing.capture_logs() as logs:
        for _ in range(10_000):
            manager.alive()
            if logs:
                break
    full.socket.close()
    assert [(entry["event"], entry["what"]) for entry in logs] == [("systemd_not_told", "WATCHDOG")]
