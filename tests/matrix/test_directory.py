"""`nextbridge channels` on a real homeserver: which rooms an account is shown, beside the relay that runs as it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import MatrixSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Listed
from nextbridge.errors import Paused
from nextbridge.sandbox.host import RecordingHost
from tests.matrix.person import Person
from tests.matrix.relaying import relaying, settings
from tests.matrix.synapse import Synapse, unique
from tests.matrix.test_login import devices

SEALED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


@pytest.fixture
async def bob(synapse: Synapse) -> AsyncIterator[Person]:
    async with Person(synapse) as person:
        yield person


async def rooms_of(made: MatrixSettings) -> dict[str | int, Listed]:
    """What is shown, by the id that a rule would name."""
    driver = MatrixDriver(made, (), RecordingHost("looking"))
    try:
        return {each.keys["room_id"]: each for each in (await driver.directory()).channels}
    finally:
        await driver.close()


async def test_the_rooms_of_an_account_and_its_invitations_are_listed(synapse: Synapse, bob: Person) -> None:
    """By name and alias, encrypted ones marked; no spaces, no upgraded rooms, no conversations with one person."""
    bot, alias = synapse.register(), unique("plans")
    named = await bob.room(bot.user, name="Plans", room_alias_name=alias)
    bare = await bob.room(bot.user)
    sealed = await bob.room(bot.user, name="Sealed", initial_state=[SEALED])
    left = await bob.room(bot.user, name="Left")
    space = await bob.room(bot.user, name="Space", creation_content={"type": "m.space"})
    old = await bob.room(bot.user, name="Upgraded")
    talk = await bob.room(bot.user)
    async with Person(synapse, bot) as relay:
        for room in (named, bare, sealed, left, space, old, talk):
            await relay.join(room)
        await relay.call("POST", f"/rooms/{left}/leave", {})
        await relay.call("PUT", f"/user/{bot.user}/account_data/m.direct", {bob.account.user: [talk]})
    await bob.call("POST", f"/rooms/{old}/upgrade", {"new_version": "11"})
    await bob.set_state(bare, "m.room.name", {"name": "Renamed by the last event"})
    invited = await bob.room(bot.user, name="Open door")
    await bob.room(name="Closed")
    async with relaying(settings(synapse.url, bot), named) as running:
        found = await rooms_of(settings(synapse.url, bot))
        await bob.say(named, "still here")
        await running.received("still here")
    shown = {room: (each.name, each.note) for room, each in found.items()}
    assert shown == {
        named: (f"Plans (#{alias}:{bot.user.partition(':')[2]})", ""),
        bare: ("Renamed by the last event", ""),
        sealed: ("Sealed", "encrypted"),
        invited: ("Open door", "invited"),
    }


async def test_a_look_by_password_leaves_no_device_behind(synapse: Synapse, bob: Person) -> None:
    """It logs in for the look, and a password that is refused is said to be so."""
    bot = synapse.register()
    room = await bob.room(bot.user, name="Here")
    before = devices(synapse, bot.user)
    assert set(await rooms_of(settings(synapse.url, bot, password=Secret(bot.password)))) == {room}
    assert devices(synapse, bot.user) == before
    with pytest.raises(Paused, match="does not take the user_id and the password"):
        await rooms_of(settings(synapse.url, bot, password=Secret("wrong")))
