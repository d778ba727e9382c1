"""When the daemon tells systemd that it is ready, and that it stops."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from nextbridge.driver import Retry
from tests.core.script import LateDriver, RunDaemon, ScriptDriver, rule


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """systemd's end of the notify socket."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return listening


async def told(manager: socket.socket) -> str:
    async with asyncio.timeout(10):
        return (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode()


async def test_ready_is_told_once_each_instance_has_connected_or_said_why_not(
    daemon: RunDaemon, manager: socket.socket
) -> None:
    """READY waits for the last instance; its status names the one that cannot connect; STOPPING comes at the end."""

    class Refused(ScriptDriver):
        async def run(self) -> None:
            raise Retry("connection refused", after=1000)

    with manager:
        async with daemon(rule("r", "a/1", "b/1", "c/1"), a=LateDriver, b=Refused, c=ScriptDriver) as running:
            instances = {str(each.instance): each for each in running.service.instances.values()}
            async with asyncio.timeout(5):
                await instances["b"].reported.wait()
                await instances["c"].reported.wait()
            with pytest.raises(BlockingIOError):
                manager.recv(4096)
            running["a"].connects.set()
            ready = await told(manager)
        assert ready.startswith("READY=1\n")
        assert "2 of 3 instances connected; b waiting: connection refused" in ready
        assert (await told(manager)).startswith("STOPPING=1")
