"""The configured channels of one connection: which are joined, which refused us and why, and when to try again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from drivers.irc.server import Server, quoted
from drivers.irc.settings import IrcChannel
from drivers.irc.wire import Line
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Host
from nextbridge.envelope import ChannelKey

__all__ = ["REFUSALS", "ChannelState", "Channels", "Membership"]

REFUSALS = {
    "403": "the server knows no such channel: check its name",
    "405": "the server lets us into no more channels: name fewer, or use a second instance",
    "437": "the channel cannot be joined just now (a netsplit); it is tried again",
    "471": "the channel is full (+l): ask an operator of the channel to raise its limit",
    "473": "the channel is for invited people only (+i): invite the relay's nick, or add an exception for it",
    "474": "the relay is banned from the channel (+b): ask an operator of the channel to lift the ban",
    "475": "the channel has a key (+k): set the channel's key, or correct it",
    "476": "the server takes no such channel name: check it",
    "477": "the channel is for registered nicks only (+r): set sasl",
    "489": "the channel is for connections with TLS only: set tls to true",
    "520": "the channel is for the network's staff only",
}
"""What the operator is to do about each numeric that refuses a JOIN."""
_LONGEST_PAUSE = 600.0
_LONGEST_LIST = 400


class Membership(Enum):
    """Where we stand with a channel."""

    DUE = "to be joined"
    JOINING = "asked to be let in"
    JOINED = "in it"
    REFUSED = "not let in, or put out"


class ChannelState:
    """One channel on the server; several spellings in the file may be it."""

    def __init__(self, configured: ConfiguredChannel[IrcChannel], key: ChannelKey) -> None:
        self.name = configured.settings.channel
        self.key = key
        self.configured = [configured]
        self.membership = Membership.DUE
        self.at = 0.0
        """When it is to be joined, or when the answer to JOIN is overdue; by the loop's clock."""
        self.refusals = 0
        self.reason = ""
        """Why nothing can be sent there."""
        self.muted = False
        """The server took no message of ours there."""
        self.settled = asyncio.Event()
        """Set while it is known whether we are in it."""

    @property
    def secret(self) -> Secret | None:
        return next((each.settings.key for each in self.configured if each.settings.key is not None), None)


class Channels:
    """All configured channels, by folded name. Made once the server has said how names fold."""

    def __init__(
        self,
        configured: Sequence[ConfiguredChannel[IrcChannel]],
        server: Server,
        host: Host,
        delays: tuple[float, float],
    ) -> None:
        self._server = server
        self._host = host
        self._rejoin, self._answer = delays
        self._states: dict[str, ChannelState] = {}
        self._keys: dict[ChannelKey, ChannelState] = {}
        for each in configured:
            folded = server.fold(each.settings.channel)
            state = self._states.get(folded)
            if state is None:
                state = self._states[folded] = ChannelState(each, ChannelKey(folded))
            else:
                state.configured.append(each)
            self._keys[each.key] = self._keys[state.key] = state

    async def resolve(self) -> None:
        """Tell the core each channel's id on this server."""
        for state in self._states.values():
            for each in state.configured:
                await self._host.resolved(each, state.key, state.name)

    def find(self, name: str) -> ChannelState | None:
        """The configured channel that the server calls `name`."""
        return self._states.get(self._server.fold(name))

    def by_key(self, key: ChannelKey) -> ChannelState | None:
        return self._keys.get(key)

    def __iter__(self) -> Iterator[ChannelState]:
        return iter(self._states.values())

    # --- joining ----------------------------------------------------------------------------------------------------

    def next_at(self) -> float | None:
        """When `joins` has something to do next, by the loop's clock."""
        return min((state.at for state in self if state.membership is not Membership.JOINED), default=None)

    def joins(self, now: float) -> list[tuple[str, ...]]:
        """The parameters of the JOIN lines that are due. They count as sent."""
        due = []
        for state in self:
            if state.membership is Membership.JOINING and state.at <= now:
                self.refused(state, "the server did not answer JOIN; it is tried again")
            elif state.membership in {Membership.DUE, Membership.REFUSED} and state.at <= now:
                if not self._server.is_channel(state.name):
                    signs = self._server.channel_types
                    self.refused(state, f"a channel's name starts with one of {signs} on this server: correct it")
                    continue
                state.membership = Membership.JOINING
                state.at = now + self._answer
                due.append(state)
        return list(self._lines(due))

    def _lines(self, due: list[ChannelState]) -> Iterator[tuple[str, ...]]:
        # a key belongs to the channel at the same place, so channels with one come first
        due.sort(key=lambda state: state.secret is None)
        most = self._server.joins_at_once or len(due)
        names: list[str] = []
        keys: list[str] = []
        for state in due:
            key = state.secret.reveal() if state.secret is not None else ""
            length = sum(len(word.encode()) + 1 for word in (*names, *keys, state.name, key))
            if names and (len(names) >= most or length > _LONGEST_LIST):
                yield _parameters(names, keys)
                names, keys = [], []
            names.append(state.name)
            if key:
                keys.append(key)
        if names:
            yield _parameters(names, keys)

    # --- what became of it ------------------------------------------------------------------------------------------

    def joined(self, state: ChannelState) -> None:
        """We are in it."""
        state.membership = Membership.JOINED
        state.refusals, state.reason, state.muted = 0, "", False
        state.settled.set()
        self._host.available(state.key)

    def refused(self, state: ChannelState, reason: str) -> None:
        """We are not in it, and `reason` says what is to be done. It is tried again, ever more slowly."""
        pause = min(self._rejoin * 2 ** min(state.refusals, 16), max(_LONGEST_PAUSE, self._rejoin))
        state.refusals += 1
        state.membership = Membership.REFUSED
        state.at = asyncio.get_running_loop().time() + pause
        state.reason = f"{state.name}: {reason}"
        state.settled.set()
        self._host.unavailable(state.key, state.reason)

    def left(self, state: ChannelState, reason: str) -> None:
        """We were in it and are no longer."""
        state.refusals = 0
        self.refused(state, f"{reason}; it is joined again in {self._rejoin:g} s")

    def invited(self, state: ChannelState) -> None:
        """Somebody lets us in: do not wait."""
        if state.membership is Membership.REFUSED:
            state.membership, state.at = Membership.DUE, 0.0

    def changed(self, state: ChannelState) -> None:
        """The channel's modes, or our rights in it, are others: what was refused may pass now."""
        if state.muted:
            state.muted = False
            self._host.available(state.key)

    def forwarded(self, line: Line) -> bool:
        """We were sent into another channel instead (numeric 470). Whether it was about one of ours."""
        state = self.find(line.param(1))
        if state is None:
            return False
        self.refused(
            state,
            f"the server sends us on to {quoted(line.param(2))} instead: name that channel, or ask an operator of this "
            "one what its conditions are (a registered nick? then set sasl)",
        )
        return True

    def close(self) -> None:
        """The connection is gone: who waits for a JOIN waits no longer."""
        for state in self:
            state.settled.set()


def _parameters(names: Iterable[str], keys: list[str]) -> tuple[str, ...]:
    return (",".join(names), ",".join(keys)) if keys else (",".join(names),)
