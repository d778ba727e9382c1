"""Whom a message calls in its target: the same person's account there, else the one of that name, else nobody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from msgspec.structs import replace

from nextbridge.bindings import Account, Bindings
from nextbridge.driver import Members
from nextbridge.envelope import Author, Channel, Edited, InstanceId, Posted, UserId
from nextbridge.identities import Home, OwnIdentities
from nextbridge.instance import Instance
from nextbridge.markup import Mention, MentionKind
from nextbridge.markup.calls import Call, called, calls

__all__ = ["Mentions"]

M = TypeVar("M", Posted, Edited)

_MOST_CALLS = 20
"""People whom one message can call; whoever else is named in it is not called."""
_SECONDS = 5.0
"""For all look-ups of a message together: then it goes out without those that are not known."""
_LOOK_UP_SECONDS = 3.0
_KNOWN_SECONDS, _UNKNOWN_SECONDS = 60.0, 15.0
_REMEMBERED = 10_000


class Mentions:
    """Resolves what messages call, for delivery. Remembers who is in a channel for a minute."""

    def __init__(
        self,
        instances: Mapping[InstanceId, Instance],
        bindings: Bindings,
        identities: OwnIdentities,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._instances = instances
        self._bindings = bindings
        self._identities = identities
        self._clock = clock
        self._members: OrderedDict[tuple[Channel, str], tuple[float, Author | None]] = OrderedDict()

    async def resolved(self, event: M, target: Channel, *, everybody: bool) -> M:
        """`event` as it calls people in `target`; what calls nobody there is text.

        `everybody`: a call of everybody passes. Does I/O where the event calls anybody, for a few seconds at most;
        raises nothing.
        """
        source = self._instances.get(event.channel.instance)
        by_bare_name = source is not None and source.driver.calls_by_bare_name
        found = calls(event.text, by_bare_name=by_bare_name)
        if not found.who:
            return event if found.silent is event.text else replace(event, text=found.silent)
        answers = await self._answers(found.who[:_MOST_CALLS], event.channel, target)
        if everybody:
            answers |= {
                call: (call.names[0], Mention(call.names[0], call.kind, permitted=True))
                for call in found.who
                if call.kind is not MentionKind.USER
            }
        return replace(event, text=called(event.text, answers.get, by_bare_name=by_bare_name))

    async def _answers(
        self, found: tuple[Call, ...], source: Channel, target: Channel
    ) -> dict[Call, tuple[str, Mention]]:
        people = [call for call in found if call.kind is MentionKind.USER]
        if not people:
            return {}
        tasks = {call: asyncio.create_task(self._answer(call, source, target)) for call in people}
        try:
            await asyncio.wait(tasks.values(), timeout=_SECONDS)
        finally:
            for task in tasks.values():
                task.cancel()
        answers: dict[Call, tuple[str, Mention]] = {}
        for call, task in tasks.items():
            if task.done() and not task.cancelled() and (answer := task.result()) is not None:
                answers[call] = answer
        return answers

    async def _answer(self, call: Call, source: Channel, target: Channel) -> tuple[str, Mention] | None:
        for name in call.names:
            mention = await self._bound(name, call.user, source, target) or await self._named(name, target)
            if mention is not None:
                return name, mention
        return None

    async def _bound(self, name: str, user: str | None, source: Channel, target: Channel) -> Mention | None:
        """The account in the target of the person who is called `name` in the source."""
        here, there = self._identities.home(source.instance), self._identities.home(target.instance)
        if here is None or there is None or not self._bindings.is_known_at(there):
            return None
        account = await self._account(name, user, source, here)
        bound = None if account is None else self._bindings.counterpart(account, there)
        if bound is None:
            return None
        bearer = await self._member(target, bound.name)
        if bearer is not None and bearer.id != bound.account.user:
            return None  # the name is another's now
        return Mention(bound.name, user=bound.account.user)

    async def _account(self, name: str, user: str | None, source: Channel, here: Home) -> Account | None:
        if user is not None:
            return Account(here, UserId(user))
        member = await self._member(source, name)
        return self._bindings.named(here, name) if member is None else Account(here, member.id)

    async def _named(self, name: str, target: Channel) -> Mention | None:
        member = await self._member(target, name)
        if member is None or self._identities.is_ours(target.instance, member.id):
            return None
        return Mention(member.username or member.name, user=member.id)

    async def _member(self, channel: Channel, name: str) -> Author | None:
        key, now = (channel, name), self._clock()
        known = self._members.get(key)
        if known is not None and known[0] > now:
            return known[1]
        instance = self._instances.get(channel.instance)
        driver: object = None if instance is None else instance.driver
        if instance is None or not isinstance(driver, Members) or now < instance.answers_from:
            return None
        member = None
        with suppress(Exception):  # without an answer nobody is called, and the message passes
            try:
                async with asyncio.timeout(_LOOK_UP_SECONDS):
                    member = await driver.member(channel.key, name)
            except TimeoutError:
                instance.did_not_answer(self._clock())
        self._members[key] = now + (_UNKNOWN_SECONDS if member is None else _KNOWN_SECONDS), member
        self._members.move_to_end(key)
        if len(self._members) > _REMEMBERED:
            self._members.popitem(last=False)
        return member
