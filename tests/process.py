"""The daemon as a process, as an operator runs it: a file, a state folder, signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from nextbridge.control.client import reach
from nextbridge.control.protocol import Answer, Question

__all__ = ["Daemon"]


class Daemon:
    """`nextbridge run` as a process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.log = folder / "daemon.log"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(
        self,
        file: Mapping[str, object],
        *,
        until_ready: bool = True,
        program: Sequence[str] = ("nextbridge",),
        debug: bool = True,
    ) -> None:
        """Start it on this file and, unless told otherwise, wait until it says that every instance is connected.

        `program` is the module to run, with what stands before the command.
        """
        path = self.write(file)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *program, "run", *(["--debug"] * debug),
                "--config", str(path), "--state", str(self._folder / "state"),
                stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        if not until_ready:
            return
        async with asyncio.timeout(30):
            while not await self._is_ready():
                assert self._process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    def write(self, file: Mapping[str, object] | str) -> Path:
        """Make this the operator's file."""
        path = self._folder / "config.json"
        path.write_text(file if isinstance(file, str) else json.dumps(file))
        path.chmod(0o600)
        return path

    async def command(self, *words: str) -> tuple[int, str]:
        """A command of the operator's to it while it runs: its exit status, and all that it prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nextbridge", *words, "--state", str(self._folder / "state"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def ask(self, question: Question) -> Answer:
        """What a command would ask it, without the time that a command takes to start."""

        def asked() -> Answer:
            with reach(self._folder / "state") as ask:
                return ask(question)

        return await asyncio.to_thread(asked)

    def hang_up(self) -> None:
        """SIGHUP, as `kill -HUP` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def kill(self) -> None:
        """SIGKILL: it cannot do anything any more."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """End it as systemd does; its exit status."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            return await self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process is not None
        async with asyncio.timeout(30):
            return await self._process.wait()

    def events(self, name: str) -> list[dict[str, object]]:
        """The log's lines of that name, those that a kill cut off excepted."""
        found = []
        for line in self.log.read_text().splitlines():
            if f'"{name}"' in line:
                with suppress(json.JSONDecodeError):
                    found.append(json.loads(line))
        return [line for line in found if line["event"] == name]

    async def logged(self, name: str, *, times: int = 1) -> dict[str, object]:
        """The newest line of that name, once there have been so many."""
        async with asyncio.timeout(30):
            while len(self.events(name)) < times:  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.05)
        return self.events(name)[-1]

    async def _is_ready(self) -> bool:
        listening = self.events("http_listening")
        if not listening:
            return False
        address = f"{listening[-1]['address']}/readyz"
        try:
            async with aiohttp.ClientSession() as session, session.get(address) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
