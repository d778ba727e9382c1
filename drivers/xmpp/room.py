"""One room of one session: joined, listened to, left; with what is known of it. It has a task of its own.

Sources: XEP-0045 (rooms), XEP-0410 (whether we are still in one), XEP-0030 (what a room offers).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from msgspec.structs import replace

from drivers.xmpp.archive import Archive, Kept
from drivers.xmpp.backlog import Backlog, message_id
from drivers.xmpp.echoes import Echoes
from drivers.xmpp.incoming import Incoming, Skipped, new_id, now
from drivers.xmpp.lookup import Lookup
from drivers.xmpp.membership import Out, refusal, why_put_out
from drivers.xmpp.names import alternatives
from drivers.xmpp.occupants import Occupants
from drivers.xmpp.ourselves import Ourselves
from drivers.xmpp.settings import XmppChannel, XmppSettings
from drivers.xmpp.stanzas import (
    MAM,
    MUC,
    Failure,
    Message,
    Presence,
    element,
    failure,
    gives_ids,
    name,
    read_message,
    read_presence,
)
from drivers.xmpp.stream import Refused, Stream
from nextbridge.driver import ConfiguredChannel, Cursor, Host, Position
from nextbridge.envelope import Channel, ChannelKey, Event
from nextbridge.errors import Retry

__all__ = ["DISCO", "Room"]

DISCO: Final = "http://jabber.org/protocol/disco#info"
_PING: Final = "urn:xmpp:ping"
_MOST_PAST = 500
_LONGEST_PAUSE = 600.0
_SUBJECT_WITHIN = 5.0
"""Seconds after our presence in which a room sends its subject, which ends what it sends of its history."""
_STILL_THERE = {"service-unavailable", "feature-not-implemented", "item-not-found"}
"""What an answer to a ping of ourselves may be where we are there: another client of ours does not know of pings."""


class Room:
    """One room. `run` once; `take` gets what it sends."""

    def __init__(
        self,
        key: ChannelKey,
        configured: Sequence[ConfiguredChannel[XmppChannel]],
        stream: Stream,
        settings: XmppSettings,
        host: Host,
    ) -> None:
        self.key = key
        self.configured = list(configured)
        self.occupants = Occupants(key)
        self.us = Ourselves(settings.nick, self.occupants)
        self.backlog = Backlog()
        self.echoes = Echoes()
        self.features: frozenset[str] = frozenset()
        self.past: deque[tuple[Message, int]] = deque(maxlen=_MOST_PAST)
        """What the room sent of its history when it was joined."""
        self.reason = f"{key}: the room is not joined yet"
        self.is_joined = False
        self.settled = asyncio.Event()
        """Set while it is known whether we are in it."""
        self.archive = Archive(key, self.ask, self._message)
        self.lookup = Lookup(self.archive, self.backlog, self.us, lambda: self.features)
        self._stream = stream
        self._settings = settings
        self._host = host
        self._refusals = 0
        self._reached = (0, "")
        self._inbox: deque[ET.Element] = deque()
        self._arrived = asyncio.Event()
        self._incoming = Incoming(Channel(host.instance, key), self.occupants, self.backlog, self.lookup, self.us)

    @property
    def has_ids(self) -> bool:
        """Whether the room gives messages ids, which answers, reactions and retractions need."""
        return gives_ids(self.features)

    @property
    def has_archive(self) -> bool:
        """Whether what was said can be asked for."""
        return MAM in self.features

    @property
    def cursor(self) -> Cursor:
        """How far the room was heard."""
        at, room_id = self._reached
        return Cursor(self.key, f"{at} {room_id}")

    # --- its life ---------------------------------------------------------------------------------------------------

    def take(self, stanza: ET.Element) -> None:
        """Something that came from the room. `Stream.done` is told once it is worked through."""
        if stanza.tag.endswith("}message") and (error := failure(stanza)) is not None:
            # who waits for the answer to something later is to know by then
            self.echoes.refused(stanza.get("id", ""), stanza.get("from", ""), error)
            self._stream.done()
            return
        self._inbox.append(stanza)
        self._arrived.set()

    async def run(self) -> None:
        """Be in the room, and join it again whenever we are not. Until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await self._join()
                await self._listen()
            except Out as out:
                pause = 0.0 if out.soon else self._pause()
                self._refuse(out.reason)
            except Retry as error:
                pause = self._pause()
                self._refuse(f"{error.reason}; it is tried again")
            until = clock() + pause
            while (left := until - clock()) > 0:
                await self._next(left)  # a room that we are not in has nothing to say

    def _pause(self) -> float:
        delay = self._settings.rejoin_delay
        pause = min(delay * 2.0 ** min(self._refusals, 16), max(_LONGEST_PAUSE, delay))
        self._refusals += 1
        return pause

    def _refuse(self, reason: str) -> None:
        self.is_joined = False
        self.reason = f"{self.key}: {reason}"
        self.occupants.clear()
        self.us.clear()
        self.echoes.lost(Retry(self.reason), keep=False)
        self.settled.set()
        self._host.unavailable(self.key, self.reason)

    async def _next(self, seconds: float) -> ET.Element | None:
        """What comes next from the room, or nothing within so many seconds."""
        if not self._inbox:
            self._arrived.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        stanza = self._inbox.popleft()
        self._stream.done()
        return stanza

    async def ask(self, payload: ET.Element) -> ET.Element:
        """Ask the room itself something. Raises as `Stream.request`."""
        kind = "set" if payload.tag == name(MAM, "query") else "get"
        seconds = self._settings.answer_timeout
        return await self._stream.request(self.key, payload, kind=kind, seconds=seconds)  # type: ignore[arg-type]

    def _message(self, stanza: ET.Element) -> Message:
        return read_message(stanza, self.features)

    def _presence(self, stanza: ET.Element) -> Presence:
        return read_presence(stanza, self.features)

    # --- joining ----------------------------------------------------------------------------------------------------

    async def _join(self) -> None:
        """Enter the room. Raises Out, and Retry."""
        self.past.clear()
        self.occupants.clear()
        try:
            await self._look()
        except Refused as error:
            # whom a room tells nothing from outside it may let in all the same; what is not there we do not make
            if error.failure.condition in {"item-not-found", "remote-server-not-found", "gone"}:
                raise Out(refusal(error.failure)) from None
        for nick in alternatives(self._settings.nick):
            if await self._enter(nick):
                break
        else:
            raise Out(refusal(Failure("conflict")))
        await self._settle()

    async def _look(self) -> None:
        answer = await self.ask(element(DISCO, "query"))
        query = answer.find(name(DISCO, "query"))
        found = () if query is None else query.iterfind(name(DISCO, "feature"))
        self.features = frozenset(each.get("var", "") for each in found)

    async def _enter(self, nick: str) -> bool:
        """Ask to be let in under a nick. Whether we are; false where somebody else has the nick."""
        entrance = self.entrance(history=0 if self.has_archive else _MOST_PAST)
        self._stream.presence(f"{self.key}/{nick}", [entrance])
        deadline = asyncio.get_running_loop().time() + self._settings.answer_timeout
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            stanza = await self._next(left)
            if stanza is None or not stanza.tag.endswith("}presence"):
                continue
            presence = self._presence(stanza)
            whose = presence.sender.partition("/")[2]
            if presence.error is not None:
                if presence.error.condition == "conflict":
                    return False
                raise Out(refusal(presence.error))
            if "110" in presence.codes and not presence.kind:
                if "201" in presence.codes:
                    self._stream.presence(f"{self.key}/{whose}", kind="unavailable")
                    raise Out("there is no such room: make it with a chat program, or correct its address")
                self.us.nick = whose
                self.occupants.came(whose, presence)
                return True
            if not presence.kind and whose:
                self.occupants.came(whose, presence)
        raise Out("the room does not answer; it is tried again")

    def entrance(self, *, history: int) -> ET.Element:
        """What a presence bears with which somebody asks to be let in, and to be told so much of what was said."""
        made = element(MUC, "x")
        passwords = (each.settings.password for each in self.configured)
        if (password := next((each for each in passwords if each is not None), None)) is not None:
            made.append(element(MUC, "password", password.reveal()))
        made.append(element(MUC, "history", maxstanzas=str(history)))
        return made

    async def _settle(self) -> None:
        """Take in the room's history up to its subject, and say where the room stands."""
        if not self.features:
            await self._look_again()
        deadline = asyncio.get_running_loop().time() + _SUBJECT_WITHIN
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            stanza = await self._next(left)
            if stanza is None:
                break
            if stanza.tag.endswith("}presence"):
                await self._present(self._presence(stanza))
                continue
            message = self._message(stanza)
            if message.subject is not None and not message.body:
                break
            if message.at is not None:
                self._take_past(message, min(message.at, now()))
        newest = await self.archive.newest() if self.has_archive else None
        self._host.gap(self.key, self._position(newest))
        self.is_joined, self.reason, self._refusals = True, "", 0
        self.settled.set()
        self._host.available(self.key)

    async def _look_again(self) -> None:
        try:
            await self._look()
        except Refused:
            self.features = frozenset()

    def _take_past(self, message: Message, at: int) -> None:
        """A message out of the room's own history; ours is known to have arrived by it."""
        if self.us.said(message):
            self.backlog.heard(message, ours=True)
        elif not message.room_id and not message.id:
            message = replace(message, room_id=new_id())
        self.past.append((message, at))

    def _position(self, newest: Kept | None) -> Position:
        if newest is not None:
            self._reached = (newest.at, newest.id)
        elif self.past:
            message, at = self.past[-1]
            self._reached = (at, message_id(message))
        else:
            self._reached = (0, "")
        return Position(self.cursor, self._reached[0])

    # --- listening --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hand over what is said. Raises Out once we are not in the room."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        while True:
            left = asked + self._settings.ping_interval - clock()
            stanza = await self._next(left) if left > 0 else None
            if stanza is None:
                await self._check()
                asked = clock()
            elif stanza.tag.endswith("}presence"):
                await self._present(self._presence(stanza))
            else:
                await self._heard(self._message(stanza))

    async def _check(self) -> None:
        """Whether we are still in the room: a server that restarted does not tell. And try for our own nick."""
        ping = element(_PING, "ping")
        try:
            await self._stream.request(f"{self.key}/{self.us.nick}", ping, seconds=self._settings.answer_timeout)
        except Refused as error:
            if error.failure.condition not in _STILL_THERE:
                raise Out(f"the room does not know the relay any more ({error.failure.condition})", soon=True) from None
        except Retry:
            return  # it may be the ping alone that got lost
        if self.us.nick != self._settings.nick and self._settings.nick not in self.occupants:
            self._stream.presence(f"{self.key}/{self._settings.nick}")

    async def _present(self, presence: Presence) -> None:
        nick = presence.sender.partition("/")[2]
        if not nick:
            return  # the room itself: its picture
        if presence.error is not None:
            if nick == self.us.nick and presence.error.condition != "conflict":
                raise Out(refusal(presence.error))
        elif nick == self.us.nick and presence.kind == "unavailable":
            if "303" not in presence.codes:
                raise Out(why_put_out(presence), soon=bool(presence.codes & {"332", "333"}))
            self.us.nick = presence.nick or nick
            self.occupants.renamed(nick, self.us.nick)
        elif not presence.kind:
            await self.us.decided(nick)
            is_new = self.occupants.came(nick, presence)
            occupant = self.occupants.get(nick)
            if is_new and self.is_joined and occupant is not None and nick not in self.us:
                await self._accept(self._incoming.joined(occupant))
        elif presence.kind == "unavailable":
            await self._gone(nick, presence)

    async def _gone(self, nick: str, presence: Presence) -> None:
        """Somebody bears a nick no more: they left, or have another. It may be somebody else's from now on."""
        was_one_of_us = nick in self.us
        self.us.gone(nick)
        if "303" in presence.codes:
            self.occupants.renamed(nick, presence.nick)
            self.backlog.departed(nick)
        elif (occupant := self.occupants.went(nick)) is not None:
            self.backlog.departed(nick)
            if self.is_joined and not was_one_of_us:
                await self._accept(self._incoming.left(occupant, presence))

    async def _heard(self, message: Message) -> None:
        if message.kind != "groupchat":
            await self._said_alone(message)
        elif self.us.said(message):
            self._reach(message, now())
            if message.is_new:
                self.backlog.heard(message, ours=True)
            self.echoes.came(message.id, message_id(message))
            self._host.skipped("own_message", cursor=self.cursor, message=(self.key, message_id(message)))
        elif message.is_change_of_room and "/" not in message.sender:
            await self._look_again()
            self._host.skipped("change_of_room")
        elif message.composing and not message.body:
            self._host.typing(self.key, self.occupants.author_of(message))
        else:
            at = now()
            if self._looks_known(message):
                message = replace(message, room_id=new_id())
            self._reach(message, at)
            await self._tell(message, at)

    def _looks_known(self, message: Message) -> bool:
        """Whether a new message has no id of its own: some programs give none, or the same ones in each session."""
        if message.room_id or not message.is_new:
            return False
        return not message.id or self.backlog.by_sender(message.person, message.id) is not None

    async def _tell(self, message: Message, at: int) -> None:
        try:
            events = await self._incoming.events(message, at)
        except Skipped as skipped:
            self._host.skipped(str(skipped), cursor=self.cursor, message=(self.key, message_id(message)))
            return
        for event in events:
            await self._host.accept(event, cursor=self.cursor)

    async def _said_alone(self, message: Message) -> None:
        """A private message of somebody in the room."""
        nick = message.sender.partition("/")[2]
        if message.kind not in {"chat", "normal"} or not message.body or nick not in self.occupants:
            self._host.skipped("private_message")
            return
        event = self._incoming.alone(message, now())
        await self._host.accept(event)

    async def _accept(self, event: Event) -> None:
        await self._host.accept(event, cursor=self.cursor)

    def _reach(self, message: Message, at: int) -> None:
        """The cursor stands behind this message, where the room's history has it."""
        if message.room_id or (not self.has_archive and message.body):
            self._reached = (max(at, self._reached[0]), message_id(message))

    # --- looking back -----------------------------------------------------------------------------------------------

    async def events_of(self, message: Message, at: int) -> Sequence[Event]:
        """The events of a message out of the history; none where it is none, which is counted."""
        if self.us.said(message) or message.kind != "groupchat":
            self._host.skipped("own_message")
            return ()
        try:
            return tuple(await self._incoming.events(message, at))
        except Skipped as skipped:
            self._host.skipped(str(skipped))
            return ()
