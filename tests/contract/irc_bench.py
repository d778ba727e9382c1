"""IRC on the bench: a real server, and a person with a plain client in both channels."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import deque
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from drivers.irc import IrcDriver
from drivers.irc.settings import IrcChannel, IrcSettings
from nextbridge.config.types import Secret
from nextbridge.driver import (
    Deletes,
    Downloads,
    Edits,
    Forgets,
    History,
    Identity,
    Pages,
    Portraits,
    Reactions,
    Recall,
    Threads,
    Topics,
    Typing,
    Uploads,
)
from nextbridge.envelope import Joined
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard, Situation, Supervised
from tests.irc.conftest import LOOPBACK, Person, settings, unique

_LINE = re.compile(r"^:(?P<nick>[^!]+)![^ ]+ (?P<command>[A-Z]+) :?(?P<target>[^ ]+)(?: :?(?P<text>.*))?$")
_TOPIC = re.compile(r"^:[^ ]+ (?:331|332 [^ ]+ [^ ]+ :(?P<topic>.*)$)")
_NAMES = re.compile(r"^:[^ ]+ 353 [^ ]+ [=@*] (?P<room>[^ ]+) :(?P<nicks>.*)$")
_CODES = re.compile(r"[\x02\x0f\x11\x16\x1d\x1e\x1f]|\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?")


_TAGS = "the server passes on client tags"


_NEED_TAGS = (Reactions, Threads, Typing, Recall)


class _Message(Struct, frozen=True):
    id: str
    answers: str | None
    heard: Heard


class IrcBench(Bench):
    driver = IrcDriver
    example = ({"host": "irc.example.com", "nick": "relay", "password": "ten-green-bottles"}, {"channel": "#ops"})
    without: ClassVar = {
        Forgets: "not needed: nothing that is said is kept",
        Identity: "a message is shown under its sender's nick, always",
        Uploads: "messages hold text alone",
        Downloads: "messages hold text alone",
        Pages: "not needed: everything comes by the one connection",
        Edits: "what was said cannot be changed",
        History: "not implemented yet; few servers keep one",
        Portraits: "people have no pictures",
        Situation.LOST_RECEIVING: "one connection does both",
        Situation.EDITING: "what was said cannot be changed",
        Situation.TOUCHING: "there is nothing of the kind",
        Situation.DELETING: "this server takes nothing back",
    }
    lacking: ClassVar = {Deletes: "the server has `draft/message-redaction`"}
    depends: ClassVar = {
        Reactions: f"{_TAGS}, and the operator sets `reactions`: few people's programs show them",
        Threads: f"{_TAGS}; quoted besides, since few people's programs show it",
        Typing: _TAGS,
        Recall: "the server gives messages ids, for the last 500 of a channel",
        Topics: "the channel lets everybody, or the relay is an operator there",
    }
    capabilities: ClassVar[str] = "message-tags echo-message"
    """What the person's client asks for."""

    def __init__(self, port: int, password_port: int) -> None:
        """`password_port` asks for a password."""
        super().__init__()
        self._port, self._password_port = port, password_port
        self._person = Person(unique("A"))
        self._rooms = (unique("#"), unique("#"))
        self._nick = unique("r")
        self._present: set[tuple[str, str]] = set()
        self._heard: dict[str, deque[_Message]] = {room: deque() for room in self._rooms}
        self._shown: list[_Message] = []
        """Everything that was said in room 0."""
        self._told: deque[Heard] = deque()
        self._reactions: dict[str, set[tuple[str, str]]] = {}
        self._topics: list[str] = []
        self._last = ""
        self._typists = 0
        self._guest: Person | None = None

    async def start(self) -> None:
        self.cable = await self.stack.enter_async_context(Cable(LOOPBACK, self._port))
        # the server welcomes people once a second, so the person and the driver had better come at the same time
        self._arrival = asyncio.create_task(self._arrive())
        self.stack.push_async_callback(self._depart)

    async def _arrive(self) -> None:
        await self._person.connect(self._port, capabilities=self.capabilities)
        for room in self._rooms:
            self._person.send(f"JOIN {room}")
        # whoever comes first is the operator, and it is by chance who that is
        self._person.send("OPER oper oper")
        self._person.send(f"SAMODE {self._rooms[0]} -t")
        self._person.send(f"MODE {self._rooms[0]} -t")  # each server has its own word for it

    async def _depart(self) -> None:
        await self._arrival
        await self._person.leave()
        if self._guest is not None:
            await self._guest.leave()

    def settings(self) -> IrcSettings:
        return self._settings(self.cable.port, reactions=True)

    def rooms(self) -> tuple[IrcChannel, IrcChannel]:
        one, other = (IrcChannel(channel=room) for room in self._rooms)
        return one, other

    @property
    def person(self) -> str:
        return self._person.nick

    async def meet(self, relay: Supervised) -> None:
        await self._arrival
        await self._settled()  # the server has told all that was before: who left is no longer there
        here = {(str(relay.host.me), room) for room in self._rooms}
        while not here <= self._present:
            await self._read(lambda _: here <= self._present)
        # that the person came is not what a test is about: it is told before this, which is no event
        before = relay.host.skips.get("private_message", 0)
        self._nick_there = str(relay.host.me)
        self._person.send(f"NOTICE {self._nick_there} :here I am")
        await relay.until(lambda: relay.host.skips.get("private_message", 0) > before)
        relay.host.events[:] = [event for event in relay.host.events if not isinstance(event, Joined)]

    async def say(self, text: str, room: int = 0) -> None:
        self._person.say(self._rooms[room], text)

    async def hear(self, room: int = 0) -> Heard:
        waiting = self._heard[self._rooms[room]]
        if not waiting:
            await self._read(lambda _: bool(waiting))
        message = waiting.popleft()
        self._last = message.id
        return message.heard

    async def be_noisy(self) -> None:
        self._person.send(f"NOTICE {self._nick} :psst")
        self._person.say(self._rooms[0], "\x01VERSION\x01")

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def mend(self) -> None:
        await self.cable.mend()

    def refused(self) -> tuple[IrcSettings, str]:
        secret = "open barley"
        return self._settings(self._password_port, password=Secret(secret)), secret

    async def closed_room(self) -> IrcChannel:
        room = unique("#")
        await self._arrival
        self._person.send(f"JOIN {room}")
        self._person.send(f"MODE {room} +k sesame")
        await self._settled()
        return IrcChannel(channel=room)

    def _settings(self, port: int, **more: Any) -> IrcSettings:
        return settings(port, self._nick, **more)

    # --- beside saying and hearing ----------------------------------------------------------------------------------

    async def look(self) -> list[Heard]:
        await self._settled()
        texts = {message.id: message.heard.text for message in self._shown}
        return [
            replace(
                message.heard,
                answers=texts.get(message.answers or ""),
                reactions=tuple(sorted(emoji for _, emoji in self._reactions.get(message.id, ()))),
            )
            for message in self._shown
        ]

    async def answer(self, text: str) -> None:
        self._person.send(f"@+draft/reply={self._last} PRIVMSG {self._rooms[0]} :{text}")

    async def react(self, emoji: str, *, add: bool) -> None:
        tag = "+draft/react" if add else "+draft/unreact"
        self._person.send(f"@{tag}={emoji};+draft/reply={self._last} TAGMSG {self._rooms[0]}")

    async def come(self) -> str:
        if self._guest is None:
            self._guest = await Person(unique("g")).connect(self._port)
        await self._guest.join(self._rooms[0])
        return self._guest.nick

    async def go(self) -> None:
        assert self._guest is not None
        self._guest.send(f"PART {self._rooms[0]}")

    async def set_topic(self, topic: str) -> None:
        self._person.send(f"TOPIC {self._rooms[0]} :{topic}")

    async def be_typing(self) -> None:
        self._person.send(f"@+typing=active TAGMSG {self._rooms[0]}")

    async def whisper(self, text: str) -> None:
        self._person.say(self._nick_there, text)

    async def topic(self) -> str:
        self._topics.clear()
        self._person.send(f"TOPIC {self._rooms[0]}")
        await self._read(lambda _: bool(self._topics))
        return _CODES.sub("", self._topics[0])

    async def see_typing(self) -> None:
        if not self._typists:
            await self._read(lambda _: self._typists > 0)

    async def be_told(self) -> Heard:
        if not self._told:
            await self._read(lambda _: bool(self._told))
        return self._told.popleft()

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _settled(self) -> None:
        """Return once the server has worked through all that the person said."""
        token = uuid.uuid4().hex
        self._person.send(f"PING {token}")
        await self._read(lambda line: "PONG" in line and token in line)

    async def _read(self, wanted: Any) -> None:
        """Take in what the server says, up to a line that is wanted."""

        def take(line: str) -> bool:
            self._take(line)
            return bool(wanted(line))

        await self._person.expect(take)

    def _take(self, line: str) -> None:
        tags, line = _tagged(line)
        if names := _NAMES.match(line):
            self._present |= {(nick.lstrip("@+").lower(), names["room"]) for nick in names["nicks"].split()}
        if topic := _TOPIC.match(line):
            self._topics.append(topic["topic"] or "")
        found = _LINE.match(line)
        if found is None:
            return
        nick, target, text = found["nick"], found["target"], found["text"] or ""
        match found["command"]:
            case "JOIN":
                self._present.add((nick.lower(), target))
            case "QUIT":
                self._present = {(who, room) for who, room in self._present if who != nick.lower()}
            case "PRIVMSG" | "NOTICE" if target in self._heard:
                self._said(target, nick, _Message(tags.get("msgid", ""), tags.get("+draft/reply"), _shown(nick, text)))
            case "PRIVMSG" | "NOTICE" if target.lower() == self._person.nick.lower():
                self._told.append(_shown(nick, text))
            case "TAGMSG":
                self._tagged(nick, tags)
            case _:
                pass

    def _said(self, room: str, nick: str, message: _Message) -> None:
        if nick != self._person.nick:
            self._heard[room].append(message)
        if room == self._rooms[0]:
            self._shown.append(message)

    def _tagged(self, nick: str, tags: dict[str, str]) -> None:
        if tags.get("+typing") == "active" and nick != self._person.nick:
            self._typists += 1
        reactions = self._reactions.setdefault(tags.get("+draft/reply", ""), set())
        if "+draft/react" in tags:
            reactions.add((nick, tags["+draft/react"]))
        reactions.discard((nick, tags.get("+draft/unreact", "")))


class PlainIrcBench(IrcBench):
    """A server without capabilities: no ids, no echoes, no labels; a PONG acknowledges."""

    without: ClassVar = {
        **IrcBench.without,
        Situation.REFUSED_LOGIN: "this server asks for no password",
        Situation.ANSWERING: "this server passes on no tags",
        Situation.REACTING: "this server passes on no tags",
        Situation.TYPING: "this server passes on no tags",
    }
    lacking: ClassVar = {**IrcBench.lacking, **{each: IrcBench.depends[each] for each in _NEED_TAGS}}
    capabilities: ClassVar[str] = ""

    def __init__(self, port: int) -> None:
        super().__init__(port, 0)


def _tagged(line: str) -> tuple[dict[str, str], str]:
    """A line's tags, and the line without them."""
    if not line.startswith("@"):
        return {}, line
    raw, _, rest = line[1:].partition(" ")
    return {name: value for name, _, value in (tag.partition("=") for tag in raw.split(";"))}, rest


def _shown(nick: str, text: str) -> Heard:
    is_action = text.startswith("\x01ACTION ") and text.endswith("\x01")
    if is_action:
        text = text.removeprefix("\x01ACTION ").removesuffix("\x01")
    notation = {"formatting"} if _CODES.search(text) else set()
    if "\x01" in text:
        notation.add("CTCP")
    return Heard(author=nick, text=_CODES.sub("", text), notation=frozenset(notation), action=is_action)
