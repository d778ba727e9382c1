"""As a component: each author from elsewhere is somebody in the room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drivers.xmpp.names import alternatives
from nextbridge.driver import Outgoing
from nextbridge.envelope import Author, Joined, Left, MessageId, UserId
from nextbridge.errors import Rejected
from nextbridge.sandbox.contract import Supervised
from tests.xmpp.person import CLIENT, element_of
from tests.xmpp.prosody import BARE, MAIN, Prosody
from tests.xmpp.relaying import Scene

_MOST = 100
"""Authors from elsewhere in a room at a time."""


def _from(relay: Supervised, name: str, text: str, *, user: str = "", **more: Any) -> Outgoing:
    """What somebody elsewhere says; `user` is their id there."""
    return relay.outgoing(text, author=Author(UserId(user or name), name, name), name=name, **more)


async def _say(relay: Supervised, name: str, text: str, **more: Any) -> MessageId:
    receipt = await relay.send(_from(relay, name, text, **more))
    assert receipt.message is not None
    return receipt.message


async def _nick(scene: Scene, text: str) -> str:
    """Who says this in the room."""
    return str((await scene.heard(text)).get("from")).partition("/")[2]


async def test_each_author_is_one_occupant_with_an_address_of_their_own(prosody: Prosody) -> None:
    """Two people are two, also where both are called the same; one person stays one, whatever they say."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        for name, text, user in (("Zoë", "one", "1"), ("Bob", "two", "2"), ("Zoë", "three", "1"), ("Zoë", "four", "3")):
            await _say(relay, name, text, user=user)
        assert [await _nick(scene, text) for text in ("one", "two", "three", "four")] == ["Zoë", "Bob", "Zoë", "Zoë_"]
        there = await scene.nicks()
        assert sorted(there) == ["Ada", "Bob", "Zoë", "Zoë_", "relay"]
        addresses = {jid.partition("/")[0] for nick, jid in there.items() if nick != "Ada"}
        assert len(addresses) == 4
        assert all(address.endswith(f"@bridge.{MAIN}") for address in addresses)
        assert not relay.of(Joined), "they are no news to the relay"
        assert not relay.posted


async def test_a_name_that_is_in_use_is_not_taken_from_its_bearer(prosody: Prosody) -> None:
    """Somebody in the room is called the same: both are told apart, and only the person's own words are relayed."""
    async with Scene(prosody) as scene:
        zoe = await scene.person("Zoë")
        relay = await scene.relay(scene.component())
        await _say(relay, "Zoë", "from elsewhere")
        await scene.says(zoe, "from here")
        assert (await _nick(scene, "from elsewhere"), await _nick(scene, "from here")) == ("Zoë_", "Zoë")
        await scene.nothing_but(relay, scene.ada, "from here")


async def test_whoever_takes_all_nicks_like_an_authors_does_not_silence_them(prosody: Prosody) -> None:
    """They are in the room under another that nobody could know before."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        taken = list(alternatives("Zoë"))
        await asyncio.gather(*(scene.person(nick) for nick in taken))
        await _say(relay, "Zoë", "nevertheless")
        nick = await _nick(scene, "nevertheless")
        assert nick.startswith("Zoë ")
        assert nick not in taken


async def test_another_name_is_another_nick_of_the_same_occupant(prosody: Prosody) -> None:
    """What they said under the old one is theirs: corrected and taken back, which gives them no old nick again."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        first = await _say(relay, "Zoë", "as Zoë", user="1")
        await _say(relay, "Zoé", "as Zoé", user="1")
        before = await scene.nicks()
        assert sorted(before) == ["Ada", "Zoé", "relay"]
        await relay.driver.edit(first, _from(relay, "Zoé", "as ever", user="1"))  # type: ignore[attr-defined]
        assert await _nick(scene, "as ever") == "Zoé"
        await relay.driver.delete(relay.room(0), first)  # type: ignore[attr-defined]
        retraction = await scene.ada.until(
            lambda each: element_of(each, "urn:xmpp:message-retract:1", "retract") is not None
        )
        assert retraction.get("from") == f"{scene.room}/Zoé"
        assert await scene.nicks() == before
        assert not relay.of(Left)


async def test_everybody_leaves_with_the_relay(prosody: Prosody) -> None:
    """Nobody stays behind in the room; after a restart they come again, and take back what they said before it."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        store = relay.host.store
        message = await _say(relay, "Zoë", "soon gone")
        await relay.close()
        assert sorted(await scene.nicks()) == ["Ada"]
        relay = await scene.relay(scene.component(), store=store)
        await relay.driver.delete(relay.room(0), message)  # type: ignore[attr-defined]
        retraction = await scene.ada.until(
            lambda each: element_of(each, "urn:xmpp:message-retract:1", "retract") is not None
        )
        assert retraction.get("from") == f"{scene.room}/Zoë"


@pytest.mark.parametrize("host", [MAIN, BARE])
async def test_a_nick_that_an_author_had_is_anybodys(prosody: Prosody, host: str) -> None:
    """An author is put out, and somebody takes the nick: they are heard, as coming and as speaking; both are there."""
    async with Scene(prosody, host) as scene:
        relay = await scene.relay(scene.component())
        await _say(relay, "Zoë", "elsewhere")
        await scene.administer(nick="Zoë", role="none")
        zoe = await scene.person("Zoë")
        await scene.says(zoe, "it is me")
        await relay.received("it is me")
        assert [each.author.name for each in relay.of(Joined)] == ["Zoë"]
        await _say(relay, "Zoë", "and me")
        assert await _nick(scene, "and me") == "Zoë_"
        await scene.nothing_but(relay, scene.ada, "it is me")
        assert not relay.of(Left)


async def test_an_author_who_is_banned_is_no_trouble_of_the_others(prosody: Prosody) -> None:
    """What they say is refused with the reason; everybody else goes on."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        await _say(relay, "Eve", "spam")
        address = (await scene.nicks())["Eve"].partition("/")[0]
        await scene.administer(jid=address, affiliation="outcast")
        await scene.says(scene.ada, "that was enough")
        await relay.received("that was enough")
        with pytest.raises(Rejected, match="banned this author"):
            await relay.send(_from(relay, "Eve", "more spam"))
        await _say(relay, "Bob", "peace")
        assert await _nick(scene, "peace") == "Bob"


async def test_a_crowd_is_in_the_room_a_part_at_a_time(prosody: Prosody) -> None:
    """Of many authors those are there who spoke last; who is not comes again when they speak."""
    # it takes seconds: of each who enters everybody who is there is told
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        for number in range(_MOST + 2):
            await _say(relay, f"n{number}", f"says {number}")
        there = await scene.nicks()
        assert len(there) == _MOST + 2  # with Ada and the relay
        assert "n0" not in there
        assert f"n{_MOST + 1}" in there
        await _say(relay, "n0", "back")
        assert await _nick(scene, "back") == "n0"
        assert len(await scene.nicks()) == _MOST + 2
        assert not relay.of(Left)
        room = scene.session_of(relay).rooms[relay.room(0)]
        assert len(room.us) <= _MOST + 2


async def test_what_people_tell_an_author_alone_goes_nowhere(prosody: Prosody) -> None:
    """A private message to somebody who is not there is not shown to the room elsewhere."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.component())
        await _say(relay, "Zoë", "hello")
        scene.ada.send(f"<message to='{scene.room}/Zoë' type='chat'><body>between us</body></message>")
        await scene.nothing_but(relay, scene.ada)
        assert not [
            each for each in scene.ada.stanzas if each.tag == f"{{{CLIENT}}}message" and each.get("type") == "error"
        ]
