"""`check --online`: whether the server takes us, and whether each channel would. Joins nothing, says nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress

from drivers.irc import wire
from drivers.irc.channels import REFUSALS
from drivers.irc.connection import Connection
from drivers.irc.pacing import Pacer
from drivers.irc.registration import register
from drivers.irc.server import Server, quoted
from drivers.irc.settings import IrcChannel, IrcSettings
from nextbridge.checking.doubts import skew_of
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.errors import DriverError

__all__ = ["another_nick", "probe"]

_SECONDS = 25.0
_CLOCK = "clock"
"""What the server is asked to say again."""
_NOT_LOOKED_AT = "not looked at: that would take too long, with a server that is asked so slowly (messages_per_second)"


async def probe(
    settings: IrcSettings,
    channels: Sequence[ConfiguredChannel[IrcChannel]],
    proxy: str | None,
    *,
    within: float = _SECONDS,
) -> list[Finding]:
    """Connect beside a running relay, look, and leave. Channels are looked at one by one, for so many seconds."""
    pacer = Pacer(settings.messages_per_second, settings.burst)
    try:
        connection = await Connection.open(settings, proxy, pacer)
    except DriverError as error:
        return [Finding(False, "connection", error.reason)]
    where = f"{settings.host}:{settings.effective_port}"
    findings = [Finding(True, "connection", f"connected to {where}{' with TLS' if settings.tls else ''}")]
    try:
        server = await register(connection, settings, another_nick(settings))
        pacer.rested()
        account = ", logged in to the account" if settings.sasl is not None else ""
        network = quoted(server.network or settings.host)
        findings.append(Finding(True, "login", f"the server welcomes us to {network}{account}"))
        findings += await _clock(connection, settings.answer_timeout)
        until = time.monotonic() + within
        for each in channels:
            if time.monotonic() >= until:
                findings.append(Finding(True, f"channel {each.settings.channel}", _NOT_LOOKED_AT))
            else:
                findings.append(await _channel(connection, server, each.settings, settings.answer_timeout))
    except DriverError as error:
        findings.append(Finding(False, "login" if len(findings) == 1 else "connection", error.reason))
    finally:
        await connection.close("checked")
    return findings


def another_nick(settings: IrcSettings) -> str:
    """One for somebody who only looks, so that a running relay keeps its own. Nine characters fit everywhere."""
    return f"{settings.nick[:5]}-{secrets.token_hex(8)[:3]}"


async def _clock(connection: Connection, seconds: float) -> list[Finding]:
    """By the time that the server puts on an answer, where it does (https://ircv3.net/specs/extensions/server-time)."""
    connection.put("PING", _CLOCK)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (line := await connection.read()).command != "PONG":
                if line.command == "PING":
                    connection.put("PONG", line.param(-1))
            return skew_of(line.tags.get("time", ""))
    return []


async def _channel(connection: Connection, server: Server, channel: IrcChannel, seconds: float) -> Finding:
    subject = f"channel {channel.channel}"
    if not server.is_channel(channel.channel):
        signs = quoted(server.channel_types)
        return Finding(False, subject, f"a channel's name starts with one of {signs} on this server: correct it")
    await connection.turn()
    connection.send(wire.render("MODE", channel.channel))
    try:
        async with asyncio.timeout(seconds):
            while True:
                line = await connection.read()
                if line.command == "PING":
                    connection.put("PONG", line.param(-1))
                elif line.command.isdigit() and server.fold(line.param(1)) == server.fold(channel.channel):
                    return _judge(subject, line.command, line.param(2), channel)
    except TimeoutError:
        return Finding(False, subject, f"the server did not answer within {seconds:g} s")


def _judge(subject: str, command: str, modes: str, channel: IrcChannel) -> Finding:
    if command in {"403", "401"}:
        return Finding(True, subject, "nobody is there now; joining creates it")
    if command == "324":
        if "i" in modes:
            return Finding(False, subject, REFUSALS["473"])
        if "k" in modes and channel.key is None:
            return Finding(False, subject, REFUSALS["475"])
        return Finding(True, subject, "it exists, and no mode of it keeps us out")
    if command == "476":
        return Finding(False, subject, REFUSALS["476"])
    return Finding(
        True, subject, "the server does not show it from outside; whether it lets us in shows at the joining"
    )
