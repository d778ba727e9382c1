"""Rooms on a real homeserver: joined when the relay is invited, followed when they are upgraded, lost and found."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from drivers.matrix.settings import MatrixRoom
from nextbridge.driver import Cursor, History
from nextbridge.envelope import Posted
from nextbridge.sandbox.contract.supervised import said
from tests.matrix.gateway import Gateway
from tests.matrix.person import Person
from tests.matrix.relaying import relaying, settings
from tests.matrix.synapse import SERVER_NAME, Account, Synapse, unique


@pytest.fixture
async def bob(synapse: Synapse) -> AsyncIterator[Person]:
    async with Person(synapse) as person:
        yield person


@pytest.fixture
def bot(synapse: Synapse) -> Account:
    return synapse.register()


async def test_an_invitation_to_a_room_of_the_file_is_followed(synapse: Synapse, bob: Person, bot: Account) -> None:
    """The room waits until then; what was said in it before is not ours, and what is said after is."""
    room = await bob.room(name="later")
    async with relaying(settings(synapse.url, bot), room) as relay:
        assert relay.host.unavailable_channels[relay.room(0)].startswith("we are not in room")
        await bob.say(room, "before")
        await bob.invite(room, bot.user)
        await bob.member(room, bot.user)
        await bob.say(room, "after")
        await relay.received("after")
        assert relay.texts == ["after"]
        assert relay.host.unavailable_channels == {}
        assert relay.host.forgotten == [relay.room(0)]


async def test_other_invitations_stay_open(synapse: Synapse, bob: Person, bot: Account) -> None:
    """A room that is in no rule is not joined, nor a conversation with somebody who is in none of its rooms."""
    room = await bob.room(bot.user)
    async with Person(synapse) as stranger, relaying(settings(synapse.url, bot), room) as relay:
        await bob.room(bot.user, name="elsewhere")
        await stranger.room(bot.user, is_direct=True)
        await relay.until(lambda: relay.host.skips.get("invitation", 0) >= 2)


async def test_an_alias_names_the_room(synapse: Synapse, bob: Person, bot: Account) -> None:
    """It is resolved to the room's id."""
    alias = unique("ops")
    room = await bob.room(bot.user, room_alias_name=alias)
    async with relaying(settings(synapse.url, bot), MatrixRoom(alias=f"#{alias}:{SERVER_NAME}")) as relay:
        assert relay.room(0) == room
        await bob.say(room, "hello")
        assert (await relay.received("hello")).channel.key == room


async def test_an_upgraded_room_is_followed(synapse: Synapse, bob: Person, bot: Account) -> None:
    """What is said in the new room is that channel's, from its first message on; so it is after a restart."""
    room = await bob.room(bot.user, name="old")
    async with relaying(settings(synapse.url, bot), room) as relay:
        await bob.say(room, "in the old one")
        await relay.received("in the old one")
        new = (await bob.call("POST", f"/rooms/{room}/upgrade", {"new_version": "11"}))["replacement_room"]
        await bob.say(new, "in the new one")
        await bob.invite(new, bot.user)
        await relay.received("in the new one")
        assert relay.room(0) == new
        await relay.send("and back")
        assert (await bob.hear(new))["content"]["body"] == "and back"
    async with relaying(settings(synapse.url, bot), room, store=relay.host.store) as again:
        assert again.room(0) == new


async def test_a_room_that_only_claims_to_have_moved_is_not_followed(
    synapse: Synapse, bob: Person, bot: Account
) -> None:
    """Else whoever may close a room could have what is said in any other room of the relay told in their channel."""
    room, private = await bob.room(bot.user, name="town"), await bob.room(bot.user, name="private")
    async with relaying(settings(synapse.url, bot), room) as relay:
        await bob.say(room, "before")
        await relay.received("before")
        key = relay.room(0)
        await bob.set_state(room, "m.room.tombstone", {"body": "moved", "replacement_room": private})
        await relay.until(lambda: bool(relay.host.unavailable_channels))
        assert "does not say so" in relay.host.unavailable_channels[key]
        assert relay.room(0) == key
        await bob.say(private, "not for them")
        event = await relay.received("not for them")
        assert event.channel.key == private, "which is a channel of none of their rules"


async def test_a_room_that_the_relay_is_put_out_of_waits(synapse: Synapse, bob: Person, bot: Account) -> None:
    """The operator reads what to do; invited again, it goes on."""
    room = await bob.room(bot.user, name="town")
    async with relaying(settings(synapse.url, bot), room) as relay:
        await bob.call("POST", f"/rooms/{room}/kick", {"user_id": bot.user})
        await relay.until(lambda: bool(relay.host.unavailable_channels))
        assert f"invite {bot.user}" in relay.host.unavailable_channels[relay.room(0)]
        await bob.say(room, "nobody hears this")
        await bob.invite(room, bot.user)
        await relay.until(lambda: not relay.host.unavailable_channels)
        await bob.say(room, "welcome back")
        await relay.received("welcome back")
        assert relay.texts == ["welcome back"]


async def test_more_than_a_sync_brings_is_a_gap_that_the_history_fills(
    synapse: Synapse, bob: Person, bot: Account
) -> None:
    """A sync brings a hundred events of a room: what is before them is asked for, and nothing is missing."""
    room = await bob.room(bot.user)
    async with Gateway(synapse.url) as gateway, relaying(settings(gateway.url, bot), room) as relay:
        await bob.say(room, "first")
        await relay.received("first")
        cursors, gaps = dict(relay.host.cursors), len(relay.host.gaps)
        gateway.refuse("/sync", 503)
        await bob.say(room, "the last that the sync brings")
        await relay.lost()
        for number in range(105):
            await bob.say(room, f"line {number}")
        gateway.forgive()
        await relay.received("line 104")
        assert relay.host.gaps[gaps:] == [(relay.room(0), None)]
        (cursor,) = (Cursor(*each) for each in cursors.items())
        assert isinstance(relay.driver, History)
        async with relay.driver.history(relay.room(0), cursor, age=3600, most=1000) as past:
            events = [event async for event, _ in past.events if isinstance(event, Posted)]
        assert [said(event) for event in events][-105:] == [f"line {number}" for number in range(105)]
        assert len({event.key for event in events}) == len(events)
