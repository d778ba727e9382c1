"""The page in a real browser: what people see and type."""

from __future__ import annotations

import asyncio
import html
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from drivers.webchat.settings import WebChatSettings
from nextbridge.config.types import Secret
from tests.window import EVIL, Window

if TYPE_CHECKING:
    from tests.webchat.conftest import Chat, Start

T = TypeVar("T")


class Page(Window):
    """The page as a person uses it. Its calls block and run on another thread."""

    def texts(self) -> list[str]:
        """What is on the page as said, without what is on its way."""
        said: list[str] = self.browser.execute_script(
            "return [...document.querySelectorAll('#messages .message:not(.pending) .text')].map(e => e.textContent)"
        )
        return said

    def join(self, name: str) -> None:
        self.wait(lambda: self.find("#name").is_displayed())
        self.find("#name").send_keys(name)
        self.find("#join").click()
        self.online()

    def online(self) -> None:
        self.wait(lambda: self.find("#status").get_attribute("data-state") == "online")

    def type(self, text: str) -> None:
        self.find("#text").send_keys(text)
        self.find("#send").click()

    def shows(self, *texts: str) -> None:
        """Wait until exactly this was said."""
        self.wait(lambda: self.texts() == list(texts) or None)


@pytest.fixture
def page(browser: Chrome) -> Page:
    """A browser window."""
    return Page(browser)


async def opened(chat: Chat, page: Page, fragment: str = "#room=lobby&name=Ada") -> None:
    await asyncio.to_thread(page.open, chat.url + fragment)
    await asyncio.to_thread(page.online)


async def test_a_newcomer_joins_reads_and_writes(start: Start, page: Page) -> None:
    """They give a name, read what was said, see what is said, and what they type is on its way at once."""
    chat = await start(settings=WebChatSettings(title="The bridge"))
    await chat.send("said before", name="Grace")
    await asyncio.to_thread(page.open, chat.url)
    await asyncio.to_thread(page.join, "Ada")
    await asyncio.to_thread(page.shows, "said before")
    await chat.send("said now", name="Grace")
    await asyncio.to_thread(page.shows, "said before", "said now")
    await asyncio.to_thread(page.type, "and an answer")
    await asyncio.to_thread(page.shows, "said before", "said now", "and an answer")

    def look() -> None:
        assert "The bridge" in page.browser.title
        own = page.find(".message.own")
        assert own.get_attribute("data-id") == "3"
        assert page.find(".message:not(.own) .badge").text == "mm_main"
        assert own.find_elements(By.CSS_SELECTOR, ".badge") == []
        assert page.complaints() == []

    await asyncio.to_thread(look)
    assert len(chat.host.events) == 1


async def test_what_people_write_is_text(start: Start, page: Page) -> None:
    """Neither a message nor a name, from either side, is ever HTML or a script."""
    chat = await start()
    await opened(chat, page)
    for text in EVIL:
        await chat.send(text, name=f"<b>{text}")
        await asyncio.to_thread(page.type, text)
        expected = [each for evil in EVIL[: EVIL.index(text) + 1] for each in (evil, evil)]
        await asyncio.to_thread(page.shows, *expected)

    def look() -> None:
        assert "owned" not in page.browser.title
        assert page.browser.find_elements(By.CSS_SELECTOR, "#messages script, #messages img, #messages b, #owned") == []
        links = page.browser.find_elements(By.CSS_SELECTOR, "#messages a")
        assert {link.get_attribute("href") for link in links} == {"https://a.example/"}
        assert page.complaints() == []

    await asyncio.to_thread(look)


async def test_addresses_become_links(start: Start, page: Page) -> None:
    """An http or https address can be followed and tells the other site nothing; nothing else becomes a link."""
    chat = await start()
    await opened(chat, page)
    await chat.send("see (https://a.example/x_(y)), http://b.example. Not ftp://c.example nor https://u:p@d.example/")

    def look() -> None:
        page.wait(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "#messages a")) > 0)
        links = page.browser.find_elements(By.CSS_SELECTOR, "#messages a")
        assert [link.get_attribute("href") for link in links] == ["https://a.example/x_(y)", "http://b.example/"]
        assert [link.text for link in links] == ["https://a.example/x_(y)", "http://b.example"]
        assert all({"noopener", "noreferrer"} <= set(str(link.get_attribute("rel")).split()) for link in links)

    await asyncio.to_thread(look)


async def test_nothing_typed_while_offline_is_lost_or_doubled(start: Start, page: Page) -> None:
    """What is typed without a connection goes out, once and in order, when the chat is back, and nothing is doubled."""
    chat = await start()
    await chat.send("before")
    await opened(chat, page)
    await asyncio.to_thread(page.shows, "before")
    port = chat.server.port
    await chat.stop()
    await asyncio.to_thread(page.wait, lambda: page.find("#status").get_attribute("data-state") == "offline")
    await asyncio.to_thread(page.type, "one")
    await asyncio.to_thread(page.type, "two")
    assert await asyncio.to_thread(page.texts) == ["before"]
    assert len(await asyncio.to_thread(page.browser.find_elements, By.CSS_SELECTOR, ".pending")) == 2
    await chat.server.close()
    again = await start(host=chat.host, port=port)
    await asyncio.to_thread(page.online)
    await asyncio.to_thread(page.shows, "before", "one", "two")
    await again.send("after")
    await asyncio.to_thread(page.shows, "before", "one", "two", "after")
    assert len(chat.host.events) == 2


async def test_what_is_typed_too_fast_goes_out_by_itself(start: Start, page: Page) -> None:
    """Over the pace nothing is lost and nothing overtakes: it waits on the page, and goes out in order."""
    chat = await start(settings=WebChatSettings(messages_per_minute=240))
    await opened(chat, page)
    lines = [f"line {number}" for number in range(14)]

    def hurry() -> None:
        for line in lines:
            page.browser.execute_script(
                "document.getElementById('text').value = arguments[0]; document.getElementById('send').click()", line
            )

    await asyncio.to_thread(hurry)
    await asyncio.to_thread(page.shows, *lines)
    assert await asyncio.to_thread(page.browser.find_elements, By.CSS_SELECTOR, ".pending") == []


async def test_a_name_in_use_is_said_and_another_can_be_chosen(start: Start, page: Page) -> None:
    """The page says so, and lets in under another name."""
    chat = await start()
    async with chat.joined("Ada"):
        await asyncio.to_thread(page.open, f"{chat.url}#room=lobby&name=ada")

        def look() -> None:
            page.wait(lambda: page.find("#refusal").is_displayed())
            assert "another name" in page.find("#refusal").text
            page.find("#name").clear()
            page.join("Ida")

        await asyncio.to_thread(look)


async def test_the_token_in_the_link_opens_the_page_and_goes_out_of_sight(start: Start, page: Page) -> None:
    """With the token after the # a link lets in; it leaves the address bar, and is never in a request's address."""
    token = "0123456789abcdef"
    chat = await start(settings=WebChatSettings(token=Secret(token)), base_url="https://bridge.example.com")
    await asyncio.to_thread(page.open, chat.url)
    await asyncio.to_thread(page.wait, lambda: page.find("#token").is_displayed())
    await asyncio.to_thread(page.open, "about:blank")
    await opened(chat, page, f"#room=lobby&name=Ada&token={token}")
    assert token not in await asyncio.to_thread(lambda: page.browser.current_url)
    await chat.send("hello")
    await asyncio.to_thread(page.shows, "hello")


async def test_a_link_is_followed_in_the_tab_that_asks_for_the_token(start: Start, page: Page) -> None:
    """Whoever opened the page without the token, and is then given the link, gets in where they are."""
    token = "0123456789abcdef"
    chat = await start(settings=WebChatSettings(token=Secret(token)), base_url="https://bridge.example.com")
    await asyncio.to_thread(page.open, chat.url)
    await asyncio.to_thread(page.wait, lambda: page.find("#token").is_displayed())
    await opened(chat, page, f"#room=lobby&name=Ada&token={token}")
    assert token not in await asyncio.to_thread(lambda: page.browser.current_url)


async def test_the_token_can_be_typed(start: Start, page: Page) -> None:
    """Whoever has no such link is asked for the token, and told when it is wrong."""
    token = "0123456789abcdef"
    chat = await start(settings=WebChatSettings(token=Secret(token)), base_url="https://bridge.example.com")

    def enter() -> None:
        page.open(chat.url)
        page.wait(lambda: page.find("#token").is_displayed())
        page.find("#name").send_keys("Ada")
        page.find("#token").send_keys("wrong")
        page.find("#join").click()
        page.wait(lambda: "not the token" in page.find("#refusal").text)
        page.find("#token").clear()
        page.find("#token").send_keys(token + Keys.ENTER)
        page.online()

    await asyncio.to_thread(enter)


async def test_reading_back_is_not_disturbed(start: Start, page: Page) -> None:
    """Who has scrolled up stays there, is told of new messages, and gets to them with one press."""
    chat = await start()
    for number in range(60):
        await chat.send(f"line {number}")
    await opened(chat, page)
    await asyncio.to_thread(page.wait, lambda: len(page.texts()) == 60)

    def top() -> int:
        return int(page.browser.execute_script("return document.getElementById('messages').scrollTop"))

    def scroll_up() -> None:
        page.browser.execute_async_script(  # the page hears of it a frame later
            "const list = document.getElementById('messages'), done = arguments[0];"
            "list.addEventListener('scroll', () => setTimeout(done), { once: true }); list.scrollTop = 100"
        )
        assert top() == 100

    assert await asyncio.to_thread(top) > 100
    await asyncio.to_thread(scroll_up)
    await chat.send("news")

    def look() -> None:
        page.wait(lambda: page.find("#newer").is_displayed())
        assert page.find("#newer").text == "1 new message"
        assert top() == 100
        page.find("#newer").click()
        page.wait(lambda: top() > 100 and not page.find("#newer").is_displayed())

    await asyncio.to_thread(look)


async def test_rooms_are_changed_by_a_press(start: Start, page: Page) -> None:
    """With several rooms each has its own messages."""
    chat = await start("lobby", "ops")
    await chat.send("in the lobby")
    await opened(chat, page)
    await asyncio.to_thread(page.shows, "in the lobby")

    def change() -> None:
        page.find("#rooms button:nth-child(2)").click()
        page.wait(lambda: page.find("#room").text == "#ops")
        page.type("in ops")
        page.shows("in ops")
        page.find("#rooms button:nth-child(1)").click()
        page.shows("in the lobby")

    await asyncio.to_thread(change)
    assert [event.channel.key for event in chat.host.events] == ["ops"]


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (560, False), (560, True), (1100, False)])
async def test_it_fits_every_screen(start: Start, page: Page, tmp_path: Path, width: int, dark: bool) -> None:
    """From a small phone up, light and dark, nothing sticks out and what is needed can be seen."""
    chat = await start("lobby", "ops", settings=WebChatSettings(title="NextBridge demo"))
    await chat.send("Good morning! Build 42 is at https://ci.example.com/build/42 (two of three checks are green).")
    await chat.send("Longest word: " + "w" * 300, name="Grace Hopper of the very long display name department")
    await chat.send("if (a < b) {\n    swap(a, b);\n}", name="Grace Hopper")
    await chat.send("waves", name="Grace Hopper", action=True)
    await opened(chat, page)
    for text in ("Morning! I am looking at the third one.", "Found it.", "/me fixes the build"):
        await asyncio.to_thread(page.type, text)
    await chat.send("שלום, مرحبا, and thank you 🎉", name="Ida")
    await asyncio.to_thread(page.wait, lambda: len(page.texts()) == 8)

    def from_end() -> float:
        left: float = page.browser.execute_script(
            "const e = document.getElementById('messages'); return e.scrollHeight - e.scrollTop - e.clientHeight"
        )
        return left

    def look() -> None:
        page.resize(width, 740, dark=dark)
        page.wait(lambda: from_end() < 2)
        page.screenshot(tmp_path, f"webchat-{width}{'-dark' if dark else ''}")
        sticking_out = page.browser.execute_script(
            "return [...document.querySelectorAll('body *')].filter(e => e.getClientRects().length &&"
            " e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('#rooms')).map(e => e.outerHTML)"
        )
        assert sticking_out == []
        for wanted in ("#text", "#send", "#status", "#who"):
            assert page.find(wanted).is_displayed()
        assert page.find("#send").rect["height"] >= 40

    await asyncio.to_thread(look)


async def test_a_site_that_the_operator_names_can_frame_the_page(start: Start, page: Page) -> None:
    """In a frame of that site the chat works; in a frame of any other the browser does not show it."""

    async def frame(request: web.Request) -> web.Response:
        source = html.escape(request.query["src"])
        return web.Response(text=f'<iframe src="{source}" width="560" height="600">', content_type="text/html")

    app = web.Application()
    app.router.add_get("/", frame)
    async with TestServer(app) as site:
        friendly = str(site.make_url("/").origin())
        chat = await start(settings=WebChatSettings(embed_from=(friendly,)))
        closed = await start()

        def open_framed(address: str) -> None:
            page.open(str(site.make_url("/").with_query(src=f"{address}#room=lobby&name=Web")))
            page.browser.switch_to.frame(0)

        await asyncio.to_thread(open_framed, chat.url)
        await asyncio.to_thread(page.online)
        await asyncio.to_thread(page.type, "from the frame")
        await asyncio.to_thread(page.shows, "from the frame")
        await asyncio.to_thread(open_framed, closed.url)
        assert await asyncio.to_thread(page.browser.find_elements, By.ID, "messages") == []
