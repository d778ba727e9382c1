"""The commands: which messages are some, and what is done about each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from nextbridge.bindings import Bindings
from nextbridge.commands.accounts import AccountDirectory
from nextbridge.commands.allowance import Allowance
from nextbridge.commands.answers import Answers
from nextbridge.commands.grammar import Command, begins_with_prefix, recognise
from nextbridge.commands.requests import BindRequests, Caller
from nextbridge.envelope import Edited, Posted
from nextbridge.render import one_line
from nextbridge.rules import RuleTable
from nextbridge.tally import Tally

__all__ = ["Commands"]

_LONGEST_NAME = 60
_MOST_AT_ONCE = 100
"""Answers that are being given."""
_CANNOT_TELL = (
    "I cannot write to you alone here, and what I have to say is for nobody else. "
    "Write to me alone, or begin as another account of yours."
)


class Commands:
    """Obeys commands. Used on the event loop, by the relay."""

    def __init__(
        self,
        prefix: Callable[[], str],
        rules: RuleTable,
        bindings: Bindings,
        accounts: AccountDirectory,
        answers: Answers,
        tally: Tally,
        clock: Callable[[], float],
    ) -> None:
        """`prefix` gives the word that begins a command now, `clock` monotonic seconds."""
        self._prefix = prefix
        self._rules = rules
        self._bindings = bindings
        self._accounts = accounts
        self._answers = answers
        self._tally = tally
        self._requests = BindRequests(bindings, clock)
        self._allowance = Allowance(clock)
        # seldom: what does not know our words may be a program that answers our answer
        self._hints = Allowance(clock, most=2, seconds=60.0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    def takes(self, event: Posted) -> Command | None:
        """The command that a message is: then it is not relayed. None for all others, which it costs next to nothing.

        A bound author's present handle is noted.
        """
        if event.mark is None:
            self._bindings.heard(event.channel.instance, event.author)
        if not (event.addressed or event.direct or begins_with_prefix(event.text, self._prefix())):
            return None
        if event.author.bot or event.mark is not None:
            return None  # what speaks for others could be made to say anything
        if not (event.direct or self._rules.is_bridged(event.channel)):
            return None
        return recognise(event, self._prefix(), self._accounts.own_name(event.channel.instance))

    def is_written_in(self, edit: Edited) -> bool:
        """Whether a message was made a command afterwards: nobody obeys it, and it is not for the other side either."""
        if edit.author.bot or edit.mark is not None or not begins_with_prefix(edit.text, self._prefix()):
            return False
        return self._rules.is_bridged(edit.channel)

    def obey(self, event: Posted, command: Command) -> None:
        """Do what was asked, and answer. Once for each command, when it is on disk. Returns at once."""
        instance = event.channel.instance
        caller = self._accounts.caller(event)
        if event.late or caller is None:
            self._tally.skipped(instance, "command_too_late")
        elif len(self._tasks) >= _MOST_AT_ONCE or not self._may(caller, command):
            self._tally.skipped(instance, "command_too_many")
        else:
            self._tally.skipped(instance, "command")
            task = asyncio.create_task(self._obey(caller, command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _may(self, caller: Caller, command: Command) -> bool:
        if command.verb == "unknown" and not self._hints.take(caller.account):
            return False
        return self._allowance.take(caller.account)

    async def stop(self) -> None:
        """Give no more answers."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _obey(self, caller: Caller, command: Command) -> None:
        try:
            await self._action(caller, command)
        except Exception:  # noqa: BLE001 - a bug costs the command, and is told
            self._log.exception("command_failed", instance=caller.place.instance, command=command.verb)

    def _action(self, caller: Caller, command: Command) -> Coroutine[Any, Any, object]:
        match command.verb:
            case "help":
                return self._say(caller, self._help())
            case "bind":
                return self._begin(caller)
            case "confirm":
                return self._say(caller, self._requests.confirm(caller, command.argument))
            case "accept":
                return self._accept(caller, command.argument)
            case "rm":
                return self._remove(caller, command.argument)
            case "list":
                return self._list(caller)
            case "unknown":
                return self._say(caller, "I do not know this command. For those that I know, say: {nb} help")

    async def _begin(self, caller: Caller) -> None:
        if not self._answers.can_tell_alone(caller):
            await self._say(caller, _CANNOT_TELL)
            return
        code, words = self._requests.begin(caller)
        if code is None:
            await self._say(caller, words)
        elif not await self._say(caller, words, alone=True):
            self._requests.end(caller.account)
            await self._say(caller, _CANNOT_TELL)

    async def _accept(self, caller: Caller, number: str) -> None:
        for whom, words in await self._requests.accept(caller, number):
            await self._say(whom, words)

    async def _remove(self, caller: Caller, instance: str) -> None:
        home = caller.account.home if not instance else self._accounts.home(instance)
        bound = None if home is None else self._bindings.counterpart(caller.account, home)
        if bound is None:
            where = f"on {one_line(instance, _LONGEST_NAME)} " if instance else ""
            await self._say(caller, f"You have no bound account {where}that could be removed. See: {{bind}} list")
            return
        if bound.account != caller.account and not caller.lasts:
            await self._say(
                caller, "Names can change hands here: remove that account from itself, or from a lasting one."
            )
            return
        self._requests.end(bound.account)
        await self._bindings.remove(bound.account)
        await self._say(caller, f"{self._accounts.title(bound.account.home, bound.name)} is not bound to you any more.")

    async def _list(self, caller: Caller) -> None:
        others = sorted(
            self._accounts.title(each.account.home, each.name)
            for each in self._bindings.accounts(caller.account)
            if each.account != caller.account
        )
        if not others:
            await self._say(caller, "You are bound to no other account. Begin with: {bind}")
        elif not await self._say(caller, f"You are also {', '.join(others)}.", alone=True):
            await self._say(caller, _CANNOT_TELL)

    async def _say(self, caller: Caller, words: str, *, alone: bool = False) -> bool:
        nb = f"!{self._prefix()}"
        text = words.replace("{bind}", f"{nb} bind").replace("{nb}", nb)
        return await self._answers.say(caller, text, alone=alone)

    def _help(self) -> str:
        return (
            "Have you an account on the other side, too? Bind the two, and whoever mentions one calls the other. "
            "{bind} - begin; {bind} list - what you are bound to; {bind} rm - unbind this account; "
            "{bind} rm INSTANCE - the one there."
        )
