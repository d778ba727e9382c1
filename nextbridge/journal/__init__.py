"""What must survive: events with their deliveries, what they became, and small durable state.

This is the contract, in the relay's own words; `nextbridge.journal.sqlite` keeps it in a file. Every call is atomic and
every method is safe to call from the event loop: the work is done on another thread. A call whose caller is cancelled
is carried out all the same. A look-up sees everything that was asked for before it. Nothing outside this package knows
SQL.

Any call raises JournalError when the journal cannot be read or written, and so does every later one: what is on disk is
certain then, nothing else is, and the daemon ends (`Journal.failed` tells it once). A single entry that no journal can
hold raises EntryRefused: nothing of it is kept, and all else goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Channel, Event, InstanceId, MessageId, Posted, UserId
from nextbridge.errors import JournalError

__all__ = [
    "Attempt",
    "Authored",
    "DeadLetter",
    "Delivery",
    "Did",
    "Fate",
    "Journal",
    "KnownAs",
    "NewDelivery",
    "Outcome",
    "PlannedPart",
    "Purged",
    "State",
    "Trace",
    "Traced",
    "Waiting",
]


Outcome: TypeAlias = Literal["delivered", "skipped", "postponed", "buried", "deleted"]
"""What can come of an attempt, in the words of the tally; `deleted`: what was there was taken back."""


class NewDelivery(Struct, frozen=True, gc=False):
    """One target of an event that is being accepted."""

    target: Channel
    rule: str
    settings: str
    """The way's Terms as canonical JSON: what the delivery is accepted under, whatever the file says later. Few
    different ones exist; the journal keeps each once."""


class PlannedPart(Struct, frozen=True):
    """One part of a delivery of several, exactly as it is sent at every attempt."""

    text: str
    files: tuple[int, ...] = ()
    """Places in the event's attachments."""


class Delivery(Struct, frozen=True, kw_only=True):
    """One event for one target channel, still to be delivered."""

    id: int
    """Grows in the order of acceptance, over all lanes."""
    event_id: int
    """Shared by the event's deliveries: what the spool files its attachments under."""
    event: Event
    target: Channel
    rule: str
    settings: str
    accepted_at: int
    """Milliseconds since 1970."""
    attempts: int = 0
    """Attempts that failed, as far as they were recorded."""
    attempted: int | None = None
    """When it may first have been sent without a receipt (milliseconds since 1970), else None. A delivery that is read
    back from disk may have been if it was accepted before the journal was opened, or if an attempt of it or a part was
    recorded: it bears the time it was accepted. Otherwise whoever attempted it must remember so."""
    plan: tuple[PlannedPart, ...] | None = None
    """Set once a delivery of more than one part was planned: the parts do not change from then on."""
    parts_done: int = 0
    key: int | None = None
    """The id that its parts are named by, where that is not its own: what was a dead letter and is tried again keeps
    the names it had, so that an earlier attempt of it is recognised."""
    retried_at: int | None = None
    """When it came back from the dead letters, if it was one (milliseconds since 1970)."""
    amended: bool = False
    """`event` bears the text of an edit that came before it was shown."""


class Fate(Struct, frozen=True, kw_only=True):
    """What became of a message in one target channel."""

    event_id: int
    event: Posted
    """The message, wherever it was posted, with the text of its newest edit."""
    parts: tuple[str | None, ...] = ()
    """The ids of what is there, in order; the message's own where it was posted in the target itself. A None is a part
    whose id the platform did not tell."""
    dead: int | None = None
    """The dead letter that it is there."""
    waiting: int | None = None
    """The delivery that still waits there."""
    note: str | None = None
    """As it was given to `Journal.complete`."""
    edit: int | None = None
    """The event of its newest edit."""
    edit_waits: bool = False
    """Whether that is still to be shown in the target: a filter may have kept it from there."""
    deleted: bool = False
    """Where it was posted; it may still be there in the target, which could not take it back, or not yet."""

    def is_at_home(self, target: Channel) -> bool:
        """Whether it was posted in the target itself: then it is somebody's own and not ours to change."""
        return self.event.channel == target


class Waiting(Struct, frozen=True):
    """A lane with deliveries on disk."""

    target: Channel
    depth: int
    oldest_at: int
    """When its first delivery was accepted, or came back from the dead letters, in milliseconds since 1970."""
    attempts: int = 0
    """Attempts at its first delivery that failed."""
    reason: str = ""
    """Why the last of them failed."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A delivery that was given up, with the reason."""

    id: int
    event: Event
    target: Channel
    rule: str
    reason: str
    detail: str
    """A traceback where the reason is a bug, else empty."""
    attempts: int
    buried_at: int
    """Milliseconds since 1970."""
    accepted_at: int
    """Milliseconds since 1970."""


class KnownAs(Struct, frozen=True):
    """An account that somebody has said or done something by."""

    instance: InstanceId
    user: UserId
    username: str
    name: str
    """As it was when they did it the last time."""
    events: int
    """How many of theirs are kept."""


class Did(Struct, frozen=True):
    """Something that somebody said or did."""

    event: int
    channel: Channel
    copies: tuple[tuple[Channel, MessageId], ...]
    """What it became elsewhere: the target channels that have it, and the ids that it has there."""


class Authored(Struct, frozen=True):
    """What the journal keeps of a person's doing."""

    accounts: tuple[KnownAs, ...]
    events: tuple[Did, ...]


class Attempt(Struct, frozen=True):
    """What came of one attempt at a delivery."""

    at: int
    """Milliseconds since 1970."""
    outcome: Outcome
    reason: str = ""
    """Why it failed, or why there was nothing to show."""


State: TypeAlias = Literal[
    "waiting", "delivered", "partly delivered", "skipped", "dead", "dropped", "deleted", "withdrawn"
]
"""How far a delivery is. `partly delivered`: some of its parts arrived, and the rest was withdrawn. `skipped`: there
was nothing to show. `dropped`: it was a dead letter that was forgotten. `deleted`: it was there and was taken back."""


class Traced(Struct, frozen=True, kw_only=True):
    """How far an event came on its way to one target channel."""

    target: Channel
    state: State
    rule: str = ""
    """Empty where it was delivered by a version that did not keep that; so for `settings`."""
    settings: str = ""
    """What it was accepted under, as `NewDelivery` has it."""
    attempts: int = 0
    """That failed."""
    reason: str = ""
    """Why the last of them failed, why it was given up, or why there was nothing to show."""
    tried: tuple[Attempt, ...] = ()
    """In order; of many the first few and the newest."""
    dead: int | None = None
    """The dead letter that it is."""
    messages: tuple[str | None, ...] = ()
    """What its parts became there, as far as the platform gives ids."""


class Trace(Struct, frozen=True, kw_only=True):
    """Everything that is known of one event."""

    event_id: int
    event: Event
    accepted_at: int
    """Milliseconds since 1970."""
    ways: tuple[Traced, ...]
    """None where it went nowhere."""


class Purged(Struct, frozen=True):
    """What a step of purging did."""

    events: int
    """That are gone now."""
    after: int
    """The last event that was looked at: where the next step goes on."""
    done: bool
    """All that is left is younger, or still needed."""


class Journal(Protocol):
    """The journal of one daemon. One object, opened once, used by the whole core."""

    @property
    def daemon_id(self) -> str:
        """This state folder's own id, random, made when the journal was made: goes into every Mark."""

    @property
    def failed(self) -> asyncio.Future[JournalError]:
        """Done, with the error, once the journal can no longer be read or written. Not done by `close`."""

    def accept(
        self, event: Event, targets: Sequence[NewDelivery], cursor: tuple[InstanceId, Cursor] | None = None
    ) -> asyncio.Future[tuple[Delivery, ...] | None]:
        """Keep an event with its deliveries and move the cursor, in one transaction, in the order of the calls.

        Done once it is on disk: the deliveries in the order of `targets`, or None where an event with this key was
        accepted before (the cursor moves all the same). The call itself does not wait: many calls share one commit.
        """

    def move_cursor(self, instance: InstanceId, cursor: Cursor) -> asyncio.Future[None]:
        """Move a cursor for an event that concerns nobody. Done soon (see `complete`)."""

    async def cursor(self, instance: InstanceId, name: str) -> Cursor | None:
        """A cursor as last moved, or None."""

    async def waiting(self) -> list[Waiting]:
        """Every lane that has deliveries, the oldest first."""

    async def load(self, target: Channel, *, after: int = 0, limit: int = 100) -> list[Delivery]:
        """The next undelivered deliveries of a lane in order, those with an id above `after`."""

    async def plan(self, delivery: int, parts: Sequence[PlannedPart]) -> None:
        """Fix the parts of a delivery of several parts, before its first is sent."""

    def part_done(self, delivery: int, part: int, receipt: Receipt, *, at_once: bool = False) -> asyncio.Future[None]:
        """Part number `part` (from 0) of several arrived, more are to come. Like `complete`."""

    def complete(
        self, delivery: int, part: int, receipt: Receipt, note: str | None = None, *, at_once: bool = False
    ) -> asyncio.Future[None]:
        """The last part arrived: the delivery is done. On disk with what is written next, within 50 ms; or `at_once`.

        A crash before that leaves the delivery to be sent again, which is recognised where the platform allows. `note`
        is kept for whoever edits the message later, and is the caller's.
        """

    def postpone(self, delivery: int, *, attempts: int, reason: str) -> asyncio.Future[None]:
        """An attempt failed and it stays first in its lane. On disk soon."""

    def ended(
        self, event_id: int, way: NewDelivery, outcome: Literal["delivered", "skipped"], reason: str = ""
    ) -> asyncio.Future[None]:
        """A delivery came to its end in a way that leaves no receipt of the event's own: kept for `trace` alone.

        On disk soon.
        """

    async def bury(self, delivery: int, *, reason: str, detail: str = "") -> None:
        """Make it a dead letter."""

    async def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters, newest first."""

    async def dead_letter(self, number: int) -> DeadLetter | None:
        """The dead letter with this id, or None."""

    async def dead_ids(self, *, after: int = 0, limit: int = 10_000) -> list[int]:
        """The ids of dead letters above `after`, in the order of acceptance."""

    async def dead_count(self) -> int:
        """How many dead letters there are."""

    async def trace(self, message: str, *, limit: int = 50) -> list[Trace]:
        """The newest events about what some channel knows as `message`, oldest first.

        That is the id of a message where it was posted, or of a copy. Reads widely, and holds up nobody.
        """

    async def authored(self, person: str, instance: InstanceId | None = None) -> Authored:
        """Everything that somebody said or did whose id or handle this is, on one instance or on all.

        Reads all that there is, and holds up nobody.
        """

    async def forget(self, events: Sequence[int], reactors: Sequence[str]) -> int:
        """Forget who did these events and what they said, and what these reactors reacted; how many were forgotten.

        That there were such events stays, so that none is taken for a new one. Those that a delivery or dead letter
        still needs are left as they are. To be called with at most some hundred events.
        """

    def retry(self, dead: Sequence[int]) -> asyncio.Future[Mapping[int, Channel]]:
        """Put dead letters at the end of their lanes, in the order of their ids, under new ids.

        Done once it is on disk, in the order of the calls, as `accept` is: the lanes by the old ids, without those that
        are no dead letters. What had arrived of one stays so, and it keeps its `key`.
        """

    async def drop(self, dead: Sequence[int]) -> list[int]:
        """Forget dead letters; the ids of those that were some. Their events stay known until they are purged."""

    async def purge(self, *, before: int, after: int = 0, limit: int = 50) -> Purged:
        """Forget events that were accepted before `before` (milliseconds since 1970), with what they became.

        Not those that a delivery or dead letter still needs. Looks at most at `limit` events, those above `after`.
        """

    async def delivered_ids(self, event_id: int) -> Mapping[Channel, tuple[str, ...]]:
        """What an event became: the ids of its parts by target channel, for targets that have delivered."""

    async def fate(self, target: Channel, channel: Channel, message: str, *, before: int | None = None) -> Fate | None:
        """What became, in `target`, of the message that `channel` knows as `message`.

        That is one that was posted there, or one that a message from elsewhere became there. None where it is unknown:
        it was never relayed, or is forgotten. With `before`, the id of an event, it says what it said before that one.
        """

    async def corrections(
        self, target: Channel, channel: Channel, message: str
    ) -> Mapping[int, tuple[str | None, ...]]:
        """Where edits of a message were posted in `target`, by the edits' events: the ids of the parts."""

    async def thread(self, channel: Channel, root: str) -> list[tuple[Channel, str]]:
        """All that answers `root` of `channel`, there or where it was relayed to: each message's channel and id."""

    async def changes(self, delivery: Delivery, *, after: int = 0, limit: int = 100) -> list[Delivery]:
        """The next edits and deletions of a delivery's message that wait behind it in its lane, in order.

        Those with an id above `after`, as often as somebody may have edited it.
        """

    async def supersede(self, old: int, by: Sequence[Delivery], parts: Sequence[str | None] | None = None) -> bool:
        """A waiting delivery or dead letter takes the text of the last of these edits, which are thereby done.

        Its plan, if it had one, is forgotten. `parts` is what has arrived of a dead letter, where that was changed.
        False where there is no `old` (any more): then nothing is done.
        """

    def withdraw(self, deliveries: Sequence[int]) -> asyncio.Future[None]:
        """Nothing of these is to be shown (any more), whether they wait or are dead letters. On disk soon."""

    def revise(
        self, delivery: int, event_id: int, parts: Sequence[str | None], note: str | None = None, *, done: bool = True
    ) -> asyncio.Future[None]:
        """An edit has arrived: `parts` is what the event `event_id` is now in the delivery's target. On disk soon.

        Not `done`, there is more to come of it.
        """

    def erase(self, delivery: int, events: Sequence[int]) -> asyncio.Future[None]:
        """A deletion has arrived: nothing of these events is in the delivery's target any more. On disk soon."""

    async def reactors(self, target: Channel, event_id: int, emoji: str) -> frozenset[str]:
        """Who has reacted so to the event, as `react` was told for this target."""

    async def reacted_again(self, event_id: int) -> bool:
        """Whether whoever reacted so has put that reaction on the message, or taken it back, once more since then."""

    def react(self, delivery: int, event_id: int, emoji: str, reactor: str, *, added: bool) -> asyncio.Future[None]:
        """A reaction has arrived in the delivery's target, or was taken back there. On disk soon."""

    def requeue(self, delivery: int) -> asyncio.Future[None]:
        """Put a waiting delivery at the end of its lane, under a new id. It keeps its `key`."""

    async def undelivered_events(self) -> set[int]:
        """The event ids that some delivery or dead letter still needs (for what is kept beside the journal)."""

    async def rekey(self, old: Channel, new: Channel) -> None:
        """A channel has another key from now on: its lane, receipts, cursor and events move to it, in one step.

        Where `new` already has a lane, the two become one, in the order of acceptance; of an event that went to both,
        one delivery stays: the one that has arrived, else that of `new`. A channel's cursor is the one that is named by
        its key; where both have one, `new` keeps its own.
        """

    async def read(self, namespace: str, key: str) -> str | None:
        """A value of the small durable store, or None."""

    async def read_all(self, namespace: str) -> dict[str, str]:
        """Every value under a namespace."""

    async def write(self, namespace: str, key: str, value: str | None) -> None:
        """Keep a value in the small durable store; None removes it."""

    async def flush(self) -> None:
        """Return once everything asked for so far is on disk."""

    async def close(self) -> None:
        """Flush, then let go of the file."""
