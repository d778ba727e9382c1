"""A load like a busy daemon's, on the journal itself: every kind of call, alone and many at once, and restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from msgspec.structs import replace

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import (
    Author,
    Channel,
    ChannelKey,
    Deleted,
    Edited,
    Event,
    InstanceId,
    MessageId,
    Posted,
    Reacted,
    UserId,
)
from nextbridge.journal import Delivery, NewDelivery, PlannedPart
from nextbridge.journal.sqlite import SqliteJournal, open_journal
from nextbridge.markup import RichText
from tests.journal.power.promises import NAMESPACE, Promises

__all__ = ["Load"]

_MM = InstanceId("mm_main")
_ADA = Author(UserId("u1"), "ada", "Ada")
_SOURCES = [Channel(_MM, ChannelKey(key)) for key in ("town", "square")]
_TARGETS = [
    NewDelivery(Channel(InstanceId(instance), ChannelKey(key)), rule, "{}")
    for instance, key, rule in (("libera", "#ops", "ops"), ("chat", "lobby", "ops"), ("mm_east", "c1", "east"))
]
_PLAN = (PlannedPart("one"), PlannedPart("two", (0,)), PlannedPart("three"))
_EVER = 2**60


class Load:
    """Makes calls on the journal in a folder, drawn by chance, and tells the promises of each."""

    def __init__(self, folder: Path, promises: Promises, chance: Random) -> None:
        self._folder = folder
        self._promises = promises
        self._chance = chance
        self._events: list[Event] = []
        self._waiting: dict[int, Delivery] = {}
        """Those that nobody is busy with; `parts_done` says which part comes next."""
        self._dead: list[Delivery] = []
        self._arrived: list[Delivery] = []
        """Of posts, not changed since."""
        self._purged = 0

    async def run(self, steps: int, *, restart_every: int, fold_after: int, synchronous: str = "FULL") -> None:
        """Open the journal, make so many steps of calls with restarts between, and close it.

        `fold_after` is in commits, `synchronous` for a journal that does not wait for the disk.
        """
        for first in range(0, steps, restart_every):
            journal = await open_journal(self._folder, fold_after=fold_after)
            self._promises.opened(journal)
            if synchronous != "FULL":
                await _set_synchronous(journal, synchronous)
            try:
                for _ in range(first, min(first + restart_every, steps)):
                    await self._step()
            finally:
                await journal.close()

    async def _step(self) -> None:
        steps = [self._accept_many, self._accept_many, self._deliver, self._deliver, self._note]
        if self._waiting:
            steps += [self._fail, self._send_in_parts, self._bury, self._requeue, self._amend]
        if self._arrived:
            steps += [self._change, self._change]
        if self._dead:
            steps += [self._retry, self._drop]
        if len(self._events) > 10:
            steps += [self._accept_again, self._purge]
        at_once = self._chance.sample(steps, k=self._chance.choice((1, 1, 2, 3)))
        async with asyncio.TaskGroup() as group:
            for step in at_once:
                group.create_task(step())

    # --- what comes in ------------------------------------------------------------------------------------------

    async def _accept(self, event: Event, targets: list[NewDelivery]) -> list[Delivery]:
        self._events.append(event)
        cursor = (_MM, Cursor(event.channel.key, str(len(self._events))))
        return list(await self._promises.ask("accept", event=event, targets=targets, cursor=cursor) or ())

    async def _accept_one(self) -> None:
        event = Posted(
            channel=self._chance.choice(_SOURCES),
            message=MessageId(f"{self._chance.getrandbits(48):012x}"),
            author=_ADA,
            at=1,
            text=RichText.plain("x" * self._chance.choice((5, 50, 50, 500, 6_000))),
        )
        targets = self._chance.sample(_TARGETS, k=self._chance.randint(1, len(_TARGETS)))
        self._put_back(*await self._accept(event, targets))

    async def _accept_many(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._chance.randint(1, 6)):
                group.create_task(self._accept_one())

    async def _accept_again(self) -> None:
        """The platform repeats itself, perhaps after the event was purged."""
        self._put_back(*await self._accept(self._chance.choice(self._events), _TARGETS[:1]))

    # --- what becomes of deliveries -----------------------------------------------------------------------------

    def _take(self, number: int) -> list[Delivery]:
        """So many that wait; nobody else takes them until they are put back."""
        chosen = self._chance.sample(sorted(self._waiting), k=min(number, len(self._waiting)))
        return [self._waiting.pop(each) for each in chosen]

    def _put_back(self, *deliveries: Delivery) -> None:
        self._waiting.update((each.id, each) for each in deliveries)

    async def _deliver(self) -> None:
        async with asyncio.TaskGroup() as group:
            for each in self._take(self._chance.randint(1, 6)):
                group.create_task(self._complete(each))

    async def _complete(self, delivery: Delivery) -> None:
        part = delivery.parts_done
        await self._promises.ask("complete", delivery=delivery.id, part=part, receipt=_receipt(delivery))
        if isinstance(delivery.event, Posted):
            self._arrived.append(delivery)

    async def _send_in_parts(self) -> None:
        for each in self._take(1):
            part = each.parts_done
            if part == 0:
                await self._promises.ask("plan", delivery=each.id, parts=_PLAN)
            await self._promises.ask("part_done", delivery=each.id, part=part, receipt=_receipt(each))
            self._put_back(replace(each, parts_done=part + 1))

    async def _fail(self) -> None:
        for each in self._take(1):
            await self._promises.ask("postpone", delivery=each.id, attempts=self._chance.randint(1, 9), reason="503")
            self._put_back(each)

    async def _bury(self) -> None:
        for each in self._take(2):
            await self._promises.ask("bury", delivery=each.id, reason="refused")
            self._dead.append(each)

    async def _retry(self) -> None:
        chosen, self._dead = self._dead[:2], self._dead[2:]
        numbers = [each.id for each in chosen]
        ids = await self._promises.move("retry", numbers, dead=numbers)
        self._put_back(*(replace(each, id=ids[each.id]) for each in chosen))

    async def _drop(self) -> None:
        chosen, self._dead = self._dead[:1], self._dead[1:]
        await self._promises.ask("drop", dead=[each.id for each in chosen])

    async def _requeue(self) -> None:
        for each in self._take(1):
            ids = await self._promises.move("requeue", [each.id], delivery=each.id)
            self._put_back(replace(each, id=ids[each.id]))

    # --- what is said of messages later -------------------------------------------------------------------------

    async def _amend(self) -> None:
        """Before it was shown: it is another then, or none."""
        for each in self._take(1):
            if not isinstance(each.event, Posted) or each.parts_done:
                self._put_back(each)
            elif self._chance.random() < 0.3:
                await self._promises.ask("withdraw", deliveries=[each.id])
            else:
                edits = await self._accept(self._edit(each.event), [_to(each)])
                await self._promises.ask("supersede", old=each.id, by=edits)
                self._put_back(each)

    async def _change(self) -> None:
        """After it was shown."""
        if not self._arrived:
            return  # purged since
        shown = self._chance.choice(self._arrived)
        kind = self._chance.choice((Edited, Deleted, Reacted))
        if kind is Edited:
            (edit,) = await self._accept(self._edit(shown.event), [_to(shown)])
            parts = [f"r{edit.id}.{part}" for part in range(self._chance.randint(1, 3))]
            await self._promises.ask("revise", delivery=edit.id, event_id=shown.event_id, parts=parts)
        elif kind is Deleted:
            event = Deleted(channel=shown.event.channel, message=shown.event.message, author=_ADA, at=2)
            for deletion in await self._accept(event, [_to(shown)]):
                await self._promises.ask("erase", delivery=deletion.id, events=[shown.event_id])
        else:
            added = self._chance.random() < 0.7
            (reaction,) = await self._accept(self._reaction(shown.event, added=added), [_to(shown)])
            what = {"event_id": shown.event_id, "emoji": "+1", "reactor": "ada", "added": added}
            await self._promises.ask("react", delivery=reaction.id, **what)

    def _edit(self, event: Event) -> Edited:
        version = str(len(self._events))
        text = RichText.plain("y" * self._chance.choice((5, 500)))
        return Edited(channel=event.channel, message=event.message, author=_ADA, at=2, version=version, text=text)

    def _reaction(self, event: Event, *, added: bool) -> Reacted:
        version = str(len(self._events))
        return Reacted(
            channel=event.channel, message=event.message, author=_ADA, at=2, version=version, emoji="+1", added=added
        )

    # --- the rest -----------------------------------------------------------------------------------------------

    async def _purge(self) -> None:
        self._arrived.clear()  # nobody changes what is forgotten
        purged = await self._promises.ask("purge", before=_EVER, after=self._purged, limit=8)
        self._purged = 0 if purged.done else purged.after

    async def _note(self) -> None:
        value = self._chance.choice((None, "x" * self._chance.choice((3, 300))))
        await self._promises.ask("write", namespace=NAMESPACE, key=self._chance.choice("abc"), value=value)
        cursor = Cursor("idle", str(len(self._promises.calls)))
        await self._promises.ask("move_cursor", instance=_MM, cursor=cursor)


def _receipt(delivery: Delivery) -> Receipt:
    return Receipt(MessageId(f"r{delivery.id}.{delivery.parts_done}"))


def _to(delivery: Delivery) -> NewDelivery:
    return NewDelivery(delivery.target, delivery.rule, delivery.settings)


async def _set_synchronous(journal: SqliteJournal, synchronous: str) -> None:
    await journal.flush()  # the writer is idle
    journal._writer._connection.execute(f"PRAGMA synchronous = {synchronous}")
