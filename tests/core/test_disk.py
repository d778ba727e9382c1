"""What the disk does to the daemon, as a process: it says what is wrong and ends; what it acknowledged is there.

Messages are typed into a web chat, which shows its own as sent once they are on disk, and relayed to another room.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.process import Daemon

EX_IOERR = 74
FILE = {
    "global": {"http": {"port": 0}},
    "webchat": {"web": {"history": 2000, "messages_per_minute": 6000}},
    "rules": [
        {
            "type": "forward",
            "from": [{"instance": "web", "room": "in"}],
            "to": [{"instance": "web", "room": "out", "msg": {"msg_format": "{msg}"}}],
        }
    ],
}


class Disk:
    """The daemon's state folder, on a small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder], check=True, timeout=20)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def disk(state: Path) -> Iterator[Disk]:
    """A file system that can be filled; only root may make one."""
    disk = Disk(state)
    try:
        disk.mount("size=2m,mode=700")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", state], check=True, timeout=20)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    running = Daemon(tmp_path)
    yield running
    if running.is_running:
        await running.kill()


@asynccontextmanager
async def browser(daemon: Daemon, room: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Somebody who has entered the room."""
    address = f"{daemon.events('http_listening')[-1]['address']}/webchat/web/live"
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
        await socket.send_json({"type": "hello"})
        await socket.send_json({"type": "join", "room": room, "name": "ada"})
        yield socket


async def frames(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in socket:
        yield message.json()


async def type_until_it_ends(daemon: Daemon) -> list[str]:
    """Post one message after the other until the daemon is gone; those that were shown as sent."""
    sent: list[str] = []
    async with asyncio.timeout(60), browser(daemon, "in") as socket:
        with suppress(ConnectionError, aiohttp.ClientError):  # it may end in the middle of a frame
            await socket.send_json(posted(0))
            async for frame in frames(socket):
                if frame["type"] == "sent":
                    sent.append(text(len(sent)))
                elif frame["type"] == "unsent":  # as fast as the room allows
                    await asyncio.sleep(frame["retry_after"])
                else:
                    continue
                await socket.send_json(posted(len(sent)))
    return sent


def posted(number: int) -> dict[str, str]:
    return {"type": "post", "id": f"post-{number:06}", "text": text(number)}


def text(number: int) -> str:
    return f"{number:06} " + "x" * 3000


async def shown(daemon: Daemon, number: int) -> list[str]:
    """The first so many messages of the other room."""
    found: list[str] = []
    async with asyncio.timeout(60), browser(daemon, "out") as socket:
        async for frame in frames(socket):
            messages = frame["messages"] if frame["type"] == "history" else [frame.get("message")]
            found += [message["text"] for message in messages if isinstance(message, dict)]
            if len(found) >= number:
                break
    return found


async def told(daemon: Daemon) -> str:
    """What the operator reads after the daemon has ended by itself, as it must."""
    assert await daemon.ended() == EX_IOERR
    log = await asyncio.to_thread(daemon.log.read_text)
    assert "Traceback" not in log
    return [line for line in log.splitlines() if not line.startswith("{")][-1]


async def test_a_disk_that_is_full(daemon: Daemon, disk: Disk, state: Path) -> None:
    """The daemon ends and says so; with more room it goes on, and all that was shown as sent arrives once, in order."""
    await daemon.start(FILE)
    sent = await type_until_it_ends(daemon)
    assert f"{state / 'journal.sqlite3'} cannot be used" in (reason := await told(daemon))
    assert "The disk is full. Free some space there and start NextBridge again" in reason
    disk.mount("remount,size=100m")
    await daemon.start(FILE)
    found = await shown(daemon, len(sent))
    assert len(sent) > 10
    assert found[: len(sent)] == sent
    assert await daemon.stop() == 0


async def test_a_file_that_may_not_grow(daemon: Daemon) -> None:
    """A write that fails for another reason ends it as well, and nothing that was shown as sent is missing."""
    await daemon.start(FILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    sent = await type_until_it_ends(daemon)
    assert "journal.sqlite3 cannot be used" in await told(daemon)
    await daemon.start(FILE)
    found = await shown(daemon, len(sent))
    assert len(sent) > 10
    assert found[: len(sent)] == sent
    assert await daemon.stop() == 0


async def test_a_disk_that_is_full_before_the_start(daemon: Daemon, disk: Disk, state: Path) -> None:
    """Nothing is connected to, and the operator is told where there is no room."""

    def fill() -> None:
        with (state / "other").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"x" * 4096)

    await asyncio.to_thread(fill)
    await daemon.start(FILE, until_ready=False)
    reason = await told(daemon)
    assert str(state) in reason
    assert "The disk is full" in reason
    assert daemon.events("connected") == []


async def test_a_state_that_cannot_be_written(daemon: Daemon, state: Path, request: pytest.FixtureRequest) -> None:
    """Whose the folder must be, and that it must not be mounted read-only, is what the operator reads."""
    disk: Disk | None = request.getfixturevalue("disk") if os.geteuid() == 0 else None  # root may write anywhere else
    await daemon.start(FILE)
    assert await daemon.stop() == 0
    if disk is not None:
        disk.mount("remount,ro")
    else:
        await asyncio.to_thread(state.chmod, 0o500)
        await asyncio.to_thread((state / "journal.sqlite3").chmod, 0o400)
    await daemon.start(FILE, until_ready=False)
    reason = await told(daemon)
    assert f"The journal {state}" in reason
    assert "belong to the user that NextBridge runs as, on a file system that is not mounted read-only" in reason


async def test_a_journal_that_is_damaged(daemon: Daemon, state: Path) -> None:
    """It is not started on, and not written to: what to do is what the operator reads."""
    await asyncio.to_thread((state / "journal.sqlite3").write_bytes, b"not a database, " * 1_000)
    await daemon.start(FILE, until_ready=False)
    assert "The file is damaged. Stop NextBridge, keep a copy of the state folder" in await told(daemon)
    assert await asyncio.to_thread((state / "journal.sqlite3").read_bytes) == b"not a database, " * 1_000


async def test_damage_that_is_found_later(daemon: Daemon, state: Path) -> None:
    """A row that makes no sense ends the daemon when it is read, with the same words."""
    await daemon.start(FILE)
    async with asyncio.timeout(20), browser(daemon, "in") as socket:
        await socket.send_json({"type": "post", "id": "post-000001", "text": "hello"})
        async for frame in frames(socket):
            if frame["type"] == "sent":
                break
    assert await daemon.stop() == 0
    connection = sqlite3.connect(state / "journal.sqlite3", isolation_level=None)
    connection.execute("UPDATE event SET data = x'00'")
    connection.execute("INSERT OR IGNORE INTO waiting (id, target, event, terms) SELECT 999, channel, id, 1 FROM event")
    connection.close()
    await daemon.start(FILE, until_ready=False)
    assert "The file is damaged" in await told(daemon)
