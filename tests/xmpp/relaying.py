"""The relay on Prosody, as the tests of the driver alone have it: in one room, run as the core runs it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Self

from drivers.xmpp import XmppDriver
from drivers.xmpp.session import Session
from drivers.xmpp.settings import XmppChannel, XmppSettings
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Supervised
from nextbridge.sandbox.contract.supervised import NotingHost
from nextbridge.sandbox.host import MemoryStore
from tests.xmpp.person import CLIENT, MUC, Person, has_code
from tests.xmpp.prosody import COMPONENT_SECRET, MAIN, PASSWORD, Prosody

__all__ = ["Scene"]

_WITHIN = 20.0


class Scene:
    """One room, Ada in it, who made it, and whoever else is called. The relay comes in by `relay`."""

    def __init__(self, server: Prosody, host: str = MAIN) -> None:
        self.server = server
        self.host = host
        self.room = server.room(host)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.cable = await self._stack.enter_async_context(Cable("127.0.0.1", self.server.port))
        self.ada = await self.person("Ada")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def person(self, nick: str = "", *, jid: str = "", resource: str = "home") -> Person:
        """Somebody, who is in the room where they have a nick."""
        person = await Person(self.server, jid or self.server.account(self.host)).connect(resource)
        self._stack.push_async_callback(person.leave)
        if nick:
            await person.join(self.room, nick)
        return person

    def settings(self, **changes: Any) -> XmppSettings:
        """Those of an account."""
        values: dict[str, Any] = {
            "jid": self.server.account(self.host),
            "password": Secret(PASSWORD),
            "host": "127.0.0.1",
            "port": self.cable.port,
            "ca_file": str(self.server.authority),
            "reconnect_delay": 0.05,
            "rejoin_delay": 0.1,
            "answer_timeout": 10.0,
        }
        return XmppSettings(**(values | changes))

    def component(self, **changes: Any) -> XmppSettings:
        """Those of the component."""
        own = {
            "jid": f"bridge.{MAIN}",
            "password": None,
            "component_secret": Secret(COMPONENT_SECRET),
            "ca_file": None,
            "port": self.server.component_port,
        }
        return self.settings(**(own | changes))

    def begun(
        self, settings: XmppSettings | None = None, *, password: str | None = None, store: MemoryStore | None = None
    ) -> Supervised:
        """The relay, running. `store` is an earlier one's: then it is that one after a restart."""
        host = NotingHost("jabber", store or MemoryStore())
        channel = XmppChannel(room=self.room, password=None if password is None else Secret(password))
        configured = ConfiguredChannel(XmppDriver.channel_key(channel), channel, ("ops",))
        relay = Supervised(XmppDriver(settings or self.settings(), [configured], host), host)
        self._stack.push_async_callback(relay.close)
        relay.start()
        return relay

    async def relay(self, settings: XmppSettings | None = None, **more: Any) -> Supervised:
        """The relay, in the room."""
        relay = self.begun(settings, **more)
        await self.joined(relay)
        return relay

    async def joined(self, relay: Supervised, times: int = 1) -> None:
        """Return once the relay has joined the room so many times."""
        await relay.until(lambda: len(relay.host.gaps) >= times)

    async def unavailable(self, relay: Supervised, words: str) -> str:
        """What the operator is told of the room, once these words are in it."""
        said = relay.host.unavailable_channels
        await relay.until(lambda: any(words in reason for reason in said.values()))
        return next(reason for reason in said.values() if words in reason)

    async def administer(self, **item: str) -> None:
        """Ada, the room's owner, changes somebody's role or affiliation."""
        attributes = " ".join(f"{key}='{value}'" for key, value in item.items())
        await self.ada.ask(self.room, f"<query xmlns='{MUC}#admin'><item {attributes}/></query>", kind="set")

    async def says(self, person: Person, body: str, *, children: str = "", number: str = "") -> tuple[str, str]:
        """Say something; its sender's id and the room's, if the room gives one."""
        made = person.say(self.room, body, children=children, number=number)
        echo = await person.until(lambda each: each.get("id") == made and each.get("type") == "groupchat")
        ids = [each.get("id", "") for each in echo.iterfind("{urn:xmpp:sid:0}stanza-id") if each.get("by") == self.room]
        return made, ids[0] if ids else ""

    @staticmethod
    def session_of(relay: Supervised) -> Session:
        """The relay's own, for what nobody outside can know."""
        assert isinstance(relay.driver, XmppDriver)
        session = relay.driver._session
        assert session is not None
        return session

    async def nothing_but(self, relay: Supervised, person: Person, *texts: str) -> None:
        """What the relay has heard is this, once it has heard what `person` says last."""
        await self.says(person, "that is all")
        await relay.received("that is all")
        assert relay.texts == [*texts, "that is all"]

    async def nicks(self) -> dict[str, str]:
        """Who is in the room as Ada sees it now, with the addresses that she is shown as the owner."""
        await self.ada.settled()
        there: dict[str, str] = {}
        for each in self.ada.stanzas:
            place, _, nick = each.get("from", "").partition("/")
            if each.tag != f"{{{CLIENT}}}presence" or place != self.room or not nick:
                continue
            item = each.find(f"{{{MUC}#user}}x/{{{MUC}#user}}item")
            there[nick] = "" if item is None else item.get("jid", "")
            if each.get("type") == "unavailable" or has_code(each, "303"):
                del there[nick]
        return there

    async def heard(self, words: str) -> Any:
        """The message with these words, as Ada gets it."""
        return await self.ada.until(lambda each: words in each.findtext(f"{{{CLIENT}}}body", ""), within=_WITHIN)
