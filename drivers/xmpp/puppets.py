"""Who speaks in a room: the relay itself, or, where it is a component, each author from elsewhere by their own name.

A component (XEP-0114) owns every address of its domain. Each author has one of their own there, made of who they are
elsewhere, and enters a room with it, under their name, when they first say something; who has said nothing for a while
leaves. An id that we give a message ends with the address that said it, so that it can be corrected and taken back in
that name, also after a restart.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from hashlib import blake2s
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct
from slixmpp import JID, InvalidJID

from drivers.xmpp.membership import refusal
from drivers.xmpp.names import alternatives, nick_of
from drivers.xmpp.room import Room
from drivers.xmpp.settings import XmppSettings
from drivers.xmpp.stanzas import Failure, read_presence
from drivers.xmpp.stream import Stream
from nextbridge.driver import Outgoing
from nextbridge.envelope import Author, ChannelKey
from nextbridge.errors import Paused, Rejected, Retry

__all__ = ["Puppets"]

_MOST: Final = 100
"""Authors from elsewhere that are in one room at a time."""
_IDLE: Final = 3600.0
_SEPARATOR: Final = "."


class _Puppet:
    """An author from elsewhere in one room."""

    def __init__(self, address: str, nick: str) -> None:
        self.address = address
        self.wanted = nick
        self.nick = ""
        """What they are called there, once they are."""
        self.spoke = asyncio.get_running_loop().time()
        self.turn = asyncio.Lock()


class _Entered(Struct, frozen=True):
    """How a room took a puppet."""

    nick: str = ""
    occupant: str = ""
    error: Failure | None = None


class Puppets:
    """An account has none: it says everything itself, by no address that needs to be said."""

    def __init__(self, stream: Stream, settings: XmppSettings) -> None:
        self._stream = stream
        self._settings = settings
        self._puppets: dict[ChannelKey, OrderedDict[str, _Puppet]] = {}
        self._entering: dict[tuple[ChannelKey, str], asyncio.Future[_Entered]] = {}

    def sender_id(self, plain: str, message: Outgoing) -> str:
        """The id of a message, made from one that is the same at each attempt."""
        local = self._local(message)
        return f"{plain}{_SEPARATOR}{local}" if local else plain

    async def speaker(self, room: Room, message: Outgoing) -> str:
        """The address that is to say a message, in the room by now; empty for the relay. Raises as `Driver.send`."""
        local = self._local(message)
        return await self._present(room, local, nick_of(message.name or "")) if local else ""

    async def speaker_of(self, room: Room, sender_id: str, nick: str) -> str:
        """Likewise the one that said a message."""
        local = sender_id.partition(_SEPARATOR)[2]
        if not local or not self._settings.is_component:
            return ""
        known = self._puppets.get(room.key, OrderedDict[str, _Puppet]()).get(self._address(local))
        return await self._present(room, local, nick if known is None else known.wanted)

    def typist(self, room: ChannelKey, author: Author) -> str:
        """The address of somebody who types, where they are in the room; else empty, for the relay."""
        known = self._puppets.get(room, OrderedDict[str, _Puppet]()).values()
        return next((each.address for each in known if each.nick and each.wanted == nick_of(author.name)), "")

    def _local(self, message: Outgoing) -> str:
        if not self._settings.is_component or message.name is None:
            return ""
        return "u" + blake2s(f"{message.platform}\0{message.author.id}".encode(), digest_size=10).hexdigest()

    def _address(self, local: str) -> str:
        return f"{local}@{self._settings.domain}/nextbridge"

    # --- entering and leaving ---------------------------------------------------------------------------------------

    async def _present(self, room: Room, local: str, nick: str) -> str:
        present = self._puppets.setdefault(room.key, OrderedDict())
        address = self._address(local)
        puppet = present.get(address)
        if puppet is None:
            puppet = present[address] = _Puppet(address, nick)
        present.move_to_end(address)
        puppet.spoke = asyncio.get_running_loop().time()
        async with puppet.turn:
            if not room.us.are_there_as(puppet.nick) or puppet.wanted != nick:
                await self._enter(room, puppet, nick)
        self._tidy(room, present)
        return address

    async def _enter(self, room: Room, puppet: _Puppet, nick: str) -> None:
        """Into the room, or to another nick in it."""
        puppet.wanted = nick
        prepared = _prepared(room, nick)
        # the last one nobody has to spite the author, since nobody knows it before
        for each in (*alternatives(prepared), f"{prepared} {secrets.token_hex(3)}"):
            entered = await self._try(room, puppet, each)
            if entered.error is None:
                puppet.nick = entered.nick
                return
            if entered.error.condition != "conflict":
                raise _refused(room, entered.error)
        raise Retry(f"every nick like {nick!r} is in use in {room.key}")

    async def _try(self, room: Room, puppet: _Puppet, nick: str) -> _Entered:
        seconds = self._settings.answer_timeout
        key = (room.key, puppet.address)
        outcome = self._entering[key] = asyncio.get_running_loop().create_future()
        is_there = room.us.are_there_as(puppet.nick)  # then it is another nick that is asked for
        children = [] if is_there else [room.entrance(history=0)]
        try:
            with room.us.entering(nick, outcome):
                self._stream.presence(f"{room.key}/{nick}", children, sender=puppet.address)
                async with asyncio.timeout(seconds):
                    entered: _Entered = await asyncio.shield(outcome)
        except TimeoutError:
            raise Retry(f"{room.key} has not answered for {seconds:g} s whether it lets somebody in") from None
        finally:
            self._entering.pop(key, None)
        return entered

    def _tidy(self, room: Room, present: OrderedDict[str, _Puppet]) -> None:
        """Let those leave who have said nothing for long, and who said nothing for longest where there are too many."""
        clock = asyncio.get_running_loop().time()
        for puppet in tuple(present.values()):
            if len(present) <= _MOST and clock - puppet.spoke < _IDLE:
                break
            if puppet.nick:
                self._stream.presence(f"{room.key}/{puppet.nick}", kind="unavailable", sender=puppet.address)
            del present[puppet.address]

    def take(self, room: Room, stanza: ET.Element) -> None:
        """Something that a room sends to a puppet. What it sends to everybody the relay itself gets as well."""
        if not stanza.tag.endswith("}presence"):
            return
        presence = read_presence(stanza, room.features)
        outcome = self._entering.get((room.key, presence.to))
        nick = presence.sender.partition("/")[2]
        puppet = self._puppets.get(room.key, OrderedDict[str, _Puppet]()).get(presence.to)
        if presence.error is not None:
            if outcome is not None and not outcome.done():
                outcome.set_result(_Entered(error=presence.error))
        elif "110" not in presence.codes:
            return
        elif not presence.kind:
            room.us.enter(nick, presence.occupant)
            if outcome is not None and not outcome.done():
                outcome.set_result(_Entered(nick, presence.occupant))
        elif presence.kind == "unavailable":
            room.us.part(nick)
            if puppet is not None and puppet.nick == nick and "303" not in presence.codes:
                puppet.nick = ""  # put out; whoever speaks next enters again

    def farewell(self) -> None:
        """Everybody leaves. A server does not do it by itself when a component is gone."""
        for room, present in self._puppets.items():
            for puppet in present.values():
                if puppet.nick and self._stream.is_open:
                    self._stream.presence(f"{room}/{puppet.nick}", kind="unavailable", sender=puppet.address)
        self._puppets.clear()


def _prepared(room: Room, nick: str) -> str:
    """A nick as the server will write it (resourceprep); another where it would take none like it."""
    try:
        return str(JID(f"{room.key}/{nick}").resource) or "somebody"
    except InvalidJID:
        return "somebody"


def _refused(room: Room, error: Failure) -> Paused | Rejected:
    if error.condition == "forbidden":
        return Rejected(f"{room.key} has banned this author")
    return Paused(f"{room.key} does not let the relay's people in: {refusal(error)}", scope="channel")
