"""XMPP on the bench: a real Prosody, and a person with a plain client in both rooms."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any, ClassVar
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import aiohttp
from msgspec import Struct

from drivers.xmpp import XmppDriver
from drivers.xmpp.settings import XmppChannel, XmppSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Deletes, Forgets, Identity, Pages, Portraits, Reactions, Recall, Threads, Topics, Uploads
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard, Situation, Supervised
from tests.xmpp.person import CLIENT, MUC, Person, element_of, shared_files
from tests.xmpp.prosody import BARE, COMPONENT_SECRET, MAIN, PASSWORD, Prosody

GUARD = "\u2060"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_SPAN = re.compile(r"(?:^|(?<=[\s*_~`]))([*_~`])(?=\S)[^\n]*?(?<=\S)\1", re.MULTILINE)
_BLOCK = re.compile(r"^(?:```|>)", re.MULTILINE)
_SECONDS = 15
_ENTERING = "(enters)"
_IDS = "the room gives messages ids, as it does where it keeps an archive"


class _Message(Struct):
    """A message as the person's program shows it."""

    number: str
    """Its sender's id."""
    room_id: str
    author: str
    body: str
    files: tuple[tuple[str, str], ...]
    """The name and the address of each."""
    answers: str


class XmppBench(Bench):
    driver = XmppDriver
    example = (
        {"jid": "relay@example.com", "password": "ten-green-bottles"},
        {"room": "ops@conference.example.com"},
    )
    without: ClassVar = {
        Forgets: "not needed: what is said is kept on the platform's server",
        Pages: "not needed: everything comes by the one connection",
        Situation.LOST_RECEIVING: "one connection does both",
        Situation.TOUCHING: "there is nothing of the kind",
    }
    lacking: ClassVar = {Identity: "the relay is a component of the server"}
    depends: ClassVar = {
        Deletes: _IDS,
        Portraits: "they put one into their vCard",
        Reactions: _IDS,
        Recall: "the room keeps an archive; else for the last 500 of a room",
        Threads: _IDS,
        Topics: "the room lets everybody, or the relay is a moderator there",
        Uploads: "the server takes files",
    }
    host_name: ClassVar[str] = MAIN

    def __init__(self, server: Prosody) -> None:
        super().__init__()
        self._server = server
        self._rooms = (server.room(self.host_name), server.room(self.host_name))
        self._person = Person(server, server.account(self.host_name))
        self._account = server.account(self.host_name)
        self._guest: Person | None = None
        self._read: dict[str, int] = dict.fromkeys(self._rooms, 0)
        self._told = 0
        self._typed = 0
        self._said = self._heard_last = _Message("", "", "", "", (), "")

    async def start(self) -> None:
        self._http = await self.stack.enter_async_context(aiohttp.ClientSession())
        self.cable = await self.stack.enter_async_context(Cable("127.0.0.1", self._port))
        await self._person.connect()
        self.stack.push_async_callback(self._person.leave)
        picture = base64.b64encode(PNG).decode()
        photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{picture}</BINVAL></PHOTO>"
        bare = self._person.jid
        await self._person.ask(bare, f"<vCard xmlns='vcard-temp'>{photo}</vCard>", kind="set")
        for room in self._rooms:
            await self._person.join(room, self.person, historylength="60")

    @property
    def _port(self) -> int:
        return self._server.port

    def settings(self) -> XmppSettings:
        return self._settings()

    def _settings(self, **more: Any) -> XmppSettings:
        return XmppSettings(
            **{
                "jid": self._account,
                "password": Secret(PASSWORD),
                "host": "127.0.0.1",
                "port": self.cable.port,
                "ca_file": str(self._server.authority),
                "reconnect_delay": 0.1,
                "rejoin_delay": 0.2,
                **more,
            }
        )

    def rooms(self) -> tuple[XmppChannel, XmppChannel]:
        one, other = (XmppChannel(room=room) for room in self._rooms)
        return one, other

    @property
    def person(self) -> str:
        return "Ada"

    def make(self, **more: Any) -> Supervised:
        relay = super().make(**more)
        relay.host.fetch_allow = ("127.0.0.1",)
        return relay

    async def meet(self, relay: Supervised) -> None:
        nick = str(relay.driver.settings.nick)
        for number, room in enumerate(self._rooms):
            text = f"are you there? {number} {len(self._person.stanzas)}"
            await self._until(lambda room=room: self._is_present(room, nick))  # type: ignore[misc]
            while True:
                failed = len(self._errors())
                self._whisper(room, nick, text)
                waiting = asyncio.ensure_future(relay.received(text))
                refused = asyncio.ensure_future(self._until(lambda failed=failed: len(self._errors()) > failed))  # type: ignore[misc]
                await asyncio.wait({waiting, refused}, return_when=asyncio.FIRST_COMPLETED)
                refused.cancel()
                if waiting.done():
                    event = await waiting
                    relay.host.events.remove(event)
                    break
                waiting.cancel()
                await asyncio.gather(waiting, refused, return_exceptions=True)

    def _errors(self) -> list[ET.Element]:
        return [each for each in self._person.stanzas if each.get("type") == "error"]

    def _is_present(self, room: str, nick: str) -> bool:
        found = False
        for each in self._person.stanzas:
            if each.tag == f"{{{CLIENT}}}presence" and each.get("from") == f"{room}/{nick}":
                found = each.get("type") is None
        return found

    async def _until(self, condition: Callable[[], bool]) -> None:
        await self._person.until_so(condition, within=_SECONDS)

    # --- saying and hearing -----------------------------------------------------------------------------------------

    async def say(self, text: str, room: int = 0) -> None:
        number = self._person.say(self._rooms[room], text)
        self._said = await self._echo(room, number)

    async def _echo(self, room: int, number: str) -> _Message:
        found: list[_Message] = []

        def look() -> bool:
            found[:] = [each for each in self._messages(self._rooms[room]) if each.number == number]
            return bool(found)

        await self._until(look)
        return found[-1]

    async def hear(self, room: int = 0) -> Heard:
        name = self._rooms[room]
        found: list[tuple[int, _Message]] = []

        def look() -> bool:
            found[:] = [
                (place, message)
                for place, message in self._placed(name)
                if place >= self._read[name] and message.author != self.person
            ]
            return bool(found)

        await self._until(look)
        place, message = found[0]
        self._read[name] = place + 1
        self._heard_last = message
        return await self._as_heard(message)

    def _messages(self, room: str) -> list[_Message]:
        return [message for _, message in self._placed(room)]

    def _placed(self, room: str) -> list[tuple[int, _Message]]:
        """New messages of a room, and where they stand among all that came."""
        found = []
        for place, each in enumerate(self._person.stanzas):
            if element_of(each, CLIENT, "body") is not None and each.findtext(f"{{{CLIENT}}}body") == _ENTERING:
                continue
            if _is_said(each, room) and element_of(each, "urn:xmpp:message-correct:0", "replace") is None:
                found.append((place, _message(each)))
        return found

    async def _as_heard(self, message: _Message, **more: Any) -> Heard:
        text, action = message.body, message.body.startswith("/me ")
        notation = {"formatting"} if not action and (_SPAN.search(text) or _BLOCK.search(text)) else set()
        return Heard(
            author=message.author,
            text=text.removeprefix("/me ").replace(GUARD, ""),
            notation=frozenset(notation),
            action=action,
            files=tuple([await self._fetch(*each) for each in message.files]),
            **more,
        )

    async def _fetch(self, name: str, url: str) -> tuple[str, bytes]:
        async with self._http.get(url) as response:
            assert response.status == 200, await response.text()
            return name, await response.read()

    # --- what can go wrong ------------------------------------------------------------------------------------------

    async def be_noisy(self) -> None:
        self._person.say(self._rooms[0], "", children="<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>")
        self._person.send(f"<presence to='{self._rooms[0]}/{self.person}'><show>away</show></presence>")

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def mend(self) -> None:
        await self.cable.mend()

    def refused(self) -> tuple[XmppSettings, str]:
        secret = "open barley"
        return self._settings(password=Secret(secret)), secret

    async def closed_room(self) -> XmppChannel:
        room = self._server.room(self.host_name)
        await self._person.join(room, self.person, passwordprotectedroom="1", roomsecret="sesame")
        return XmppChannel(room=room)

    async def say_file(self, name: str, content: bytes) -> None:
        url = await self._person.upload(self._http, name, content)
        self._person.share(self._rooms[0], name, url)

    def settings_with_largest_file(self, size: int) -> XmppSettings:
        return self._settings(max_file_size=size)

    # --- beside saying and hearing ----------------------------------------------------------------------------------

    async def look(self) -> list[Heard]:
        await self._person.settled()
        room = self._rooms[0]
        shown = {each.number: each for each in self._messages(room)}
        gone: set[str] = set()
        reactions: dict[tuple[str, str], list[str]] = {}
        for each in self._person.stanzas:
            corrected = element_of(each, "urn:xmpp:message-correct:0", "replace")
            if corrected is not None and _is_said(each, room):
                before, now = shown.get(str(corrected.get("id"))), _message(each)
                if before is not None and before.author == now.author:
                    before.body, before.files = now.body, now.files
            retracted = element_of(each, "urn:xmpp:message-retract:1", "retract")
            if retracted is not None and each.get("from", "").startswith(f"{room}/"):
                gone.add(str(retracted.get("id")))
            reacted = element_of(each, "urn:xmpp:reactions:0", "reactions")
            if reacted is not None:
                reactions[str(reacted.get("id")), str(each.get("from"))] = [str(emoji.text) for emoji in reacted]
        texts = {each.room_id: each.body.replace(GUARD, "") for each in shown.values()}
        return [
            await self._as_heard(
                each,
                answers=texts.get(each.answers) if each.answers else None,
                reactions=tuple(
                    sorted(emoji for (about, _), given in reactions.items() if about == each.room_id for emoji in given)
                ),
            )
            for each in shown.values()
            if not each.room_id or each.room_id not in gone
        ]

    async def revise(self, text: str) -> None:
        correction = f"<replace xmlns='urn:xmpp:message-correct:0' id={quoteattr(self._said.number)}/>"
        self._person.say(self._rooms[0], text, children=correction)

    async def take_back(self) -> None:
        retraction = f"<retract xmlns='urn:xmpp:message-retract:1' id={quoteattr(self._said.room_id)}/>"
        self._person.say(self._rooms[0], "", children=retraction)

    async def answer(self, text: str) -> None:
        reply = f"<reply xmlns='urn:xmpp:reply:0' id={quoteattr(self._heard_last.room_id)}/>"
        self._person.say(self._rooms[0], text, children=reply)

    async def react(self, emoji: str, *, add: bool) -> None:
        given = f"<reaction>{emoji}</reaction>" if add else ""
        about = quoteattr(self._heard_last.room_id)
        self._person.say(
            self._rooms[0], "", children=f"<reactions xmlns='urn:xmpp:reactions:0' id={about}>{given}</reactions>"
        )

    async def come(self) -> str:
        if self._guest is None:
            self._guest = await Person(self._server, self._server.account(self.host_name)).connect()
            self.stack.push_async_callback(self._guest.leave)
        await self._guest.join(self._rooms[0], "Guest")
        return "Guest"

    async def go(self) -> None:
        assert self._guest is not None
        self._guest.stanzas.clear()
        self._guest.send(f"<presence to='{self._rooms[0]}/Guest' type='unavailable'/>")

    async def set_topic(self, topic: str) -> None:
        self._person.send(
            f"<message to='{self._rooms[0]}' type='groupchat'><subject>{escape(topic)}</subject></message>"
        )

    async def topic(self) -> str:
        await self._person.settled()
        topics = [
            each.findtext(f"{{{CLIENT}}}subject", "")
            for each in self._person.stanzas
            if each.get("from", "").startswith(self._rooms[0])
            and element_of(each, CLIENT, "subject") is not None
            and element_of(each, CLIENT, "body") is None
        ]
        return topics[-1]

    async def be_typing(self) -> None:
        self._person.say(self._rooms[0], "", children="<composing xmlns='http://jabber.org/protocol/chatstates'/>")

    async def see_typing(self) -> None:
        def look() -> bool:
            shown = [
                each
                for each in self._person.stanzas
                if element_of(each, "http://jabber.org/protocol/chatstates", "composing") is not None
                and each.get("from") != f"{self._rooms[0]}/{self.person}"
            ]
            return len(shown) > self._typed

        await self._until(look)
        self._typed += 1

    async def whisper(self, text: str) -> None:
        self._whisper(self._rooms[0], "relay", text)

    def _whisper(self, room: str, nick: str, text: str) -> None:
        self._person.send(
            f"<message to={quoteattr(f'{room}/{nick}')} type='chat'><body>{escape(text)}</body>"
            f"<x xmlns='{MUC}#user'/></message>"
        )

    async def be_told(self) -> Heard:
        found: list[ET.Element] = []

        def look() -> bool:
            found[:] = [
                each
                for each in self._person.stanzas
                if each.get("type") == "chat" and element_of(each, CLIENT, "body") is not None
            ]
            return len(found) > self._told

        await self._until(look)
        self._told += 1
        return await self._as_heard(_message(found[self._told - 1]))


class ComponentXmppBench(XmppBench):
    """The relay is a component: each author is in the room by their own name."""

    example = (
        {"jid": "bridge.example.com", "component_secret": "eleven-green-bottles", "host": "127.0.0.1"},
        {"room": "ops@conference.example.com"},
    )
    lacking: ClassVar = {}
    depends: ClassVar = {**XmppBench.depends, Identity: "the relay is a component of the server"}

    async def meet(self, relay: Supervised) -> None:
        await super().meet(relay)
        # whoever speaks for the first time has to be let in, which is not what a test of sending is about
        await relay.send(relay.outgoing(_ENTERING))

    @property
    def _port(self) -> int:
        return self._server.component_port

    def _settings(self, **more: Any) -> XmppSettings:
        secret = more.pop("password", Secret(COMPONENT_SECRET))
        own = {"jid": f"bridge.{MAIN}", "password": None, "component_secret": secret, "ca_file": None}
        return super()._settings(**own, **more)


class BareXmppBench(XmppBench):
    """A server without archive, uploads and resumption, whose rooms give no ids."""

    without: ClassVar = {
        **XmppBench.without,
        Situation.ANSWERING: "the room gives messages no ids, by which they are answered",
        Situation.DELETING: "the room gives messages no ids, by which they are taken back",
        Situation.REACTING: "the room gives messages no ids, by which they are reacted to",
        Situation.LARGE_FILE: "the server takes no files",
    }
    lacking: ClassVar = {
        **XmppBench.lacking,
        **{each: XmppBench.depends[each] for each in (Deletes, Reactions, Threads, Uploads)},
    }
    host_name: ClassVar[str] = BARE


def _is_said(stanza: ET.Element, room: str) -> bool:
    return (
        stanza.get("type") == "groupchat"
        and stanza.get("from", "").startswith(f"{room}/")
        and element_of(stanza, CLIENT, "body") is not None
    )


def _message(stanza: ET.Element) -> _Message:
    ids = [each.get("id", "") for each in stanza.iterfind("{urn:xmpp:sid:0}stanza-id")]
    files = tuple(shared_files(stanza))
    lines = stanza.findtext(f"{{{CLIENT}}}body", "").split("\n")
    while lines and lines[-1] in {url for _, url in files}:
        lines.pop()
    answered = element_of(stanza, "urn:xmpp:reply:0", "reply")
    return _Message(
        stanza.get("id", ""),
        ids[0] if ids else "",
        stanza.get("from", "").partition("/")[2],
        "\n".join(lines),
        files,
        "" if answered is None else answered.get("id", ""),
    )
