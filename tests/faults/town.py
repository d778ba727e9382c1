"""Two Mattermost servers whose channels the daemon joins, and people who talk in them without a pause."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost
from tests.faults.ledger import Ledger, Verdict

__all__ = ["Town"]

_JOINED = 4
"""Rules; each joins three channels, so that each lane has two sources."""


class _Place(Struct):
    server: SandboxMattermost
    channel: Channel
    person: Account
    name: str
    rule: int


class Town:
    """The servers, the daemon's file for them, and the load. Both servers live in the tester's process."""

    def __init__(self, east: SandboxMattermost, west: SandboxMattermost, *, seed: int) -> None:
        self.servers = {"east": east, "west": west}
        self.ledger = Ledger()
        self._random = random.Random(seed)
        self._places: list[_Place] = []
        self._relays: dict[str, Account] = {}
        for side, server in self.servers.items():
            team = server.add_team("main")
            self._relays[side] = server.add_bot("relay", team=team)
            person = server.add_user(f"{side}erner", team=team)
            for rule in range(_JOINED):
                for extra in ("", "-annex") if side == "east" else ("",):
                    members = [self._relays[side], person]
                    channel = server.add_channel(team, f"c{rule}{extra}", members=members)
                    self._places.append(_Place(server, channel, person, f"{side}-{channel.name}", rule))

    @classmethod
    @asynccontextmanager
    async def standing(cls, *, seed: int) -> AsyncIterator[Town]:
        """Both servers running."""
        async with SandboxMattermost() as east, SandboxMattermost() as west:
            yield cls(east, west, seed=seed)

    @property
    def file(self) -> dict[str, object]:
        """The daemon's file."""
        return {
            "global": {"http": {"port": 0}},
            "mattermost": {
                side: {"server_url": server.url, "token": self._relays[side].token, "reconnect_delay": 0.2}
                for side, server in self.servers.items()
            },
            "rules": [
                {
                    "id": f"rule-{rule}",
                    "type": "connect",
                    "channels": [
                        {"instance": place.name.partition("-")[0], "channel_id": place.channel.id}
                        for place in self._places
                        if place.rule == rule
                    ],
                }
                for rule in range(_JOINED)
            ],
        }

    async def talk(self, *, per_second: float) -> None:
        """Post in random channels, short and long, until cancelled."""
        while True:
            place = self._random.choice(self._places)
            length = self._random.choice((5, 50, 500, 5000))
            text = self.ledger.entry(place.name, "word " * (length // 5))
            place.server.post_as(place.person, place.channel, text)
            await asyncio.sleep(self._random.expovariate(per_second))

    async def quiet(self, *, within: float) -> bool:
        """Return whether everything that was posted has arrived, once it has or after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while not self._is_complete():  # noqa: ASYNC110 - two servers, each of which tells of itself alone
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
        return True

    def verdicts(self) -> dict[str, Verdict]:
        """How it went in each channel."""
        return {
            place.name: self.ledger.verdict(place.server.messages(place.channel), self._sources(place))
            for place in self._places
        }

    def _sources(self, target: _Place) -> list[str]:
        return [each.name for each in self._places if each.rule == target.rule and each is not target]

    def _is_complete(self) -> bool:
        return not any(verdict.lost for verdict in self.verdicts().values())
