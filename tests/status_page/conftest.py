"""A daemon with a status page, in which something has crossed, something waits and something was given up."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from nextbridge.config.model import StatusPageSettings
from nextbridge.config.types import Secret
from nextbridge.control.protocol import VERSION
from nextbridge.driver import Outgoing, Paused, Receipt, Rejected, Retry
from tests.core.conftest import daemon
from tests.core.script import Daemon, RunDaemon, ScriptDriver, rule
from tests.window import Window

__all__ = ["TOKEN", "Client", "StatusWindow", "daemon", "page", "told", "troubled"]

TOKEN = "token-of-the-status-page"
RULES = (
    rule("town", "a/square", "b/1"),
    rule("ops", "a/1", "b/2", "c/1"),
    rule("news", "a/news", to=["b/2"]),
)


@asynccontextmanager
async def troubled(
    daemon: RunDaemon, *, token: str | None = None, name: str = "Alice", **more: Any
) -> AsyncIterator[Daemon]:
    """`b` has taken a message, refused two for good and has one to try again; `c` is refused by its platform."""
    settings = StatusPageSettings(token=None if token is None else Secret(token))
    platforms = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}
    async with daemon(*RULES, status_page=settings, **platforms, **more) as running:
        a, b = running["a"], running["b"]

        async def answer(message: Outgoing) -> Receipt:
            if message.text.startswith("ugly"):
                raise Rejected(f"too ugly for {name}")
            if message.text == "later":
                raise Retry("too busy", after=600)
            return await b.deliver(message)

        b.answer = answer
        running["c"].answer = refuse
        for text in ("good", "ugly", "ugly too"):
            await a.post(text, channel="square")
        await b.until(lambda: len(b.sent) == 3)
        await a.post("later", channel="news")
        await b.until(lambda: len(b.sent) == 4)
        await a.post("to both")
        await running["c"].until(lambda: len(running["c"].sent) == 1)
        yield running


async def refuse(_message: Outgoing) -> Receipt:
    """The platform lets the relay say nothing there."""
    raise Paused("the relay may not post there; invite it", scope="channel")


class Client:
    """The page's own requests, as a program makes them."""

    def __init__(self, http: aiohttp.ClientSession, running: Daemon, **headers: str) -> None:
        self._http = http
        self.address = f"{running.service.http.address}/status/"
        self._headers = headers

    async def get(self, path: str = "", **headers: str) -> tuple[int, str, Any]:
        async with self._http.get(self.address + path, headers={**self._headers, **headers}) as response:
            return response.status, await response.text(), response.headers

    async def ask(self, question: object, *, kind: str = "application/json", **headers: str) -> tuple[int, Any]:
        """The status, and the answer where there is one."""
        body = json.dumps({"version": VERSION, "ask": question})
        sent = {**self._headers, "Content-Type": kind, **headers}
        async with self._http.post(f"{self.address}ask", data=body, headers=sent) as response:
            text = await response.text()
            return response.status, json.loads(text)["answer"] if response.status == 200 else text

    @asynccontextmanager
    async def live(self, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._http.get(f"{self.address}live", headers={**self._headers, **headers}) as response:
            yield response


async def told(response: aiohttp.ClientResponse) -> Any:
    """The next that an open page is told."""
    while (line := await response.content.readline()) == b"\n":
        pass
    assert line, "the daemon has let go of the page"
    return json.loads(line)["answer"]


class StatusWindow(Window):
    """The page as an operator sees it."""

    def live(self) -> None:
        """Wait until the page shows how everything stands."""
        self.wait(lambda: self.find("#link").get_attribute("data-state") == "online")
        self.wait(lambda: self.find("#headline").text not in {"", "…"})

    def texts(self, selector: str) -> list[str]:
        read = "return [...document.querySelectorAll(arguments[0])].map(each => each.innerText ?? each.tagName)"
        found: list[str] = self.browser.execute_script(read, selector)
        return found

    def count(self, selector: str, number: int) -> None:
        """Wait until there are so many."""
        self.wait(lambda: len(self.browser.find_elements(By.CSS_SELECTOR, selector)) == number)

    def press(self, *keys: str) -> None:
        """To whatever has the focus."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def focused(self) -> str:
        """The id of what has the focus, or its text where it has none."""
        found = self.browser.switch_to.active_element
        return found.get_attribute("id") or found.text


@pytest.fixture
def page(browser: Chrome) -> StatusWindow:
    """A browser window."""
    return StatusWindow(browser)
