"""A bad network between the daemon and its servers, under load: late, cut anywhere, deaf on one side."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from nextbridge.sandbox.cable import Cable, Towards
from tests.faults.town import Town
from tests.irc.conftest import Inspircd

PER_SECOND = 25


async def late(cable: Cable, moments: random.Random) -> None:
    """Everything arrives later for a while, either way."""
    cable.lag = moments.uniform(0.1, 0.4)
    await asyncio.sleep(1)
    cable.lag = 0.0


async def cut_inside(cable: Cable, moments: random.Random) -> None:
    """One connection breaks inside a frame, a line, a request or an answer: after so many bytes, whatever they are."""
    cable.cut_after(moments.randint(1, 3000))
    while cable.bytes_left is not None:  # noqa: ASYNC110 - of what others carry
        await asyncio.sleep(0.01)


async def deaf_server(cable: Cable, _: random.Random) -> None:
    """The server hears the end of every connection, and what it says still arrives."""
    cable.half_close(Towards.SERVER)


async def deaf_daemon(cable: Cable, _: random.Random) -> None:
    """The daemon hears the end of every connection, and what it says still arrives."""
    cable.half_close(Towards.CLIENT)


async def away(cable: Cable, moments: random.Random) -> None:
    """Every connection breaks, and for a moment there is no new one."""
    await cable.cut()
    await asyncio.sleep(moments.uniform(0.1, 0.5))
    await cable.mend()


MISFORTUNES: tuple[Callable[[Cable, random.Random], Awaitable[None]], ...] = (
    late,
    cut_inside,
    cut_inside,
    deaf_server,
    deaf_daemon,
    away,
)


async def misfortunes(town: Town, side: str, moments: random.Random) -> None:
    """Each of them, in any order, when the relay is connected on that side (again); then the cable is whole."""
    for befall in moments.sample(MISFORTUNES, len(MISFORTUNES)):
        await asyncio.sleep(moments.uniform(0.3, 1.0))
        if side == "irc":
            await town.whole()
        elif side in town.servers:
            server = town.servers[side]
            await server.until(lambda server=server: server.open_sockets > 0, within=30)  # type: ignore[misc]
        await befall(town.cables[side], moments)


async def suffer(town: Town, *, seed: int) -> None:
    """Run the daemon while people talk and every cable has its misfortunes."""
    await town.begin()
    talking = asyncio.create_task(town.talk(per_second=PER_SECOND))
    await asyncio.gather(*(misfortunes(town, side, random.Random(f"{side} {seed}")) for side in town.cables))
    await town.whole()
    talking.cancel()
    await asyncio.wait({talking})


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_bad_network_loses_and_repeats_nothing_on_mattermost(tmp_path: Path, seed: int) -> None:
    """Requests, answers and frames of the socket, on the ways to both servers."""
    async with Town.standing(tmp_path, seed=seed, cables=True) as town:
        await suffer(town, seed=seed)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        for side in town.cables:
            events = [*town.daemon.events("connection_ended"), *town.daemon.events("still_not_connected")]
            ended = [line for line in events if line["instance"] == side]
            assert len(ended) >= 3, "the socket was cut, and half of it closed, each way"
        assert town.daemon.events("delivery_buried") == []


async def test_a_bad_network_repeats_one_message_of_a_channel_at_most_on_irc(
    tmp_path: Path, inspircd: Inspircd
) -> None:
    """Of each connection: any other is repeated for the ledger, and what the relay was told and is missing is lost."""
    async with Town.standing(tmp_path, seed=3, irc=inspircd.port, cables=True) as town:
        await suffer(town, seed=3)
        complete = await town.quiet(within=60)
        assert await town.daemon.stop() == 0
        assert (town.wrong(), complete) == ({}, True)
        assert town.network is not None
        assert len(town.network.witness.stays) >= 4, "connections were cut and half closed"
        assert town.daemon.events("delivery_buried") == []
