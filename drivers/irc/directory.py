"""The channels of a network, for `nextbridge channels`: what its server lists to whoever asks (LIST)."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from heapq import nlargest
from typing import Final

from drivers.irc import wire
from drivers.irc.connection import Connection
from drivers.irc.pacing import Pacer
from drivers.irc.probing import another_nick
from drivers.irc.registration import register
from drivers.irc.server import quoted
from drivers.irc.settings import IrcSettings
from nextbridge.driver import Directory, Listed, Unlisted

__all__ = ["directory"]

_LISTED: Final = "322"
_ALL_LISTED: Final = "323"
_REFUSED: Final = {"263", "402", "416", "421", "437", "481"}
"""Try again later, no such server, too many matches, unknown command, unavailable, no privileges."""
_MOST: Final = 1_000
_MOST_READ: Final = 100_000
"""Channels; the largest network has fewer."""
_LONGEST_TOPIC: Final = 60
_MODES: Final = re.compile(r"^\[\+[^\]]*\]")
"""What InspIRCd and UnrealIRCd put before a topic: the channel's modes."""
_BY_HAND: Final = "Write a channel by its name with its sign; the relay joins it."


async def directory(settings: IrcSettings, proxy: str | None) -> Directory | Unlisted:
    """Connect beside a running relay, ask, and leave: the channels with the most people first. Raises DriverError."""
    pacer = Pacer(settings.messages_per_second, settings.burst)
    connection = await Connection.open(settings, proxy, pacer)
    found: list[tuple[int, Listed]] = []
    whole = False
    try:
        await register(connection, settings, another_nick(settings))
        pacer.rested()
        await connection.turn()
        connection.send(wire.render("LIST"))
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.answer_timeout):
                while len(found) < _MOST_READ and not whole:
                    line = await connection.read()
                    if line.command == "PING":
                        connection.put("PONG", line.param(-1))
                    elif line.command in _REFUSED:
                        return Unlisted(f"the server says {quoted(line.param(-1))}", _BY_HAND)
                    elif line.command == _LISTED:
                        found.append(_channel(line))
                    whole = line.command == _ALL_LISTED
    finally:
        await connection.close("looked")
    shown = nlargest(_MOST, found, key=lambda each: each[0])
    note = "Secret channels are not shown to whoever is not in them."
    if not whole:
        note = f"The server had not told of all of them after {settings.answer_timeout:g} s. {note}"
    return Directory([each for _, each in shown], left_out=len(found) - len(shown), note=note)


def _channel(line: wire.Line) -> tuple[int, Listed]:
    """How many people are in it, and how it is shown: RPL_LIST has nick, channel, number, topic."""
    name, number, topic = line.param(1), line.param(2), quoted(_MODES.sub("", line.param(3)))
    people = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    about = f"{people} {'person' if people == 1 else 'people'}" + (f": {topic[:_LONGEST_TOPIC]}" if topic else "")
    return people, Listed(name, {"channel": name}, about)
