"""The journal in an SQLite file: what the event loop sees of it, and the thread that writes.

Commands gather on the loop and go to the writer's thread as one batch: one transaction, one sync, and one call back to
the loop with all results. While a batch is being written the next one gathers, so commits grow with the load. Only the
loop's thread touches what is said here about batches; the two threads share nothing but a queue.

What may wait (a receipt, a cursor) rides with the next batch that somebody waits for, or starts one by itself in time.
A read first lets everything be written that was asked for before it, then runs on a connection and a thread of its own.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Channel, Event, InstanceId
from nextbridge.errors import EntryRefused, JournalError, NextBridgeError
from nextbridge.journal import Authored, DeadLetter, Delivery, Fate, NewDelivery, PlannedPart, Purged, Trace, Waiting
from nextbridge.journal.faults import explained
from nextbridge.journal.folder import StateFolder
from nextbridge.journal.people import authored
from nextbridge.journal.reader import Reader
from nextbridge.journal.schema import connect_reader, open_file
from nextbridge.journal.traces import traces
from nextbridge.journal.writer import Command, Writer

__all__ = ["SqliteJournal", "open_journal"]

R = TypeVar("R")

_SOON = 0.04
"""Seconds that a write may wait for company. Less than the 50 ms that are promised: the sync takes some of them."""
_FOLD_AFTER = 200
"""Commits after which the log is folded into the file in the next idle moment."""
_LOOKS_UP = 1.0
"""Seconds after which the idle writer looks whether its loop still exists."""
_CLOSE_WITHIN = 15.0
"""Seconds that `close` waits for the writer to finish."""


async def open_journal(folder: Path, *, max_pages: int | None = None, fold_after: int = _FOLD_AFTER) -> SqliteJournal:
    """Open the journal in a state folder, which is made where it is missing, and hold the folder until `close`.

    `max_pages` bounds the file to so many pages of 4 KiB, so that tests can fill it up; `fold_after` is after how many
    commits the log is folded in, so that they see it often.
    Raises JournalLocked where another daemon holds the folder, else JournalError.
    """
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(_open, folder, loop, max_pages, fold_after)


def _open(path: Path, loop: asyncio.AbstractEventLoop, max_pages: int | None, fold_after: int) -> SqliteJournal:
    folder = StateFolder.hold(path)
    try:
        connection = open_file(folder.journal, max_pages=max_pages)
        try:
            writer = Writer(connection)
            reader = Reader(connect_reader(folder.journal), first_id=writer.first_id)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        folder.release()
        raise
    return SqliteJournal(folder, writer, reader, loop, fold_after)


class SqliteJournal:
    """The journal of one daemon, in its state folder. Made by `open_journal`; used on the loop that opened it."""

    def __init__(
        self, folder: StateFolder, writer: Writer, reader: Reader, loop: asyncio.AbstractEventLoop, fold_after: int
    ) -> None:
        self._folder = folder
        self._writer = writer
        self._reader = reader
        self._loop = loop
        self._fold_after = fold_after
        self._failed: asyncio.Future[JournalError] = loop.create_future()
        self._trouble: JournalError | None = None
        """What every call raises from now on: the file broke, or the journal was closed."""
        self._commands: list[Command] = []
        self._futures: list[asyncio.Future[Any]] = []
        self._closing = False
        self._writing = False
        self._urgent = False
        self._due: float | None = None
        """When the gathered commands must go, by the loop's clock, where nobody is waiting for them."""
        self._timer: asyncio.TimerHandle | None = None
        self._inbox: queue.SimpleQueue[tuple[list[Command], list[asyncio.Future[Any]]] | None] = queue.SimpleQueue()
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._thread = threading.Thread(target=self._write, name="journal-writer")
        self._thread.start()

    @property
    def daemon_id(self) -> str:
        return self._writer.daemon_id

    @property
    def failed(self) -> asyncio.Future[JournalError]:
        return self._failed

    @property
    def commits(self) -> int:
        """Transactions written since the journal was opened, each with one sync."""
        return self._writer.commits

    # --- writing ------------------------------------------------------------------------------------------------

    def accept(
        self, event: Event, targets: Sequence[NewDelivery], cursor: tuple[InstanceId, Cursor] | None = None
    ) -> asyncio.Future[tuple[Delivery, ...] | None]:
        return self._now(self._writer.accept, event, targets, cursor)

    def move_cursor(self, instance: InstanceId, cursor: Cursor) -> asyncio.Future[None]:
        return self._soon(self._writer.move_cursor, instance, cursor)

    async def plan(self, delivery: int, parts: Sequence[PlannedPart]) -> None:
        await self._now(self._writer.plan, delivery, parts)

    def part_done(self, delivery: int, part: int, receipt: Receipt, *, at_once: bool = False) -> asyncio.Future[None]:
        write = self._now if at_once else self._soon
        return write(self._writer.part_done, delivery, part, receipt)

    def complete(
        self, delivery: int, part: int, receipt: Receipt, note: str | None = None, *, at_once: bool = False
    ) -> asyncio.Future[None]:
        write = self._now if at_once else self._soon
        return write(self._writer.complete, delivery, part, receipt, note)

    async def supersede(self, old: int, by: Sequence[Delivery], parts: Sequence[str | None] | None = None) -> bool:
        return await self._now(self._writer.supersede, old, [(each.id, each.event_id) for each in by], parts)

    def withdraw(self, deliveries: Sequence[int]) -> asyncio.Future[None]:
        return self._soon(self._writer.withdraw, deliveries)

    def revise(
        self, delivery: int, event_id: int, parts: Sequence[str | None], note: str | None = None, *, done: bool = True
    ) -> asyncio.Future[None]:
        return self._soon(self._writer.revise, delivery, event_id, parts, note, done)

    def erase(self, delivery: int, events: Sequence[int]) -> asyncio.Future[None]:
        return self._soon(self._writer.erase, delivery, events)

    def react(self, delivery: int, event_id: int, emoji: str, reactor: str, *, added: bool) -> asyncio.Future[None]:
        return self._soon(self._writer.react, delivery, event_id, emoji, reactor, added)

    def requeue(self, delivery: int) -> asyncio.Future[None]:
        return self._now(self._writer.requeue, delivery)

    def postpone(self, delivery: int, *, attempts: int, reason: str) -> asyncio.Future[None]:
        return self._soon(self._writer.postpone, delivery, attempts, reason)

    def ended(
        self, event_id: int, way: NewDelivery, outcome: Literal["delivered", "skipped"], reason: str = ""
    ) -> asyncio.Future[None]:
        return self._soon(self._writer.ended, event_id, way, outcome, reason)

    async def bury(self, delivery: int, *, reason: str, detail: str = "") -> None:
        await self._now(self._writer.bury, delivery, reason, detail)

    def retry(self, dead: Sequence[int]) -> asyncio.Future[Mapping[int, Channel]]:
        return self._now(self._writer.retry, dead)

    async def drop(self, dead: Sequence[int]) -> list[int]:
        return await self._now(self._writer.drop, dead)

    async def purge(self, *, before: int, after: int = 0, limit: int = 50) -> Purged:
        return await self._now(self._writer.purge, before, after, limit)

    async def rekey(self, old: Channel, new: Channel) -> None:
        await self._now(self._writer.rekey, old, new)

    async def write(self, namespace: str, key: str, value: str | None) -> None:
        await self._now(self._writer.write, namespace, key, value)

    async def flush(self) -> None:
        if self._writing or self._commands:
            await self._now(self._writer.nothing)
        self._raise_trouble()

    def _raise_trouble(self) -> None:
        if self._trouble is not None:
            raise type(self._trouble)(*self._trouble.args) from self._trouble.__cause__

    # --- reading ------------------------------------------------------------------------------------------------

    async def cursor(self, instance: InstanceId, name: str) -> Cursor | None:
        return await self._read(self._reader.cursor, instance, name)

    async def waiting(self) -> list[Waiting]:
        return await self._read(self._reader.waiting)

    async def load(self, target: Channel, *, after: int = 0, limit: int = 100) -> list[Delivery]:
        return await self._read(self._reader.load, target, after, limit)

    async def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        return await self._read(self._reader.dead_letters, limit)

    async def dead_letter(self, number: int) -> DeadLetter | None:
        return await self._read(self._reader.dead_letter, number)

    async def dead_ids(self, *, after: int = 0, limit: int = 10_000) -> list[int]:
        return await self._read(self._reader.dead_ids, after, limit)

    async def dead_count(self) -> int:
        return await self._read(self._reader.dead_count)

    async def trace(self, message: str, *, limit: int = 50) -> list[Trace]:
        return await self._read_by(None, traces, self._folder.journal, message, limit)

    async def authored(self, person: str, instance: InstanceId | None = None) -> Authored:
        return await self._read_by(None, authored, self._folder.journal, person, instance)

    async def forget(self, events: Sequence[int], reactors: Sequence[str]) -> int:
        return await self._now(self._writer.forget, tuple(events), tuple(reactors))

    async def delivered_ids(self, event_id: int) -> Mapping[Channel, tuple[str, ...]]:
        return await self._read(self._reader.delivered_ids, event_id)

    async def fate(self, target: Channel, channel: Channel, message: str, *, before: int | None = None) -> Fate | None:
        more = () if before is None else (before,)
        return await self._read(self._reader.fates.of, target, channel, message, *more)

    async def corrections(
        self, target: Channel, channel: Channel, message: str
    ) -> Mapping[int, tuple[str | None, ...]]:
        return await self._read(self._reader.fates.corrections, target, channel, message)

    async def thread(self, channel: Channel, root: str) -> list[tuple[Channel, str]]:
        return await self._read(self._reader.fates.thread, channel, root)

    async def changes(self, delivery: Delivery, *, after: int = 0, limit: int = 100) -> list[Delivery]:
        return await self._read(self._reader.changes, delivery, after, limit)

    async def reactors(self, target: Channel, event_id: int, emoji: str) -> frozenset[str]:
        return await self._read(self._reader.fates.reactors, target, event_id, emoji)

    async def reacted_again(self, event_id: int) -> bool:
        return await self._read(self._reader.fates.reacted_again, event_id)

    async def undelivered_events(self) -> set[int]:
        return await self._read(self._reader.undelivered_events)

    async def read(self, namespace: str, key: str) -> str | None:
        return await self._read(self._reader.read, namespace, key)

    async def read_all(self, namespace: str) -> dict[str, str]:
        return await self._read(self._reader.read_all, namespace)

    async def _read(self, look_up: Callable[..., R], *arguments: object) -> R:
        return await self._read_by(self._reads, look_up, *arguments)

    async def _read_by(self, executor: Executor | None, look_up: Callable[..., R], *arguments: object) -> R:
        await self.flush()
        try:
            return await self._loop.run_in_executor(executor, look_up, *arguments)
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._break(error)
            raise explained(error, self._folder.journal) from error

    # --- the loop's side of the writer --------------------------------------------------------------------------

    def _now(self, do: Callable[..., R], *arguments: object) -> asyncio.Future[R]:
        """Have it written at once: with whatever else this turn of the loop asks for."""
        future: asyncio.Future[R] = self._loop.create_future()
        if self._gather(do, arguments, future) and not self._urgent:
            self._urgent = True
            if not self._writing:
                self._loop.call_soon(self._hand_over)
        return future

    def _soon(self, do: Callable[..., R], *arguments: object) -> asyncio.Future[R]:
        """Have it written with what comes next, or by itself when nothing comes."""
        future: asyncio.Future[R] = self._loop.create_future()
        if self._gather(do, arguments, future) and self._due is None and not self._urgent:
            self._due = self._loop.time() + _SOON
            if self._timer is None:
                self._timer = self._loop.call_at(self._due, self._come_due)
        return future

    def _gather(self, do: Callable[..., object], arguments: tuple[object, ...], future: asyncio.Future[Any]) -> bool:
        if self._trouble is not None:
            _fail(future, self._trouble)
            return False
        self._commands.append((do, arguments))
        self._futures.append(future)
        return True

    def _come_due(self) -> None:
        # One timer at most, left standing when its batch went earlier: cheaper than one for each batch.
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._come_due)
        else:
            self._urgent = True
            self._hand_over()

    def _hand_over(self) -> None:
        if self._writing or not self._commands:
            return
        self._inbox.put((self._commands, self._futures))
        self._commands, self._futures = [], []
        self._writing = True
        self._urgent = False
        self._due = None

    def _settle(self, futures: list[asyncio.Future[Any]], results: list[object]) -> None:
        self._writing = False
        if self._urgent:
            self._hand_over()
        for future, result in zip(futures, results, strict=True):
            if future.done():
                continue  # its caller was cancelled; what was asked for is done all the same
            if isinstance(result, EntryRefused):
                _fail(future, result)
            else:
                future.set_result(result)

    def _give_up(self, futures: list[asyncio.Future[Any]], error: Exception) -> None:
        trouble = self._break(error)
        for future in futures:
            _fail(future, trouble)

    def _break(self, error: Exception) -> JournalError:
        """Nothing is read or written any more: what is on disk is certain, what memory holds is not."""
        if self._trouble is None:
            self._trouble = explained(error, self._folder.journal)
            self._trouble.__cause__ = error
            if not self._failed.done():
                self._failed.set_result(self._trouble)
            futures, self._futures, self._commands = self._futures, [], []
            for future in futures:
                _fail(future, self._trouble)
        return self._trouble

    async def close(self) -> None:
        if not self._closing:
            self._closing = True
            with suppress(JournalError, TimeoutError):  # whoever asked for what cannot be written was told
                async with asyncio.timeout(_CLOSE_WITHIN):
                    while self._writing or self._commands:
                        await self.flush()
            self._trouble = self._trouble or JournalError(f"The journal {self._folder.journal} is closed.")
            if self._timer is not None:
                self._timer.cancel()
            self._inbox.put(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_WITHIN)
        if self._thread.is_alive():
            raise JournalError(
                f"The journal {self._folder.journal} was not closed in {_CLOSE_WITHIN:.0f} seconds: the disk does not "
                "answer. What was accepted is on disk."
            )

    # --- the writer's thread ------------------------------------------------------------------------------------

    def _write(self) -> None:
        futures: list[asyncio.Future[Any]] = []
        try:
            while (batch := self._next_batch()) is not None:
                commands, futures = batch
                self._tell(self._settle, futures, self._writer.commit(commands))
                futures = []
                if self._inbox.empty():
                    self._writer.fold(after_commits=self._fold_after)
            let_go = self._writer.close
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must learn of it
            self._tell(self._give_up, futures, error)
            self._next_batch()  # which is the word to end: nothing else is handed over any more
            let_go = self._writer.abandon
        try:
            self._reads.shutdown()
            self._reader.close()
            with suppress(sqlite3.Error):  # what was accepted is in the log, and is folded in at the next start
                let_go()
        finally:
            self._folder.release()

    def _next_batch(self) -> tuple[list[Command], list[asyncio.Future[Any]]] | None:
        while True:
            try:
                return self._inbox.get(timeout=_LOOKS_UP)
            except queue.Empty:
                # Without its loop, or at the end of the program, nobody can call `close` any more.
                if self._loop.is_closed() or not threading.main_thread().is_alive():
                    return None

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(what, *arguments)


def _fail(future: asyncio.Future[Any], error: NextBridgeError) -> None:
    if not future.done():
        raised = type(error)(*error.args)  # one each: a traceback grows wherever an error is raised
        raised.__cause__ = error.__cause__
        future.set_exception(raised)
        future.exception()  # not every caller waits, and Journal.failed says it once for all
