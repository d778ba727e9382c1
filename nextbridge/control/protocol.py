"""What can be asked of a daemon and what it answers, as both ends of the socket write it.

A line each way, `{"version": 1, "ask": {…}}` and `{"version": 1, "answer": {…}}`, then the connection ends. Only
FollowCrossings is answered by any number of lines, until either side ends it.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from nextbridge.errors import NextBridgeError

__all__ = [
    "LONGEST_ANSWER",
    "LONGEST_NAME",
    "LONGEST_QUESTION",
    "MOST_IDS",
    "VERSION",
    "Answer",
    "ControlError",
    "Crossed",
    "DaemonStatus",
    "DeadIds",
    "DeadLetters",
    "Done",
    "DropDead",
    "End",
    "FollowCrossings",
    "Following",
    "Ids",
    "InstanceStatus",
    "JoinedEnds",
    "Judged",
    "Lane",
    "Lanes",
    "Letter",
    "ListDead",
    "Question",
    "Refused",
    "ReloadFile",
    "Reloaded",
    "RetryDead",
    "Rules",
    "ShowDead",
    "ShowQueue",
    "ShowRules",
    "ShowStatus",
    "SkippedMessage",
    "Status",
    "TraceMessage",
    "TracedEvent",
    "Traces",
    "Tried",
    "Way",
    "WrongFile",
    "read_answer",
    "read_question",
    "write_answer",
    "write_question",
]

VERSION = 1
LONGEST_QUESTION = 256 * 1024
"""Bytes, with the line's end."""
LONGEST_ANSWER = 16 * 1024 * 1024
MOST_IDS = 200
"""Dead letters that are retried or dropped at once: what the journal does in one transaction."""

LONGEST_NAME = 1000
"""Characters of what names a message."""

_Ids: TypeAlias = Annotated[tuple[int, ...], Meta(max_length=MOST_IDS)]


class ControlError(NextBridgeError):
    """The daemon cannot be asked, or does not do what it was asked; says why."""


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what is asked and answered."""


class ShowQueue(_Line, frozen=True, tag_field="what", tag="queue"):
    """The lanes with something in them, the oldest first."""

    idle: bool = False
    """Also those that have nothing to do."""


class ListDead(_Line, frozen=True, tag_field="what", tag="dead letters"):
    """The newest dead letters, without their texts and tracebacks."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100


class ShowDead(_Line, frozen=True, tag_field="what", tag="dead letter"):
    """One dead letter."""

    id: int
    text: bool = False
    """With what its author wrote."""


class DeadIds(_Line, frozen=True, tag_field="what", tag="dead ids"):
    """The ids of dead letters above one, in the order of acceptance."""

    after: int = 0


class RetryDead(_Line, frozen=True, tag_field="what", tag="retry"):
    """Put dead letters at the end of their lanes."""

    ids: _Ids


class DropDead(_Line, frozen=True, tag_field="what", tag="drop"):
    """Forget dead letters."""

    ids: _Ids


class TraceMessage(_Line, frozen=True, tag_field="what", tag="trace"):
    """What became of a message, by its link, or its id where it was posted or as a copy."""

    message: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    text: bool = False
    """With what was written."""


class ForgetPerson(_Line, frozen=True, tag_field="what", tag="forget"):
    """What is kept of a person, and the forgetting of it."""

    person: Annotated[str, Meta(min_length=1, max_length=1000)]
    """Their id or handle."""
    instance: str = ""
    """The one on which they are called so; empty for all."""
    really: bool = False
    """False: only look."""
    after: int = 0
    """Of their events only those behind this one: what an earlier answer had no time for."""


class ShowStatus(_Line, frozen=True, tag_field="what", tag="status"):
    """How the daemon and its instances stand."""


class ShowRules(_Line, frozen=True, tag_field="what", tag="rules"):
    """Which channels the rules join."""


class ReloadFile(_Line, frozen=True, tag_field="what", tag="reload"):
    """Read the operator's file again and do what it says."""


class ShowSightings(_Line, frozen=True, tag_field="what", tag="sightings"):
    """The channels that an instance was met in, where its platform lists none."""

    instance: Annotated[str, Meta(max_length=1000)]


class FollowCrossings(_Line, frozen=True, tag_field="what", tag="follow"):
    """Tell what crosses from now on: Following at once, then a Crossed for each; Refused ends it."""

    instance: Annotated[str, Meta(max_length=1000)] | None = None
    """Only what comes from it or goes to it."""
    rule: Annotated[str, Meta(max_length=1000)] | None = None
    """Only what this rule relays."""


Question: TypeAlias = (
    ShowQueue
    | ListDead
    | ShowDead
    | DeadIds
    | RetryDead
    | DropDead
    | TraceMessage
    | ForgetPerson
    | ShowStatus
    | ShowRules
    | ReloadFile
    | ShowSightings
)
"""What has one answer."""


class Lane(_Line, frozen=True):
    """What waits for one target channel."""

    instance: str
    channel: str
    depth: int
    oldest_at: int | None
    """Since when the first waits, in milliseconds since 1970."""
    state: str
    """As LaneState has it; `stopped` where no daemon runs."""
    reason: str = ""
    retry_in: float | None = None
    attempts: int = 0
    last_error: str = ""
    """Why the first of it failed last."""


class Lanes(_Line, frozen=True, tag_field="what", tag="queue"):
    """Answers ShowQueue."""

    lanes: tuple[Lane, ...]
    running: bool
    """A daemon runs and answers for itself."""


class Letter(_Line, frozen=True):
    """A dead letter. Times are in milliseconds since 1970."""

    id: int
    rule: str
    source: str
    target: str
    kind: str
    author: str
    username: str
    at: int
    """When it was written, by the platform's clock."""
    accepted_at: int
    buried_at: int
    attempts: int
    files: int
    reason: str
    traceback: str | None = None
    text: str | None = None


class DeadLetters(_Line, frozen=True, tag_field="what", tag="dead letters"):
    """Answers ListDead and ShowDead."""

    letters: tuple[Letter, ...]
    more: bool = False
    """There are older ones."""


class Tried(_Line, frozen=True):
    """What came of one attempt: as `nextbridge.journal.Attempt` has it."""

    at: int
    outcome: str
    reason: str = ""


class Way(_Line, frozen=True):
    """How far an event came on its way to one target channel: as `nextbridge.journal.Traced` has it."""

    target: str
    state: str
    rule: str = ""
    attempts: int = 0
    reason: str = ""
    dead: int | None = None
    messages: tuple[str | None, ...] = ()
    tried: tuple[Tried, ...] = ()
    lane: str = ""
    """While it waits and a daemon runs: how its lane stands, in the words of `Lane.state`."""
    held_by: str = ""
    """What holds up the lane, or why the first message in it failed last."""
    texts: tuple[str, ...] | None = None
    """What it was rendered to, where texts were asked for and the daemon that runs can tell."""
    name: str | None = None
    """The name that it was shown under, where that does not stand in the text."""


class Judged(_Line, frozen=True):
    """What one rule says to an event, by the file as it is now."""

    rule: str
    reason: str = ""
    """Why it does not relay it; empty where it does."""


class TracedEvent(_Line, frozen=True):
    """One event about the message. Times are in milliseconds since 1970."""

    kind: str
    source: str
    message: str
    author: str
    username: str
    at: int
    accepted_at: int
    ways: tuple[Way, ...]
    text: str | None = None
    rules: tuple[Judged, ...] | None = None
    """Those that name its channel, in the order of the file; None where no daemon runs."""
    trace_id: str | None = None
    """By which it is found in OpenTelemetry, where the daemon that runs makes traces."""


class SkippedMessage(_Line, frozen=True):
    """One message that was not relayed, or not by one rule: as `nextbridge.skips.Skip` has it."""

    at: int
    kind: str
    channel: str
    message: str
    reason: str
    meaning: str
    """Of the reason; empty where that says enough."""
    rule: str = ""
    author: str = ""
    """The handle; empty where it was no event to the driver."""


class Traces(_Line, frozen=True, tag_field="what", tag="traces"):
    """Answers TraceMessage: what was said and done, in its order."""

    events: tuple[TracedEvent, ...]
    skipped: tuple[SkippedMessage, ...] = ()
    """What the running daemon did not relay of it."""
    skips_since: int | None = None
    """From when on it remembers all of those (milliseconds since 1970); None where no daemon runs."""


class InstanceStatus(_Line, frozen=True):
    """How an instance stands."""

    name: str
    platform: str
    state: str
    """As `nextbridge.instance.State` has it."""
    since: int
    """Milliseconds since 1970."""
    reason: str


class DaemonStatus(_Line, frozen=True):
    """The daemon that answers. Times are in milliseconds since 1970."""

    version: str
    pid: int
    config: str
    started_at: int
    reloaded_at: int | None
    """When it last read its file again."""
    instances: tuple[InstanceStatus, ...]


class Status(_Line, frozen=True, tag_field="what", tag="status"):
    """Answers ShowStatus."""

    daemon: DaemonStatus | None
    """None where no daemon runs."""
    waiting: int
    lanes: int
    oldest_at: int | None
    dead: int


class End(_Line, frozen=True):
    """A channel of a rule."""

    channel: str
    """As lanes, traces and crossings name it."""
    instance: str
    name: str
    """What people call it."""


class JoinedEnds(_Line, frozen=True):
    """What one rule joins."""

    rule: str
    kind: str
    """`connect` or `forward`."""
    sources: tuple[End, ...]
    targets: tuple[End, ...]


class Rules(_Line, frozen=True, tag_field="what", tag="rules"):
    """Answers ShowRules: those that are on, in the order of the file. None where no daemon runs."""

    rules: tuple[JoinedEnds, ...]


class Ids(_Line, frozen=True, tag_field="what", tag="ids"):
    """Answers DeadIds."""

    ids: tuple[int, ...]


class Done(_Line, frozen=True, tag_field="what", tag="done"):
    """Answers RetryDead and DropDead: those that were dead letters."""

    ids: tuple[int, ...]


class Known(_Line, frozen=True):
    """An account of a person, as the journal has it."""

    instance: str
    user: str
    username: str
    name: str
    events: int


class Kept(_Line, frozen=True):
    """What an instance keeps of a person in rooms of its own."""

    instance: str
    count: int = 0
    """Messages and reactions; they are forgotten where that was asked for."""
    reason: str = ""
    """Why it cannot be asked now."""


class Forgotten(_Line, frozen=True, tag_field="what", tag="forgotten"):
    """Answers ForgetPerson."""

    accounts: tuple[Known, ...]
    bindings: int
    """Accounts that are bound to others."""
    forgotten: int
    """Events that are forgotten now."""
    left: int
    """Events that are not: needed until they are delivered, or given up for good, or of a room that cannot be asked."""
    skipped: int = 0
    """Messages that were not relayed, and that the running daemon remembers, or did."""
    kept: tuple[Kept, ...] = ()
    """By instance: those that keep something of them, and those that cannot be asked."""
    after: int | None = None
    """There are more, behind this one: ask again."""


class Met(_Line, frozen=True):
    """A channel that an instance was met in: as `nextbridge.sightings.Sighting` has it."""

    name: str
    keys: dict[str, str | int]
    at: int


class Sighted(_Line, frozen=True, tag_field="what", tag="sightings"):
    """Answers ShowSightings."""

    channels: tuple[Met, ...]


class Reloaded(_Line, frozen=True, tag_field="what", tag="reloaded"):
    """Answers ReloadFile: as `nextbridge.reload.Reloaded` has it."""

    ended: tuple[str, ...]
    reconnected: tuple[str, ...]
    begun: tuple[str, ...]
    rules_changed: bool
    general_changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    warnings: str


class WrongFile(_Line, frozen=True, tag_field="what", tag="wrong file"):
    """Answers ReloadFile where nothing has changed, because there are mistakes in the file."""

    report: str
    """As `nextbridge check` shows it."""


class Following(_Line, frozen=True, tag_field="what", tag="following"):
    """Answers FollowCrossings: what crosses from here on will be told."""


class Crossed(_Line, frozen=True, tag_field="what", tag="crossed"):
    """What became of a delivery: as `nextbridge.crossings.Crossing` has it, without secrets."""

    at: int
    outcome: str
    kind: str
    author: str
    source: str
    message: str
    target: str
    rule: str
    late_ms: int
    """Since it was said, by the source platform's clock."""
    reason: str = ""
    retry_in: float | None = None


class Refused(_Line, frozen=True, tag_field="what", tag="refused"):
    """Nothing was done, for this reason."""

    reason: str


Answer: TypeAlias = (
    Lanes
    | DeadLetters
    | Traces
    | Status
    | Rules
    | Ids
    | Done
    | Forgotten
    | Sighted
    | Reloaded
    | WrongFile
    | Following
    | Crossed
    | Refused
)


class _Version(Struct, frozen=True):
    version: int = 0


class _Asked(_Line, frozen=True):
    version: int
    ask: Question | FollowCrossings


class _Answered(_Line, frozen=True):
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
