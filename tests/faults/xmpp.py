"""Rooms of a real Prosody in the town, with an archive or a short history: an account in them, or a component."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import aiohttp

from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.places import Place
from tests.xmpp.person import CLIENT, Person, element_of, shared_files
from tests.xmpp.prosody import BARE, COMPONENT_SECRET, MAIN, PASSWORD, Prosody

__all__ = ["XmppPlace", "XmppSettlement"]

_ROOMS = 4
"""Enough for the town."""
_LENGTHS = (1, 5, 30, 300)
_FILE_SIZES = (3_000, 30_000, 100_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20
_PERSON = "Xavier"
_HISTORY = "60"
"""Messages that a room without an archive keeps for whoever joins: as many as the server allows."""
_RELAY = "relay"
"""The nick that the relay wants; it may take one that begins so."""


class XmppSettlement:
    """The server, the relay's way in, and one person who is in all rooms."""

    side = "xmpp"

    def __init__(
        self, server: Prosody, person: Person, http: aiohttp.ClientSession, *, component: bool, host: str
    ) -> None:
        self._server = server
        self._person = person
        self._http = http
        self._component = component
        self._host = host
        self._account = server.account(host)
        self._rooms = deque(server.room(host) for _ in range(_ROOMS))
        self._places: list[XmppPlace] = []
        self.port = server.component_port if component else server.port

    @classmethod
    @asynccontextmanager
    async def joined(
        cls, server: Prosody, *, component: bool = False, host: str = MAIN
    ) -> AsyncIterator[XmppSettlement]:
        """With the rooms, which the person made. On the bare host these keep no archive, and take no files."""
        person = await Person(server, server.account(host)).connect()
        async with aiohttp.ClientSession() as http:
            settlement = cls(server, person, http, component=component, host=host)
            try:
                for room in settlement._rooms:
                    await person.join(room, _PERSON)
                    if host == BARE:
                        await person.configure(room, historylength=_HISTORY)
                yield settlement
            finally:
                for place in settlement._places:
                    await place.end()
                await person.leave()

    def place(self, name: str, rule: int) -> XmppPlace:
        room, text_alone = self._rooms.popleft(), self._host == BARE
        self._places.append(XmppPlace(name, rule, room, self._person, self._http, text_alone=text_alone))
        return self._places[-1]

    def block(self, port: int) -> dict[str, object]:
        if self._component:
            login = {"jid": f"bridge.{MAIN}", "component_secret": COMPONENT_SECRET}
        else:
            authority = str(self._server.authority)
            login = {"jid": self._account, "password": PASSWORD, "ca_file": authority, "tls": "starttls"}
        quick = {"reconnect_delay": 0.2, "rejoin_delay": 0.2}
        # files are fetched from where people say, which is this machine
        general = {"http": {"port": 0}, "fetch_allow": ["127.0.0.0/8"]}
        return {"global": general, "xmpp": {self.side: {**login, "host": "127.0.0.1", "port": port, **quick}}}


class XmppPlace(Place):
    """A room."""

    def __init__(
        self, name: str, rule: int, room: str, person: Person, http: aiohttp.ClientSession, *, text_alone: bool
    ) -> None:
        super().__init__(name, rule)
        self.text_alone = text_alone
        self._room = room
        self._person = person
        self._http = http
        self._editable: deque[tuple[Entry, str]] = deque(maxlen=_EDITABLE)
        self._outbox: asyncio.Queue[Callable[[], None] | tuple[Entry, bytes]] = asyncio.Queue()
        self._saying = asyncio.create_task(self._say())
        self._read = 0
        self._relays: set[str] = set()
        """Nicks under which the relay is there."""
        self._shown: dict[str, Shown] = {}

    async def end(self) -> None:
        """Nothing is said any more."""
        self._saying.cancel()
        await asyncio.wait({self._saying})

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": XmppSettlement.side, "room": self._room}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        words = chance.choice(_LENGTHS)
        if self._editable and chance.random() < _EDITED:
            entry, number = chance.choice(self._editable)
            text = ledger.edit(entry.source, entry.number, words).text
            correction = f"<replace xmlns='urn:xmpp:message-correct:0' id='{number}'/>"
            self._outbox.put_nowait(lambda: self._tell(text, children=correction))
            return
        if not self.text_alone and chance.random() < _WITH_FILES:
            content = chance.randbytes(chance.choice(_FILE_SIZES))
            self._outbox.put_nowait((ledger.entry(self.name, words, [content]), content))
            return
        entry = ledger.entry(self.name, words)
        number, text = f"{self.name}-{entry.number}", entry.text
        self._editable.append((entry, number))
        self._outbox.put_nowait(lambda: self._tell(text, number=number))

    def shown(self) -> list[Shown]:
        """What the relay, or who it lets in, said."""
        self._read_on()
        return list(self._shown.values())

    @property
    def is_whole(self) -> bool:
        self._read_on()
        return bool(self._relays)

    def _read_on(self) -> None:
        """Take what has come since it was read the last time."""
        stanzas = self._person.stanzas
        while self._read < len(stanzas):
            self._take(stanzas[self._read])
            self._read += 1

    def _take(self, stanza: ET.Element) -> None:
        room, _, nick = stanza.get("from", "").partition("/")
        if stanza.tag == f"{{{CLIENT}}}presence" and room == self._room and nick.startswith(_RELAY):
            (self._relays.discard if stanza.get("type") else self._relays.add)(nick)
            return
        body = stanza.findtext(f"{{{CLIENT}}}body")
        if room != self._room or nick in {"", _PERSON} or stanza.get("type") != "groupchat" or body is None:
            return
        corrected = element_of(stanza, "urn:xmpp:message-correct:0", "replace")
        if corrected is not None:
            number = str(corrected.get("id"))
            self._shown[number] = self._shown[number]._replace(text=body)
            return
        files = tuple((name, _digest(url)) for name, url in shared_files(stanza))
        number = stanza.get("id", "")
        # the same id twice is the same message twice: a client shows both
        self._shown[number if number not in self._shown else f"{number} {self._read}"] = Shown(body, files)

    def _tell(self, text: str, *, children: str = "", number: str = "") -> None:
        self._person.say(self._room, text, children=children, number=number)

    async def _say(self) -> None:
        """In the order in which it is to be said."""
        while True:
            said = await self._outbox.get()
            if not isinstance(said, tuple):
                said()
                continue
            entry, content = said
            url = await self._person.upload(self._http, entry.file_name(0), content)
            self._person.share(self._room, entry.file_name(0), url, caption=entry.text)


def _digest(url: str) -> str:
    """Of what a server of this machine has there."""
    with urlopen(url) as response:
        return digest(response.read())
