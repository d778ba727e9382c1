"""Questions and answers as the bytes that both ends of the socket write."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from nextbridge.control.protocol.answers import Answer, Refused
from nextbridge.control.protocol.line import LONGEST_ANSWER, VERSION, ControlError, Line
from nextbridge.control.protocol.questions import FollowCrossings, Question

__all__ = ["read_answer", "read_question", "write_answer", "write_question"]


class _Version(Struct, frozen=True):
    version: int = 0


class _Asked(Line, frozen=True):
    version: int
    ask: Question | FollowCrossings


class _Answered(Line, frozen=True):
    version: int
    answer: Answer


_version = msgspec.json.Decoder(_Version)
_asked = msgspec.json.Decoder(_Asked)
_answered = msgspec.json.Decoder(_Answered)


def write_question(question: Question | FollowCrossings) -> bytes:
    """The line to send."""
    return msgspec.json.encode(_Asked(version=VERSION, ask=question)) + b"\n"


def read_question(line: bytes) -> Question | FollowCrossings:
    """What `write_question` of this version wrote. Raises ControlError for anything else."""
    try:
        if (version := _version.decode(line).version) != VERSION:
            raise ControlError(_other("the command", version, "the daemon"))
        return _asked.decode(line).ask
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ControlError(f"The daemon does not understand what it was asked: {error}.") from error


def write_answer(answer: Answer) -> bytes:
    """The line to send; a refusal where the answer would be too long to read."""
    line = msgspec.json.encode(_Answered(version=VERSION, answer=answer)) + b"\n"
    if len(line) > LONGEST_ANSWER:
        return write_answer(Refused(reason="The answer would be too long. Ask for less (--limit)."))
    return line


def read_answer(line: bytes) -> Answer:
    """What `write_answer` of this version wrote. Raises ControlError for anything else."""
    try:
        if (version := _version.decode(line).version) != VERSION:
            raise ControlError(_other("the daemon", version, "the command"))
        return _answered.decode(line).answer
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ControlError(f"The daemon's answer makes no sense: {error}.") from error


def _other(who: str, version: int, here: str) -> str:
    return (
        f"This is another version of NextBridge: {who} speaks version {version} of the control socket, {here} version "
        f"{VERSION}. Use the nextbridge command that the daemon was started with, or restart the daemon."
    )
