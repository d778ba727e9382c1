"""Who answers the operators' questions, from the journal and, in the daemon, from what its lanes know of themselves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path

import structlog
from msgspec import Struct, structs

from nextbridge import __version__
from nextbridge.channels import ChannelDirectory
from nextbridge.control.forgetter import Forgetter
from nextbridge.control.protocol import (
    Answer,
    ControlError,
    Crossed,
    DaemonStatus,
    DeadIds,
    DeadLetters,
    Done,
    DropDead,
    End,
    FollowCrossings,
    Following,
    ForgetPerson,
    Ids,
    InstanceStatus,
    JoinedEnds,
    Lane,
    Lanes,
    Letter,
    ListDead,
    Met,
    Question,
    Refused,
    Reloaded,
    ReloadFile,
    RetryDead,
    Rules,
    ShowDead,
    ShowQueue,
    ShowRules,
    ShowSightings,
    ShowStatus,
    Sighted,
    Status,
    TraceMessage,
    WrongFile,
)
from nextbridge.control.tracer import Tracer
from nextbridge.control.words import LONGEST_TEXT, shown, words_of
from nextbridge.crossings import Crossing, Crossings, FellBehind, TooManyListeners
from nextbridge.delivery import Deliveries, LaneState
from nextbridge.envelope import Channel, Edited, InstanceId, Posted
from nextbridge.errors import ConfigError
from nextbridge.http.server import HttpError
from nextbridge.instance import Instance
from nextbridge.journal import DeadLetter, Journal, Waiting
from nextbridge.media import Spool
from nextbridge.redaction import redaction
from nextbridge.reload import Reload
from nextbridge.rules import RuleTable
from nextbridge.sightings import sightings_of

__all__ = ["Desk", "Running"]

_LONGEST_NAME = 100
_STOPPED = LaneState("stopped")
_DESERTED = LaneState("waiting", "its instance is not in the file, or is disabled")


class Running(Struct, frozen=True):
    """The parts of a daemon that runs, as far as operators ask about them."""

    config: Path
    started_at: int
    """Milliseconds since 1970."""
    instances: Mapping[InstanceId, Instance]
    deliveries: Deliveries
    reload: Reload
    crossings: Crossings
    rules: RuleTable
    channels: ChannelDirectory
    tracer: Tracer
    forgetter: Forgetter


class Desk:
    """Answers on the loop of its journal."""

    def __init__(self, journal: Journal, spool: Spool, running: Running | None = None) -> None:
        """Without `running` no daemon runs: what is asked for is done on disk alone."""
        self._journal = journal
        self._spool = spool
        self._running = running
        self._tracer = Tracer(journal) if running is None else running.tracer
        self._log = structlog.get_logger()

    async def answer(self, question: Question) -> Answer:  # noqa: C901, PLR0911 - one for each question
        """Raises JournalError."""
        match question:
            case ShowQueue(idle=idle):
                return await self._queue(idle=idle)
            case ListDead(limit=limit):
                found = await self._journal.dead_letters(limit=limit + 1)
                letters = await asyncio.to_thread(_letters, found[:limit])
                return DeadLetters(letters=letters, more=len(found) > limit)
            case ShowDead(id=number, text=text):
                dead = await self._journal.dead_letter(number)
                return DeadLetters(letters=() if dead is None else (await asyncio.to_thread(_whole, dead, text=text),))
            case DeadIds(after=after):
                return Ids(ids=tuple(await self._journal.dead_ids(after=after)))
            case TraceMessage(message=message, text=text):
                return await self._tracer.of(message, text=text)
            case ForgetPerson():
                return await (await self._forgetter()).answer(question)
            case RetryDead(ids=ids):
                return await self._retry(ids)
            case DropDead(ids=ids):
                return await self._drop(ids)
            case ReloadFile():
                return await self._read_again()
            case ShowSightings(instance=instance):
                found_there = await sightings_of(self._journal, InstanceId(instance))
                return Sighted(
                    channels=tuple(Met(name=each.name, keys=dict(each.keys), at=each.at) for each in found_there)
                )
            case ShowStatus():
                return await self._status()
            case ShowRules():
                return self._rules()

    async def follow(self, question: FollowCrossings) -> AsyncGenerator[Answer]:
        """What the question is answered by, until whoever asked is gone or fell behind. Raises ControlError."""
        running = self._running
        if running is None:
            raise ControlError("Nothing crosses while no daemon runs on this state folder.")
        instance = None if question.instance is None else InstanceId(question.instance)
        if instance is not None and instance not in running.instances:
            raise ControlError(f"There is no instance {instance}. There are: {', '.join(sorted(running.instances))}.")
        try:
            with running.crossings.listen(instance=instance, rule=question.rule) as listening:
                yield Following()
                async for crossing in listening:
                    yield _crossed(crossing)
        except (FellBehind, TooManyListeners) as error:
            raise ControlError(str(error)) from error

    async def _queue(self, *, idle: bool) -> Lanes:
        waiting = await self._journal.waiting()
        states = None if self._running is None else self._running.deliveries.lanes()
        return Lanes(lanes=await asyncio.to_thread(_lanes, waiting, states, idle=idle), running=states is not None)

    async def _retry(self, ids: tuple[int, ...]) -> Done:
        retry = self._journal.retry if self._running is None else self._running.deliveries.retry
        lanes = await retry(ids)
        if self._running is not None:
            for number, target in lanes.items():
                self._log.info("dead_letter_retried", delivery=number, instance=target.instance, channel=target.key)
        return Done(ids=tuple(lanes))

    async def _drop(self, ids: tuple[int, ...]) -> Done:
        dropped = await self._journal.drop(ids)
        await self._spool.open()
        if self._running is not None:
            for number in dropped:
                self._log.info("dead_letter_dropped", delivery=number)
        return Done(ids=tuple(dropped))

    async def _forgetter(self) -> Forgetter:
        return await Forgetter.on_files(self._journal) if self._running is None else self._running.forgetter

    async def _status(self) -> Status:
        waiting = await self._journal.waiting()
        running = self._running
        return Status(
            daemon=None
            if running is None
            else DaemonStatus(
                version=__version__,
                pid=os.getpid(),
                config=str(running.config),
                started_at=running.started_at,
                reloaded_at=running.reload.last_at,
                instances=tuple(_standing(each) for each in running.instances.values()),
            ),
            waiting=sum(each.depth for each in waiting),
            lanes=len(waiting),
            oldest_at=min((each.oldest_at for each in waiting), default=None),
            dead=await self._journal.dead_count(),
        )

    def _rules(self) -> Rules:
        running = self._running
        if running is None:
            return Rules(rules=())

        def ends(channels: Iterable[Channel]) -> tuple[End, ...]:
            return tuple(
                End(channel=str(each), instance=each.instance, name=shown(running.channels.name(each), _LONGEST_NAME))
                for each in channels
            )

        return Rules(
            rules=tuple(
                JoinedEnds(rule=each.rule, kind=each.kind, sources=ends(each.sources), targets=ends(each.targets))
                for each in running.rules.joined()
            )
        )

    async def _read_again(self) -> Answer:
        if self._running is None:
            return Refused(reason="No daemon runs on this state folder. It reads the file when it starts.")
        try:
            done = await self._running.reload.now()
        except (ConfigError, HttpError) as error:
            return WrongFile(report=redaction.mask(str(error)))
        return Reloaded(**structs.asdict(done))


def _standing(instance: Instance) -> InstanceStatus:
    return InstanceStatus(
        name=instance.instance,
        platform=instance.driver.platform,
        state=instance.state.value,
        since=instance.since,
        reason=shown(instance.reason),
    )


def _lanes(waiting: Iterable[Waiting], states: Mapping[Channel, LaneState] | None, *, idle: bool) -> tuple[Lane, ...]:
    lanes = []
    rest = dict(states or {})
    for each in waiting:
        state = _STOPPED if states is None else rest.pop(each.target, _DESERTED)
        lanes.append(_lane(each.target, state, each))
    lanes += [_lane(target, state) for target, state in sorted(rest.items()) if idle or state.word != "idle"]
    return tuple(lanes)


def _lane(target: Channel, state: LaneState, waiting: Waiting | None = None) -> Lane:
    return Lane(
        instance=target.instance,
        channel=target.key,
        depth=0 if waiting is None else waiting.depth,
        oldest_at=None if waiting is None else waiting.oldest_at,
        state=state.word,
        reason=shown(state.reason),
        retry_in=state.retry_in,
        attempts=0 if waiting is None else waiting.attempts,
        last_error="" if waiting is None else shown(waiting.reason),
    )


def _crossed(crossing: Crossing) -> Crossed:
    return Crossed(
        at=crossing.at,
        outcome=crossing.outcome,
        kind=crossing.kind,
        author=shown(crossing.author),
        source=str(crossing.source),
        message=crossing.message,
        target=str(crossing.target),
        rule=crossing.rule,
        late_ms=max(0, crossing.at - crossing.said_at),
        reason=shown(crossing.reason),
        retry_in=crossing.retry_in,
    )


def _letters(found: Iterable[DeadLetter]) -> tuple[Letter, ...]:
    return tuple(_letter(dead, traceback=None, text=None) for dead in found)


def _whole(dead: DeadLetter, *, text: bool) -> Letter:
    return _letter(
        dead,
        traceback=shown(dead.detail, LONGEST_TEXT) or None,
        text=shown(words_of(dead.event), LONGEST_TEXT) if text else None,
    )


def _letter(dead: DeadLetter, *, traceback: str | None, text: str | None) -> Letter:
    event = dead.event
    return Letter(
        id=dead.id,
        rule=dead.rule,
        source=str(event.channel),
        target=str(dead.target),
        kind=event.key.kind,
        author=shown(event.author.name),
        username=shown(event.author.username),
        at=event.at,
        accepted_at=dead.accepted_at,
        buried_at=dead.buried_at,
        attempts=dead.attempts,
        files=len(event.attachments) if isinstance(event, Posted | Edited) else 0,
        reason=shown(dead.reason),
        traceback=traceback,
        text=text,
    )
