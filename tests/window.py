"""A browser's window on one of the daemon's pages, as a person uses it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

__all__ = ["EVIL", "Window"]

T = TypeVar("T")

EVIL = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "javascript:document.title='owned'",
    "https://a.example/\"onmouseover=\"document.title='owned'",
    "</div></body><h1 id=owned>owned</h1>",
    "&lt;b&gt; &amp; {{7*7}} ${7*7}",
)
"""What a chat user writes who wants a page to run it."""


class Window:
    """Its calls block: a test whose server is in its own event loop makes them on another thread."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def open(self, address: str) -> None:
        self.browser.get(address)

    def wait(self, condition: Callable[[], T]) -> T:
        """What `condition` gives, once that is true. A page that is drawn anew meanwhile is looked at again."""
        redrawn = [StaleElementReferenceException]
        waiting = WebDriverWait(self.browser, 10, poll_frequency=0.05, ignored_exceptions=redrawn)
        return waiting.until(lambda _: condition())

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """A phone's screen, or any other."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)

    def screenshot(self, folder: Path, name: str) -> None:
        """Kept where NEXTBRIDGE_SCREENSHOTS names a folder, to be looked at."""
        kept = Path(os.environ.get("NEXTBRIDGE_SCREENSHOTS", folder))
        assert self.browser.save_screenshot(str(kept / f"{name}.png"))

    def complaints(self) -> list[str]:
        """What the browser's console says, a violated policy among it."""
        return [entry["message"] for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]
