"""Logging in on a real homeserver, and what `probe` says of it and of the rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import MatrixRoom, MatrixSettings
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.errors import Paused
from nextbridge.sandbox.contract.supervised import NotingHost
from nextbridge.sandbox.host import MemoryStore, RecordingHost
from tests.matrix.person import Person
from tests.matrix.relaying import relaying, settings
from tests.matrix.synapse import Account, Synapse


@pytest.fixture
async def bob(synapse: Synapse) -> AsyncIterator[Person]:
    async with Person(synapse) as person:
        yield person


def devices(synapse: Synapse, user: str) -> set[str]:
    found = synapse.request("GET", f"/_synapse/admin/v2/users/{user}/devices", None, synapse.admin.token)["devices"]
    return {each["device_id"] for each in found}


async def probed(made: MatrixSettings, *rooms: str, store: MemoryStore | None = None) -> list[Finding]:
    channels = [ConfiguredChannel(MatrixDriver.channel_key(each), each, ("rule",)) for each in map(in_file, rooms)]
    host = NotingHost("here", store or MemoryStore())
    driver = MatrixDriver(made, channels, host)
    try:
        return await driver.probe()
    finally:
        await driver.close()


def in_file(room: str) -> MatrixRoom:
    return MatrixRoom(room_id=room)


async def test_a_refused_token_is_got_anew_for_the_same_device(synapse: Synapse, bob: Person) -> None:
    """By the password, once: transaction ids and keys belong to the device."""
    bot = synapse.register()
    room = await bob.room(bot.user)
    made = settings(synapse.url, bot, password=Secret(bot.password))
    async with relaying(made, room) as relay:
        store = relay.host.store
        first = dict(store.values)
    store.values["access_token"] = "syt_revoked"
    before = devices(synapse, bot.user)
    async with relaying(made, room, store=store) as relay:
        await bob.say(room, "hello")
        await relay.received("hello")
    assert store.values["device"] == first["device"]
    assert store.values["access_token"] not in {"syt_revoked", first["access_token"]}
    assert devices(synapse, bot.user) == before


async def test_a_wrong_password_pauses_the_instance(synapse: Synapse) -> None:
    """The operator reads what to look at; the password is in no word of it."""
    bot = synapse.register()
    host = RecordingHost("here")
    driver = MatrixDriver(settings(synapse.url, bot, password=Secret("not the password")), [], host)
    with pytest.raises(Paused, match="user_id and the password") as refused:
        await driver.run()
    assert "not the password" not in refused.value.reason
    await driver.close()


async def test_a_token_of_somebody_else_is_not_used(synapse: Synapse, bob: Person) -> None:
    """The relay would not know what it said itself."""
    bot = synapse.register()
    mixed = Account(bot.user, bot.password, bob.account.token, "")
    driver = MatrixDriver(settings(synapse.url, mixed), [], RecordingHost("here"))
    with pytest.raises(Paused, match=f"is that of {bob.id}"):
        await driver.run()
    await driver.close()


async def test_a_probe_by_password_leaves_nothing_behind(synapse: Synapse, bob: Person) -> None:
    """It logs in and out again; where a token is kept it uses that."""
    bot = synapse.register()
    before = devices(synapse, bot.user)
    made = settings(synapse.url, bot, password=Secret(bot.password))
    findings = await probed(made)
    assert [each.subject for each in findings if not each.ok] == []
    assert devices(synapse, bot.user) == before
    wrong = await probed(settings(synapse.url, bot, password=Secret("wrong")))
    assert [each.ok for each in wrong] == [False]


async def test_a_probe_says_what_each_room_lacks(synapse: Synapse, bob: Person) -> None:
    """Membership, the power level to speak, the topic, and whether it is encrypted."""
    bot = synapse.register()
    quiet = await bob.room(bot.user, power_level_content_override={"events_default": 10})
    muted = await bob.room(bot.user, power_level_content_override={"users": {bot.user: -1}})
    plain = await bob.room(bot.user)
    sealed = await bob.room(
        bot.user,
        initial_state=[
            {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        ],
    )
    invited, closed = await bob.room(bot.user), await bob.room()
    async with Person(synapse, bot) as relay:
        for room in (quiet, muted, plain, sealed):
            await relay.join(room)
    findings = await probed(settings(synapse.url, bot), quiet, muted, plain, sealed, invited, closed)
    texts = {each.subject.removeprefix("room "): (each.ok, each.text) for each in findings}
    assert texts[quiet] == (False, f"{bot.user} has the power level 0 there, and messages take 10; give it that")
    assert texts[muted] == (False, f"{bot.user} has the power level -1 there, and messages take 0; give it that")
    assert texts[plain] == (
        True,
        f"we are in it ({plain}) and may speak; it is not encrypted; it may not change the topic",
    )
    assert "it is encrypted" in texts[sealed][1]
    assert texts[invited] == (True, "the relay joins it when it runs")
    assert texts[closed] == (False, f"we are not in room {closed}; invite {bot.user}")
    assert texts["files"][1].startswith("the homeserver takes files of up to ")
