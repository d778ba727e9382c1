"""What a browser may do to messages, and what it may not, whatever it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from drivers.webchat.settings import WebChatSettings
from nextbridge.driver import Rejected
from nextbridge.emoji import read_emoji
from nextbridge.envelope import ChannelKey, Deleted, Edited, MessageId, Posted, Reacted
from nextbridge.markup import PLAIN

if TYPE_CHECKING:
    from tests.webchat.conftest import Browser, Frame, Start

LOBBY = ChannelKey("lobby")


async def ask(browser: Browser, **frame: object) -> Frame:
    """Ask for something and return the answer."""
    frame.setdefault("id", f"ask-{uuid4().hex}")
    await browser.say(**frame)
    while (answer := await browser.next())["type"] not in {"sent", "unsent"}:
        pass
    return answer


async def test_nobody_changes_what_another_wrote(start: Start) -> None:
    """Neither another browser's message nor one from another platform, under the author's own name either."""
    chat = await start()
    await chat.send("from elsewhere")
    async with chat.joined("Ada") as ada:
        await ada.post("from Ada")
    async with chat.joined("Ada") as eve:
        for number in (1, 2, 99):
            for frame in ({"type": "edit", "text": "owned"}, {"type": "delete"}):
                answer = await ask(eve, message=number, **frame)
                assert answer["type"] == "unsent"
                assert "retry_after" not in answer
        assert [message["text"] for message in (await _history(eve))] == ["from elsewhere", "from Ada"]
    assert [type(event) for event in chat.host.events] == [Posted]


async def test_the_relay_changes_only_what_it_sent(start: Start) -> None:
    """A browser's message is its author's."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        await ada.post("from Ada")
    with pytest.raises(Rejected):
        await chat.driver.edit(MessageId("1"), chat.outgoing("owned"))
    with pytest.raises(Rejected):
        await chat.driver.delete(LOBBY, MessageId("1"))


async def test_each_change_is_one_event_with_a_key_of_its_own(start: Start) -> None:
    """What is asked for again, as after a lost answer, is done once; the order is kept."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        await ada.post("one")
        for frame in (
            {"type": "edit", "text": "two"},
            {"type": "edit", "text": "/me three"},
            {"type": "react", "emoji": "👍"},
            {"type": "react", "emoji": "👍", "add": False},
            {"type": "react", "emoji": "👍"},
            {"type": "delete"},
        ):
            for _ in range(2):
                assert (await ask(ada, message=1, **frame))["type"] == "sent"
        assert (await ask(ada, type="react", message=1, emoji="👍"))["type"] == "unsent"
    events = chat.host.events
    assert [type(event) for event in events] == [Posted, Edited, Edited, Reacted, Reacted, Reacted, Deleted]
    assert len({event.key for event in events}) == len(events)
    edited = events[2]
    assert isinstance(edited, Edited)
    assert (PLAIN.write(edited.text.blocks), edited.action) == ("three", True)
    assert {event.author.id for event in events} == {ada.welcome["author"]}


@pytest.mark.parametrize("text", ["", " \x00 ", "x" * 51])
async def test_an_edit_is_bounded_as_a_message_is(start: Start, text: str) -> None:
    """Nothing empty, nothing too long."""
    chat = await start(settings=WebChatSettings(max_message=50))
    async with chat.joined("Ada") as ada:
        await ada.post("fine")
        assert (await ask(ada, type="edit", message=1, text=text))["type"] == "unsent"


async def test_changes_have_a_pace(start: Start) -> None:
    """Edits and reactions without end are told to wait."""
    chat = await start(settings=WebChatSettings(messages_per_minute=60))
    async with chat.joined("Ada") as ada:
        await ada.post("fine")
        edits = [await ask(ada, type="edit", message=1, text=f"{number}") for number in range(15)]
        reactions = [await ask(ada, type="react", message=1, emoji="👍", add=not n % 2) for n in range(30)]
    for answers in (edits, reactions):
        waiting = [answer for answer in answers if answer["type"] == "unsent"]
        assert waiting
        assert all(answer["retry_after"] > 0 for answer in waiting)


async def test_reactions_to_a_message_are_bounded(start: Start) -> None:
    """So many different ones, and no more."""
    chat = await start(settings=WebChatSettings(messages_per_minute=6000))
    async with chat.joined("Ada") as ada:
        await ada.post("fine")
        emoji = [chr(number) for number in range(0x1F400, 0x1F41E)]
        answers = [(await ask(ada, type="react", message=1, emoji=each))["type"] for each in emoji]
    assert answers == ["sent"] * 20 + ["unsent"] * 10


@pytest.mark.parametrize("text", ["", "a", "👍👍", "<b>", "thumbsup", ":+1:", "\u200d", "x" * 41, "👍\x00"])
def test_what_is_no_emoji_is_no_reaction(text: str) -> None:
    """A reaction is one emoji and nothing else."""
    assert read_emoji(text) is None


@pytest.mark.parametrize(
    ("text", "shown"), [("👍", "👍"), ("❤", "❤️"), ("❤️", "❤️"), ("👨‍👩‍👧", "👨‍👩‍👧"), ("🇩🇪", "🇩🇪"), ("1️⃣", "1️⃣")]
)
def test_an_emoji_is_one_however_it_is_written(text: str, shown: str) -> None:
    """With or without the sign that asks for colours."""
    assert read_emoji(text) == shown


async def test_an_answer_knows_what_it_answers_and_where_that_began(start: Start) -> None:
    """Any message can be answered; to what is forgotten it is a message like any other."""
    chat = await start()
    await chat.send("the beginning")
    async with chat.joined("Ada") as ada:
        for number in (1, 2, 77):
            await ask(ada, type="post", text="answer", reply_to=number)
    events = [event for event in chat.host.events if isinstance(event, Posted)]
    assert [(event.reply_to, event.thread) for event in events] == [("1", "1"), ("2", "1"), (None, None)]


async def test_who_is_in_the_room_can_be_found_and_told_something(start: Start) -> None:
    """By the whole name, whatever its case, while they are there."""
    chat = await start("lobby", "ops")
    async with chat.joined("Ada Lovelace") as ada:
        found = await chat.driver.member(LOBBY, "ada lovelace")
        assert found is not None
        assert found.id == ada.welcome["author"]
        assert await chat.driver.member(ChannelKey("ops"), "Ada Lovelace") is None
        assert await chat.driver.member(LOBBY, "Ada") is None
        await chat.driver.tell(found.id, "psst")
        assert (await ada.until("told"))["text"] == "psst"
    with pytest.raises(Rejected, match="not in the web chat"):
        while True:
            await chat.driver.tell(found.id, "psst")


async def _history(browser: Browser) -> list[Frame]:
    await browser.join("Eve")
    return browser.history
