"""Servers whose channels the daemon joins, the daemon, and people who talk in the channels without a pause."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.mattermost import Account, SandboxMattermost
from tests.faults.ledger import Ledger, Shown, Verdict
from tests.faults.network import Network, Said
from tests.faults.places import IrcPlace, MattermostPlace, Place
from tests.process import Daemon

__all__ = ["Lane", "Settlement", "Town"]

_MATTERMOST_ALONE = (("east", "east", "west"),) * 4
"""The channels of each rule, by their server: three of them, so that each lane has two sources."""
_WITH_IRC = (("east", "east", "west"), ("east", "west", "irc"), ("west", "east", "irc"), ("east", "irc", "irc"))
_SIDES = ("east", "west")
_ANOTHER = "another"
_WITH_ANOTHER = (("east", "west", _ANOTHER), ("west", "east", _ANOTHER), ("east", _ANOTHER, _ANOTHER))
_WHOLE_WITHIN = 20.0


class Lane(Struct, frozen=True):
    """How it went in one target channel."""

    verdict: Verdict = Verdict()
    beyond: int = 0
    """Messages said on IRC that need not be here: while the relay was away, or on their way when it was killed."""
    again: int = 0
    """Messages shown a second time that may be, by the platform's guarantee."""

    def __add__(self, other: Lane) -> Lane:
        return Lane(self.verdict + other.verdict, self.beyond + other.beyond, self.again + other.again)


class Settlement(Protocol):
    """What a further platform has in the town: its server is up, and its people are in."""

    side: str
    """The name of its instance, and the first part of its places' names."""
    port: int
    """Where the server is reached."""

    def place(self, name: str, rule: int) -> Place:
        """A new channel, which the relay and the people are in."""

    def block(self, port: int) -> dict[str, object]:
        """What the daemon's file says of it, where it is to be reached at that port."""


class Town:
    """Two Mattermost stand-ins in this process and, where there is one, channels of an IRC server."""

    def __init__(
        self, daemon: Daemon, servers: Mapping[str, SandboxMattermost], network: Network | None, seed: int
    ) -> None:
        self.daemon = daemon
        self.servers = servers
        self.network = network
        self.cables: dict[str, Cable] = {}
        """What the daemon goes through to a server, where it is not reached straight."""
        self.ledger = Ledger()
        self._random = random.Random(seed)
        self._relays: dict[str, Account] = {}
        self._places: list[Place] = []
        self._another: Settlement | None = None

    @classmethod
    @asynccontextmanager
    async def standing(
        cls,
        folder: Path,
        *,
        seed: int,
        irc: int | None = None,
        another: Settlement | None = None,
        cables: bool = False,
    ) -> AsyncIterator[Town]:
        """All servers running, and the daemon not yet; it is killed at the end where it still runs.

        `irc` is the port of an IRC server; `another` platform takes its place. With `cables` the daemon reaches each
        server through one.
        """
        daemon = Daemon(folder)
        joined = _WITH_ANOTHER if another else _MATTERMOST_ALONE if irc is None else _WITH_IRC
        prefix = f"#{uuid.uuid4().hex[:8]}-"
        async with AsyncExitStack() as stack:
            servers = {side: await stack.enter_async_context(SandboxMattermost()) for side in _SIDES}
            network = None
            if irc is not None:
                names = [f"{prefix}{name}" for _, side, name in _channels(joined) if side == "irc"]
                network = await stack.enter_async_context(Network.joined(irc, names))
            town = cls(daemon, servers, network, seed)
            town._another = another
            town._settle(joined, prefix)
            if cables:
                ports = {side: int(server.url.rpartition(":")[2]) for side, server in servers.items()}
                ports |= {} if irc is None else {"irc": irc}
                ports |= {another.side: another.port} if another else {}
                for side, port in ports.items():
                    town.cables[side] = await stack.enter_async_context(Cable("127.0.0.1", port))
            try:
                yield town
            finally:
                if daemon.is_running:
                    await daemon.kill()

    def _settle(self, joined: tuple[tuple[str, ...], ...], prefix: str) -> None:
        teams = {side: server.add_team("main") for side, server in self.servers.items()}
        people = {}
        for side, server in self.servers.items():
            self._relays[side] = server.add_bot("relay", team=teams[side])
            people[side] = server.add_user(f"{side}erner", team=teams[side])
        for rule, side, name in _channels(joined):
            if self.network is not None and side == "irc":
                self._places.append(IrcPlace(f"irc-{name}", rule, self.network, f"{prefix}{name}"))
                continue
            if self._another is not None and side == _ANOTHER:
                self._places.append(self._another.place(f"{self._another.side}-{name}", rule))
                continue
            members = [self._relays[side], people[side]]
            channel = self.servers[side].add_channel(teams[side], name, members=members)
            self._places.append(MattermostPlace(f"{side}-{name}", rule, self.servers[side], channel, people[side]))

    @property
    def file(self) -> dict[str, object]:
        """The daemon's file."""
        file: dict[str, object] = {
            "global": {"http": {"port": 0}},
            "mattermost": {
                side: {"server_url": self._url(side), "token": self._relays[side].token, "reconnect_delay": 0.2}
                for side in self.servers
            },
            "rules": [
                {
                    "id": f"rule-{rule}",
                    "type": "connect",
                    "channels": [place.endpoint for place in self._places if place.rule == rule],
                }
                for rule in sorted({place.rule for place in self._places})
            ],
        }
        if self.network is not None:
            port = self.cables["irc"].port if self.cables else self.network.port
            irc = {"host": "127.0.0.1", "port": port, "tls": False, "nick": self.network.relay, "reconnect_delay": 0.2}
            file["irc"] = {"irc": {**irc, "messages_per_second": 10_000, "burst": 10_000}}
        if self._another is not None:
            side = self._another.side
            file |= self._another.block(self.cables[side].port if self.cables else self._another.port)
        return file

    def _url(self, side: str) -> str:
        return f"http://127.0.0.1:{self.cables[side].port}" if self.cables else self.servers[side].url

    async def whole(self) -> None:
        """Return once the relay is in all channels. Raises TimeoutError."""
        async with asyncio.timeout(_WHOLE_WITHIN):
            while not all(place.is_whole for place in self._places):  # noqa: ASYNC110 - of several servers
                await asyncio.sleep(0.05)

    async def begin(self) -> None:
        """Start the daemon for the first time; its rules have begun once something has crossed from every place."""
        await self.daemon.start(self.file)
        await self.whole()
        self.speak_everywhere()
        assert await self.quiet(within=30)

    def speak_everywhere(self) -> None:
        """Have something said or changed in each channel."""
        for place in self._places:
            place.speak(self.ledger, self._random)

    async def talk(self, *, per_second: float) -> None:
        """Say something in random channels, until cancelled."""
        while True:
            self._random.choice(self._places).speak(self.ledger, self._random)
            await asyncio.sleep(self._random.expovariate(per_second))

    async def quiet(self, *, within: float) -> bool:
        """Return whether all that has to arrive has arrived, once it has or after `within` seconds."""
        if self.network is not None:
            await self.network.speaker.settled()
            await self.network.witness.settled()
        try:
            async with asyncio.timeout(within):
                while any(lane.verdict.lost for lane in self.lanes().values()):  # noqa: ASYNC110 - of several servers
                    await asyncio.sleep(0.2)
        except TimeoutError:
            return False
        return True

    def lanes(self) -> dict[str, Lane]:
        """How it went in each channel."""
        shown = {place.name: place.shown() for place in self._places}
        excused = self._excused(shown)
        lanes = {}
        for place in self._places:
            sources = [each.name for each in self._places if each.rule == place.rule and each is not place]
            verdict = self.ledger.verdict(shown[place.name], sources, excused=excused, text_alone=place.text_alone)
            beyond = sum(len(excused.get(source, ())) for source in sources)
            lanes[place.name] = Lane(verdict, beyond, place.repeated_as_stated)
        return lanes

    def wrong(self) -> dict[str, Verdict]:
        """The channels in which something is lost, repeated or out of order."""
        return {name: lane.verdict for name, lane in self.lanes().items() if not lane.verdict.is_clean}

    def _excused(self, shown: Mapping[str, list[Shown]]) -> dict[str, set[int]]:
        """What was said on IRC and need not arrive. What the daemon logged as accepted it has taken."""
        if self.network is None:
            return {}
        logged = {str(line["event_id"]).rpartition("/")[2] for line in self.daemon.events("message_accepted")}
        arrived = self.ledger.arrived(each for texts in shown.values() for each in texts)

        def was_taken(said: Said) -> bool:
            return said.message in logged or not arrived.isdisjoint(self.ledger.arrived([Shown(said.text)]))

        excused: dict[str, set[int]] = {}
        for said in self.network.witness.unheard(was_taken):
            for source, number in self.ledger.arrived([Shown(said.text)]):
                excused.setdefault(source, set()).add(number)
        return excused


def _channels(joined: tuple[tuple[str, ...], ...]) -> list[tuple[int, str, str]]:
    """Rule, side and name of each channel; a rule's second one on a side is the annex."""
    return [
        (rule, side, f"c{rule}" + ("-annex" if side in sides[:place] else ""))
        for rule, sides in enumerate(joined)
        for place, side in enumerate(sides)
    ]
