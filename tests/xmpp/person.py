"""The other person in the room: a plain client that sends stanzas as text and keeps what it gets."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import aiohttp
from slixmpp import ClientXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from tests.xmpp.prosody import MAIN, PASSWORD, Prosody

__all__ = ["CLIENT", "MUC", "Person", "element_of", "has_code", "shared_files"]

_numbers = itertools.count(1)
CLIENT = "jabber:client"
MUC = "http://jabber.org/protocol/muc"


class Person:
    """Connected by `connect`, and in rooms by `join`."""

    def __init__(self, server: Prosody, jid: str) -> None:
        self._server = server
        self.jid = jid
        self.stanzas: list[ET.Element] = []
        """Every message and presence that came, in order."""
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: Any = None

    async def connect(self, resource: str = "home") -> Person:
        context = await asyncio.to_thread(ssl.create_default_context, cafile=str(self._server.authority))
        client = self._client = ClientXMPP(f"{self.jid}/{resource}", PASSWORD, ssl_context=context)
        client.whitespace_keepalive = False
        for kind in ("message", "presence"):
            client.register_handler(Callback(f"person {kind}", MatchXPath(f"{{{CLIENT}}}{kind}"), self._take))
        client.enable_direct_tls = False
        began = asyncio.ensure_future(client.wait_until("session_start", 10))
        client.connect("127.0.0.1", self._server.port)
        await began
        self.send("<presence/>")
        return self

    async def leave(self) -> None:
        """Go offline; at once where it is done already."""
        if self._client._run_out_filters is None:
            return
        await self._client.disconnect(wait=2.0, ignore_send_queue=True)
        filters, self._client._run_out_filters = self._client._run_out_filters, None
        filters.cancel()
        await asyncio.wait({filters})

    async def join(self, room: str, nick: str, *, password: str = "", **options: str) -> None:
        """Come into a room, and make it where it is not there; then with these options of its configuration."""
        given = f"<password>{escape(password)}</password>" if password else ""
        entering = f"<x xmlns='{MUC}'>{given}<history maxstanzas='0'/></x>"
        self.send(f"<presence to={quoteattr(f'{room}/{nick}')}>{entering}</presence>")

        old = list(self.stanzas)

        def is_ours(stanza: ET.Element) -> bool:
            return stanza.get("from") == f"{room}/{nick}" and has_code(stanza, "110")

        presence = await self.until(lambda each: each not in old and is_ours(each))
        if has_code(presence, "201"):
            await self.configure(room, persistentroom="1", changesubject="1", **options)

    async def configure(self, room: str, **options: str) -> None:
        """Give a room options: `passwordprotectedroom="1"`."""
        fields = "".join(
            f"<field var='muc#roomconfig_{name}'><value>{escape(value)}</value></field>"
            for name, value in options.items()
        )
        kind = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        await self.ask(
            room,
            f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x></query>",
            kind="set",
        )

    def send(self, xml: str) -> None:
        """Send a stanza as it is written."""
        self._client.send_raw(xml)

    def say(self, room: str, body: str, *, children: str = "", number: str = "") -> str:
        """Say something in a room, and return the message's id."""
        made = number or f"p{next(_numbers)}-{self.jid.partition('@')[0]}"
        text = f"<body>{escape(body)}</body>" if body else ""
        self.send(f"<message to={quoteattr(room)} type='groupchat' id={quoteattr(made)}>{text}{children}</message>")
        return made

    async def ask(self, to: str, payload: str, *, kind: str = "get") -> ET.Element:
        """Ask somebody something; the whole answer."""
        number = f"ask{next(_numbers)}"
        answer: asyncio.Future[ET.Element] = asyncio.get_running_loop().create_future()
        name = f"answer {number}"
        path = MatchXPath(f"{{{CLIENT}}}iq")

        def take(stanza: Any) -> None:
            if stanza["id"] == number and not answer.done():
                answer.set_result(stanza.xml)

        self._client.register_handler(Callback(name, path, take))
        try:
            self.send(f"<iq to={quoteattr(to)} type='{kind}' id='{number}'>{payload}</iq>")
            async with asyncio.timeout(10):
                return await answer
        finally:
            self._client.remove_handler(name)

    async def upload(self, http: aiohttp.ClientSession, name: str, content: bytes) -> str:
        """Give a file to the server of uploads; its address."""
        request = (
            f"<request xmlns='urn:xmpp:http:upload:0' filename={quoteattr(name)} size='{len(content)}' "
            "content-type='application/octet-stream'/>"
        )
        answer = await self.ask(f"files.{MAIN}", request)
        upload = "{urn:xmpp:http:upload:0}"
        put, get = (answer.find(f"{upload}slot/{upload}{each}") for each in ("put", "get"))
        assert put is not None
        assert get is not None
        headers = {str(each.get("name")): each.text or "" for each in put}
        headers["Content-Type"] = "application/octet-stream"
        async with http.put(str(put.get("url")), data=content, headers=headers) as response:
            assert response.status == 201, await response.text()
        return str(get.get("url"))

    def share(self, room: str, name: str, url: str, *, caption: str = "", number: str = "") -> str:
        """Show a file in a room, and return the message's id."""
        sharing = (
            f"<x xmlns='jabber:x:oob'><url>{escape(url)}</url></x>"
            "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>"
            f"<name>{escape(name)}</name></file><sources><url-data xmlns='http://jabber.org/protocol/url-data' "
            f"target={quoteattr(url)}/></sources></file-sharing>"
        )
        return self.say(room, f"{caption}\n{url}" if caption else url, children=sharing, number=number)

    async def settled(self) -> None:
        """Return once the server has worked through all that was sent, and told what came before that."""
        await self.ask(self.jid.partition("@")[2], "<ping xmlns='urn:xmpp:ping'/>")

    async def until(self, wanted: Callable[[ET.Element], bool], *, within: float = 15.0) -> ET.Element:
        """The first stanza of all that is wanted, once there is one. Raises TimeoutError."""
        found: list[ET.Element] = []

        def look() -> bool:
            found[:] = [each for each in self.stanzas if wanted(each)][:1]
            return bool(found)

        await self.until_so(look, within=within)
        return found[0]

    async def until_so(self, condition: Callable[[], bool], *, within: float = 15.0) -> None:
        """Return once it is so; looked at whenever something came. Raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    def _take(self, stanza: Any) -> None:
        self.stanzas.append(stanza.xml)

        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def element_of(stanza: ET.Element, namespace: str, tag: str) -> ET.Element | None:
    """A child of a stanza."""
    return stanza.find(f"{{{namespace}}}{tag}")


def shared_files(stanza: ET.Element) -> list[tuple[str, str]]:
    """The files that a message shows: the name and the address of each."""
    names = {
        str(target.get("target")): sharing.findtext("{urn:xmpp:file:metadata:0}file/{urn:xmpp:file:metadata:0}name", "")
        for sharing in stanza.iterfind("{urn:xmpp:sfs:0}file-sharing")
        for target in sharing.iter("{http://jabber.org/protocol/url-data}url-data")
    }
    urls = [each.findtext("{jabber:x:oob}url", "") for each in stanza.iterfind("{jabber:x:oob}x")]
    return [(names.get(url, ""), url) for url in urls]


def has_code(stanza: ET.Element, code: str) -> bool:
    """Whether a presence of a room has a status code."""
    path = f"{{{MUC}#user}}x/{{{MUC}#user}}status"
    return any(each.get("code") == code for each in stanza.iterfind(path))
