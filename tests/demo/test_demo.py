"""The first command of the README, as a newcomer sees it: two sides on one page, and a line for each message."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

MATTERMOST, WEB_CHAT = 0, 1
LISTS = {MATTERMOST: "#posts", WEB_CHAT: "#messages"}
FIELDS = {MATTERMOST: "#message", WEB_CHAT: "#text"}


class Demo:
    """`nextbridge demo` as a process."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nextbridge", "demo", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
        )
        assert self.process.stdout is not None
        self.out = self.process.stdout
        place = r"(http://127\.0\.0\.1:\d+/"
        found = re.match(rf"Open {place}) .* {place}status/) shows", self.out.readline())
        assert found, "the demo says the addresses first"
        self.address, self.status_page = found.groups()

    def stop(self) -> tuple[int, list[str]]:
        """End it as Ctrl-C does; its exit status, and what it printed since the address."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest.splitlines()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def side(browser: webdriver.Chrome, number: int) -> None:
    browser.switch_to.default_content()
    frames = WebDriverWait(browser, 10).until(lambda page: page.find_elements(By.TAG_NAME, "iframe"))
    browser.switch_to.frame(frames[number])


def say(browser: webdriver.Chrome, number: int, text: str) -> None:
    side(browser, number)

    def field(page: webdriver.Chrome) -> WebElement | None:
        element = page.find_element(By.CSS_SELECTOR, FIELDS[number])
        return element if element.is_displayed() and element.is_enabled() else None

    element = WebDriverWait(browser, 10).until(field)
    assert element is not None
    element.send_keys(text)
    browser.find_element(By.ID, "send").click()


def shows(browser: webdriver.Chrome, number: int, text: str, *, within: float) -> float:
    """Seconds until a side shows `text`."""
    side(browser, number)
    start = time.monotonic()
    WebDriverWait(browser, within, poll_frequency=0.02).until(
        lambda page: text in page.find_element(By.CSS_SELECTOR, LISTS[number]).text
    )
    return time.monotonic() - start


def test_what_is_typed_on_either_side_shows_on_the_other(
    demo: Demo, browser: webdriver.Chrome, screenshots: Path
) -> None:
    """Typed in Mattermost it is in the web chat within a second, and the other way; the page says nothing wrong."""
    browser.get(demo.address)
    say(browser, MATTERMOST, "Good morning from Mattermost")
    shows(browser, WEB_CHAT, "Good morning from Mattermost", within=10)
    say(browser, WEB_CHAT, "Good morning from the web chat <b>friends</b>")
    shows(browser, MATTERMOST, "Good morning from the web chat <b>friends</b>", within=10)

    say(browser, MATTERMOST, "How long does it take?")
    assert shows(browser, WEB_CHAT, "How long does it take?", within=10) < 1.0
    say(browser, WEB_CHAT, "No time at all.")
    assert shows(browser, MATTERMOST, "No time at all.", within=10) < 1.0

    browser.switch_to.default_content()
    browser.save_screenshot(str(screenshots / "demo.png"))
    browser.get(demo.status_page)
    WebDriverWait(browser, 10).until(
        lambda page: page.find_element(By.ID, "headline").text == "All 2 instances are connected"
    )
    problems = [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
    assert [each["message"] for each in problems if "favicon" not in each["message"]] == []

    status, lines = demo.stop()
    assert status == 0
    assert [line.partition("  ")[2] for line in lines if line] == [
        "mattermost → webchat  Ada Lovelace: Good morning from Mattermost",
        "webchat → mattermost  Grace: Good morning from the web chat <b>friends</b>",
        "mattermost → webchat  Ada Lovelace: How long does it take?",
        "webchat → mattermost  Grace: No time at all.",
    ]


def test_it_ends_quietly_and_leaves_nothing_behind(demo: Demo, tmp_path: Path) -> None:
    """Ctrl-C ends it with status 0; the folder it was started in is as before."""
    status, lines = demo.stop()
    assert (status, lines) == (0, [])
    assert list(tmp_path.iterdir()) == []
