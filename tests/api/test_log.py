"""A room's log on disk: what a crash leaves is made good, and what is over the history goes whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import pytest

from drivers.api.entries import Delete, Edit, Entry, Message, Person, Reaction, Topic
from drivers.api.log import KeyReused, Log, NotThere, composed
from nextbridge.errors import JournalError
from nextbridge.media.hosted import File
from nextbridge.sandbox.host import MemoryStore

ADA = Person("Ada", id="u1")


class Crash(Exception):
    """The process ends here."""


class Dying(MemoryStore):
    """A disk that takes so many writes, and none after."""

    def __init__(self, values: dict[str, str], writes: int) -> None:
        super().__init__()
        self.values = values
        self._left = writes

    async def set(self, key: str, value: str | None) -> None:
        if self._left == 0:
            raise Crash
        self._left -= 1
        await super().set(key, value)


class Relay:
    """The other side: it knows what it has by the entry's number."""

    def __init__(self) -> None:
        self.has: dict[int, Entry] = {}
        self.discarded: list[str] = []
        self.refuses = False

    async def take(self, entry: Entry) -> None:
        if self.refuses:
            raise JournalError("the disk is full")
        self.has.setdefault(entry.id, entry)

    async def discard(self, files: Iterable[File]) -> None:
        self.discarded += [file.id for file in files]


async def opened(store: MemoryStore, relay: Relay, history: int = 20) -> Log:
    log = Log("ops", store, history=history, relay=relay.take, discard=relay.discard)
    await log.load()
    log.open()
    return log


def said(text: str, token: str = "game", **more: object) -> Message:
    return Message(text=text, token=token, author=ADA, **more)  # type: ignore[arg-type]


def texts(log: Log) -> list[str]:
    entries, _ = log.since(None, 10_000)
    return [entry.text if isinstance(entry, Message | Edit) else type(entry).__name__ for entry in entries]


async def test_what_was_written_before_a_crash_is_in_the_relay_after_it() -> None:
    """Whichever write is the last: each message that is in the log is handed over, once and in order, and no other."""
    for writes in range(30):
        values: dict[str, str] = {}
        relay = Relay()
        log = await opened(Dying(values, writes), relay)
        try:
            for number in range(3):
                await log.append(f"a{number}", composed(lambda number=number: said(f"line {number}")))  # type: ignore[misc]
                await log.append(f"b{number}", composed(lambda: said("from elsewhere", token="")))
            await log.append("d", composed(lambda: Delete(message=1, token="game", author=ADA)))
        except Crash:
            pass
        again = await opened(Dying(values, 1000), relay)
        await again.recover()
        entries, _ = again.since(None, 100)
        ours = [entry.id for entry in entries if entry.token]
        assert [number for number in ours if number not in relay.has] == []
        assert list(relay.has) == sorted(relay.has)
        assert set(relay.has) <= set(ours)
        assert again.last == len(entries)


async def test_what_the_relay_refused_goes_first_when_it_takes_again() -> None:
    """The program is told, asks again with the same key, and both sides have it once, before what came later."""
    relay = Relay()
    log = await opened(MemoryStore(), relay)
    relay.refuses = True
    with pytest.raises(JournalError):
        await log.append("a", composed(lambda: said("first")))
    with pytest.raises(JournalError):
        await log.append("b", composed(lambda: said("second", token="")))
    assert (log.last, texts(log)) == (0, [])
    relay.refuses = False
    assert (await log.append("a", composed(lambda: said("first"))))[1] is False
    await log.append("b", composed(lambda: said("second", token="")))
    assert texts(log) == ["first", "second"]
    assert list(relay.has) == [1]


async def test_a_key_stands_for_one_thing_as_long_as_its_entry_is_kept() -> None:
    """Also after a restart; for something else it is refused."""
    store, relay = MemoryStore(), Relay()
    log = await opened(store, relay)
    first, is_new = await log.append("key", composed(lambda: said("one")), "digest")
    assert is_new
    log = await opened(store, relay)
    assert await log.append("key", composed(lambda: said("one")), "digest") == (first, False)
    with pytest.raises(KeyReused):
        await log.append("key", composed(lambda: said("two")), "another")
    for number in range(60):
        await log.append(f"{number}", composed(lambda: said("x")))
    assert (await log.append("key", composed(lambda: said("one")), "digest"))[1]


async def test_what_is_over_the_history_goes_whole() -> None:
    """The values on disk, the keys, the messages and their files; a crash in between leaves nothing behind."""
    for writes in range(150, 260, 7):
        values: dict[str, str] = {}
        relay = Relay()
        log = await opened(Dying(values, writes), relay)
        try:
            for number in range(100):
                file = File(f"f{number}", "a.txt", 1)
                await log.append(f"{number}", composed(lambda file=file: said("x", files=(file,))))  # type: ignore[misc]
        except Crash:
            pass
        again = await opened(Dying(values, 1000), relay)
        await again.recover()
        entries, _ = again.since(None, 1000)
        kept = {int(key.rpartition("/")[2]) for key in values if key.rpartition("/")[2].isdecimal()}
        assert kept == {entry.id for entry in entries}
        assert len(kept) <= 20
        assert {file.id for file in again.files()} == {f"f{number - 1}" for number in kept}


async def test_of_a_deleted_message_nothing_is_left_whenever_it_crashed() -> None:
    """Neither its words nor those of its edits, once it was loaded again; and it can be named no more."""
    for writes in range(6, 14):
        values: dict[str, str] = {}
        relay = Relay()
        log = await opened(Dying(values, writes), relay)
        try:
            await log.append("a", composed(lambda: said("secret one", files=(File("f", "a", 1),))))
            await log.append("e", composed(lambda: Edit(message=1, text="secret two", token="game", author=ADA)))
            await log.append("d", composed(lambda: Delete(message=1, token="game", author=ADA)))
        except Crash:
            pass
        again = await opened(Dying(values, 1000), relay)
        if any('"delete"' in value for value in values.values()):
            assert "secret" not in "".join(values.values())
            assert list(again.files()) == []
            with pytest.raises(NotThere):
                again.get(1)


async def test_reactions_and_the_topic_are_known_after_a_restart() -> None:
    """Whose they are, what was taken back, and the topic though its entry is forgotten."""
    store, relay = MemoryStore(), Relay()
    log = await opened(store, relay)
    await log.append("t", composed(lambda: Topic(topic="today")))
    for _ in range(60):
        await log.append(f"{log.last}", composed(lambda: said("x")))
    number = log.last
    mine = Reaction(message=number, emoji="👍", token="game", author=ADA)
    theirs = Reaction(message=number, emoji="👍")
    gone = Reaction(message=number, emoji="🎉")
    back = Reaction(message=number, emoji="🎉", added=False)
    for place, each in enumerate((mine, gone, back)):
        await log.append(f"r{place}", composed(lambda each=each: each))  # type: ignore[misc]
    log = await opened(store, relay)
    assert (log.topic, [log.has_reaction(each) for each in (mine, theirs, gone)]) == ("today", [True, False, False])


async def test_a_request_that_is_given_up_is_done_to_its_end() -> None:
    """Whoever asked goes away in the middle: what was begun is on both sides, and the next one follows it."""
    relay = Relay()
    log = await opened(MemoryStore(), relay)
    asking = asyncio.create_task(log.append("a", composed(lambda: said("one"))))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    await log.append("b", composed(lambda: said("two")))
    assert texts(log) == ["one", "two"]
    assert list(relay.has) == [1, 2]


async def test_somebody_who_is_forgotten_is_in_no_entry() -> None:
    """Readers are told that their messages are deleted, the relay is not; what they did stays, without who it was."""
    store, relay = MemoryStore(), Relay()
    log = await opened(store, relay)
    eve = Person("Eve", id="u2")
    file = File("id1", "secret.txt", 1)
    await log.append("a", composed(lambda: said("of Ada")))
    await log.append("b", composed(lambda: Message(text="of Eve", token="game", author=eve, files=(file,))))
    await log.append(
        "c", composed(lambda: Edit(message=2, text="of Eve, edited", token="game", author=eve, files=(file,)))
    )
    await log.append("d", composed(lambda: Reaction(message=1, emoji="👍", token="game", author=eve)))
    await log.append("e", composed(lambda: Reaction(message=1, emoji="👍", token="game", author=ADA)))
    given = dict(relay.has)

    def hers(entry: Entry) -> bool:
        return entry.author is not None and entry.author.id == "u2"

    assert await log.forget(hers, really=False) == 3
    assert texts(log) == ["of Ada", "of Eve", "of Eve, edited", "Reaction", "Reaction"]
    assert await log.forget(hers, really=True) == 3
    assert await log.forget(hers, really=True) == 0
    assert (relay.has, relay.discarded) == (given, ["id1"])
    for each in (log, await opened(store, relay)):
        assert texts(each) == ["of Ada", "", "", "Reaction", "Reaction", "Delete"]
        with pytest.raises(NotThere):
            each.get(2)
        assert each.has_reaction(Reaction(message=1, emoji="👍", token="game", author=ADA))
        assert not each.has_reaction(Reaction(message=1, emoji="👍", token="game", author=eve))
    assert not [value for value in store.values.values() if "Eve" in value or "u2" in value or "secret" in value]


async def test_what_a_forgotten_person_said_is_not_kept_by_a_crash_while_it_goes() -> None:
    """Whichever write is the last: asked once more, nothing of it is left."""
    for writes in range(8):
        values: dict[str, str] = {}
        log = await opened(Dying(values, 1000), Relay())
        for number in range(2):
            await log.append(f"a{number}", composed(lambda: said("of Ada")))
        with suppress(Crash):
            await (await opened(Dying(values, writes), Relay())).forget(lambda entry: entry.author == ADA, really=True)
        again = await opened(Dying(values, 1000), Relay())
        await again.forget(lambda entry: entry.author == ADA, really=True)
        assert not [value for value in values.values() if "of Ada" in value or "u1" in value]
        assert texts(again)[:2] == ["", ""]
