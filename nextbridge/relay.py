"""The inbound half: an event comes in, is looked at, routed, and kept in the journal with its deliveries.

Receiving never waits for a send; it waits only while too many events are not on disk yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import structlog
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from nextbridge.commands import Command, Commands
from nextbridge.delivery import Deliveries
from nextbridge.driver import Cursor
from nextbridge.envelope import Channel, Deleted, Edited, Event, Mark, Posted, TopicChanged
from nextbridge.errors import EntryRefused, JournalError
from nextbridge.identities import OwnIdentities
from nextbridge.journal import Delivery, Journal, NewDelivery
from nextbridge.loops import LoopBreaker
from nextbridge.markup import PLAIN, RichText
from nextbridge.names import Namesakes
from nextbridge.rules import Route, Routes, RuleTable, is_wanted
from nextbridge.skips import Skips
from nextbridge.tally import Tally

__all__ = ["Relay"]

_MOST_UNCOMMITTED = 1000
_TOPIC_LOOP = (
    "the topic is changed again and again within seconds: another relay gives the same channels each other's topic; "
    "take sync_topic out of one of the two"
)


class Relay:
    """Takes every instance's events. Used on the event loop, by the instances."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that an event passes
        self,
        journal: Journal,
        rules: RuleTable,
        identities: OwnIdentities,
        deliveries: Deliveries,
        commands: Commands,
        tally: Tally,
        skips: Skips,
        logs_content: Callable[[], bool],
    ) -> None:
        """While `logs_content` is true, what is said stands in the log, beside who said it."""
        self._logs_content = logs_content
        self._journal = journal
        self._rules = rules
        self._identities = identities
        self._deliveries = deliveries
        self._commands = commands
        self._tally = tally
        self._skips = skips
        self._loops = LoopBreaker()
        self._namesakes = Namesakes(time.monotonic)
        self._uncommitted = 0
        self._room = asyncio.Event()
        self._room.set()
        # bound here: a debug line that is not wanted then costs nothing
        self._log: FilteringBoundLogger = structlog.get_logger().bind()

    async def accept(
        self, event: Event, cursor: Cursor | None = None, *, live: bool = True, without: frozenset[str] = frozenset()
    ) -> Awaitable[object]:
        """See `nextbridge.driver.Host.accept`.

        It is not `live` where it was said at another time than it comes; `without` are rules that it is too old for.
        """
        while not self._room.is_set():
            await self._room.wait()
        # from here to the journal nothing is awaited: a channel's key must not change in between
        instance = event.channel.instance
        reason = self._reason_to_skip(event)
        targets: tuple[NewDelivery, ...] = ()
        command = self._commands.takes(event) if reason is None and isinstance(event, Posted) else None
        if command is not None:
            # it goes nowhere, and is kept so that it is obeyed once; its words may hold a code
            event = replace(event, text=RichText())
            self._skips.note(event, "command")
        elif reason is None:
            reason, targets = self._targets(event, live, without)
        if reason is not None:
            self._skip(event, reason)
        if not targets and command is None:
            if cursor is None:
                return _done()
            return self._journal.move_cursor(instance, cursor)
        if command is None:
            event = self._namesakes.told_apart(event)
        kept = self._journal.accept(event, targets, None if cursor is None else (instance, cursor))
        self._uncommitted += 1
        if self._uncommitted >= _MOST_UNCOMMITTED:
            self._room.clear()
        kept.add_done_callback(lambda done: self._committed(event, command, done))
        return _Kept(kept)

    def _reason_to_skip(self, event: Event) -> str | None:
        if self._identities.is_ours(event.channel.instance, event.author.id):
            return "own_post"
        if event.mark is not None and event.mark.daemon == self._journal.daemon_id and _is_about_a_copy(event):
            return "own_mark"
        if isinstance(event, Posted) and not event.text and not event.attachments:
            return "empty"
        if isinstance(event, Edited) and self._commands.is_written_in(event):
            return "command"
        return None

    def _targets(self, event: Event, live: bool, without: frozenset[str]) -> tuple[str | None, tuple[NewDelivery, ...]]:
        """Where it goes, or why it goes nowhere; neither where each rule's filter said so for itself."""
        routes = self._rules.routes(event.channel, without=without)
        for rule in routes.shadowed:
            self._tally.skipped(event.channel.instance, "target_of_an_earlier_rule", rule)
        if not routes.ways:
            return "before_its_rule" if without else "no_rule", ()
        ways = routes.ways
        if routes.filtered and not (ways := self._unfiltered(event, routes)):
            return None, ()
        if event.mark is not None:
            ways = self._without_return(event, event.mark, ways)
            if not ways:
                return "came_from_there", ()
        if not isinstance(event, Posted):
            ways = tuple(way for way in ways if is_wanted(event, way.switches))
            if not ways:
                return f"{event.key.kind}_off", ()
            if live and isinstance(event, TopicChanged) and self._loops.topic_goes_round(event.channel):
                self._log.error("loop_broken", **_about(event), reason=_TOPIC_LOOP)
                return "loop", ()
        elif live and self._is_loop(event, ways):
            return "loop", ()
        return None, tuple(NewDelivery(way.target, way.rule, way.settings) for way in ways)

    def _unfiltered(self, event: Event, routes: Routes) -> tuple[Route, ...]:
        """The ways whose rules relay it, each target once; what a filter drops is counted, once a rule."""
        reasons: dict[str, str | None] = {}
        taken: dict[Channel, Route] = {}
        for way in (*routes.ways, *routes.behind):
            if way.target in taken:
                self._tally.skipped(event.channel.instance, "target_of_an_earlier_rule", way.rule)
                continue
            if way.rule not in reasons:
                reason = reasons[way.rule] = None if way.filter is None else way.filter.reason(event)
                if reason is not None:
                    self._skip(event, reason, way.rule)
            if reasons[way.rule] is None:
                taken[way.target] = way
        return tuple(taken.values())

    def _is_loop(self, event: Posted, ways: tuple[Route, ...]) -> bool:
        returns = self._loops.returns(event)
        if self._loops.is_loop(returns):
            self._log.error(
                "loop_broken",
                **_about(event),
                reason="the same text goes back and forth within seconds: another relay joins the same channels; "
                "take these channels out of one of the two",
            )
            return True
        self._loops.relayed(event, (way.target for way in ways), returns)
        return False

    def _without_return(self, event: Event, mark: Mark, ways: tuple[Route, ...]) -> tuple[Route, ...]:
        """Another relay posted it; it does not go back to where that relay had it from."""
        been = {mark.origin, *mark.via}
        onwards = tuple(way for way in ways if self._identities.address(way.target) not in been)
        if onwards:
            for way in ways:
                if way not in onwards:
                    self._skip(event, "came_from_there", way.rule)
        return onwards

    def _skip(self, event: Event, reason: str, rule: str = "") -> None:
        self._tally.skipped(event.channel.instance, reason, rule)
        self._skips.note(event, reason, rule)
        about = {**_about(event), "rule": rule} if rule else _about(event)
        self._log.debug("message_skipped", **about, reason=reason)

    def _committed(
        self, event: Event, command: Command | None, done: asyncio.Future[tuple[Delivery, ...] | None]
    ) -> None:
        self._uncommitted -= 1
        self._room.set()
        match done.exception():
            case JournalError():
                return  # the journal has told the service, which ends the daemon
            case EntryRefused() as error:
                self._tally.skipped(event.channel.instance, "cannot_be_kept")
                self._skips.note(event, "cannot_be_kept")
                self._log.error("message_skipped", **_about(event), reason=str(error))
                return
        deliveries = done.result()
        if deliveries is None:
            self._skip(event, "seen_before")
            return
        self._tally.accepted(event.channel.instance)
        rules = ",".join(dict.fromkeys(each.rule for each in deliveries))
        said = _said(event) if self._logs_content() else {}
        self._log.debug("message_accepted", **_about(event), rule=rules, deliveries=len(deliveries), **said)
        self._deliveries.enqueue(deliveries)
        if command is not None and isinstance(event, Posted):
            self._commands.obey(event, command)


def _is_about_a_copy(event: Event) -> bool:
    """Whether a mark of ours on it says that it is our own post, and not that it is about one."""
    return isinstance(event, Posted | Edited | Deleted)


class _Kept:
    """What a driver may await: to give up waiting does not take the event back."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.shield(self._future).__await__()


def _about(event: Event) -> dict[str, str]:
    return {
        "instance": event.channel.instance,
        "channel": event.channel.key,
        "event_id": f"{event.channel}/{event.message}",
    }


def _said(event: Event) -> dict[str, str]:
    """What the log has only where the operator wants it to."""
    if not isinstance(event, Posted | Edited):
        return {}
    return {"author": event.author.name, "text": PLAIN.write(event.text.blocks)}


def _done() -> Awaitable[object]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
