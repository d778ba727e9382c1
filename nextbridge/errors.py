"""Every error that this program raises on purpose.

NextBridgeError
├── ConfigError            the operator's file is wrong; carries every mistake found, not the first only
├── JournalError           the journal cannot be read or written: the daemon ends, it never goes on in memory
│   └── JournalLocked      another daemon holds this state folder
├── SpoolError             the folder for attachments cannot be used
├── EntryRefused           this one entry cannot be kept (text that is no Unicode, say); the journal goes on
└── DriverError            a driver says what the core is to do (see nextbridge.driver)
    ├── Retry              this delivery (or this connection), later
    ├── Rejected           this message will never pass: a dead letter at once
    ├── FileRejected       one file of it will never pass: send it again with a label in the file's place
    ├── Paused             nothing will pass here for now: wait, and tell the operator
    └── Gone               the message or file that it refers to is not there any more
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nextbridge.config.problem import Problem

__all__ = [
    "ConfigError",
    "DriverError",
    "EntryRefused",
    "FileRejected",
    "Gone",
    "JournalError",
    "JournalLocked",
    "NextBridgeError",
    "Paused",
    "Rejected",
    "Retry",
    "SpoolError",
]


class NextBridgeError(Exception):
    """Anything that this program raises on purpose."""


class ConfigError(NextBridgeError):
    """The operator's file is wrong. As text it is the whole report: every mistake with its place and the likely fix.

    `problems` holds the warnings too, in the order of the file.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        from nextbridge.config.problem import render

        return render(self.problems)


class JournalError(NextBridgeError):
    """The journal cannot be read or written. Says where it is and what to do."""


class JournalLocked(JournalError):
    """Another daemon holds this state folder."""


class SpoolError(NextBridgeError):
    """The folder for attachments on their way cannot be used."""


class EntryRefused(NextBridgeError):
    """This one entry cannot be kept: it holds what no journal can write. Nothing of it was; the journal goes on."""


class DriverError(NextBridgeError):
    """What a driver raises: it says what the core is to do, not what went wrong inside.

    `reason` is a sentence for the operator, without secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(DriverError):
    """Later. From `send`: this delivery stays where it is; from `run`: the connection is made again.

    `after` is the wait in seconds where the platform names one, else None: the core backs off by itself.
    """

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after if after is not None and 0 <= after < math.inf else None


class Rejected(DriverError):
    """This message will never pass; it becomes a dead letter at once, and its lane goes on."""


class FileRejected(DriverError):
    """The file `Outgoing.files[index]` will never pass; the core sends the message again with a label instead."""

    def __init__(self, reason: str, *, index: int) -> None:
        super().__init__(reason)
        self.index = index


class Paused(DriverError):
    """Nothing passes for now: a token is refused, a right or the channel is missing.

    `scope` says what waits: the lane of the channel, or the whole instance. It is tried again slowly, and at once when
    the driver calls `Host.available` or `Host.connected`.
    """

    def __init__(self, reason: str, *, scope: Literal["channel", "instance"]) -> None:
        super().__init__(reason)
        self.scope = scope


class Gone(DriverError):
    """The message (or file) that it refers to is not there any more."""
