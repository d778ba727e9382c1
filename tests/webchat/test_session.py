"""A browser's connection: names, messages, repeats and limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import WSServerHandshakeError

from drivers.webchat.settings import WebChatSettings
from nextbridge.driver import Cursor
from nextbridge.envelope import Event, Posted
from nextbridge.errors import JournalError
from nextbridge.markup import PLAIN
from nextbridge.sandbox.host import RecordingHost

if TYPE_CHECKING:
    from tests.webchat.conftest import Start


async def test_what_is_said_is_heard_by_the_room_and_by_the_relay(start: Start) -> None:
    """A message is acknowledged, is heard by everybody in the room, and is an event with its author and text."""
    chat = await start()
    async with chat.joined("Ada") as ada, chat.joined("Ida") as ida:
        sent = await ada.post("Hello, <b>all</b>!\r\nSecond line")
        heard = (await ida.until("message"))["message"]
        assert (heard["id"], heard["name"]) == (sent["message"], "Ada")
        assert heard["text"] == "Hello, <b>all</b>!\nSecond line"
        assert "origin" not in heard
    (event,) = chat.host.events
    assert isinstance(event, Posted)
    assert (event.channel.instance, event.channel.key, event.message) == ("web", "lobby", str(sent["message"]))
    assert (event.author.id, event.author.name) == (ada.welcome["author"], "Ada")
    assert PLAIN.write(event.text.blocks) == "Hello, <b>all</b>!\nSecond line"
    assert event.at == heard["at"]


async def test_me_is_an_action(start: Start) -> None:
    """`/me waves` is what its author does, without the command."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        await ada.post("/me waves")
    (event,) = chat.host.events
    assert isinstance(event, Posted)
    assert event.action
    assert PLAIN.write(event.text.blocks) == "waves"


async def test_a_message_is_sent_only_when_the_relay_has_it_on_disk(start: Start) -> None:
    """While the relay is still writing, nobody is told that the message was sent."""
    on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class SlowHost(RecordingHost):
        async def accept(self, event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
            await super().accept(event)
            return on_disk

    slow = await start(host=SlowHost("web"))
    async with slow.joined("Ada") as ada, slow.joined("Ida") as ida:
        answer = asyncio.create_task(ada.post("hello"))
        await slow.host.until(lambda: len(slow.host.events) == 1)
        await ida.say(type="ping")
        assert (await ida.next())["type"] == "pong"
        assert not answer.done()
        on_disk.set_result(None)
        assert (await answer)["type"] == "sent"
        assert (await ida.next())["type"] == "message"


async def test_what_cannot_be_kept_is_offered_again(start: Start) -> None:
    """When the disk refuses, the page is told to come again with the message, and then it is sent, once."""

    class FullHost(RecordingHost):
        full = True

        async def accept(self, event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
            if not self.full:
                return await super().accept(event)
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(JournalError("no space left"))
            return refused

    host = FullHost("web")
    chat = await start(host=host)
    async with chat.joined("Ada") as ada:
        answer = await ada.post("hello", id="same-id-0001")
        assert answer["type"] == "unsent"
        assert answer["retry_after"] > 0
        assert "space" not in answer["reason"]
        host.full = False
        assert (await ada.post("hello", id="same-id-0001"))["type"] == "sent"
    assert len(host.events) == 1


async def test_a_message_sent_again_after_a_reconnection_is_one(start: Start) -> None:
    """The page sends again what it has no answer for: the same message, heard once, one event, across a restart too."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        first = await ada.post("hello", id="same-id-0001")
        session = ada.welcome["session"]
    async with chat.joined("Ada", session=session) as ada:
        assert await ada.post("hello", id="same-id-0001") == first
    await chat.stop()
    again = await start(host=chat.host)
    async with again.joined("Ada", session=session) as ada:
        assert await ada.post("hello", id="same-id-0001") == first
        assert [message["text"] for message in ada.history] == ["hello"]
    assert len({event.key for event in again.host.events}) == len(again.host.events) == 1


async def test_one_persons_message_id_means_nothing_for_another(start: Start) -> None:
    """Two people whose pages chose the same id said two things."""
    chat = await start()
    async with chat.joined("Ada") as ada, chat.joined("Eve") as eve:
        one = await ada.post("from Ada", id="same-id-0001")
        two = await eve.post("from Eve", id="same-id-0001")
    assert one["message"] != two["message"]
    assert len(chat.host.events) == 2


async def test_nobody_has_the_name_of_somebody_in_the_room(start: Start) -> None:
    """A name in use is refused however it is written, and free again when its owner has left."""
    chat = await start("lobby", "ops")
    async with chat.joined("Eve") as eve:
        async with chat.joined("Ada Lovelace"):
            for name in ("Ada Lovelace", "ADA  lovelace", "Ａda Lovelace"):
                assert (await eve.join(name))["what"] == "name"
            assert (await eve.join("Ada Lovelace", "ops"))["type"] == "joined"
        while (answer := await eve.join("Ada Lovelace"))["type"] != "joined":
            assert answer["what"] == "name"


async def test_a_person_comes_back_under_the_same_name(start: Start) -> None:
    """Who is still there on a dead connection, or in another tab, can be there again."""
    chat = await start()
    async with chat.joined("Ada") as ada, chat.joined("Ada", session=ada.welcome["session"]) as again:
        assert again.welcome["author"] == ada.welcome["author"]
        assert (await again.post("hello"))["type"] == "sent"


@pytest.mark.parametrize("forged", ["{author}", "{author}.", "{author}.00", "{author}.{zeros}", ".", "é.{zeros}"])
async def test_nobody_can_claim_to_be_another_author(start: Start, forged: str) -> None:
    """An author's public id is no session: a forged one makes a new author."""
    chat = await start()
    async with chat.joined("Ada") as ada, chat.connect() as eve:
        claim = forged.format(author=ada.welcome["author"], zeros="0" * 64)
        welcome = await eve.hello(session=claim)
        assert welcome["type"] == "welcome"
        assert welcome["author"] != ada.welcome["author"]


async def test_history_is_shown_on_opening_and_only_the_rest_on_reconnecting(start: Start) -> None:
    """A newcomer reads the room's history in order; who was there reads what they missed."""
    chat = await start()
    for number in range(120):
        await chat.send(f"m{number}")
    async with chat.joined("Ada") as ada:
        assert [message["text"] for message in ada.history] == [f"m{number}" for number in range(120)]
        newest = ada.history[-1]["id"]
    await chat.send("missed")
    async with chat.connect() as ada:
        await ada.hello()
        answer = await ada.join("Ada", after=newest)
        assert "fresh" not in answer
        assert [message["text"] for message in ada.history] == ["missed"]


async def test_rooms_are_apart(start: Start) -> None:
    """What is said in one room is not heard in another, and who changes rooms hears the new one only."""
    chat = await start("lobby", "ops")
    async with chat.joined("Ada", "lobby") as ada, chat.joined("Ida", "ops") as ida:
        assert tuple(ada.welcome["rooms"]) == ("lobby", "ops")
        await ada.join("Ada", "OPS")
        await ida.post("in ops")
        assert (await ada.next())["message"]["text"] == "in ops"
        await chat.send("in lobby")
        await ida.post("again in ops")
        assert (await ada.next())["message"]["text"] == "again in ops"
        assert (await ada.join("Ada", "nowhere"))["what"] == "room"


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x07", "x" * 51])
async def test_a_message_that_says_nothing_or_too_much_is_not_taken(start: Start, text: str) -> None:
    """It is refused for good, with the reason, and never becomes an event."""
    chat = await start(settings=WebChatSettings(max_message=50))
    async with chat.joined("Ada") as ada:
        answer = await ada.post(text)
        assert answer["type"] == "unsent"
        assert "retry_after" not in answer
        assert (await ada.post("x" * 50))["type"] == "sent"
    assert len(chat.host.events) == 1


async def test_who_sends_too_fast_is_asked_to_wait(start: Start) -> None:
    """What is over the pace is not taken now, is told when to come again, and is then taken."""
    chat = await start(settings=WebChatSettings(messages_per_minute=600))
    async with chat.joined("Ada") as ada:
        answers = [await ada.post(f"m{number}") for number in range(30)]
        waiting = [answer for answer in answers if answer["type"] == "unsent"]
        assert waiting
        assert all(0 < answer["retry_after"] < 1 for answer in waiting)
        await asyncio.sleep(waiting[-1]["retry_after"])
        assert (await ada.post("later", id=waiting[-1]["id"]))["type"] == "sent"


@pytest.mark.parametrize(
    "frame", ["", "null", "[]", '{"type":"nothing"}', '{"type":"post","id":1}', '{"type":"join"}', "{"]
)
async def test_what_is_no_frame_ends_the_connection(start: Start, frame: str) -> None:
    """Nonsense ends its own connection, and nobody else's."""
    chat = await start()
    async with chat.joined("Ada") as ada, chat.joined("Eve") as eve:
        await eve.socket.send_str(frame)
        assert await eve.ended() == 1008
        assert (await ada.post("still here"))["type"] == "sent"


async def test_a_frame_beyond_all_measure_is_not_read(start: Start) -> None:
    """The connection ends before the frame is in memory."""
    chat = await start(settings=WebChatSettings(max_message=100))
    async with chat.joined("Eve") as eve:
        await eve.socket.send_str("x" * 1_000_000)
        assert await eve.ended() is not None


async def test_a_full_room_takes_nobody_else(start: Start) -> None:
    """The limits of a room and of the instance hold, and a place that is free again is given."""
    chat = await start("lobby", "ops", settings=WebChatSettings(max_connections=3, max_connections_per_room=1))
    async with chat.joined("Ada"), chat.joined("Ida", "ops"), chat.connect() as eve:
        await eve.hello()
        assert (await eve.join("Eve"))["what"] == "full"
        with pytest.raises(WSServerHandshakeError) as refused:
            async with chat.connect():
                pass
        assert refused.value.status == 503


async def test_one_who_does_not_read_is_let_go_and_holds_up_nobody(start: Start) -> None:
    """A browser that reads nothing is cut off once too much waits for it; sending to the room goes on all the while."""
    chat = await start()
    async with chat.joined("Ida") as ida, chat.joined("Stuck") as stuck:
        for number in range(900):
            async with asyncio.timeout(5):
                await chat.send(f"{number} " + "x" * 15_000)
                assert (await ida.until("message"))["message"]["text"].startswith(f"{number} ")
        # Nobody of the name is there any more.
        async with chat.joined("Stuck") as another:
            assert (await another.post("hello"))["type"] == "sent"
        with pytest.raises(AssertionError, match="connection ended"):
            for _ in range(900):
                await stuck.next()


async def test_stopping_tells_the_page_to_come_back(start: Start) -> None:
    """At the end the connections are closed as going away, and the address answers 503."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        stopping = asyncio.create_task(chat.stop())
        assert await ada.ended() == 1001
        await stopping
    async with chat.http.get(chat.url) as response:
        assert response.status == 503
