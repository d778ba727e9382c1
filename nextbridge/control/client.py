"""A command's way to the state: through the daemon that runs, else on the files, which are its own for that time."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from nextbridge.control.desk import Desk
from nextbridge.control.protocol import (
    LONGEST_ANSWER,
    Answer,
    ControlError,
    Crossed,
    FollowCrossings,
    Following,
    Question,
    Refused,
    read_answer,
    write_question,
)
from nextbridge.control.server import NAME, place
from nextbridge.errors import JournalLocked
from nextbridge.journal.folder import StateFolder
from nextbridge.journal.sqlite import open_journal
from nextbridge.media import Allowance, Spool

__all__ = ["Ask", "follow", "reach"]

_PATIENCE = 60.0
"""Seconds that an answer may take: the journal may be behind a slow disk."""

Ask: TypeAlias = Callable[[Question], Answer]


@contextmanager
def reach(folder: Path) -> Iterator[Ask]:
    """Something to ask, for the time of the context. Blocking.

    Raises ControlError, when it is entered and when it is asked, and JournalError for files that cannot be used.
    """
    with _opened(folder) as descriptor:
        if (first := _connected(folder, descriptor)) is not None:
            first.close()
            yield lambda question: _through_daemon(folder, descriptor, question)
        else:
            with _on_files(folder, descriptor) as ask:
                yield ask


def follow(folder: Path, question: FollowCrossings) -> Iterator[Following | Crossed]:
    """What the daemon on the folder tells, without end: Following once it listens. Blocking.

    Raises ControlError where no daemon answers, where it refuses, and once it tells no more.
    """
    with _opened(folder) as descriptor:
        sock = _connected(folder, descriptor)
    if sock is None:
        raise ControlError(f"No daemon runs on {folder}: nothing crosses. {_WHICH}")
    with sock, sock.makefile("rb") as stream:
        try:
            sock.sendall(write_question(question))
            sock.settimeout(None)  # nothing may cross for days
            while (line := stream.readline(LONGEST_ANSWER + 1)).endswith(b"\n"):
                answer = read_answer(line)
                if isinstance(answer, Refused):
                    raise ControlError(answer.reason)
                if isinstance(answer, Following | Crossed):
                    yield answer
        except OSError as error:
            raise ControlError(f"The daemon on {folder} does not answer ({error.strerror or error}).") from error
    raise ControlError(f"The daemon on {folder} has ended, or let go of this command because it read too slowly.")


_WHICH = "Name the daemon's state folder (--state; under systemd /var/lib/nextbridge), and be its owner or root."


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of the state folder, for the time of the context."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ControlError(f"{folder} cannot be opened ({error.strerror}). {_WHICH}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _connected(folder: Path, descriptor: int) -> socket.socket | None:
    """A connection to the daemon that listens in the folder; None where none does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_PATIENCE)
    try:
        sock.connect(place(descriptor))
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except OSError as error:
        sock.close()
        raise ControlError(f"{folder / NAME} cannot be used ({error.strerror or error}). {_WHICH}") from error
    return sock


def _through_daemon(folder: Path, descriptor: int, question: Question) -> Answer:
    sock = _connected(folder, descriptor)
    if sock is None:
        raise ControlError(f"The daemon on {folder} has ended. Ask again.")
    with sock:
        try:
            sock.sendall(write_question(question))
            with sock.makefile("rb") as stream:
                line = stream.readline(LONGEST_ANSWER + 1)
        except OSError as error:
            raise ControlError(f"The daemon on {folder} does not answer ({error.strerror or error}).") from error
    if not line.endswith(b"\n"):
        raise ControlError(f"The daemon on {folder} has ended before it answered. Ask again.")
    return read_answer(line)


@contextmanager
def _on_files(folder: Path, descriptor: int) -> Iterator[Ask]:
    if StateFolder.JOURNAL not in os.listdir(descriptor):
        raise ControlError(f"There is no journal in {folder}. {_WHICH}")
    with asyncio.Runner() as runner:
        try:
            journal = runner.run(open_journal(folder))
        except JournalLocked as error:
            raise ControlError(
                f"A NextBridge holds {folder}, but does not answer at {NAME}: it is starting or ending. Ask again; if "
                "that does not help, its log says why."
            ) from error
        try:
            # how long links last is the file's affair, which is not read here
            allowance = Allowance(size=0, links=None, keep=math.inf)
            desk = Desk(journal, Spool(folder / "spool", journal, {}, lambda: allowance))
            yield lambda question: runner.run(desk.answer(question))
        finally:
            runner.run(journal.close())
