"""The process that is measured: the daemon or the bare forwarder, from its start to its end."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.relay.load import Way
from benchmarks.relay.server import Account, Server

__all__ = ["Daemon", "Forwarder", "Subject"]

_READY_WITHIN = 120.0
_LOOKS = 0.02
"""Seconds between two looks whether it is ready."""


class Subject(ABC):
    """A process between the server's channels."""

    def __init__(self, folder: Path) -> None:
        """`folder` is its own, and empty."""
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.ready_after = 0.0
        """Seconds from its start until it was ready."""

    async def start(self) -> None:
        """Return once it is connected. Raises RuntimeError with its last words where it is not."""
        started = time.monotonic()
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self._arguments(), stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while self._process.returncode is None and not await self._is_ready():  # noqa: ASYNC110 - a process
                    await asyncio.sleep(_LOOKS)
        except TimeoutError:
            await self.kill()
        if self._process.returncode is not None:
            raise RuntimeError(f"it did not become ready: {(self._folder / 'log').read_text()[-2000:]}")
        self.ready_after = time.monotonic() - started

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id, once it was started."""
        if self._process is None:
            raise RuntimeError("it was not started")
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of CPU that it has used, all its threads together, those that have ended too."""
        # clock_getcpuclockid(3) of another process: the inverted pid above the number of the clock
        return time.clock_gettime((~self.pid << 3) | 2)

    def peak_memory(self) -> float:
        """The most that it has held in memory (VmHWM), in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    @abstractmethod
    def _arguments(self) -> list[str]:
        """What the interpreter is called with."""

    @abstractmethod
    async def _is_ready(self) -> bool:
        """Whether it relays what is posted from now on."""


class Forwarder(Subject):
    """The floor: one account in all channels."""

    def __init__(self, folder: Path, server: Server, account: Account, ways: Sequence[Way]) -> None:
        super().__init__(folder)
        self._server = server
        self._account = account
        self._ways = ways

    def _arguments(self) -> list[str]:
        channels = {way.source: way.target for way in self._ways}
        script = Path(__file__).with_name("forwarder.py")
        return [str(script), self._server.url, self._account.token, json.dumps(channels)]

    async def _is_ready(self) -> bool:
        return self._account.connection is not None


class Daemon(Subject):
    """`nextbridge run`, with a rule for each way."""

    def __init__(self, folder: Path, server: Server, ways: Sequence[Way], *, interpreter: Sequence[str] = ()) -> None:
        """`interpreter` are further arguments of Python, for a profiler."""
        super().__init__(folder)
        self._interpreter = interpreter
        self._port = _free_port()
        names = {channel: account.name for channel, account in server.members.items()}
        config = {
            "global": {"http": {"host": "127.0.0.1", "port": self._port}},
            "mattermost": {
                account.name: {"server_url": server.url, "token": account.token} for account in server.accounts.values()
            },
            "rules": [_rule(number, way, names) for number, way in enumerate(ways)],
        }
        self.file = folder / "config.json"
        self.file.write_text(json.dumps(config))
        self.file.chmod(0o600)

    def _arguments(self) -> list[str]:
        state = str(self._folder / "state")
        return [*self._interpreter, "-m", "nextbridge", "run", "--config", str(self.file), "--state", state]

    async def _is_ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.startswith(b"HTTP/1.1 200")


def _rule(number: int, way: Way, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "id": f"way-{number}",
        "type": "forward",
        "from": [{"instance": names[way.source], "channel_id": way.source}],
        "to": [{"instance": names[way.target], "channel_id": way.target}],
    }


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
