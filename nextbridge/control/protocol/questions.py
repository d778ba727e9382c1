"""What can be asked of a daemon."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

from nextbridge.control.protocol.line import Line

__all__ = [
    "LONGEST_NAME",
    "MOST_IDS",
    "DeadIds",
    "DropDead",
    "FollowCrossings",
    "ForgetPerson",
    "ListDead",
    "Question",
    "ReloadFile",
    "RetryDead",
    "ShowDead",
    "ShowQueue",
    "ShowRules",
    "ShowSightings",
    "ShowStatus",
    "TraceMessage",
]

MOST_IDS = 200
"""Dead letters that are retried or dropped at once: what the journal does in one transaction."""
LONGEST_NAME = 1000
"""Characters of what names a message."""

_Ids: TypeAlias = Annotated[tuple[int, ...], Meta(max_length=MOST_IDS)]


class ShowQueue(Line, frozen=True, tag_field="what", tag="queue"):
    """The lanes with something in them, the oldest first."""

    idle: bool = False
    """Also those that have nothing to do."""


class ListDead(Line, frozen=True, tag_field="what", tag="dead letters"):
    """The newest dead letters, without their texts and tracebacks."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 100


class ShowDead(Line, frozen=True, tag_field="what", tag="dead letter"):
    """One dead letter."""

    id: int
    text: bool = False
    """With what its author wrote."""


class DeadIds(Line, frozen=True, tag_field="what", tag="dead ids"):
    """The ids of dead letters above one, in the order of acceptance."""

    after: int = 0


class RetryDead(Line, frozen=True, tag_field="what", tag="retry"):
    """Put dead letters at the end of their lanes."""

    ids: _Ids


class DropDead(Line, frozen=True, tag_field="what", tag="drop"):
    """Forget dead letters."""

    ids: _Ids


class TraceMessage(Line, frozen=True, tag_field="what", tag="trace"):
    """What became of a message, by its link, or its id where it was posted or as a copy."""

    message: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    text: bool = False
    """With what was written."""


class ForgetPerson(Line, frozen=True, tag_field="what", tag="forget"):
    """What is kept of a person, and the forgetting of it."""

    person: Annotated[str, Meta(min_length=1, max_length=1000)]
    """Their id or handle."""
    instance: str = ""
    """The one on which they are called so; empty for all."""
    really: bool = False
    """False: only look."""
    after: int = 0
    """Of their events only those behind this one: what an earlier answer had no time for."""


class ShowStatus(Line, frozen=True, tag_field="what", tag="status"):
    """How the daemon and its instances stand."""


class ShowRules(Line, frozen=True, tag_field="what", tag="rules"):
    """Which channels the rules join."""


class ReloadFile(Line, frozen=True, tag_field="what", tag="reload"):
    """Read the operator's file again and do what it says."""


class ShowSightings(Line, frozen=True, tag_field="what", tag="sightings"):
    """The channels that an instance was met in, where its platform lists none."""

    instance: Annotated[str, Meta(max_length=1000)]


class FollowCrossings(Line, frozen=True, tag_field="what", tag="follow"):
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
