"""IRC on the bench: a real server, and a person with a plain client in both channels."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import deque
from typing import Any, ClassVar

from drivers.irc import IrcDriver
from drivers.irc.settings import IrcChannel, IrcSettings
from nextbridge.config.types import Secret
from nextbridge.driver import (
    Deletes,
    DirectMessages,
    Downloads,
    Edits,
    History,
    Identity,
    Members,
    Pages,
    Portraits,
    Reactions,
    Recall,
    Threads,
    Topics,
    Typing,
    Uploads,
)
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard, Situation, Supervised
from tests.irc.conftest import LOOPBACK, Person, settings, unique

_LINE = re.compile(r"^:(?P<nick>[^!]+)![^ ]+ (?P<command>[A-Z]+) :?(?P<target>[^ ]+)(?: :(?P<text>.*))?$")
_NAMES = re.compile(r"^:[^ ]+ 353 [^ ]+ [=@*] (?P<room>[^ ]+) :(?P<nicks>.*)$")
_CODES = re.compile(r"[\x02\x0f\x11\x16\x1d\x1e\x1f]|\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?")


class IrcBench(Bench):
    driver = IrcDriver
    example = ({"host": "irc.example.com", "nick": "relay", "password": "ten-green-bottles"}, {"channel": "#ops"})
    without: ClassVar = {
        Identity: "a message is shown under its sender's nick, always",
        Uploads: "messages hold text alone",
        Downloads: "messages hold text alone",
        Pages: "not needed: everything comes by the one connection",
        Edits: "what was said cannot be changed",
        Deletes: "what was said cannot be taken back",
        Reactions: "not implemented yet; few servers and clients know them",
        Threads: "not implemented yet; few servers and clients know them",
        History: "not implemented yet; few servers keep one",
        Typing: "not implemented yet; few servers and clients know it",
        DirectMessages: "not implemented yet",
        Members: "not implemented yet",
        Portraits: "people have no pictures",
        Recall: "a server keeps no messages",
        Topics: "not implemented yet",
        Situation.LOST_RECEIVING: "one connection does both",
        Situation.EDITING: "what was said cannot be changed",
        Situation.TOUCHING: "there is nothing of the kind",
        Situation.DELETING: "what was said cannot be taken back",
        Situation.ANSWERING: "not implemented yet",
        Situation.REACTING: "not implemented yet",
        Situation.COMING_AND_GOING: "not implemented yet",
        Situation.NEW_TOPIC: "not implemented yet",
        Situation.TYPING: "not implemented yet",
        Situation.WHISPERING: "not implemented yet",
    }

    def __init__(self, port: int, password_port: int) -> None:
        """`password_port` asks for a password."""
        super().__init__()
        self._port, self._password_port = port, password_port
        self._person = Person(unique("A"))
        self._rooms = (unique("#"), unique("#"))
        self._nick = unique("r")
        self._present: set[tuple[str, str]] = set()
        self._heard: dict[str, deque[Heard]] = {room: deque() for room in self._rooms}

    async def start(self) -> None:
        self.cable = await self.stack.enter_async_context(Cable(LOOPBACK, self._port))
        # the server welcomes people once a second, so the person and the driver had better come at the same time
        self._arrival = asyncio.create_task(self._arrive())
        self.stack.push_async_callback(self._depart)

    async def _arrive(self) -> None:
        await self._person.connect(self._port)
        for room in self._rooms:
            self._person.send(f"JOIN {room}")

    async def _depart(self) -> None:
        await self._arrival
        await self._person.leave()

    def settings(self) -> IrcSettings:
        return self._settings(self.cable.port)

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

    async def say(self, text: str, room: int = 0) -> None:
        self._person.say(self._rooms[room], text)

    async def hear(self, room: int = 0) -> Heard:
        waiting = self._heard[self._rooms[room]]
        if not waiting:
            await self._read(lambda _: bool(waiting))
        return waiting.popleft()

    async def be_noisy(self) -> None:
        self._person.say(self._nick, "psst")
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
        if names := _NAMES.match(line):
            self._present |= {(nick.lstrip("@+").lower(), names["room"]) for nick in names["nicks"].split()}
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
                self._heard[target].append(_as_shown(nick, text))
            case _:
                pass


class PlainIrcBench(IrcBench):
    """A server without capabilities: no ids, no echoes, no labels; a PONG acknowledges."""

    without: ClassVar = {**IrcBench.without, Situation.REFUSED_LOGIN: "this server asks for no password"}

    def __init__(self, port: int) -> None:
        super().__init__(port, 0)


def _as_shown(nick: str, text: str) -> Heard:
    is_action = text.startswith("\x01ACTION ") and text.endswith("\x01")
    if is_action:
        text = text.removeprefix("\x01ACTION ").removesuffix("\x01")
    notation = {"formatting"} if _CODES.search(text) else set()
    if "\x01" in text:
        notation.add("CTCP")
    return Heard(author=nick, text=_CODES.sub("", text), notation=frozenset(notation), action=is_action)
