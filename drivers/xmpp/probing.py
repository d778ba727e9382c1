"""`check --online`: whether the server takes us, and what each room offers. Joins nothing, says nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from drivers.xmpp.connecting import tls_context
from drivers.xmpp.disco import about
from drivers.xmpp.files import found_service, home_of
from drivers.xmpp.membership import refusal
from drivers.xmpp.settings import XmppChannel, XmppSettings
from drivers.xmpp.stanzas import MAM, OCCUPANT, element, name
from drivers.xmpp.stream import InUse, Refused, Stream
from nextbridge.checking.doubts import skew_of
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.errors import DriverError, Retry
from nextbridge.labels import in_words
from nextbridge.together import together

__all__ = ["looking", "probe"]

_TIME = "urn:xmpp:time"

_AT_ONCE = 8
"""Rooms."""


async def probe(
    settings: XmppSettings, channels: Sequence[ConfiguredChannel[XmppChannel]], proxy: str | None
) -> list[Finding]:
    """Log in beside a running relay, look, and leave."""
    try:
        async with looking(settings, proxy) as stream:
            findings = [Finding(True, "login", f"the server knows us as {settings.jid}")]
            findings += await _clock(stream, settings)
            rooms = [each.settings for each in channels]
            findings += await together(lambda room: _room(stream, room, settings), rooms, most=_AT_ONCE)
            return [*findings, await _files(stream, settings)]
    except InUse as error:
        if settings.is_component:  # it has one connection at a time
            return [Finding(True, "login", f"a running relay has the component's connection: {error.reason}")]
        return [Finding(False, "login", error.reason)]
    except Retry as error:
        return [Finding(False, "connection", error.reason)]
    except DriverError as error:
        return [Finding(False, "login", error.reason)]


@asynccontextmanager
async def looking(settings: XmppSettings, proxy: str | None) -> AsyncIterator[Stream]:
    """A session of its own, under another resource than the relay's, of which nobody is told. Raises DriverError."""
    context = await asyncio.to_thread(tls_context, settings)
    stream = Stream(settings, f"nextbridge.check.{secrets.token_hex(4)}", context, proxy)
    try:
        await stream.open()
        yield stream
    finally:
        await stream.close()


async def _clock(stream: Stream, settings: XmppSettings) -> list[Finding]:
    """What time it is on the server, where it tells (XEP-0202)."""
    try:
        answer = await stream.request(home_of(settings), element(_TIME, "time"), seconds=settings.answer_timeout)
    except Refused:
        return []
    return skew_of(answer.findtext(f"{name(_TIME, 'time')}/{name(_TIME, 'utc')}", ""))


async def _room(stream: Stream, channel: XmppChannel, settings: XmppSettings) -> Finding:
    subject = f"room {channel.room}"
    try:
        features = (await about(stream, channel.room, seconds=settings.answer_timeout)).features
    except Refused as error:
        return Finding(False, subject, refusal(error.failure))
    except DriverError as error:
        return Finding(False, subject, error.reason)
    if "muc_passwordprotected" in features and channel.password is None:
        return Finding(False, subject, "the room has a password: set the room's password")
    if "muc_membersonly" in features:
        return Finding(True, subject, "it is for members only; whether the relay is one shows at the joining")
    has = "keeps an archive" if MAM in features else "keeps no archive: what is said while the relay is away is lost"
    people = "" if OCCUPANT in features else "; its people are told apart by their nicks"
    return Finding(True, subject, f"it {has}{people}")


async def _files(stream: Stream, settings: XmppSettings) -> Finding:
    service = await found_service(stream, home_of(settings), seconds=settings.answer_timeout)
    if service is None:
        return Finding(True, "files", "the server takes no files; they are shown by links or by their names")
    most = min(service.largest or settings.max_file_size, settings.max_file_size)
    return Finding(True, "files", f"files of up to {in_words(most)} are relayed")
