"""Tells the operators, in a channel of theirs, what has been in trouble for long, and when that is over.

An instance that is not connected, a lane whose first message waits, and dead letters. What it says is the difference
between what is so now and what was said before: it cannot pile up, and what comes and goes between two messages is not
told. Its own posts are ours, and not relayed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from msgspec import Struct

from nextbridge.commands import Answers
from nextbridge.config.model import OpsChannel
from nextbridge.delivery import Deliveries
from nextbridge.envelope import Channel, InstanceId
from nextbridge.errors import JournalError
from nextbridge.instance import State
from nextbridge.instances import Instances
from nextbridge.journal import Journal
from nextbridge.redaction import redaction
from nextbridge.tally import Tally

__all__ = ["Alerts"]

_APART = 60.0
"""Seconds between two messages, at least."""
_LONGEST_LOOK = 5.0
_MOST_LINES = 10
_LONGEST_REASON = 200


class _Trouble(Struct, frozen=True):
    """What is not as it should be. `name` stays the same as long as it lasts; `reason` may change."""

    name: str
    reason: str = ""


class Alerts:
    """Looks at how things stand, again and again. Used on the event loop by the service and by a reload."""

    def __init__(  # noqa: PLR0913 - it looks at everything
        self,
        ops: OpsChannel | None,
        *,
        present: Callable[[Channel], Channel],
        instances: Instances,
        deliveries: Deliveries,
        journal: Journal,
        tally: Tally,
        answers: Answers,
        clock: Callable[[], float],
    ) -> None:
        """`present` gives the key that a channel of the file has now; `clock` gives monotonic seconds."""
        self._ops = ops
        self._present = present
        self._instances = instances
        self._deliveries = deliveries
        self._journal = journal
        self._tally = tally
        self._answers = answers
        self._clock = clock
        self._down_since: dict[InstanceId, float] = {}
        self._told: dict[str, _Trouble] = {}
        """What was said and is not over, by name."""
        self._buried: dict[tuple[InstanceId, str], int] = {}
        """Dead letters that were told of, by target instance and rule."""
        self._last_at: float | None = None
        self._changed = asyncio.Event()
        self._log = structlog.get_logger()

    def replace(self, ops: OpsChannel | None) -> None:
        """The file says so from now on."""
        if ops == self._ops:
            return
        if self._ops is None:
            self._buried = self._dead()  # what came about while nobody wanted to hear is not told later
        self._ops = ops
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            ops = self._ops
            self._changed.clear()
            try:
                await self._look(ops)
            except JournalError:
                return  # the journal has told the service, which ends the daemon
            except Exception:  # noqa: BLE001 - the next look may work
                self._log.exception("alerts_failed")
            try:
                async with asyncio.timeout(None if ops is None else min(_LONGEST_LOOK, max(0.05, ops.after / 10))):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _look(self, ops: OpsChannel | None) -> None:
        if ops is None:
            self._told = {}
            return
        now = self._clock()
        down = self._down(ops, now)
        # what is not told now is told next time, as far as it is still so
        if self._last_at is not None and now - self._last_at < _APART:
            return
        if not self._answers.can_speak(ops.endpoint.instance):
            return
        troubles = down | await self._stuck(ops)
        dead = self._dead()
        begun = [f"⚠ {_line(each)}" for name, each in troubles.items() if name not in self._told]
        over = [f"✓ It is over: {name}" for name in self._told if name not in troubles]
        lines = [*_bounded(begun), *await self._letters(dead), *_bounded(over)]
        if not lines:
            return
        self._last_at = now
        text = redaction.mask("\n".join(lines))
        if await self._answers.announce(self._present(ops.endpoint.channel), text):
            self._told, self._buried = troubles, dead

    def _down(self, ops: OpsChannel, now: float) -> dict[str, _Trouble]:
        found: dict[str, _Trouble] = {}
        for name, instance in self._instances.items():
            if instance.state is State.CONNECTED:
                self._down_since.pop(name, None)
                continue
            since = self._down_since.setdefault(name, now)
            # of its own instance the log speaks: nothing could be said there
            if now - since >= ops.after and name != ops.endpoint.instance:
                trouble = _Trouble(f"the instance {name} is not connected", instance.reason)
                found[trouble.name] = trouble
        for name in self._down_since.keys() - self._instances.keys():
            del self._down_since[name]
        return found

    async def _stuck(self, ops: OpsChannel) -> dict[str, _Trouble]:
        """Lanes whose first message has waited for too long, where that is not their instance's trouble."""
        found: dict[str, _Trouble] = {}
        latest = int((time.time() - ops.after) * 1000)
        states = self._deliveries.lanes()
        for each in await self._journal.waiting():
            instance = each.target.instance
            if each.oldest_at > latest or instance == ops.endpoint.instance:
                continue
            state = states.get(each.target)
            reason = (state.reason if state is not None else "its instance is not in the file") or each.reason
            trouble = _Trouble(f"messages to {each.target} are stuck", reason)
            # once told it is not over because the instance goes, too
            if instance not in self._down_since or trouble.name in self._told:
                found[trouble.name] = trouble
        return found

    def _dead(self) -> dict[tuple[InstanceId, str], int]:
        return {(each.instance, each.rule): number for each, number in self._tally.lines() if each.kind == "buried"}

    async def _letters(self, dead: dict[tuple[InstanceId, str], int]) -> list[str]:
        """A line for each rule that made dead letters since the last message, with the newest one's reason."""
        new = {key: number - self._buried.get(key, 0) for key, number in dead.items()}
        new = {key: number for key, number in new.items() if number}
        if not new:
            return []
        reasons: dict[tuple[InstanceId, str], str] = {}
        for letter in await self._journal.dead_letters():
            reasons.setdefault((letter.target.instance, letter.rule), letter.reason)
        lines = []
        for (instance, rule), number in new.items():
            what = f"{number} dead {'letter' if number == 1 else 'letters'} to {instance} by the rule {rule}"
            lines.append(f"✗ {_line(_Trouble(what, reasons.get((instance, rule), '')))}")
        return [*_bounded(lines), "nextbridge dead list shows them."]


def _line(trouble: _Trouble) -> str:
    reason = " ".join(trouble.reason.split())[:_LONGEST_REASON]
    return f"{trouble.name}: {reason}" if reason else trouble.name


def _bounded(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more"]
