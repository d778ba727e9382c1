"""Into rooms, out of them, and in again: what the operator is told, and what is said meanwhile."""

from __future__ import annotations

import pytest

from nextbridge.driver import Cursor
from nextbridge.envelope import Joined, Left
from nextbridge.errors import Paused, Rejected
from nextbridge.sandbox.contract import Supervised
from nextbridge.sandbox.contract.supervised import said
from tests.xmpp.person import MUC, has_code
from tests.xmpp.prosody import BARE, Prosody
from tests.xmpp.relaying import Scene


async def _past(relay: Supervised, cursor: str) -> list[str]:
    """What the relay reads of what was said after a cursor."""
    key = relay.room(0)
    async with relay.driver.history(key, Cursor(key, cursor), age=3600, most=500) as past:  # type: ignore[attr-defined]
        return [said(event) for event, _ in [each async for each in past.events] if hasattr(event, "text")]


async def test_a_nick_that_is_in_use_is_taken_once_it_is_free(prosody: Prosody) -> None:
    """The relay is `relay_` while somebody is `relay`, hears by that name, and is `relay` when they have gone."""
    async with Scene(prosody) as scene:
        namesake = await scene.person("relay")
        relay = await scene.relay(scene.settings(ping_interval=0.1))
        assert relay.driver.own_name == "relay_"
        await scene.says(namesake, "I was here first")
        await scene.says(scene.ada, "relay_: and you?")
        assert [(await relay.received(text)).addressed for text in ("I was here first", "relay_: and you?")] == [0, 1]
        assert (await relay.send("I came second")).message is not None
        namesake.send(f"<presence to='{scene.room}/relay' type='unavailable'/>")
        await scene.ada.until(lambda each: each.get("from") == f"{scene.room}/relay_" and has_code(each, "303"))
        assert sorted(await scene.nicks()) == ["Ada", "relay"]
        await scene.says(scene.ada, "relay: welcome")
        assert (await relay.received("relay: welcome")).addressed
        assert [type(each) for each in relay.of(Left)] == [Left]
        assert not relay.of(Joined)


async def test_whoever_is_kicked_says_so_and_comes_back(prosody: Prosody) -> None:
    """The operator learns who did it and why; the relay is back after a while, and reads what was said meanwhile."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.settings(rejoin_delay=0.5))
        await scene.says(scene.ada, "before")
        await relay.received("before")
        cursor = relay.host.cursors[relay.room(0)]
        await scene.administer(nick="relay", role="none")
        assert "Ada kicked the relay; talk to them" in await scene.unavailable(relay, "kicked")
        with pytest.raises(Paused, match="kicked"):
            await relay.send("too late")
        await scene.says(scene.ada, "is it gone?")
        await scene.joined(relay, times=2)
        assert not relay.host.unavailable_channels
        assert await _past(relay, cursor) == ["is it gone?"]
        await scene.says(scene.ada, "no")
        await relay.received("no")
        assert (await relay.send("I am back")).message is not None
        assert relay.host.connections == 1


async def test_whoever_is_banned_is_back_once_the_ban_is_lifted(prosody: Prosody) -> None:
    """At first it is said who did it, then what is to be done about it; nothing needs a restart afterwards."""
    async with Scene(prosody) as scene:
        settings = scene.settings()
        relay = await scene.relay(settings)
        await scene.administer(jid=settings.jid, affiliation="outcast")
        await scene.unavailable(relay, "Ada banned the relay")
        assert "ask an owner of the room to lift the ban" in await scene.unavailable(relay, "is banned from the room")
        with pytest.raises(Paused, match="lift the ban"):
            await relay.send("let me in")
        await scene.administer(jid=settings.jid, affiliation="none")
        await scene.joined(relay, times=2)
        assert (await relay.send("thank you")).message is not None


async def _destroyed(scene: Scene, relay: Supervised) -> None:
    destroy = "<destroy><reason>we have moved</reason></destroy>"
    await scene.ada.ask(scene.room, f"<query xmlns='{MUC}#owner'>{destroy}</query>", kind="set")
    told = await scene.unavailable(relay, "destroyed")
    assert "the room was destroyed: we have moved; make it again, or take it out of the rules" in told


async def test_a_room_that_is_destroyed_is_no_more(prosody: Prosody) -> None:
    """Where the server remembers that there was one, the operator is told what to do; what is sent waits."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        await _destroyed(scene, relay)
        await scene.unavailable(relay, "the room has moved or is no more: correct its address")
        with pytest.raises(Paused, match="is no more"):
            await relay.send("hello?")


async def test_a_room_that_is_destroyed_is_joined_once_people_have_made_it_anew(prosody: Prosody) -> None:
    """The relay does not make it itself."""
    async with Scene(prosody, BARE) as scene:
        relay = await scene.relay()
        await _destroyed(scene, relay)
        await scene.unavailable(relay, "there is no such room")
        await scene.ada.join(scene.room, "Ada")
        await scene.joined(relay, times=2)
        assert (await relay.send("hello")).message is not None


async def test_a_room_that_is_not_there_is_not_made(prosody: Prosody) -> None:
    """A misspelt address makes no room: the server still has none when the operator has been told."""
    async with Scene(prosody) as scene:
        scene.room = prosody.room()
        relay = scene.begun()
        assert "check its address" in await scene.unavailable(relay, "there is no such room")
        answer = await scene.ada.ask(scene.room, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        assert answer.get("type") == "error"


async def test_a_password_opens_a_room_and_a_wrong_one_does_not(prosody: Prosody) -> None:
    """What is missing or wrong is said, and the password itself is not."""
    async with Scene(prosody) as scene:
        await scene.ada.configure(scene.room, passwordprotectedroom="1", roomsecret="open sesame")
        for given in (None, "close sesame"):
            relay = scene.begun(password=given)
            told = await scene.unavailable(relay, "the room has a password")
            assert "sesame" not in told
            await relay.close()
        relay = await scene.relay(password="open sesame")
        assert (await relay.send("hello")).message is not None


async def test_a_room_for_members_lets_the_relay_in_once_it_is_one(prosody: Prosody) -> None:
    """Until then it is said what is to be done."""
    async with Scene(prosody) as scene:
        await scene.ada.configure(scene.room, membersonly="1")
        settings = scene.settings()
        relay = scene.begun(settings)
        assert "make the relay's address a member" in await scene.unavailable(relay, "for members only")
        await scene.administer(jid=settings.jid, affiliation="member")
        await scene.joined(relay)
        assert (await relay.send("hello")).message is not None
        await scene.administer(jid=settings.jid, affiliation="none")
        await scene.unavailable(relay, "took the relay's membership away")


async def test_a_relay_without_voice_says_what_it_needs(prosody: Prosody) -> None:
    """In a moderated room nothing is lost: all waits until it has voice."""
    async with Scene(prosody) as scene:
        await scene.ada.configure(scene.room, moderatedroom="1", changesubject="0")
        settings = scene.settings()
        relay = await scene.relay(settings)
        message = relay.outgoing("hello")
        with pytest.raises(Paused, match="give the relay voice"):
            await relay.send(message)
        with pytest.raises((Paused, Rejected), match="topic"):
            await relay.driver.set_topic(relay.room(0), "news")  # type: ignore[attr-defined]
        await scene.administer(nick="relay", role="participant")
        await scene.ada.settled()
        assert (await relay.send(message)).message is not None


async def test_a_place_that_the_room_forgot_is_noticed_and_taken_again(prosody: Prosody) -> None:
    """The room tells nobody that it lost us; asked for ourselves it does not know us (XEP-0410), and we come again."""
    async with Scene(prosody) as scene:
        relay = await scene.relay(scene.settings(ping_interval=0.3))
        await scene.says(scene.ada, "before")
        await relay.received("before")
        cursor = relay.host.cursors[relay.room(0)]
        scene.ada.say(scene.room, "", children="<forget xmlns='urn:nextbridge:test'>relay</forget>")
        scene.ada.say(scene.room, "nobody hears this")
        await scene.joined(relay, times=2)
        assert await _past(relay, cursor) == ["nobody hears this"]
        await scene.says(scene.ada, "after")
        await relay.received("after")
        assert relay.host.connections == 1


async def test_who_comes_and_goes_is_told_once_with_the_reason(prosody: Prosody) -> None:
    """Another nick is neither a coming nor a going, and who was put out did not just leave."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        eve = await scene.person("Eve")
        eve.send(f"<presence to='{scene.room}/Evelyn'/>")
        await eve.until(lambda each: each.get("from") == f"{scene.room}/Evelyn")
        await scene.administer(nick="Evelyn", role="none")
        left = await relay.happened(Left)
        assert (left.author.name, left.reason) == ("Evelyn", "kicked by Ada")
        assert [each.author.name for each in relay.of(Joined)] == ["Eve"]
        assert relay.of(Joined)[0].author.id == left.author.id


async def test_a_rooms_options_are_read_again_when_they_change(prosody: Prosody) -> None:
    """An archive that is turned off while we are in the room is not asked any more, and ids are given no more."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        assert relay.driver.answers == "any"  # type: ignore[attr-defined]
        await scene.ada.configure(scene.room, enablearchiving="0", roomname="other")
        await relay.until(lambda: relay.host.skips.get("change_of_room", 0) > 0)
        await scene.says(scene.ada, "still heard")
        await relay.received("still heard")
