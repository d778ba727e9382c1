"""The control socket: who can reach it, and what it does with those who do not behave."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from nextbridge.control.client import reach
from nextbridge.control.protocol import (
    LONGEST_QUESTION,
    Answer,
    ControlError,
    FollowCrossings,
    Following,
    Lanes,
    Question,
    Refused,
    ShowQueue,
    read_answer,
    write_question,
)
from nextbridge.control.server import ControlServer
from tests.core.script import RunDaemon, ScriptDriver, rule

RULES = (rule("r", "a/1", "b/1"),)


async def said(folder: Path, *pieces: bytes) -> dict[str, Any]:
    """What the socket in the folder answers to these bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/control.sock")
    finally:
        os.close(descriptor)
    for piece in pieces:
        writer.write(piece)
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()
    answer: dict[str, Any] = json.loads(line)
    return answer


def asked(folder: Path, question: Question) -> Answer:
    with reach(folder) as ask:
        return ask(question)


async def nothing(question: FollowCrossings) -> AsyncGenerator[Answer]:
    """What a daemon tells where nothing crosses."""
    yield Following()


async def test_the_socket_is_its_owners_and_goes_with_the_daemon(daemon: RunDaemon, tmp_path: Path) -> None:
    """Nobody else may connect, whatever the umask and the folder's mode; after the end nothing is left of it."""
    place = tmp_path / "state" / "control.sock"
    before = os.umask(0)
    try:
        async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver):
            mode = (await asyncio.to_thread(place.stat)).st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
    finally:
        os.umask(before)
    assert not place.exists()


async def test_a_killed_daemons_socket_is_replaced(daemon: RunDaemon, tmp_path: Path) -> None:
    """What lies there when a daemon starts is nobody's: it holds the folder."""
    (tmp_path / "state").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "state" / "control.sock"))
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver):
        answer = await asyncio.to_thread(asked, tmp_path / "state", ShowQueue())
    assert answer == Lanes(lanes=(), running=True)


async def test_a_path_longer_than_any_address(tmp_path: Path) -> None:
    """An address of a socket holds 107 bytes; a state folder may lie deeper."""
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)

    async def answer(question: Question) -> Answer:
        return Refused(reason=f"asked for {type(question).__name__}")

    server = ControlServer(folder, answer, nothing)
    await server.start()
    assert await asyncio.to_thread(asked, folder, ShowQueue()) == Refused(reason="asked for ShowQueue")
    await server.stop()


async def test_a_place_where_no_socket_can_be_is_told_and_nothing_else_happens(
    daemon: RunDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon relays without it, and its log says what is missing."""
    (tmp_path / "state" / "control.sock").mkdir(parents=True)
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("hello")
        await running["b"].until(lambda: running["b"].texts == ["hello"])
        with pytest.raises(ControlError, match=r"does not answer at control\.sock"):
            await asyncio.to_thread(asked, tmp_path / "state", ShowQueue())
    assert "control_unavailable" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"nonsense\n", "does not understand"),
        (b'{"version":1,"ask":{"what":"\xff"}}\n', "does not understand"),
        (b'{"version":1,"ask":{"what":"other"}}\n', "does not understand"),
        (b'{"version":1,"ask":{"what":"queue","more":1}}\n', "does not understand"),
        (b'{"version":1,"ask":{"what":"retry","ids":["one"]}}\n', "does not understand"),
        (b'{"version":1,"ask":{"what":"drop","ids":%s}}\n' % json.dumps([1] * 1001).encode(), "does not understand"),
        (b'{"version":2,"ask":{"what":"queue"}}\n', "another version"),
        (b"[" * 100_000 + b"\n", "does not understand"),
        (b"x" * (LONGEST_QUESTION + 2), "too long"),
    ],
)
async def test_what_is_not_understood_is_refused(daemon: RunDaemon, tmp_path: Path, line: bytes, why: str) -> None:
    """With the reason; and the next question is answered."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver):
        answer = (await said(tmp_path / "state", line))["answer"]
        assert answer["what"] == "refused"
        assert why in answer["reason"]
        assert (await said(tmp_path / "state", write_question(ShowQueue())))["answer"]["what"] == "queue"


async def test_who_says_nothing_or_goes_holds_up_nobody(daemon: RunDaemon, tmp_path: Path) -> None:
    """Silent peers are let go at the daemon's end, and those over the limit are told to come again."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver):
        place = str(tmp_path / "state" / "control.sock")
        gone = (await asyncio.open_unix_connection(place))[1]
        gone.write(b'{"version"')
        gone.close()
        silent = [await asyncio.open_unix_connection(place) for _ in range(16)]
        assert "too many" in (await said(tmp_path / "state", write_question(ShowQueue())))["answer"]["reason"]
        for _, writer in silent[:4]:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while (await said(tmp_path / "state", write_question(ShowQueue())))["answer"]["what"] == "refused":
                pass
    for reader, writer in silent[4:]:
        assert await reader.read() == b""
        writer.close()


def answering(folder: Path, line: bytes) -> Callable[[], None]:
    """A stand-in for a daemon of another version: answers once, with this line."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "control.sock"))
    server.listen()

    def serve() -> None:
        with server:
            for _ in range(2):  # the command looks whether there is a daemon, then asks
                connection = server.accept()[0]
                with connection:
                    if connection.recv(1000):
                        connection.sendall(line)

    return serve


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"version":2,"answer":{}}\n', "another version"),
        (b"nonsense\n", "makes no sense"),
        (b'{"version":1,"answer":{"what":"\xff"}}\n', "makes no sense"),
        (b'{"version":1,"answer":{"what":"ids"}}\n', "makes no sense"),
        (b"", "has ended"),
    ],
)
async def test_an_answer_that_is_not_understood_is_told(tmp_path: Path, line: bytes, why: str) -> None:
    """A command beside a daemon of another version says so, and guesses nothing."""
    serving = asyncio.create_task(asyncio.to_thread(answering(tmp_path, line)))
    with pytest.raises(ControlError, match=why):
        await asyncio.to_thread(asked, tmp_path, ShowQueue())
    await serving


def test_an_answer_is_read_as_it_was_written() -> None:
    """Both ends agree on what a line is."""
    assert read_answer(b'{"version":1,"answer":{"what":"refused","reason":"no"}}') == Refused(reason="no")
