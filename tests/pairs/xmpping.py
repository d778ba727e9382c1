"""Bob, who is in an XMPP room that the daemon bridges, and what he sees there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from xml.etree import ElementTree as ET

import aiohttp

from tests.xmpp.person import CLIENT, Person, element_of, shared_files
from tests.xmpp.prosody import COMPONENT_SECRET, MAIN, PASSWORD, Prosody

__all__ = ["Bob", "account_block", "answered", "component_block", "room_id", "text_of"]

CORRECT = "urn:xmpp:message-correct:0"
REACTIONS = "urn:xmpp:reactions:0"
RETRACT = "urn:xmpp:message-retract:1"
REPLY = "urn:xmpp:reply:0"
STORE = "<store xmlns='urn:xmpp:hints'/>"
"""What makes an archive keep a message without a text, as XEP-0444 and XEP-0424 have it."""
GUARD = "\u2060"


def account_block(server: Prosody) -> dict[str, object]:
    """An instance's block: a new account on the server."""
    return {**_reached(server.port), "jid": server.account(), "password": PASSWORD, "ca_file": str(server.authority)}


def component_block(server: Prosody) -> dict[str, object]:
    """Likewise: its component."""
    return {**_reached(server.component_port), "jid": f"bridge.{MAIN}", "component_secret": COMPONENT_SECRET}


def _reached(port: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": port, "reconnect_delay": 0.2, "rejoin_delay": 0.2}


class Bob:
    """In one room, which he made."""

    nick = "Bob"

    def __init__(self, person: Person, room: str, http: aiohttp.ClientSession) -> None:
        self.person = person
        self.room = room
        self._http = http
        self._heard = 0

    @classmethod
    @asynccontextmanager
    async def present(cls, server: Prosody) -> AsyncIterator[Bob]:
        person = await Person(server, server.account()).connect()
        try:
            room = server.room()
            await person.join(room, cls.nick)
            async with aiohttp.ClientSession() as http:
                yield cls(person, room, http)
        finally:
            await person.leave()

    # --- what he does -------------------------------------------------------------------------------------------------

    async def say(self, text: str, *, children: str = "") -> ET.Element:
        """Say something; as it came back from the room."""
        number = self.person.say(self.room, text, children=children)
        return await self.person.until(lambda each: each.get("id") == number)

    async def edit(self, said: ET.Element, text: str) -> None:
        await self.say(text, children=f"<replace xmlns='{CORRECT}' id='{said.get('id')}'/>")

    async def take_back(self, said: ET.Element) -> None:
        await self.say("", children=f"<retract xmlns='{RETRACT}' id='{room_id(said)}'/>{STORE}")

    async def react(self, heard: ET.Element, *emoji: str) -> None:
        given = "".join(f"<reaction>{each}</reaction>" for each in emoji)
        await self.say("", children=f"<reactions xmlns='{REACTIONS}' id='{room_id(heard)}'>{given}</reactions>{STORE}")

    async def answer(self, heard: ET.Element, text: str) -> None:
        await self.say(text, children=f"<reply xmlns='{REPLY}' id='{room_id(heard)}'/>")

    async def share(self, name: str, content: bytes, caption: str) -> None:
        url = await self.person.upload(self._http, name, content)
        self.person.share(self.room, name, url, caption=caption)

    # --- what he sees -------------------------------------------------------------------------------------------------

    async def hears(self) -> ET.Element:
        """The next new message of others."""
        found = await self.person.until(lambda each: each in self._new()[self._heard : self._heard + 1])
        self._heard += 1
        return found

    def _new(self) -> list[ET.Element]:
        return [each for each in self._of_others() if text_of(each) and element_of(each, CORRECT, "replace") is None]

    def _of_others(self) -> list[ET.Element]:
        return [
            each
            for each in self.person.stanzas
            if each.get("type") == "groupchat"
            and each.get("from", "").startswith(f"{self.room}/")
            and each.get("from") != f"{self.room}/{self.nick}"
        ]

    async def sees_edit(self, heard: ET.Element, text: str) -> None:
        """Return once a message says this."""

        def is_it(each: ET.Element) -> bool:
            corrected = element_of(each, CORRECT, "replace")
            return corrected is not None and corrected.get("id") == heard.get("id") and text_of(each) == text

        await self.person.until(is_it)

    async def sees_retraction(self, heard: ET.Element) -> None:
        """Return once a message is taken back by who said it."""

        def is_it(each: ET.Element) -> bool:
            retracted = element_of(each, RETRACT, "retract")
            is_theirs = each.get("from") == heard.get("from")
            return retracted is not None and retracted.get("id") == room_id(heard) and is_theirs

        await self.person.until(is_it)

    async def sees_reaction(self, said: ET.Element, emoji: str) -> None:
        """Return once a message bears this."""

        def is_it(each: ET.Element) -> bool:
            given = element_of(each, REACTIONS, "reactions")
            return given is not None and given.get("id") == room_id(said) and emoji in [one.text for one in given]

        await self.person.until(is_it)

    async def files(self, heard: ET.Element) -> list[tuple[str, bytes]]:
        """The files of a message."""
        found = []
        for name, url in shared_files(heard):
            async with self._http.get(url) as response:
                assert response.status == 200
                found.append((name, await response.read()))
        return found


def room_id(stanza: ET.Element) -> str:
    """What the room calls a message."""
    found = element_of(stanza, "urn:xmpp:sid:0", "stanza-id")
    return "" if found is None else str(found.get("id"))


def text_of(stanza: ET.Element) -> str:
    """What a message says, without the joiners that keep its signs from meaning something."""
    return stanza.findtext(f"{{{CLIENT}}}body", "").replace(GUARD, "")


def answered(stanza: ET.Element) -> str:
    """What the room calls the message that this one answers."""
    found = element_of(stanza, REPLY, "reply")
    return "" if found is None else str(found.get("id"))
