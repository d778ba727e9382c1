"""The stand-in's chat page in a real browser."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from nextbridge.sandbox.mattermost import Account, SandboxMattermost

T = TypeVar("T")

EVIL = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "[owned](javascript:document.title='owned')",
    "https://a.example/\"onmouseover=\"document.title='owned'",
)


class Chat:
    """The page as ada uses it, and the server behind it. What the browser does, it does on another thread."""

    def __init__(self, browser: Chrome, sandbox: SandboxMattermost) -> None:
        self.browser = browser
        self.sandbox = sandbox
        self.team = sandbox.add_team("demo")
        self.relay = sandbox.add_bot("relay", display_name="NextBridge", team=self.team)
        self.ada = sandbox.add_user("ada", first_name="Ada", last_name="Lovelace", team=self.team)
        self.square = sandbox.add_channel(
            self.team, "town-square", display_name="Town Square", members=[self.relay, self.ada]
        )

    async def do(self, act: Callable[[], T]) -> T:
        return await asyncio.to_thread(act)

    async def open(self, account: Account) -> None:
        link = f"{self.sandbox.url}/#{urlencode({'token': account.token, 'channel': self.square.id})}"
        await self.do(lambda: self.browser.get(link))
        await self.until(lambda: self.text("#status") == "online")

    async def until(self, condition: Callable[[], T]) -> T:
        waiting = WebDriverWait(self.browser, 10, poll_frequency=0.05)
        return await self.do(lambda: waiting.until(lambda _: condition()))

    def text(self, selector: str) -> str:
        return str(self.browser.execute_script("return document.querySelector(arguments[0])?.innerText", selector))

    def texts(self) -> list[str]:
        """Of the posts, from top to bottom."""
        found = self.browser.execute_script(
            "return [...document.querySelectorAll('#posts .text')].map(each => each.textContent)"
        )
        return [str(each) for each in found]

    def names(self) -> list[str]:
        found = self.browser.execute_script(
            "return [...document.querySelectorAll('#posts .name')].map(each => each.textContent)"
        )
        return [str(each) for each in found]

    async def write(self, text: str, *, by_button: bool = False) -> None:
        def write() -> None:
            self.browser.find_element(By.CSS_SELECTOR, "#message").send_keys(text)
            if by_button:
                self.browser.find_element(By.CSS_SELECTOR, "#send").click()
            else:
                self.browser.find_element(By.CSS_SELECTOR, "#message").send_keys(Keys.ENTER)

        await self.do(write)

    def say(self, text: str, name: str) -> None:
        """A relayed post, under somebody else's name."""
        self.sandbox.post_as(self.relay, self.square, text, props={"from_webhook": "true", "override_username": name})


@pytest.fixture
async def chat(browser: Chrome) -> AsyncIterator[Chat]:
    async with SandboxMattermost() as sandbox:
        yield Chat(browser, sandbox)


async def test_what_is_typed_is_posted_and_shown(chat: Chat) -> None:
    """By Enter and by the button, and Shift+Enter is a new line."""
    await chat.open(chat.ada)
    await chat.write("hello")
    await chat.write(f"two{Keys.SHIFT}{Keys.ENTER}{Keys.SHIFT}lines", by_button=True)
    await chat.until(lambda: chat.texts() == ["hello", "two\nlines"])
    assert [(post.user_id, post.message) for post in chat.sandbox.posts(chat.square)] == [
        (chat.ada.id, "hello"),
        (chat.ada.id, "two\nlines"),
    ]


async def test_what_others_post_appears_under_the_name_that_the_post_bears(chat: Chat) -> None:
    """Live, and with the overridden name, as real clients show it."""
    await chat.open(chat.ada)
    chat.say("from **elsewhere**", "Grace (web)")
    await chat.until(lambda: chat.texts() == ["from elsewhere"])
    assert chat.names() == ["Grace (web)"]
    assert chat.text("#posts strong") == "elsewhere"


async def test_where_overrides_are_off_the_real_name_is_shown(chat: Chat) -> None:
    """The page obeys the server's client config."""
    chat.sandbox.settings.change(EnablePostUsernameOverride="false")
    chat.say("who am I", "Grace (web)")
    await chat.open(chat.ada)
    await chat.until(lambda: chat.names() == ["relay"])


async def test_edits_and_deletions_show(chat: Chat) -> None:
    """A post changes and goes where it stands."""
    kept = chat.sandbox.post_as(chat.relay, chat.square, "frist")
    gone = chat.sandbox.post_as(chat.relay, chat.square, "oops")
    await chat.open(chat.ada)
    await chat.until(lambda: chat.texts() == ["frist", "oops"])
    chat.sandbox.edit(kept, "first")
    chat.sandbox.delete(gone)
    await chat.until(lambda: chat.texts() == ["first (edited)"])


async def test_what_was_said_while_the_socket_was_down_is_there_when_it_is_back(chat: Chat) -> None:
    """The page connects again by itself and catches up."""
    await chat.open(chat.ada)
    await chat.sandbox.faults.refuse_connections()
    await chat.until(lambda: chat.text("#status") == "connecting")
    chat.say("missed", "Grace")
    await chat.sandbox.faults.accept_connections()
    await chat.until(lambda: chat.texts() == ["missed"])


async def test_what_the_server_refuses_is_said_and_kept(chat: Chat) -> None:
    """An unknown command never becomes a post, and what was typed is still there to be put right."""
    await chat.open(chat.ada)
    await chat.write("/frobnicate now")
    await chat.until(lambda: "/frobnicate" in chat.text("#problem"))
    typed = await chat.do(lambda: chat.browser.find_element(By.CSS_SELECTOR, "#message").get_attribute("value"))
    assert typed == "/frobnicate now"
    assert chat.sandbox.posts(chat.square) == []


async def test_nothing_that_is_said_becomes_more_than_text(chat: Chat) -> None:
    """Markup and scripts in a text or a name stay what they are: characters."""
    await chat.open(chat.ada)
    for text in EVIL:
        chat.say(text, f"Mallory {text}")
    shown = await chat.until(lambda: found if len(found := chat.texts()) == len(EVIL) else None)
    assert shown == list(EVIL)
    assert await chat.do(chat.names) == [f"Mallory {text}" for text in EVIL]
    assert await chat.do(lambda: chat.browser.title) == "Mattermost stand-in"
    hrefs = await chat.do(
        lambda: chat.browser.execute_script("return [...document.querySelectorAll('#posts a')].map(a => a.href)")
    )
    assert all(str(href).startswith("https://") for href in hrefs)


async def test_files_are_shown_with_their_names_and_pictures_as_pictures(chat: Chat) -> None:
    """Their content is fetched with the token, not by a bare link."""
    picture = chat.sandbox.upload_as(chat.relay, chat.square, "cat.png", await profile_picture(chat))
    notes = chat.sandbox.upload_as(chat.relay, chat.square, "notes <b>.txt", b"hello there")
    chat.sandbox.post_as(chat.relay, chat.square, "", files=[picture, notes])
    await chat.open(chat.ada)
    await chat.until(lambda: chat.text(".file-name") == "notes <b>.txt")
    await chat.until(lambda: chat.browser.execute_script("return document.querySelector('.picture').naturalWidth > 0"))


async def test_without_a_token_it_says_how_to_open_it(chat: Chat) -> None:
    """And with a wrong one, what is wrong with it."""
    await chat.do(lambda: chat.browser.get(chat.sandbox.url + "/"))
    await chat.until(lambda: "#token=" in chat.text("#problem"))
    link = f"{chat.sandbox.url}/#{urlencode({'token': 'wrong', 'channel': chat.square.id})}"
    await chat.do(lambda: chat.browser.get(link))
    await chat.until(lambda: "Invalid or expired session" in chat.text("#problem"))


@pytest.mark.parametrize(("width", "is_dark"), [(320, False), (500, False), (500, True), (900, False)])
async def test_it_fits_every_width(chat: Chat, tmp_path: Path, width: int, is_dark: bool) -> None:
    """Nothing sticks out, the line to type in can be seen, and the browser has nothing to complain of."""
    await _converse(chat)
    await chat.do(lambda: _resize(chat.browser, width, is_dark=is_dark))
    await chat.open(chat.ada)
    await chat.until(lambda: len(chat.texts()) == 9)
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await chat.do(lambda: chat.browser.execute_script(overflow)) == 0
    assert await chat.do(lambda: chat.browser.find_element(By.CSS_SELECTOR, "#send").is_displayed())
    kept = Path(os.environ.get("NEXTBRIDGE_SCREENSHOTS", tmp_path))
    name = f"mattermost-stand-in-{width}{'-dark' if is_dark else ''}.png"
    assert await chat.do(lambda: chat.browser.save_screenshot(str(kept / name)))
    log = await chat.do(lambda: chat.browser.get_log("browser"))  # type: ignore[no-untyped-call]
    assert log == []


async def profile_picture(chat: Chat) -> bytes:
    headers = {"Authorization": f"Bearer {chat.ada.token}"}
    async with (
        ClientSession(headers=headers) as http,
        http.get(f"{chat.sandbox.url}/api/v4/users/me/image") as response,
    ):
        return await response.read()


async def _converse(chat: Chat) -> None:
    said: list[Callable[[], object]] = [
        lambda: chat.sandbox.post_as(chat.ada, chat.square, "Good morning! Is anybody on the other side?"),
        lambda: chat.say("Good morning, Ada. I am typing this in a browser tab.", "Grace (web chat)"),
        lambda: chat.say("With *emphasis*, some `code` and https://example.com/a/link.", "Grace (web chat)"),
        lambda: chat.sandbox.post_as(chat.ada, chat.square, "It arrives at once."),
        lambda: chat.sandbox.post_as(chat.ada, chat.square, "Longer ones too: " + "a line that goes on, " * 8),
        lambda: chat.say("A" * 120, "somebody-with-a-very-long-name-that-goes-on-and-on-and-on"),
    ]
    for say in said:
        say()
    newcomer = chat.sandbox.add_user("charles", team=chat.team)
    chat.sandbox.add_member(chat.square, newcomer, by=newcomer)
    picture = chat.sandbox.upload_as(chat.relay, chat.square, "square.png", await profile_picture(chat))
    notes = chat.sandbox.upload_as(chat.relay, chat.square, "the notes of the meeting.txt", b"hello there")
    root = chat.sandbox.posts(chat.square)[0]
    chat.sandbox.post_as(chat.ada, chat.square, "Two files", files=[])
    chat.sandbox.post_as(chat.relay, chat.square, "Here they are.", root=root, files=[picture, notes])


def _resize(browser: Chrome, width: int, *, is_dark: bool) -> None:
    size = {"width": width, "height": 720, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
