"""A room: what is said in it is on disk before anybody is told, and is there after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from drivers.webchat.frames import Message
from drivers.webchat.room import Room
from nextbridge.sandbox.host import MemoryStore


def says(text: str) -> Callable[[int, int], Message]:
    def make(number: int, at: int) -> Message:
        return Message(id=number, at=at, name="Ada", text=text, author="a1")

    return make


class Relay:
    """Takes messages, or fails."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.broken = False

    async def __call__(self, message: Message) -> None:
        if self.broken:
            raise ConnectionError("no relay")
        self.got.append(message.text)


class SlowStore(MemoryStore):
    """A disk that keeps something only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.lets = asyncio.Event()
        self.asked = asyncio.Event()

    async def set(self, key: str, value: str | None) -> None:
        self.asked.set()
        await self.lets.wait()
        await super().set(key, value)


class Ear:
    """Somebody in the room."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def hear(self, frame: str) -> None:
        self.heard.append(frame)


async def loaded(store: MemoryStore, *, history: int = 20) -> Room:
    room = Room("lobby", store, history=history)
    await room.load()
    return room


def texts(room: Room) -> list[str]:
    return [message.text for message in room.since(None)[0]]


async def test_history_survives_a_restart() -> None:
    """What was said is there, in order and with the same numbers, when the room is loaded again."""
    store = MemoryStore()
    room = await loaded(store)
    for number in range(5):
        await room.add(f"k{number}", says(f"m{number}"))
    again = await loaded(store)
    assert again.since(None)[0] == room.since(None)[0]
    assert texts(again) == ["m0", "m1", "m2", "m3", "m4"]
    assert (await again.add("k5", says("m5"))).id == 6


async def test_history_is_bounded_on_disk_and_on_the_page() -> None:
    """Of very many messages the newest are shown, and what is on disk does not grow."""
    store = MemoryStore()
    room = await loaded(store, history=20)
    for number in range(500):
        await room.add(f"k{number}", says(f"m{number}"))
    assert texts(room) == [f"m{number}" for number in range(480, 500)]
    assert len(store.values) < 20 + 32 + 3
    assert texts(await loaded(store, history=20)) == texts(room)


@pytest.mark.parametrize("history", [10, 60])
async def test_the_length_of_the_history_can_be_changed(history: int) -> None:
    """With another `history` the newest of what is there are kept, and numbers go on."""
    store = MemoryStore()
    room = await loaded(store, history=40)
    for number in range(40):
        await room.add(f"k{number}", says(f"m{number}"))
    changed = await loaded(store, history=history)
    assert texts(changed) == [f"m{number}" for number in range(40)][-history:]
    assert (await changed.add("next", says("next"))).id == 41


async def test_a_crash_while_old_messages_are_removed_leaves_nothing_behind() -> None:
    """What the removal had not reached is removed at the next start."""

    class DyingStore(MemoryStore):
        removals = 0

        async def set(self, key: str, value: str | None) -> None:
            if value is None:
                self.removals += 1
                if self.removals > 5:
                    raise OSError("the power is gone")
            await super().set(key, value)

    dying = DyingStore()
    room = await loaded(dying, history=20)
    for number in range(52):
        await room.add(f"k{number}", says(f"m{number}"))
    with pytest.raises(OSError, match="power"):
        await room.add("one too many", says("m52"))
    after = MemoryStore()
    after.values = dying.values
    again = await loaded(after, history=20)
    kept = {f"room/lobby/{message.id}" for message in again.since(None)[0]}
    assert set(after.values) - kept == {"room/lobby/first"}


async def test_a_repeated_key_is_one_message() -> None:
    """A delivery that comes again, also after a restart, gives the same message and is heard once."""
    store = MemoryStore()
    room = await loaded(store)
    ear = Ear()
    room.listeners.add(ear)
    first = await room.add("k1", says("hello"))
    assert await room.add("k1", says("hello")) == first
    assert len(ear.heard) == 1
    again = await loaded(store)
    assert await again.add("k1", says("hello")) == first
    assert texts(again) == ["hello"]


async def test_nobody_hears_what_is_not_on_disk() -> None:
    """A message is heard, and acknowledged, only after the disk has it."""
    store = SlowStore()
    room = await loaded(store)
    ear = Ear()
    room.listeners.add(ear)
    adding = asyncio.create_task(room.add("k1", says("hello")))
    await store.asked.wait()
    assert not adding.done()
    assert ear.heard == []
    store.lets.set()
    await adding
    assert len(ear.heard) == 1


async def test_a_send_that_is_given_up_half_way_is_still_one_message() -> None:
    """Cancelled while the disk writes, and sent again with the same key: one message, heard once."""
    store = SlowStore()
    room = await loaded(store)
    ear = Ear()
    room.listeners.add(ear)
    adding = asyncio.create_task(room.add("k1", says("hello")))
    await store.asked.wait()
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    assert adding.cancelled()
    store.lets.set()
    await room.add("k1", says("hello"))
    assert texts(room) == ["hello"]
    assert len(ear.heard) == 1
    assert texts(await loaded(store)) == ["hello"]


async def test_what_the_relay_did_not_take_is_handed_over_after_a_restart() -> None:
    """A browser's message that is in the history only reaches the relay at the next start, in order and once."""
    store = MemoryStore()
    relay = Relay()
    room = await loaded(store)
    await room.post("a1/1", says("one"), relay)
    relay.broken = True
    for number in (2, 3):
        with pytest.raises(ConnectionError):
            await room.post(f"a1/{number}", says(f"m{number}"), relay)
    relay.broken = False
    again = await loaded(store)
    await again.recover(relay)
    await again.recover(relay)
    assert relay.got == ["one", "m2", "m3"]
    third = await loaded(store)
    await third.recover(relay)
    assert relay.got == ["one", "m2", "m3"]


async def test_what_the_relay_did_not_take_goes_before_what_is_said_next() -> None:
    """The relay gets a room's messages in the room's order, also when it could not take one at first."""
    room = await loaded(MemoryStore())
    relay = Relay()
    ear = Ear()
    room.listeners.add(ear)
    relay.broken = True
    with pytest.raises(ConnectionError):
        await room.post("a1/1", says("one"), relay)
    assert ear.heard == []
    relay.broken = False
    await room.post("a1/2", says("two"), relay)
    await room.post("a1/1", says("one"), relay)
    assert relay.got == ["one", "two"]
    assert len(ear.heard) == 2


async def test_what_came_from_elsewhere_is_never_handed_to_the_relay() -> None:
    """Recovery concerns what browsers posted, nothing else."""
    store = MemoryStore()
    relay = Relay()
    room = await loaded(store)

    def remote(number: int, at: int) -> Message:
        return Message(id=number, at=at, name="Ada", text="hi", origin="mm_main")

    await room.add("k1", remote)
    await (again := await loaded(store)).recover(relay)
    assert relay.got == []
    assert texts(again) == ["hi"]


async def test_a_page_gets_what_it_has_not_seen() -> None:
    """After the newest message that a page shows, only what is newer; where that is gone, all, to start anew."""
    room = await loaded(MemoryStore(), history=20)
    for number in range(1, 31):
        await room.add(f"k{number}", says(f"m{number}"))

    def numbers(after: int | None) -> tuple[list[int], bool]:
        messages, fresh = room.since(after)
        return [message.id for message in messages], fresh

    assert numbers(28) == ([29, 30], False)
    assert numbers(30) == ([], False)
    assert numbers(10) == (list(range(11, 31)), False)
    assert numbers(9) == (list(range(11, 31)), True)
    assert numbers(None) == (list(range(11, 31)), True)
    assert numbers(99) == (list(range(11, 31)), True)


async def test_rooms_do_not_share_their_history() -> None:
    """Two rooms of one store keep what was said in each."""
    store = MemoryStore()
    one, two = Room("one", store, history=20), Room("two", store, history=20)
    for room in (one, two):
        await room.load()
        await room.add("same", says(f"in {room.key}"))
    assert [texts(room) for room in (one, two)] == [["in one"], ["in two"]]
