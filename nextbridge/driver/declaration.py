"""What a driver declares of its platform, as data: the core, the fault tests and the docs read it."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = [
    "Acknowledgement",
    "Guarantees",
    "Limits",
    "RetryRecognition",
    "Unit",
]


class Acknowledgement(Enum):
    """What tells that a message arrived."""

    RESPONSE = "the platform's answer, with the message's id"
    ANSWER = "the platform's answer, which does not name the message"
    KEPT = "being on the daemon's own disk, whether or not anybody has read it yet"
    ECHO = "the message coming back, or a later answer that can only follow it"
    NONE = "nothing"


class RetryRecognition(Enum):
    """How a platform is kept from showing a repeated send twice."""

    KEY = "an idempotency key in the request"
    MARK = "a mark on the message, looked for before sending again"
    KEY_THEN_MARK = "an idempotency key for a while, then a mark on the message"
    NONE = "not at all: what was sent and not acknowledged may repeat"


class Guarantees(Struct, frozen=True, kw_only=True):
    """What holds on this platform. The guarantee table of the docs and the fault tests read it."""

    acknowledged_by: Acknowledgement
    retry_recognised_by: RetryRecognition
    retry_key_lives: float | None = None
    """Seconds for which the platform remembers an idempotency key."""
    history: str
    """What of a time without a connection can be recovered, in a few words for the table."""
    sends_while_reconnecting: bool = False
    """Sending does not need what `run` holds open (a socket), only that it was `connected` once."""


class Unit(Enum):
    """What a text limit counts."""

    CHARACTERS = "characters"
    UTF16 = "UTF-16 code units"
    BYTES = "bytes of UTF-8"

    def measure(self, text: str) -> int:
        """The length of `text` in this unit."""
        match self:
            case Unit.CHARACTERS:
                return len(text)
            case Unit.UTF16:
                return len(text.encode("utf-16-le", "surrogatepass")) // 2
            case Unit.BYTES:
                return len(text.encode("utf-8", "surrogatepass"))


class Limits(Struct, frozen=True, kw_only=True):
    """What one message to one channel may hold. The core splits what is more into parts."""

    text: int
    unit: Unit = Unit.CHARACTERS
    files: int = 0
    """Files in one message; only read where the driver implements Uploads."""
