"""A message on its way: rendered, cut into parts, and each part sent once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from nextbridge.delivery.answering import NOTHING, Answer, answer_of, first_of, quoting
from nextbridge.delivery.errand import Errand
from nextbridge.driver import (
    Driver,
    Edits,
    FileRejected,
    Gone,
    LocalFile,
    Outgoing,
    Receipt,
    Rejected,
    Retry,
    RetryRecognition,
    Uploads,
)
from nextbridge.envelope import ChannelKey, MessageId, Posted
from nextbridge.errors import EntryRefused
from nextbridge.instance import Instance
from nextbridge.journal import PlannedPart
from nextbridge.labels import Missing, label_in
from nextbridge.markup import Paragraph
from nextbridge.render import Rendered, render

__all__ = ["Posting", "outgoing"]


_NOT_TAKEN = Missing("files cannot be sent there")


class Posting:
    """Sends a `Posted`: the delivery's own, or the line that stands for another event."""

    def __init__(self, errand: Errand, event: Posted, *, answer: Answer | None = None) -> None:
        """`answer` is what the message answers, where that is known already."""
        delivery = errand.delivery
        self._errand = errand
        self._event = event
        self._answers = event.reply_to is not None or event.thread is not None
        self._answer = answer or (None if self._answers else NOTHING)
        self._parts_done = delivery.parts_done
        self._plan = delivery.plan
        self._attempted = delivery.attempted
        self._first: MessageId | None = None
        """What the first part became."""
        self._refused: dict[int, Missing] = {}
        """Attachments (by place) that the target refused when they were sent."""

    async def carry(self, instance: Instance) -> str | None:
        errand, target = self._errand, self._errand.delivery.target
        if self._answer is None:
            self._answer = await answer_of(self._event, target, instance, errand.around)
        rendered, files, missing = await self._prepare(instance, self._answer)
        parts = self._plan or rendered.parts
        if 0 < len(parts) <= self._parts_done:  # an edit of the dead letter left no text of it to send
            if not parts[-1].files:
                errand.around.journal.withdraw([errand.delivery.id])
                return None
            shown = (parts[-1],) * (self._parts_done - len(parts))
            parts = (*parts, *shown, PlannedPart("", parts[-1].files))
        if len(parts) > 1 and self._plan is None:
            await errand.around.journal.plan(errand.delivery.id, parts)
            self._plan = parts
        repeats = instance.driver.guarantees.retry_recognised_by is RetryRecognition.NONE
        if 0 < self._parts_done < len(parts) and self._first is None:
            fate = await errand.around.journal.fate(target, self._event.channel, self._event.message)
            self._first = None if fate is None else first_of(fate)
        while self._parts_done < len(parts):
            receipt = await self._send_part(instance, rendered, parts[self._parts_done], files, missing)
            self._first = self._first or receipt.message
            recorded = self._record(receipt, len(parts), missing, at_once=repeats)
            instance.sent(target.key)
            if repeats:  # then a crash shall repeat this part alone
                await asyncio.wait({recorded})
        if not parts:  # lines of white space, on a platform that shows no empty line
            errand.around.journal.complete(errand.delivery.id, 0, Receipt())
            return "nothing_to_show"
        if self._event.attachments:
            errand.around.spool.delivered()
        return None

    async def _prepare(
        self, instance: Instance, answer: Answer
    ) -> tuple[Rendered, Mapping[int, LocalFile], Mapping[int, Missing]]:
        errand, event = self._errand, self._event
        driver, channel = instance.driver, errand.delivery.target.key
        files: dict[int, LocalFile] = {}
        missing = dict(self._refused)
        taker: Uploads | None = None
        # asked only where there are files: for a protocol isinstance costs as much as all else here
        if event.attachments and isinstance(driver, Uploads) and driver.limits(channel).files > 0:
            taker = driver
        if event.attachments and taker is None and not errand.around.spool.publishes:
            missing = dict.fromkeys(range(len(event.attachments)), _NOT_TAKEN)
        elif event.attachments:
            for place, file in enumerate(await errand.around.spool.files(errand.delivery.event_id, event)):
                absent = file if isinstance(file, Missing) else missing.get(place) or _refused(taker, channel, file)
                if absent is None and isinstance(file, LocalFile):
                    files[place] = file
                elif absent is not None:
                    missing[place] = await self._linked(place, file, absent)
        settings = errand.delivery.settings
        quote = errand.quoted(answer.quote)
        if isinstance(errand.delivery.event, Posted):  # a line that we made calls nobody, whatever it quotes
            event = await errand.called(event)
        rendered = render(event, settings, driver, channel, errand.origin, missing=missing, quote=quote)
        return rendered, files, missing

    async def _linked(self, place: int, file: LocalFile | Missing, absent: Missing) -> Missing:
        """With a link where the file is here all the same. Tells the operator of what is no matter of course."""
        errand = self._errand
        name = self._event.attachments[place].name
        if absent is not _NOT_TAKEN:
            errand.log.warning("file_not_relayed", file=name, reason=absent.reason)
        if isinstance(file, Missing):
            return absent
        # by the name that may be shown: the spool knows the one that it was posted with
        link = await errand.around.spool.publish(errand.delivery.event_id, place, replace(file, name=name))
        return replace(absent, link=link, media_type=file.media_type, size=file.size)

    async def _send_part(
        self,
        instance: Instance,
        rendered: Rendered,
        part: PlannedPart,
        files: Mapping[int, LocalFile],
        missing: Mapping[int, Missing],
    ) -> Receipt:
        sent_before, self._attempted = self._attempted, self._attempted or int(time.time() * 1000)
        sendable = [place for place in part.files if place in files]
        message = outgoing(
            self._errand,
            rendered,
            self._parts_done,
            self._answer or NOTHING,
            text=self._with_labels(part, missing, instance.driver),
            files=tuple(files[place] for place in sendable),
            attempted=sent_before,
            follows=self._first,
        )
        try:
            receipt = await self._errand.around.guard.send(instance.driver, message, self._errand.about)
        except FileRejected as error:
            place = sendable[error.index]
            self._errand.log.warning("file_refused", file=files[place].name, reason=error.reason)
            self._refused[place] = Missing(error.reason, f"{instance.driver.title} does not take it")
            raise Retry(error.reason, after=0.0) from error
        except Gone as error:
            if message.reply_to is None:
                raise
            await self._quote_instead()
            raise Retry(error.reason, after=0.0) from error
        await self._make_sure(instance, message, receipt)
        if self._errand.delivery.attempted is None:
            self._attempted = None  # the next part is new to the platform
        return receipt

    async def _quote_instead(self) -> None:
        """What it answers is not there any more."""
        parent = self._event.reply_to or self._event.thread
        quote = None
        if parent is not None:
            around, target = self._errand.around, self._errand.delivery.target
            fate = await around.journal.fate(target, self._event.channel, parent)
            quote = await quoting(fate, self._event, parent, around)
        self._answer = Answer(quote=quote)

    async def _make_sure(self, instance: Instance, message: Outgoing, receipt: Receipt) -> None:
        """What an earlier attempt may have made shows the text from before the edit."""
        driver: object = instance.driver
        amended = self._errand.delivery.amended and message.attempted is not None
        if amended and receipt.message is not None and isinstance(driver, Edits):
            try:
                await self._errand.around.guard.edit(instance.driver, receipt.message, message, self._errand.about)
            except (Rejected, Gone) as error:  # it has arrived all the same
                self._errand.log.debug("cannot_be_edited", reason=error.reason)

    def _with_labels(self, part: PlannedPart, missing: Mapping[int, Missing], driver: Driver[Any, Any]) -> str:
        """The part's text; a file that it was planned with and that cannot go along after all has its label there."""
        absent = [place for place in part.files if place in missing]
        limits = driver.limits(self._errand.delivery.target.key)
        text = part.text
        for labelled in (missing, dict.fromkeys(absent, Missing(""))):  # the second is shorter, where there is no room
            labels = [label_in(driver.dialect, self._event.attachments[place], labelled[place]) for place in absent]
            written = [driver.dialect.write((Paragraph(each),)) for each in labels]
            text = "\n".join([*([part.text] if part.text else []), *written])
            if limits.unit.measure(text) <= limits.text:
                break
        return text if limits.unit.measure(text) <= limits.text else part.text

    def _record(
        self, receipt: Receipt, parts: int, missing: Mapping[int, Missing], *, at_once: bool
    ) -> asyncio.Future[None]:
        journal, delivery, part = self._errand.around.journal, self._errand.delivery.id, self._parts_done
        record: Callable[[Receipt], asyncio.Future[None]]
        if part == parts - 1:
            note = msgspec.json.encode(missing).decode() if missing else None

            def record(receipt: Receipt) -> asyncio.Future[None]:
                return journal.complete(delivery, part, receipt, note, at_once=at_once)
        else:

            def record(receipt: Receipt) -> asyncio.Future[None]:
                return journal.part_done(delivery, part, receipt, at_once=at_once)

        recorded = record(receipt)
        recorded.add_done_callback(lambda done: self._look_at(done, record))
        self._parts_done += 1
        return recorded

    def _look_at(self, done: asyncio.Future[None], record: Callable[[Receipt], asyncio.Future[None]]) -> None:
        """A receipt that cannot be kept is kept without its id: better that than to send the message again."""
        if not done.cancelled() and isinstance(error := done.exception(), EntryRefused):
            self._errand.log.error("receipt_without_id", reason=str(error))
            record(Receipt())


def outgoing(  # noqa: PLR0913 - what a part has of its own
    errand: Errand,
    rendered: Rendered,
    part: int,
    answer: Answer = NOTHING,
    *,
    text: str = "",
    files: tuple[LocalFile, ...] = (),
    attempted: int | None = None,
    follows: MessageId | None = None,
) -> Outgoing:
    """One part of what was rendered, as the driver is given it."""
    key = errand.key(part)
    return Outgoing(
        key=key,
        channel=errand.delivery.target.key,
        text=text,
        mark=errand.mark(key),
        author=errand.delivery.event.author,
        platform=errand.platform,
        name=rendered.name,
        avatar=rendered.avatar,
        action=rendered.action,
        reply_to=answer.reply_to if part == 0 or answer.on_every_part else None,
        files=files,
        attempted=attempted,
        follows=follows if part else None,
    )


def _refused(taker: Uploads | None, channel: ChannelKey, file: LocalFile) -> Missing | None:
    if taker is None:
        return _NOT_TAKEN
    limit = taker.refuses_file(channel, file)
    return None if limit is None else Missing(limit, limit)
