"""The page in a real browser: what people do with messages, their own and others'."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from drivers.webchat.settings import WebChatSettings
from nextbridge.config.types import Secret
from nextbridge.envelope import Author, ChannelKey, Deleted, Edited, MessageId, Posted, Reacted, UserId
from nextbridge.sandbox.contract.supervised import spooled
from tests.webchat.test_page import Page, opened
from tests.window import EVIL

if TYPE_CHECKING:
    from tests.webchat.conftest import Start

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC"
)
LOBBY = ChannelKey("lobby")


class Deeds(Page):
    """What a person does with a message."""

    def message(self, number: int) -> Any:
        return self.find(f".message[data-id='{number}']")

    def menu(self, number: int) -> None:
        """Open what can be done with a message, by the keyboard."""
        self.message(number).find_element(By.CSS_SELECTOR, ".more").send_keys(Keys.ENTER)
        self.wait(lambda: self.find("#menu").is_displayed())

    def gone(self, selector: str) -> None:
        self.wait(lambda: not self.browser.find_elements(By.CSS_SELECTOR, selector))

    def reactions(self, number: int) -> list[tuple[str, str | None]]:
        return [
            (each.text.replace("\n", " "), each.get_attribute("aria-pressed"))
            for each in self.browser.find_elements(By.CSS_SELECTOR, f".message[data-id='{number}'] .reaction")
        ]


@pytest.fixture
def page(browser: Chrome) -> Deeds:
    """A browser window."""
    return Deeds(browser)


async def test_a_message_of_ones_own_is_edited(start: Start, page: Deeds) -> None:
    """By the menu or the arrow up: it says something else, is marked so, and the relay is told."""
    chat = await start()
    await opened(chat, page)
    async with chat.joined("Ida") as ida:

        def edit() -> None:
            page.type("helo")
            page.shows("helo")
            page.menu(1)
            page.find("#menu .edit").click()
            assert page.find("#text").get_attribute("value") == "helo"
            page.find("#text").send_keys(Keys.BACKSPACE, "lo", Keys.ENTER)
            page.shows("hello")
            page.find("#text").send_keys(Keys.ARROW_UP)
            page.find("#text").send_keys("!", Keys.ENTER)
            page.shows("hello!")
            assert page.message(1).find_element(By.CSS_SELECTOR, ".edited").get_attribute("aria-label") == "edited"
            assert page.find("#text").get_attribute("value") == ""
            assert page.complaints() == []

        await asyncio.to_thread(edit)
        assert (await ida.until("changed"))["message"]["text"] == "hello"
    assert [type(event) for event in chat.host.events] == [Posted, Edited, Edited]


async def test_a_message_of_ones_own_is_deleted(start: Start, page: Deeds) -> None:
    """After a second press it is gone, here and for the relay; nobody else's can be deleted."""
    chat = await start()
    await chat.send("theirs", name="Grace")
    await opened(chat, page)

    def delete() -> None:
        page.type("mine")
        page.shows("theirs", "mine")
        page.menu(2)
        page.find("#menu .delete").click()
        page.shows("theirs", "mine")
        page.find("#menu .delete").click()
        page.shows("theirs")
        page.menu(1)
        assert page.browser.find_elements(By.CSS_SELECTOR, "#menu .delete, #menu .edit") == []

    await asyncio.to_thread(delete)
    assert [type(event) for event in chat.host.events] == [Posted, Deleted]


async def test_an_answer_quotes_what_it_answers(start: Start, page: Deeds) -> None:
    """Any message can be answered; its beginning stands above the answer and leads there, and goes when it goes."""
    chat = await start()
    receipt = await chat.send("<b>shall</b> we meet?", name="Grace")
    await opened(chat, page)

    def answer() -> None:
        page.shows("<b>shall</b> we meet?")
        page.menu(1)
        page.find("#menu .answer").click()
        assert "Grace" in page.find("#context").text
        page.find("#text").send_keys("at noon", Keys.ENTER)
        page.shows("<b>shall</b> we meet?", "at noon")
        assert page.find(".message[data-id='2'] .quote").text == "Grace <b>shall</b> we meet?"
        page.find(".message[data-id='2'] .quote").click()
        page.wait(lambda: "marked" in str(page.message(1).get_attribute("class")))

    await asyncio.to_thread(answer)
    (event,) = chat.host.events
    assert isinstance(event, Posted)
    assert event.reply_to == receipt.message == "1"
    await chat.driver.delete(LOBBY, MessageId("1"))
    await asyncio.to_thread(page.shows, "at noon")
    assert "not here any more" in await asyncio.to_thread(lambda: page.find(".quote").text)


async def test_reactions_are_chosen_counted_and_taken_back(start: Start, page: Deeds) -> None:
    """From the picker or freely; with how many and who; by one press more it is taken back."""
    chat = await start()
    await chat.send("good news", name="Grace")
    await chat.driver.react(LOBBY, MessageId("1"), "👍", add=True)
    await opened(chat, page)

    def react() -> None:
        page.wait(lambda: page.reactions(1) == [("👍 1", "false")])
        page.menu(1)
        page.find("#menu .pick").click()
        page.wait(lambda: page.reactions(1) == [("👍 2", "true")])
        assert "another platform, Ada" in str(page.find(".reaction").get_attribute("aria-label"))
        page.menu(1)
        # selenium types nothing beyond the basic plane; the system's emoji input does
        page.browser.execute_script("document.querySelector('#menu .other input').value = '🦆'")
        page.find("#menu .other button").click()
        page.wait(lambda: page.reactions(1) == [("👍 2", "true"), ("🦆 1", "true")])
        page.browser.find_elements(By.CSS_SELECTOR, ".reaction")[0].click()
        page.wait(lambda: page.reactions(1) == [("👍 1", "false"), ("🦆 1", "true")])

    await asyncio.to_thread(react)
    done = [(event.emoji, event.added) for event in chat.host.events if isinstance(event, Reacted)]
    assert done == [("👍", True), ("🦆", True), ("👍", False)]


@pytest.mark.parametrize("token", [None, "0123456789abcdef"])
async def test_files_are_uploaded_and_shown(start: Start, page: Deeds, tmp_path: Path, token: str | None) -> None:
    """Several in one message: a picture is seen, anything else has its name and size, and both can be saved."""
    secret = Secret(token) if token else None
    chat = await start(settings=WebChatSettings(token=secret), base_url="https://bridge.example.com" if token else None)
    await opened(chat, page, f"#room=lobby&name=Ada&token={token or ''}")
    (tmp_path / "photo.png").write_bytes(PICTURE)
    (tmp_path / "page.html").write_bytes(b"<script>document.title='owned'</script>")
    (tmp_path / "fake.png").write_bytes(b"<svg onload='alert(1)'>")

    def upload() -> None:
        names = ("photo.png", "page.html", "fake.png")
        page.find("#files").send_keys("\n".join(str(tmp_path / name) for name in names))
        page.wait(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, ".attachment progress[hidden]")) == 3)
        page.type("three files")
        page.wait(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, ".message[data-id='1'] .files li")) == 3)
        image = page.find(".message[data-id='1'] .picture img")
        page.wait(lambda: image.get_property("naturalWidth") == 10)
        assert image.get_attribute("alt") == "photo.png"
        chips = [each.text for each in page.browser.find_elements(By.CSS_SELECTOR, ".file-name")]
        assert chips == ["page.html", "fake.png"]
        assert page.browser.find_elements(By.CSS_SELECTOR, ".attachment") == []
        assert "owned" not in page.browser.title
        assert page.complaints() == []

    await asyncio.to_thread(upload)
    (event,) = chat.host.events
    assert isinstance(event, Posted)
    assert [file.name for file in event.attachments] == ["photo.png", "page.html", "fake.png"]
    async with chat.driver.open_attachment(event.attachments[0]) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == PICTURE


async def test_a_file_that_is_too_large_is_said_before_it_is_sent(start: Start, page: Deeds, tmp_path: Path) -> None:
    """And what was chosen by mistake can be removed again."""
    chat = await start(settings=WebChatSettings(max_file_size=100))
    await opened(chat, page)
    (tmp_path / "large.bin").write_bytes(bytes(101))
    (tmp_path / "small.bin").write_bytes(bytes(100))

    def choose() -> None:
        page.find("#files").send_keys(f"{tmp_path / 'large.bin'}\n{tmp_path / 'small.bin'}")
        page.wait(lambda: page.find(".notice").text.endswith("large.bin is larger than 100 bytes."))
        page.wait(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, ".attachment progress[hidden]")) == 1)
        page.find(".attachment .drop").click()
        page.gone(".attachment")
        page.type("no file")
        page.shows("no file")

    await asyncio.to_thread(choose)
    (event,) = chat.host.events
    assert isinstance(event, Posted)
    assert event.attachments == ()


async def test_a_file_that_did_not_arrive_is_not_left_out(start: Start, page: Deeds) -> None:
    """The message waits for it: it is uploaded again, or removed by who chose it."""
    chat = await start()
    await opened(chat, page)
    script = """
        const files = new DataTransfer();
        files.items.add(new File(["content"], "late.txt"));
        document.getElementById("text").dispatchEvent(
          new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true }));
    """
    port = chat.server.port
    await chat.stop()
    await asyncio.to_thread(page.wait, lambda: page.find("#status").get_attribute("data-state") == "offline")

    def fail() -> None:
        page.browser.execute_script(script)
        page.wait(lambda: page.find(".attachment.failed .again").is_displayed())
        assert not page.find("#send").is_enabled()

    await asyncio.to_thread(fail)
    await chat.server.close()
    again = await start(host=chat.host, port=port)

    def succeed() -> None:
        page.online()
        page.find(".attachment .again").click()
        page.wait(lambda: page.find("#send").is_enabled())
        page.find("#send").click()
        page.wait(lambda: page.browser.find_elements(By.CSS_SELECTOR, ".message[data-id='1'] .file"))

    await asyncio.to_thread(succeed)
    (event,) = again.host.events
    assert isinstance(event, Posted)
    assert [file.name for file in event.attachments] == ["late.txt"]


async def test_files_are_dropped_and_pasted(start: Start, page: Deeds) -> None:
    """A file that is dropped on the page, or pasted into the line, goes with the next message."""
    chat = await start()
    await opened(chat, page)
    script = """
        const files = new DataTransfer();
        files.items.add(new File(["content"], arguments[0]));
        const target = document.getElementById("text");
        target.dispatchEvent(arguments[0] === "dropped.txt"
          ? new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true }));
    """

    def give() -> None:
        page.browser.execute_script(script, "dropped.txt")
        page.browser.execute_script(script, "pasted.txt")
        page.wait(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, ".attachment progress[hidden]")) == 2)
        page.find("#send").click()
        page.wait(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, ".message[data-id='1'] .file")) == 2)

    await asyncio.to_thread(give)
    (event,) = chat.host.events
    assert isinstance(event, Posted)
    assert sorted(file.name for file in event.attachments) == ["dropped.txt", "pasted.txt"]


async def test_typing_is_seen(start: Start, page: Deeds) -> None:
    """Who is typing here is known to the relay and the others, and who is typing elsewhere is seen until they wrote."""
    chat = await start()
    await opened(chat, page)
    async with chat.joined("Ida") as ida:
        await asyncio.to_thread(lambda: page.find("#text").send_keys("hel"))
        assert (await ida.until("typing"))["name"] == "Ada"
        await ida.say(type="typing")
        await asyncio.to_thread(page.wait, lambda: page.find("#typing").text == "Ida is typing…")
        await ida.post("done")
    await asyncio.to_thread(page.wait, lambda: page.find("#typing").text == "")
    await chat.driver.typing(LOBBY, Author(UserId("g"), "grace", "Grace"))
    await asyncio.to_thread(page.wait, lambda: page.find("#typing").text == "Grace is typing…")
    assert {author.name for _, author in chat.host.typists} == {"Ada", "Ida"}


async def test_what_changed_without_a_connection_is_caught_up(start: Start, page: Deeds) -> None:
    """After a reconnection the page shows what was edited, deleted and reacted to meanwhile, in its place."""
    chat = await start()
    for text in ("one", "two", "three"):
        await chat.send(text)
    await opened(chat, page)
    await asyncio.to_thread(page.shows, "one", "two", "three")
    port = chat.server.port
    await chat.stop()
    await asyncio.to_thread(page.wait, lambda: page.find("#status").get_attribute("data-state") == "offline")
    await chat.server.close()
    again = await start(host=chat.host, port=port)
    (room,) = again.driver._rooms.values()
    assert room.loaded
    await again.driver.edit(MessageId("1"), again.outgoing("one, better"))
    await again.driver.delete(LOBBY, MessageId("2"))
    await again.driver.react(LOBBY, MessageId("3"), "👍", add=True)
    await asyncio.to_thread(page.shows, "one, better", "three")
    await asyncio.to_thread(page.wait, lambda: page.reactions(3) == [("👍 1", "false")])


async def test_what_is_told_to_one_person_is_seen_by_them_alone(start: Start, page: Deeds) -> None:
    """It is shown as such, as text, and is in nobody's history."""
    chat = await start()
    await opened(chat, page)
    async with chat.joined("Ida") as ida:
        ada = await chat.driver.member(LOBBY, "ada")
        assert ada is not None
        await chat.driver.tell(ada.id, EVIL[0])
        await asyncio.to_thread(page.wait, lambda: page.find(".notice-text").text == EVIL[0])
        await ida.say(type="ping")
        assert (await ida.next())["type"] == "pong"


@pytest.mark.parametrize(
    ("width", "dark"), [(320, False), (320, True), (768, False), (768, True), (1280, False), (1280, True)]
)
async def test_all_of_it_fits_every_screen(start: Start, page: Deeds, tmp_path: Path, width: int, dark: bool) -> None:
    """Answers, reactions, files, notices, what is being typed and the menu: nothing sticks out."""
    chat = await start("lobby", "ops", settings=WebChatSettings(title="NextBridge demo"))
    await chat.driver.set_topic(LOBBY, "Release on Friday; see the checklist before you merge anything")
    picture = spooled(tmp_path, "photo.png", PICTURE)
    document = spooled(tmp_path, "minutes-of-the-very-long-meeting-about-names-of-files.pdf", bytes(123_456))
    await chat.send(
        "Shall we release on Friday, or is there somebody who needs another day for the tests?", name="Grace"
    )
    await chat.send("Two files", name="Ida", files=(picture, document))
    for emoji in ("👍", "🎉", "❤️", "🚀", "👀"):
        await chat.driver.react(LOBBY, MessageId("1"), emoji, add=True)
    await chat.driver.edit(MessageId("2"), chat.outgoing("Two files, and a correction"))
    await opened(chat, page)

    def act() -> None:
        page.resize(width, 740, dark=dark)
        page.menu(1)
        page.find("#menu .answer").click()
        page.find("#text").send_keys("Friday is fine with me, everything is green since this morning.", Keys.ENTER)
        page.wait(lambda: page.browser.find_elements(By.CSS_SELECTOR, ".message[data-id='3']"))
        page.menu(3)
        page.find("#menu .pick:nth-child(4)").click()
        page.find("#files").send_keys(str(picture.path))
        page.menu(1)
        page.find("#menu .answer").click()

    await asyncio.to_thread(act)
    ada = await chat.driver.member(LOBBY, "ada")
    assert ada is not None
    await chat.driver.tell(ada.id, "Your code is 123456. It holds for five minutes.")
    await chat.driver.typing(LOBBY, Author(UserId("g"), "grace", "Grace"))

    def look() -> None:
        page.wait(lambda: page.find(".notice").is_displayed() and page.find("#typing").text)
        page.screenshot(tmp_path, f"webchat-deeds-{width}{'-dark' if dark else ''}")
        page.menu(3)
        page.screenshot(tmp_path, f"webchat-menu-{width}{'-dark' if dark else ''}")
        sticking_out = page.browser.execute_script(
            "return [...document.querySelectorAll('body *')].filter(e => e.getClientRects().length &&"
            " (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1) &&"
            " !e.closest('#rooms, .unseen, .quote > *, .about > *')).map(e => e.outerHTML)"
        )
        assert sticking_out == []
        assert page.complaints() == []

    await asyncio.to_thread(look)
