"""An edit or a deletion on its way: what the message became in the target is changed there, or taken back.

Both stand in the lane behind the message, so that it has arrived or is a dead letter when their turn comes. Where the
platform cannot do it, or will not any more, the rule says what is done instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from nextbridge.delivery.answering import NOTHING, answer_of, reply_to
from nextbridge.delivery.behind import go_behind, is_behind
from nextbridge.delivery.errand import Errand
from nextbridge.delivery.lines import correction, deletion
from nextbridge.delivery.posting import Posting, outgoing
from nextbridge.driver import Deletes, Edits, Gone, Outgoing, Rejected
from nextbridge.envelope import Deleted, Edited, Event, MessageId
from nextbridge.instance import Instance
from nextbridge.journal import Fate
from nextbridge.labels import Missing
from nextbridge.markup import RichText
from nextbridge.render import render

__all__ = ["Deleting", "Editing"]

_LEFT_EMPTY = "…"


class Editing:
    """Carries an `Edited`."""

    def __init__(self, errand: Errand, event: Edited) -> None:
        self._errand = errand
        self._event = event
        self._copy: Posting | None = None
        """The corrected copy, once it is clear that there has to be one."""
        self._has_begun = False
        self._tried: dict[int, int] = {}
        """When a further part may first have been sent without a receipt."""

    async def carry(self, instance: Instance) -> str | None:
        if self._copy is not None:
            return await self._copy.carry(instance)
        errand, event = self._errand, self._event
        journal, delivery = errand.around.journal, errand.delivery
        fate = await journal.fate(delivery.target, event.channel, event.message)
        if (reason := await _not_ours(fate, errand)) is not None:
            return reason
        assert fate is not None  # noqa: S101 - else it is not ours
        if self._is_overtaken(fate):
            journal.withdraw([delivery.id])
            return "changed_again"
        self._has_begun = True
        parts = await self._edit(instance, fate) if fate.parts else None
        if fate.dead is not None:
            if await journal.supersede(fate.dead, [delivery], parts):
                return "dead_letter_edited"
            return await go_behind(errand)  # it is tried again since
        if parts is None:
            return await self._degrade(instance, fate)
        if not parts:
            await journal.erase(delivery.id, [fate.event_id])
            return "gone"
        await journal.revise(delivery.id, fate.event_id, parts, fate.note)
        return None

    def _is_overtaken(self, fate: Fate) -> bool:
        """Whether the message was changed again, so that this edit need not be shown, or must not be any more."""
        delivery = self._errand.delivery
        is_newest = (fate.edit or 0) <= delivery.event_id
        if delivery.key is not None:  # it went to the end of its lane, and what was done since had its turn before it
            return fate.deleted or not is_newest
        # one that has begun may have left parts that it has to know
        has_begun = delivery.attempted is not None or self._has_begun
        return not is_newest and fate.edit_waits and not has_begun

    async def _degrade(self, instance: Instance, fate: Fate) -> str | None:
        errand = self._errand
        if errand.terms.rule.on_edit == "nothing":
            errand.around.journal.withdraw([errand.delivery.id])
            return "cannot_be_edited"
        if await self._changes_nothing():
            errand.around.journal.withdraw([errand.delivery.id])
            return "edit_changes_nothing"
        answer = await reply_to(fate, errand.delivery.target, instance, errand.around)
        event = await errand.called(self._event)
        self._copy = Posting(errand, correction(event, fate.event), answer=answer or NOTHING)
        return await self._copy.carry(instance)

    async def _changes_nothing(self) -> bool:
        """A history that is read again may report an edit of a message that it had given as it was after it."""
        event, delivery = self._event, self._errand.delivery
        journal = self._errand.around.journal
        earlier = await journal.fate(delivery.target, event.channel, event.message, before=delivery.event_id)
        said = None if earlier is None else earlier.event
        return said is not None and (said.text.blocks, said.action) == (event.text.blocks, event.action)

    async def _edit(self, instance: Instance, fate: Fate) -> list[str | None] | None:
        """The ids of the message's parts once they say what it says now.

        Nothing where none of them is there any more, None where the platform cannot do it.
        """
        driver: object = instance.driver
        if not isinstance(driver, Edits):
            return None
        event = await self._errand.called(self._event)
        posted = self._errand.shown(replace(fate.event, text=RichText()))
        revised = replace(posted, text=event.text, action=event.action)
        target = self._errand.delivery.target
        answer = await answer_of(revised, target, instance, self._errand.around)
        noted = msgspec.json.decode(fate.note, type=dict[int, Missing]) if fate.note else {}
        # a filter that came later may leave out files that had a label
        missing = {place: why for place, why in noted.items() if place < len(revised.attachments)}
        settings, origin = self._errand.delivery.settings, self._errand.origin
        quote = self._errand.quoted(answer.quote)
        rendered = render(revised, settings, instance.driver, target.key, origin, missing=missing, quote=quote)
        # the last parts may be files alone: those stay as they are
        sent_files = len(revised.attachments) - len(missing)
        per_part = instance.driver.limits(target.key).files
        only_files = max(math.ceil(sent_files / per_part) - 1, 0) if sent_files and per_part else 0
        texts = [part.text for part in rendered.parts[: len(rendered.parts) - only_files]]
        before = list(fate.parts[: max(len(fate.parts) - only_files, 1)])
        if None in before[: len(texts)] or not texts:
            return None
        first = None if before[0] is None else MessageId(before[0])
        pieces = [
            outgoing(self._errand, rendered, place, answer, text=text, follows=first)
            for place, text in enumerate(texts)
        ]
        try:
            changed = [
                await self._change(instance, str(message), piece)
                for message, piece in zip(before, pieces, strict=False)
            ]
            if not any(changed):
                return []
            kept = await self._take_away(instance, before[len(texts) :], pieces[0], keep=bool(sent_files))
        except Rejected as error:
            self._errand.log.debug("cannot_be_edited", reason=error.reason)
            return None
        further = [] if fate.dead is not None else pieces[len(before) :]
        parts = [*before[: len(texts)], *kept]
        files = fate.parts[len(before) :]
        for place, piece in enumerate(further, start=len(before)):
            parts.append(await self._send(instance, piece, place))
            # whatever becomes of the next one, this one is there
            journal, delivery = self._errand.around.journal, self._errand.delivery
            journal.revise(delivery.id, fate.event_id, [*parts, *files], fate.note, done=False)
        return [*parts, *files]

    async def _take_away(
        self, instance: Instance, surplus: Sequence[str | None], piece: Outgoing, *, keep: bool
    ) -> list[str | None]:
        """The text has fewer parts now. Returns what has to stay of those that are over, since a file hangs on it."""
        driver: object = instance.driver
        kept: list[str | None] = []
        for message in surplus:
            if message is None:
                continue
            if not keep and isinstance(driver, Deletes):
                try:
                    await driver.delete(piece.channel, MessageId(message))
                    instance.sent(piece.channel)
                    continue
                except Gone:
                    continue
                except Rejected as error:
                    self._errand.log.debug("cannot_be_deleted", reason=error.reason)
            if await self._change(instance, message, replace(piece, text=_LEFT_EMPTY)):
                kept.append(message)
        return kept

    async def _change(self, instance: Instance, message: str, piece: Outgoing) -> bool:
        """False where the part is not there any more: then the others are, and are changed."""
        errand = self._errand
        try:
            await errand.around.guard.edit(instance.driver, MessageId(message), piece, errand.about)
        except Gone:
            return False
        instance.sent(piece.channel)
        return True

    async def _send(self, instance: Instance, piece: Outgoing, place: int) -> str | None:
        """Send a part that is new. What a crash leaves unrecorded is recognised by its key, as any message is."""
        errand = self._errand
        sent_before = self._tried.get(place, errand.delivery.attempted)
        self._tried.setdefault(place, sent_before or int(time.time() * 1000))
        again = replace(piece, attempted=sent_before)
        try:
            receipt = await errand.around.guard.send(instance.driver, again, errand.about)
        except Gone:
            if again.reply_to is None:
                raise
            # what it answers is not there any more, and its first part stands without that, too
            receipt = await errand.around.guard.send(instance.driver, replace(again, reply_to=None), errand.about)
        instance.sent(piece.channel)
        return receipt.message


class Deleting:
    """Carries a `Deleted`."""

    def __init__(self, errand: Errand, event: Deleted) -> None:
        self._errand = errand
        self._event = event
        self._notice: Posting | None = None
        self._own: Fate | None = None
        """The message, where it is ours to take back and something of it is there."""
        self._posted: dict[int, tuple[str | None, ...]] | None = None
        """All that is to be taken back, by its events, once that was looked up: the parts of each."""
        self._taken_back: set[str] = set()
        """Parts that are gone: the next attempt goes on behind them, however many there are."""

    async def carry(self, instance: Instance) -> str | None:
        if self._notice is not None:
            return await self._notice.carry(instance)
        journal, delivery = self._errand.around.journal, self._errand.delivery
        if self._posted is None:
            posted: dict[int, tuple[str | None, ...]] = {}
            if (reason := await self._look_up(posted)) is not None:
                return reason
            self._posted = posted
        gone = await self._take_back(instance, self._posted)
        if self._own is not None and self._own.event_id not in gone:
            return await self._degrade(instance, self._own)
        if not gone:
            journal.withdraw([delivery.id])
            return "cannot_be_deleted"
        journal.erase(delivery.id, sorted(gone))
        return None

    async def _look_up(self, posted: dict[int, tuple[str | None, ...]]) -> str | None:
        """Fill `posted`, and drop what died. Returns the reason where that is the end of it, for now or for good."""
        errand, event = self._errand, self._event
        around, delivery = errand.around, errand.delivery
        dead: list[int] = []
        fate = await around.journal.fate(delivery.target, event.channel, event.message)
        async for doomed in self._doomed(fate):
            if is_behind(doomed, errand):
                return await go_behind(errand)
            await around.spool.withdraw(doomed.event_id)
            if doomed.dead is not None:
                dead.append(doomed.dead)
            if doomed.parts:
                self._own = doomed if doomed is fate else self._own
                posted[doomed.event_id] = doomed.parts
                source = doomed.event
                posted |= await around.journal.corrections(delivery.target, source.channel, source.message)
        if dead:
            if len(await around.journal.drop(dead)) < len(dead):
                return await go_behind(errand)  # some are tried again since
            around.spool.delivered()
            errand.log.info("dead_letter_deleted", reason="its message was deleted")
        if posted:
            return None
        around.journal.withdraw([delivery.id])
        return "dead_letter_deleted" if dead else _why_not_ours(fate, event) or "not_relayed"

    async def _doomed(self, fate: Fate | None) -> AsyncIterator[Fate]:
        """The message, where it is ours to take back, and what answers it, where that is gone with it."""
        event, target, journal = self._event, self._errand.delivery.target, self._errand.around.journal
        if fate is not None and not _why_not_ours(fate, event):
            yield fate
        for channel, message in await journal.thread(event.channel, event.message) if event.with_thread else ():
            answer = None if channel == target else await journal.fate(target, channel, message)
            if answer is not None:
                yield answer

    async def _take_back(self, instance: Instance, posted: Mapping[int, tuple[str | None, ...]]) -> set[int]:
        """Delete all of it; the events of which nothing is left."""
        driver: object = instance.driver
        if not isinstance(driver, Deletes):
            return set()
        gone: set[int] = set()
        for event_id, parts in posted.items():
            if all([await self._delete(driver, instance, part) for part in parts]):
                gone.add(event_id)
        return gone

    async def _delete(self, driver: Deletes, instance: Instance, part: str | None) -> bool:
        """Whether it is gone."""
        channel = self._errand.delivery.target.key
        if part is None:
            return False
        if part not in self._taken_back:
            try:
                await driver.delete(channel, MessageId(part))
                instance.sent(channel)
            except Gone:
                pass
            except Rejected as error:
                self._errand.log.debug("cannot_be_deleted", reason=error.reason)
                return False
            self._taken_back.add(part)
        return True

    async def _degrade(self, instance: Instance, fate: Fate) -> str | None:
        errand = self._errand
        if errand.terms.rule.on_delete == "nothing":
            errand.around.journal.withdraw([errand.delivery.id])
            return "cannot_be_deleted"
        self._notice = Posting(errand, deletion(self._event, fate.event), answer=NOTHING)
        return await self._notice.carry(instance)


async def _not_ours(fate: Fate | None, errand: Errand) -> str | None:
    """Why an edit is not carried to this target; it is then at its end. None where it is to be carried."""
    if fate is not None and is_behind(fate, errand):
        return await go_behind(errand)
    reason = _why_not_ours(fate, errand.delivery.event)
    if reason is not None:
        errand.around.journal.withdraw([errand.delivery.id])
    return reason


def _why_not_ours(fate: Fate | None, event: Event) -> str | None:
    """Why what is done to a message is not done to what it became here; None where it is."""
    if fate is None or not (fate.parts or fate.dead is not None or fate.waiting is not None):
        return "not_relayed"
    # somebody changed what we had posted: that is theirs alone
    return None if fate.event.channel == event.channel else "copy_changed"
