"""Each optional capability, shown on the platform: a class that implements one has to pass its test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from nextbridge.driver import Cursor, Downloads, History, Identity, LocalFile, Pages, Past, Portraits, Uploads
from nextbridge.envelope import Attachment, Posted, UserId
from nextbridge.errors import Gone, Rejected, Retry
from nextbridge.media.content import HEAD, PICTURES, signature
from nextbridge.sandbox.contract.bench import Bench, Situation
from nextbridge.sandbox.contract.needs import needs
from nextbridge.sandbox.contract.supervised import Supervised, error_of, said, spooled

__all__ = ["ShowsCapabilities"]

_NAMES = ("holiday photo (1).png", "Größe & «quotes» \"x\" 'y'; a=b.txt")
"""Names that people give to files, and that a header or an address has to be careful with."""
_LARGEST = 1000
_MANY = 30


class ShowsCapabilities:
    """One test or more for each capability."""

    @needs(Identity)
    async def test_a_message_is_shown_under_its_authors_name(self, bench: Bench) -> None:
        """Identity: beside the text stands the name that the core asks for, not the relay's."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Identity)
        assert relay.driver.shows_identity
        for name in ("Zoë Washburne", "<b>Mal</b>", "@all"):
            await relay.send(relay.outgoing(relay.written("hello"), name=name))
            heard = await bench.hear()
            assert (heard.author, heard.text, heard.notation) == (name, "hello", frozenset())

    @needs(Identity)
    async def test_no_identity_is_promised_before_it_is_known(self, bench: Bench) -> None:
        """Identity: asked before the first connection it answers without I/O, and does not break."""
        relay = bench.make()
        assert isinstance(relay.driver, Identity)
        assert relay.driver.shows_identity in {True, False}

    @needs(Uploads)
    async def test_files_arrive_byte_for_byte_with_their_names(self, bench: Bench, tmp_path: Path) -> None:
        """Uploads: several files of one message hang on that message, in order, with whole names."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Uploads)
        assert relay.driver.limits(relay.room(0)).files >= 1
        contents = [os.urandom(100_000), b"a short one"]
        files = tuple(spooled(tmp_path, name, content) for name, content in zip(_NAMES, contents, strict=True))
        files = files[: relay.driver.limits(relay.room(0)).files]
        assert [relay.driver.refuses_file(relay.room(0), file) for file in files] == [None] * len(files)
        await relay.send(relay.outgoing(relay.written("two files"), files=files))
        heard = await bench.hear()
        assert heard.text == "two files"
        assert heard.files == tuple(zip(_NAMES, contents, strict=True))[: len(files)]
        await relay.send(relay.outgoing("", files=files[:1]))
        assert (await bench.hear()).files == ((_NAMES[0], contents[0]),)

    @needs(Uploads)
    async def test_as_many_files_as_the_limit_says_are_one_message(self, bench: Bench, tmp_path: Path) -> None:
        """Uploads: `limits().files` files pass at once."""
        relay = await bench.relay()
        most = relay.driver.limits(relay.room(0)).files
        files = tuple(spooled(tmp_path, f"file {number}.txt", b"x") for number in range(min(most, 20)))
        await relay.send(relay.outgoing(relay.written("many"), files=files))
        assert [name for name, _ in (await bench.hear()).files] == [file.name for file in files]

    @needs(Uploads)
    async def test_a_file_that_is_too_large_is_refused_beforehand(self, bench: Bench) -> None:
        """Uploads: why a file would not be taken is said without sending it."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Uploads)
        huge = LocalFile(Path("nowhere"), "huge.bin", "application/octet-stream", 1 << 50)
        assert (relay.driver.refuses_file(relay.room(0), huge) or "").strip()

    @needs(Downloads)
    async def test_a_file_can_be_fetched_byte_for_byte(self, bench: Bench) -> None:
        """Downloads: an event names the other person's file, and its bytes can be had."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Downloads)
        for name in _NAMES:
            content = os.urandom(100_000)
            await bench.say_file(name, content)
            await relay.until(lambda: bool(relay.posted))
            (event,) = relay.posted
            (attachment,) = event.attachments
            assert attachment.name == name
            assert attachment.size in {None, len(content)}
            assert await _content(relay.driver, attachment) == content
            relay.host.events.clear()

    @needs(Downloads, Situation.LARGE_FILE)
    async def test_a_file_that_is_too_large_is_not_fetched(self, bench: Bench) -> None:
        """Downloads: `largest_file` bytes are handed out, and no more, whatever the platform said of the size."""
        relay = await bench.relay(settings=bench.settings_with_largest_file(_LARGEST))
        assert isinstance(relay.driver, Downloads)
        assert relay.driver.largest_file == _LARGEST
        await bench.say_file("just right.bin", bytes(_LARGEST))
        await bench.say_file("too large.bin", bytes(_LARGEST + 1))
        await relay.until(lambda: len(relay.posted) == 2)
        right, large = (event.attachments[0] for event in relay.posted)
        assert len(await _content(relay.driver, right)) == _LARGEST
        error = await error_of(_content(relay.driver, large))
        assert isinstance(error, Rejected), error
        assert error.reason.strip()

    @needs(Downloads)
    async def test_a_file_that_is_not_there_is_gone(self, bench: Bench) -> None:
        """Downloads: what nobody has is said with an error of the contract, and not tried for ever."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Downloads)
        error = await error_of(_content(relay.driver, Attachment(id="n" * 26, name="nothing")))
        assert isinstance(error, Gone | Rejected), error

    @needs(Portraits)
    async def test_the_picture_of_somebody_who_spoke_can_be_fetched(self, bench: Bench) -> None:
        """Portraits: an event says that its author has a picture, and it is one, the same whoever of ours asks."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Portraits)
        await bench.say("hello")
        author = (await relay.received("hello")).author
        assert author.portrait
        assert author.avatar is None
        picture = await _picture(relay.driver, author.id)
        assert signature(picture[:HEAD]) in PICTURES
        assert await _picture(relay.driver, author.id) == picture

    @needs(Portraits)
    async def test_nobody_has_no_picture(self, bench: Bench) -> None:
        """Portraits: who is not there is said with an error of the contract, and not tried for ever."""
        relay = await bench.relay()
        assert isinstance(relay.driver, Portraits)
        error = await error_of(_picture(relay.driver, UserId("n" * 26)))
        assert isinstance(error, Gone | Rejected), error

    @needs(History)
    async def test_the_first_connection_tells_of_a_gap_before_its_first_event(self, bench: Bench) -> None:
        """History: for each channel, with where it stands, so that a rule which begins now begins there."""
        relay = await bench.relay()
        await bench.say("hello")
        event = await relay.received("hello")
        told = dict(relay.host.gaps)
        assert told.keys() == {relay.room(0), relay.room(1)}
        newest = told[relay.room(0)]
        assert newest is not None
        assert newest.at < event.at
        assert newest.cursor.name in relay.host.cursors
        assert newest.cursor.value != relay.host.cursors[newest.cursor.name]

    @needs(History)
    async def test_what_was_said_meanwhile_is_given_back_in_order(self, bench: Bench) -> None:
        """History: after the cursor of what was heard, once each, as the same events; also after a restart."""
        relay = await bench.relay()
        await bench.say("heard")
        heard = await relay.received("heard")
        (cursor,) = (Cursor(*each) for each in relay.host.cursors.items())
        await relay.stop()
        texts = [f"missed {number}" for number in range(_MANY)]
        for text in texts:
            await bench.say(text)
        async with _asked(bench, relay, cursor) as past:
            given = [said(event) async for event, _ in past.events if isinstance(event, Posted)]
        assert [text for text in given if text != "heard"] == texts
        again = bench.make(store=relay.host.store)
        await bench.connect(again)
        async with _asked(bench, again, cursor) as past:
            events = [event async for event, _ in past.events if isinstance(event, Posted)]
        assert [said(event) for event in events if event.key != heard.key] == texts
        assert len({event.key for event in events}) == len(events)

    @needs(History)
    async def test_no_more_is_given_back_than_is_asked_for(self, bench: Bench) -> None:
        """History: the newest; the others are counted."""
        relay = await bench.relay()
        await bench.say("heard")
        await relay.received("heard")
        (cursor,) = (Cursor(*each) for each in relay.host.cursors.items())
        await relay.stop()
        for number in range(_MANY):
            await bench.say(f"missed {number}")
        async with _asked(bench, relay, cursor, most=5) as past:
            given = [said(event) async for event, _ in past.events if isinstance(event, Posted)]
        assert given == [f"missed {number}" for number in range(_MANY - 5, _MANY)]
        assert past.over == _MANY - 5

    @needs(Pages)
    async def test_pages_are_served_below_the_instance(self, bench: Bench) -> None:
        """Pages: the daemon's HTTP server passes on what is asked for there, and the driver answers."""
        relay = await bench.relay()
        address = await bench.address(relay)
        async with aiohttp.ClientSession() as http, http.get(f"{address}{bench.page}") as response:
            assert response.status < 400
            assert await response.read()

    @needs(Pages)
    async def test_what_is_no_page_is_not_found(self, bench: Bench) -> None:
        """Pages: anything else is 404, and no way out of the folder."""
        relay = await bench.relay()
        address = await bench.address(relay)
        async with aiohttp.ClientSession() as http:
            for path in ("/no-such-page", "/..%2f..%2fetc%2fpasswd", "/%00"):
                async with http.get(f"{address}{path}") as response:
                    assert response.status == 404, path


async def _content(driver: Downloads, attachment: Attachment) -> bytes:
    async with driver.open_attachment(attachment) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def _picture(driver: Portraits, user: UserId) -> bytes:
    async with driver.open_portrait(user) as chunks:
        return b"".join([chunk async for chunk in chunks])


@asynccontextmanager
async def _asked(bench: Bench, relay: Supervised, cursor: Cursor, *, most: int = 1000) -> AsyncIterator[Past]:
    """The history of room 0. A driver that is stopped may need to be connected for it, and says Retry until it is."""
    assert isinstance(relay.driver, History)
    ask = partial(relay.driver.history, relay.room(0), cursor, age=3600, most=most)
    try:
        async with ask() as past:
            yield past
    except Retry:
        assert not relay.host.is_connected
        await bench.connect(relay)
        async with ask() as past:
            yield past
        await relay.stop()
