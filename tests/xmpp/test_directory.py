"""`nextbridge channels` on a real server: which rooms its services show, beside the relay that runs as the account."""

from __future__ import annotations

from drivers.xmpp import XmppDriver
from drivers.xmpp.disco import items_of
from drivers.xmpp.probing import looking
from drivers.xmpp.settings import XmppSettings
from nextbridge.driver import Directory, Unlisted
from nextbridge.sandbox.host import RecordingHost
from tests.xmpp.prosody import BARE, Prosody
from tests.xmpp.relaying import Scene


async def told(settings: XmppSettings) -> Directory | Unlisted:
    driver = XmppDriver(settings, (), RecordingHost("looking"))
    try:
        return await driver.directory()
    finally:
        await driver.close()


async def test_the_rooms_of_a_server_are_listed_beside_the_relay(prosody: Prosody) -> None:
    """Each by its address, as a rule has it; the relay goes on undisturbed, and nobody in its room is told."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        before = await scene.nicks()
        found = await told(scene.settings())
        assert isinstance(found, Directory)
        assert {"room": scene.room} in [each.keys for each in found.channels]
        assert "Hidden rooms are not shown" in found.note
        assert await scene.nicks() == before
        await relay.send(relay.outgoing("still here"))
        await scene.heard("still here")


async def test_a_hidden_room_is_not_listed(prosody: Prosody) -> None:
    """Its owner has it hidden: the server shows it to nobody, and the note says so."""
    hide = (
        "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        "<field var='muc#roomconfig_publicroom'><value>0</value></field></x></query>"
    )
    async with Scene(prosody) as scene:
        await scene.ada.ask(scene.room, hide, kind="set")
        found = await told(scene.settings())
        assert isinstance(found, Directory)
        assert {"room": scene.room} not in [each.keys for each in found.channels]


async def test_rooms_are_fetched_by_pages_and_bounded(prosody: Prosody) -> None:
    """As many as are asked for; of the rest it is said how many there are, where the server counts them."""
    async with Scene(prosody) as scene, Scene(prosody):
        async with looking(scene.settings(), None) as stream:
            service = scene.room.partition("@")[2]
            some = await items_of(stream, service, most=1, seconds=10)
            every = await items_of(stream, service, most=1000, seconds=10)
        assert len(some.found) == 1
        assert len(every.found) == every.total >= 2
        assert some.found[0] in every.found


async def test_a_component_that_runs_is_said_to_have_the_only_connection(prosody: Prosody) -> None:
    """It is no error, and the running one keeps its connection."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        found = await told(scene.component())
        assert isinstance(found, Unlisted)
        assert "a component has one connection" in found.because
        await relay.send(relay.outgoing("still here"))
        await scene.heard("still here")


async def test_another_hosts_rooms_are_its_own(prosody: Prosody) -> None:
    """What is listed is what the account's own server has."""
    async with Scene(prosody) as scene, Scene(prosody, host=BARE) as other:
        found = await told(other.settings())
        assert isinstance(found, Directory)
        rooms = [each.keys["room"] for each in found.channels]
        assert other.room in rooms
        assert scene.room not in rooms
