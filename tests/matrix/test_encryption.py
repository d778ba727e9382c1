"""Encrypted rooms of a real homeserver, with another person whose client is no relation of the driver's library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drivers.matrix.encryption.machine import Machine
from drivers.matrix.events import NO_KEY
from nextbridge.driver import Deletes, Downloads, Edits, Recall
from nextbridge.envelope import Edited, Posted
from nextbridge.errors import Paused, Rejected
from nextbridge.sandbox.contract.revising import ask
from nextbridge.sandbox.contract.supervised import Supervised, again, error_of, said, spooled
from nextbridge.sandbox.host import MemoryStore
from tests.matrix.gateway import Gateway
from tests.matrix.person import Person
from tests.matrix.relaying import relaying, settings
from tests.matrix.sealed import SEALED, SealedPerson
from tests.matrix.synapse import Account, Synapse


class Scene(NamedTuple):
    """Bob and the relay in an encrypted room."""

    bob: SealedPerson
    bot: Account
    room: str
    relay: Supervised
    gateway: Gateway

    async def say(self, text: str, **more: Any) -> str:
        return await self.bob.say_sealed(self.room, {"msgtype": "m.text", "body": text, **more})

    async def hear(self) -> dict[str, Any]:
        return self.bob.opened(await self.bob.hear(self.room))


@pytest.fixture
async def scene(synapse: Synapse) -> AsyncIterator[Scene]:
    bot = synapse.register()
    async with SealedPerson(synapse) as bob, Gateway(synapse.url) as gateway:
        room = await bob.room(bot.user, initial_state=[SEALED])
        async with relaying(settings(gateway.url, bot), room) as relay:
            yield Scene(bob, bot, room, relay, gateway)


async def test_what_is_said_crosses_encrypted_both_ways(scene: Scene) -> None:
    """The homeserver sees neither the words nor the mark on them."""
    await scene.say("hello from inside")
    event = await scene.relay.received("hello from inside")
    assert event.author.id == scene.bob.id
    await scene.relay.send("hello from outside")
    heard = await scene.bob.hear(scene.room)
    assert set(heard["content"]) == {"algorithm", "ciphertext", "device_id", "sender_key", "session_id"}
    assert scene.bob.opened(heard)["body"] == "hello from outside"
    assert "nextbridge.mark" in scene.bob.opened(heard)


async def test_answers_and_edits_are_encrypted_too(scene: Scene) -> None:
    """What they are about stands outside, where the homeserver needs it."""
    question = await scene.say("a question")
    await scene.relay.received("a question")
    receipt = await scene.relay.send(scene.relay.outgoing("an answer", reply_to=question))
    heard = await scene.hear()
    assert (heard["body"], heard["m.relates_to"]) == ("an answer", {"m.in_reply_to": {"event_id": question}})
    assert receipt.message is not None
    await ask(scene.relay, Edits).edit(receipt.message, scene.relay.outgoing("a better answer"))
    async with asyncio.timeout(15):
        edit = scene.bob.opened(await scene.bob.heard[scene.room].get())
    assert edit["m.new_content"]["body"] == "a better answer"
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": receipt.message}
    new = {"msgtype": "m.text", "body": "another question"}
    relation = {"rel_type": "m.replace", "event_id": question}
    await scene.say("* another question", **{"m.new_content": new, "m.relates_to": relation})
    assert said(await scene.relay.happened(Edited)) == "another question"
    excerpt = await ask(scene.relay, Recall).recall(scene.relay.room(0), question)
    assert excerpt.text == "a question"
    await ask(scene.relay, Deletes).delete(scene.relay.room(0), receipt.message)


async def test_files_are_encrypted_both_ways(scene: Scene, tmp_path: Path) -> None:
    """Byte for byte; the homeserver gets neither the name nor the kind. A file that was changed is not handed out."""
    content = bytes(range(256)) * 1000
    await scene.say("plan.bin", msgtype="m.file", file=await scene.bob.upload_sealed(content))
    await scene.relay.until(lambda: bool(scene.relay.posted))
    (attachment,) = scene.relay.posted[0].attachments
    async with ask(scene.relay, Downloads).open_attachment(attachment) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == content
    file = spooled(tmp_path, "secret.txt", content, "text/plain")
    await scene.relay.send(scene.relay.outgoing("see here", files=(file,)))
    heard = await scene.hear()
    assert (heard["body"], heard["filename"]) == ("see here", "secret.txt")
    assert await scene.bob.download_sealed(heard["file"]) == content
    assert "url" not in heard
    changed = await scene.bob.upload_sealed(content)
    changed["hashes"] = {"sha256": "A" * 43}
    await scene.say("false.bin", msgtype="m.file", file=changed)
    await scene.relay.until(lambda: len(scene.relay.posted) == 2)
    (attachment,) = scene.relay.posted[1].attachments
    with pytest.raises(Rejected, match="not what was encrypted"):
        async with ask(scene.relay, Downloads).open_attachment(attachment) as chunks:
            assert [chunk async for chunk in chunks]


async def test_one_device_goes_on_after_a_restart(scene: Scene) -> None:
    """Its keys are in the state folder: what was said to it meanwhile is read, and what it had sent is known again."""
    await scene.say("before")
    await scene.relay.received("before")
    message = scene.relay.outgoing("once")
    await scene.relay.send(message)
    assert (await scene.hear())["body"] == "once"
    (cursor,) = scene.relay.host.cursors.items()
    await scene.relay.close()
    await scene.say("meanwhile")
    async with relaying(settings(scene.gateway.url, scene.bot), scene.room, store=scene.relay.host.store) as relay:
        scene.gateway.forget_transactions()
        receipt = await relay.send(again(message, seconds_ago=7200))
        assert receipt.message is not None, "found by its mark, which is inside"
        await relay.send("end")
        assert (await scene.hear())["body"] == "end"
        events = await _history(relay, cursor)
        assert [said(event) for event in events][-1:] == ["meanwhile"]
        await scene.say("after")
        await relay.received("after")


async def _history(relay: Supervised, cursor: tuple[str, str]) -> list[Posted]:
    from nextbridge.driver import Cursor, History

    assert isinstance(relay.driver, History)
    async with relay.driver.history(relay.room(0), Cursor(*cursor), age=3600, most=100) as past:
        return [event async for event, _ in past.events if isinstance(event, Posted)]


async def test_a_key_that_comes_late_keeps_the_order(scene: Scene) -> None:
    """The room waits for it for a moment, with what follows; no other room does."""
    await scene.bob.say_sealed(scene.room, {"msgtype": "m.text", "body": "late"}, give_key=False)
    last = scene.bob._last
    await scene.say("next")
    scene.bob._last = last
    await scene.bob.give_key(scene.room)
    await scene.relay.received("next")
    assert scene.relay.texts == ["late", "next"]


async def test_what_cannot_be_read_is_told_and_becomes_readable(scene: Scene) -> None:
    """A line says that there was a message; once the key comes it is edited into what it says."""
    await scene.bob.say_sealed(scene.room, {"msgtype": "m.text", "body": "hidden"}, give_key=False)
    last = scene.bob._last
    await scene.relay.received(NO_KEY)
    scene.bob._last = last
    await scene.bob.give_key(scene.room)
    edit = await scene.relay.happened(Edited)
    assert (said(edit), edit.message) == ("hidden", scene.relay.posted[0].message)


async def test_whoever_comes_reads_and_whoever_went_does_not(scene: Scene, synapse: Synapse) -> None:
    """The key of the room is another one after each change of the devices in it."""
    await scene.relay.send("one")
    assert (await scene.hear())["body"] == "one"
    async with SealedPerson(synapse) as eve:
        await scene.bob.invite(scene.room, eve.id)
        await eve.join(scene.room)
        await scene.say("she is here")
        await scene.relay.received("she is here")
        receipt = await scene.relay.send("two")
        while (heard := await eve.hear(scene.room))["event_id"] != receipt.message:
            pass  # what was said before she came
        assert eve.opened(heard)["body"] == "two"
        assert (await scene.hear())["body"] == "two"
        await eve.call("POST", f"/rooms/{scene.room}/leave")
        await scene.say("she is gone")
        await scene.relay.received("she is gone")
        await scene.relay.send("three")
        heard = await scene.bob.hear(scene.room)
        assert scene.bob.opened(heard)["body"] == "three"
        await eve.call("GET", "/sync?timeout=0")
        with pytest.raises(KeyError):
            eve.opened(heard)


async def test_a_room_stays_encrypted_whatever_is_said_of_it(scene: Scene) -> None:
    """What a homeserver leaves out of the state later does not make the relay speak openly."""
    await scene.relay.send("one")
    await scene.hear()
    await scene.relay.close()
    async with relaying(settings(scene.gateway.url, scene.bot), scene.room, store=scene.relay.host.store) as relay:
        relay.driver._rooms._joined[relay.room(0)].encrypted = False  # type: ignore[attr-defined]
        await relay.send("two")
        assert (await scene.hear())["body"] == "two"


async def test_lost_keys_are_told_and_nothing_is_said_openly(scene: Scene) -> None:
    """The device is known under other keys: the operator reads what to do, and other rooms go on."""
    await scene.relay.close()
    open_room = await scene.bob.room(scene.bot.user)
    made = settings(scene.gateway.url, scene.bot)
    async with relaying(made, scene.room, open_room, store=MemoryStore()) as relay:
        error = await error_of(relay.send("openly?"))
        assert isinstance(error, Paused)
        assert error.scope == "channel"
        assert "Log in anew" in error.reason
        await relay.send("hello", 1)
        assert (await scene.bob.hear(open_room))["content"]["body"] == "hello"
        await scene.say("unreadable")
        await relay.received(NO_KEY)


async def test_somebody_with_a_plain_client_is_heard(scene: Scene, synapse: Synapse) -> None:
    """What is said openly in an encrypted room is relayed as what it is."""
    async with Person(synapse) as eve:
        await scene.bob.invite(scene.room, eve.id)
        await eve.join(scene.room)
        await eve.say(scene.room, "in the open")
        assert (await scene.relay.received("in the open")).author.id == eve.id


async def test_keys_of_rooms_that_we_are_not_in_are_not_kept(scene: Scene) -> None:
    """A stranger could fill the state folder with them."""
    elsewhere = await scene.bob.room(initial_state=[SEALED])
    await scene.bob.say_sealed(elsewhere, {"msgtype": "m.text", "body": "alone"})
    devices = await scene.bob._devices(scene.room)
    session, key = scene.bob._last
    await scene.bob.give_key_to(devices, elsewhere, session, key)
    await scene.say("end")
    await scene.relay.received("end")
    olm = scene.relay.driver._encryption._machine._olm  # type: ignore[attr-defined]
    assert set(olm.inbound_group_store._entries) == {scene.room}


async def test_what_one_person_publishes_hides_nobody_else(scene: Scene, tmp_path: Path) -> None:
    """Keys of one that are no keys cost that one alone."""
    machine = Machine("@relay:x", "RELAY", lambda _room: True)
    await machine.open(tmp_path / "keys")
    try:
        answer = await scene.bob.call("POST", "/keys/query", {"device_keys": {scene.bob.id: []}})
        malformed: list[Any] = [5, {"DEVICE": []}, {"DEVICE": {"keys": 1}}, {"DEVICE": {"device_id": "DEVICE"}}]
        for wrong in malformed:
            await machine.queried({"device_keys": {"@eve:x": wrong, **answer["device_keys"]}})
            await machine.claimed({"one_time_keys": {"@eve:x": {"DEVICE": {}}, "@mallory:x": wrong}})
        found = await machine.devices(frozenset({scene.bob.id, "@eve:x"}))
        assert found == {(scene.bob.id, scene.bob.account.device)}
    finally:
        await machine.close()


async def test_what_is_nested_without_end_inside_costs_itself_alone(scene: Scene) -> None:
    """A homeserver cannot look into what is encrypted: a message and what is said to the device may be of any depth."""
    await scene.say("begin")
    await scene.relay.received("begin")
    deep = b"[" * 20_000 + b"]" * 20_000
    await scene.bob.tell_devices(scene.room, deep)
    inside = b'{"type": "m.room.message", "room_id": "%s", "content": {"body": %s}}' % (scene.room.encode(), deep)
    await scene.bob.seal(scene.room, inside, {})
    await scene.say("end")
    await scene.relay.received("end")
    assert scene.relay.texts == ["begin", NO_KEY, "end"]
