"""A room: what is said in it is on disk before anybody is told, and is there after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import nullcontext

import pytest
from msgspec.structs import replace

from drivers.webchat.messages import Change, Message, Reactor, emptied, reacted
from drivers.webchat.room import Compose, Discard, NotThere, Room
from nextbridge.media.hosted import File
from nextbridge.sandbox.host import MemoryStore


def says(text: str, author: str | None = "a1", files: tuple[File, ...] = ()) -> Compose:
    return lambda: nullcontext(Message("Ada", text, author=author, files=files))


class Relay:
    """Takes messages, or fails."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.changes: list[Change] = []
        self.broken = False

    async def __call__(self, message: Message, change: Change) -> None:
        if self.broken:
            raise ConnectionError("no relay")
        self.got.append(message.text)
        self.changes.append(change)


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


async def kept(files: Iterable[File]) -> None:
    """Discards no file."""


async def loaded(store: MemoryStore, *, history: int = 20, discard: Discard = kept) -> Room:
    room = Room("lobby", store, history=history, discard=discard)
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
    """A browser's message that is kept reaches the relay at the next start, once; until then no other is kept."""
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
    assert relay.got == ["one", "m2"]
    third = await loaded(store)
    await third.recover(relay)
    assert relay.got == ["one", "m2"]


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

    await room.add("k1", says("hi", author=None))
    await (again := await loaded(store)).recover(relay)
    assert relay.got == []
    assert texts(again) == ["hi"]


async def test_a_page_gets_what_it_has_not_seen() -> None:
    """After the newest message that a page shows, only what is newer; where that is gone, all, to start anew."""
    store = MemoryStore()
    room = await loaded(store, history=30)
    for number in range(1, 31):
        await room.add(f"k{number}", says(f"m{number}"))
    room = await loaded(store, history=20)

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
    one, two = (Room(key, store, history=20, discard=kept) for key in ("one", "two"))
    for room in (one, two):
        await room.load()
        await room.add("same", says(f"in {room.key}"))
    assert [texts(room) for room in (one, two)] == [["in one"], ["in two"]]


EDITED = Change("edited", "a1", "Ada")
DELETED = Change("deleted", "a1", "Ada")


def saying(text: str) -> Callable[[Message], Message]:
    return lambda message: replace(message, text=text, edited=True)


async def test_what_was_changed_is_kept_and_handed_over() -> None:
    """An edit, a reaction and a deletion are on disk, heard, and reach the relay in order, each with its own key."""
    store = MemoryStore()
    room, relay, ear = await loaded(store), Relay(), Ear()
    room.listeners.add(ear)
    await room.post("a1/1", says("hello"), relay)
    await room.change(1, saying("hullo"), done=EDITED, relay=relay)
    added = Change("added", "b2", "Ida", "👍")
    await room.change(1, lambda it: reacted(it, "👍", Reactor("b2", "Ida"), add=True) or it, done=added, relay=relay)
    assert (await loaded(store)).since(None) == room.since(None)
    await room.change(1, emptied, done=DELETED, relay=relay)
    assert relay.got == ["hello", "hullo", "hullo", ""]
    assert [change.kind for change in relay.changes] == ["posted", "edited", "added", "deleted"]
    assert len({change.revision for change in relay.changes}) == 4
    assert ["changed" in frame for frame in ear.heard] == [False, True, True, True]
    again = await loaded(store)
    assert again.since(None)[0] == ()
    with pytest.raises(NotThere):
        await again.change(1, saying("still here"))


@pytest.mark.parametrize("done", [EDITED, DELETED])
async def test_a_change_that_a_crash_left_between_disk_and_relay_is_handed_over(done: Change) -> None:
    """What was kept and not surely handed over goes out at the next start, under the same key, once."""
    store, relay = MemoryStore(), Relay()
    room = await loaded(store)
    await room.post("a1/1", says("hello"), relay)
    before = dict(store.values)
    relay.broken = True
    with pytest.raises(ConnectionError):
        await room.change(1, emptied if done is DELETED else saying("hullo"), done=done, relay=relay)
    relay.broken = False
    again = await loaded(store)
    await again.recover(relay)
    third = await loaded(store)
    await third.recover(relay)
    assert [change.kind for change in relay.changes] == ["posted", done.kind]
    # the relay had it, and the room did not hear so: reported again it is the same
    store.values["room/lobby/relayed"] = before["room/lobby/relayed"]
    await (await loaded(store)).recover(relay)
    assert relay.changes[-1] == relay.changes[-2]


async def test_nothing_is_changed_while_the_relay_lacks_what_was_done_before() -> None:
    """However often it is tried, no more than one thing waits for the relay, and nobody sees it before."""
    store, relay, ear = MemoryStore(), Relay(), Ear()
    room = await loaded(store)
    await room.post("a1/1", says("hello"), relay)
    room.listeners.add(ear)
    relay.broken = True
    for text in ("one", "two", "three"):
        with pytest.raises(ConnectionError):
            await room.change(1, saying(text), done=EDITED, relay=relay)
    assert ear.heard == []
    relay.broken = False
    await room.change(1, saying("three"), done=EDITED, relay=relay)
    assert relay.got == ["hello", "one", "three"]


async def test_a_page_catches_up_on_what_it_shows() -> None:
    """After the newest revision that a page has seen come new messages and the changed ones, the deleted among them."""
    store = MemoryStore()
    room = await loaded(store)
    for number in range(1, 5):
        await room.add(f"k{number}", says(f"m{number}", author=None))
    seen = room.since(None)[0][-1].revision
    await room.change(1, saying("m1, better"))
    await room.change(2, emptied)
    await room.add("k5", says("m5", author=None))
    for each in (room, await loaded(store)):
        missed, fresh = each.since(seen)
        assert [(message.id, message.text, message.gone) for message in missed] == [
            (1, "m1, better", False),
            (2, "", True),
            (5, "m5", False),
        ]
        assert not fresh
        assert each.since(missed[-1].revision) == ((), False)


async def test_what_is_changed_into_itself_is_no_change() -> None:
    """A repeated edit or reaction reaches neither the room nor the relay."""
    room, relay = await loaded(MemoryStore()), Relay()
    await room.post("a1/1", says("hello"), relay)
    await room.change(1, saying("hullo"), done=EDITED, relay=relay)
    await room.change(1, saying("hullo"), done=EDITED, relay=relay)
    assert len(relay.changes) == 2


async def test_files_go_with_their_message() -> None:
    """What was deleted or is forgotten with the history takes its files along, and nothing else does."""
    gone: list[str] = []

    async def discard(files: Iterable[File]) -> None:
        gone.extend(file.name for file in files)

    room = await loaded(MemoryStore(), history=20, discard=discard)
    for number in range(1, 53):
        file = File(f"id{number}", f"f{number}", 1)
        await room.add(f"k{number}", says("", author=None, files=(file,)))
    await room.change(50, saying("with a text"))
    assert gone == []
    await room.change(51, emptied)
    assert gone == ["f51"]
    await room.add("k53", says("the last"))
    assert gone == ["f51", *(f"f{number}" for number in range(1, 34))]
    assert {file.name for file in room.files()} == {f"f{number}" for number in range(34, 53)} - {"f51"}


async def test_somebody_who_is_forgotten_is_in_nothing_that_the_room_keeps() -> None:
    """Their messages go, deleted ones too, with their files and reactions, and so does what they said elsewhere.

    Those in the room see it, those elsewhere do not; what others said and reacted stays; a second time finds nothing.
    """
    gone: list[str] = []

    async def discard(files: Iterable[File]) -> None:
        gone.extend(file.name for file in files)

    store, ear, relay = MemoryStore(), Ear(), Relay()
    room = await loaded(store, discard=discard)
    await room.post("b2/1", says("from Ida", author="b2"), relay)
    await room.post("a1/1", says("from Ada", files=(File("id1", "secret.txt", 1),)), relay)
    await room.post("a1/2", says("from Ada, deleted"), relay)
    await room.change(3, emptied)
    copy = await room.add("k1", says("from Ada, elsewhere", author=None))
    other = await room.add("k2", says("from somebody elsewhere", author=None))
    for who in (Reactor("a1", "Ada"), Reactor("c3", "Eve")):
        await room.change(1, lambda it, who=who: reacted(it, "👍", who, add=True) or it)  # type: ignore[misc]
    room.listeners.add(ear)
    ours, theirs = frozenset({"a1"}), frozenset({copy.id})
    assert await room.forget(ours, theirs, really=False) == 4
    assert (ear.heard, gone) == ([], [])
    given = len(relay.changes)
    assert await room.forget(ours, theirs, really=True) == 4
    assert await room.forget(ours, theirs, really=True) == 0
    assert (len(ear.heard), len(relay.changes), gone) == (4, given, ["secret.txt"])
    kept = replace(other, revision=0)
    for each in (room, await loaded(store)):
        shown = each.since(None)[0]
        assert [message.text for message in shown] == ["from Ida", "from somebody elsewhere"]
        assert [by.name for reaction in shown[0].reactions for by in reaction.by] == ["Eve"]
        assert replace(shown[1], revision=0) == kept
    assert not [value for value in store.values.values() if "secret" in value or "from Ada" in value or '"a1"' in value]


async def test_a_message_that_could_not_be_composed_leaves_nothing() -> None:
    """No number is used and no key is taken."""

    def failing() -> nullcontext[Message]:
        raise OSError("no space")

    room = await loaded(MemoryStore())
    with pytest.raises(OSError, match="space"):
        await room.add("k1", failing)
    assert (await room.add("k1", says("hello"))).id == 1


async def test_a_topic_is_kept() -> None:
    """It is heard once, and is there after a restart, until it is taken away."""
    store, ear = MemoryStore(), Ear()
    room = await loaded(store)
    room.listeners.add(ear)
    await room.set_topic("lunch at noon")
    await room.set_topic("lunch at noon")
    assert len(ear.heard) == 1
    assert (await loaded(store)).topic == "lunch at noon"
    await room.set_topic("")
    assert (await loaded(store)).topic == ""
