"""What a daemon answers."""

from __future__ import annotations

from typing import TypeAlias

from nextbridge.control.protocol.line import Line

__all__ = [
    "Answer",
    "Crossed",
    "DaemonStatus",
    "DeadLetters",
    "Done",
    "End",
    "Following",
    "Forgotten",
    "Ids",
    "InstanceStatus",
    "JoinedEnds",
    "Judged",
    "Kept",
    "Known",
    "Lane",
    "Lanes",
    "Letter",
    "Met",
    "Refused",
    "Reloaded",
    "Rules",
    "Sighted",
    "SkippedMessage",
    "Status",
    "TracedEvent",
    "Traces",
    "Tried",
    "Way",
    "WrongFile",
]


class Lane(Line, frozen=True):
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


class Lanes(Line, frozen=True, tag_field="what", tag="queue"):
    """Answers ShowQueue."""

    lanes: tuple[Lane, ...]
    running: bool
    """A daemon runs and answers for itself."""


class Letter(Line, frozen=True):
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


class DeadLetters(Line, frozen=True, tag_field="what", tag="dead letters"):
    """Answers ListDead and ShowDead."""

    letters: tuple[Letter, ...]
    more: bool = False
    """There are older ones."""


class Tried(Line, frozen=True):
    """What came of one attempt: as `nextbridge.journal.Attempt` has it."""

    at: int
    outcome: str
    reason: str = ""


class Way(Line, frozen=True):
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


class Judged(Line, frozen=True):
    """What one rule says to an event, by the file as it is now."""

    rule: str
    reason: str = ""
    """Why it does not relay it; empty where it does."""


class TracedEvent(Line, frozen=True):
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


class SkippedMessage(Line, frozen=True):
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


class Traces(Line, frozen=True, tag_field="what", tag="traces"):
    """Answers TraceMessage: what was said and done, in its order."""

    events: tuple[TracedEvent, ...]
    skipped: tuple[SkippedMessage, ...] = ()
    """What the running daemon did not relay of it."""
    skips_since: int | None = None
    """From when on it remembers all of those (milliseconds since 1970); None where no daemon runs."""


class InstanceStatus(Line, frozen=True):
    """How an instance stands."""

    name: str
    platform: str
    state: str
    """As `nextbridge.instance.State` has it."""
    since: int
    """Milliseconds since 1970."""
    reason: str


class DaemonStatus(Line, frozen=True):
    """The daemon that answers. Times are in milliseconds since 1970."""

    version: str
    pid: int
    config: str
    started_at: int
    reloaded_at: int | None
    """When it last read its file again."""
    instances: tuple[InstanceStatus, ...]


class Status(Line, frozen=True, tag_field="what", tag="status"):
    """Answers ShowStatus."""

    daemon: DaemonStatus | None
    """None where no daemon runs."""
    waiting: int
    lanes: int
    oldest_at: int | None
    dead: int


class End(Line, frozen=True):
    """A channel of a rule."""

    channel: str
    """As lanes, traces and crossings name it."""
    instance: str
    name: str
    """What people call it."""


class JoinedEnds(Line, frozen=True):
    """What one rule joins."""

    rule: str
    kind: str
    """`connect` or `forward`."""
    sources: tuple[End, ...]
    targets: tuple[End, ...]


class Rules(Line, frozen=True, tag_field="what", tag="rules"):
    """Answers ShowRules: those that are on, in the order of the file. None where no daemon runs."""

    rules: tuple[JoinedEnds, ...]


class Ids(Line, frozen=True, tag_field="what", tag="ids"):
    """Answers DeadIds."""

    ids: tuple[int, ...]


class Done(Line, frozen=True, tag_field="what", tag="done"):
    """Answers RetryDead and DropDead: those that were dead letters."""

    ids: tuple[int, ...]


class Known(Line, frozen=True):
    """An account of a person, as the journal has it."""

    instance: str
    user: str
    username: str
    name: str
    events: int


class Kept(Line, frozen=True):
    """What an instance keeps of a person in rooms of its own."""

    instance: str
    count: int = 0
    """Messages and reactions; they are forgotten where that was asked for."""
    reason: str = ""
    """Why it cannot be asked now."""


class Forgotten(Line, frozen=True, tag_field="what", tag="forgotten"):
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


class Met(Line, frozen=True):
    """A channel that an instance was met in: as `nextbridge.sightings.Sighting` has it."""

    name: str
    keys: dict[str, str | int]
    at: int


class Sighted(Line, frozen=True, tag_field="what", tag="sightings"):
    """Answers ShowSightings."""

    channels: tuple[Met, ...]


class Reloaded(Line, frozen=True, tag_field="what", tag="reloaded"):
    """Answers ReloadFile: as `nextbridge.reload.Reloaded` has it."""

    ended: tuple[str, ...]
    reconnected: tuple[str, ...]
    begun: tuple[str, ...]
    rules_changed: bool
    general_changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    warnings: str


class WrongFile(Line, frozen=True, tag_field="what", tag="wrong file"):
    """Answers ReloadFile where nothing has changed, because there are mistakes in the file."""

    report: str
    """As `nextbridge check` shows it."""


class Following(Line, frozen=True, tag_field="what", tag="following"):
    """Answers FollowCrossings: what crosses from here on will be told."""


class Crossed(Line, frozen=True, tag_field="what", tag="crossed"):
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


class Refused(Line, frozen=True, tag_field="what", tag="refused"):
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
