"""The status page in a real browser: what operators see, press, and hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.support.ui import Select

from nextbridge.config.model import StatusPageSettings
from nextbridge.driver import Outgoing, Receipt, Retry
from nextbridge.envelope import Author, UserId
from tests.core.script import Daemon, RunDaemon, ScriptDriver, rule
from tests.irc.conftest import free_ports
from tests.status_page.conftest import RULES, TOKEN, StatusWindow, troubled
from tests.window import EVIL

T = TypeVar("T")

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
SCREENS = [(width, dark) for width in (390, 1280) for dark in (False, True)]


async def seen(running: Daemon, page: StatusWindow, fragment: str = "") -> None:
    """Open the page, and wait until it shows all."""
    await asyncio.to_thread(page.open, f"{running.service.http.address}/status/{fragment}")
    await asyncio.to_thread(page.live)


async def looked(look: Callable[[], T]) -> T:
    """On another thread, since the browser blocks."""
    return await asyncio.to_thread(look)


def broken(page: StatusWindow) -> list[str]:
    """What axe finds, each rule with the first element that breaks it."""
    page.browser.execute_script(AXE)
    found: dict[str, Any] = page.browser.execute_async_script("axe.run().then(arguments[0])")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]


async def busy(_message: Outgoing) -> Receipt:
    """The platform takes nothing for now."""
    raise Retry("too busy", after=600)


async def test_it_shows_how_everything_stands(daemon: RunDaemon, page: StatusWindow) -> None:
    """Instances, the picture of the rules, what waits and why, and dead letters with their reasons."""
    async with troubled(daemon) as running:
        await seen(running, page)

        def look() -> None:
            assert page.find("#headline").text == "All 3 instances are connected"
            assert page.texts("#instances h3") == ["a script", "b script", "c script"]
            assert page.texts("#columns h3") == ["a", "b", "c"]
            assert sorted(page.texts(".station .label")) == ["1", "1", "1", "2", "news", "square"]
            assert page.texts("#legend li") == ["town\nboth ways", "ops\nboth ways", "news\none way"]
            page.count("#wires .wire:not(.head)", 4)
            page.count("#wires .head", 1)
            lanes = page.texts("#lanes > li")
            assert any("2 on b" in each and "retrying" in each and "too busy" in each for each in lanes)
            assert any("1 on c" in each and "paused" in each and "invite it" in each for each in lanes)
            assert page.find("#waiting").text == "3"
            assert page.find("#dead-count").text == "2"
            assert all("too ugly for Alice" in each for each in page.texts("#dead > li"))
            assert page.complaints() == []

        await looked(look)


async def test_what_crosses_is_shown_as_it_happens_and_can_be_chosen(daemon: RunDaemon, page: StatusWindow) -> None:
    """The newest first, by instance and by rule; Pause holds the list."""
    async with troubled(daemon) as running:
        await seen(running, page)
        assert await looked(lambda: page.find("#tail-empty").is_displayed())
        await running["a"].post("hello", channel="square")
        await looked(lambda: page.count("#tail li", 1))
        await running["b"].post("and back", channel="1")
        await looked(lambda: page.count("#tail li", 2))

        def look() -> None:
            newest = page.texts("#tail li")[0]
            assert "delivered" in newest
            assert "1 on b → square on a" in newest
            assert "posted by Alice" in newest
            assert page.find("#crossed").text == "2"
            Select(page.find("#tail-rule")).select_by_visible_text("news")
            page.count("#tail li", 0)
            Select(page.find("#tail-rule")).select_by_visible_text("town")
            page.count("#tail li", 2)
            page.find("#tail-pause").click()

        await looked(look)
        await running["a"].post("unseen", channel="square")
        await looked(lambda: page.wait(lambda: page.find("#crossed").text == "3"))
        await looked(lambda: page.count("#tail li", 2))
        await looked(lambda: page.find("#tail-pause").click())
        await looked(lambda: page.count("#tail li", 3))


async def test_dead_letters_are_tried_again_and_dropped(daemon: RunDaemon, page: StatusWindow) -> None:
    """One at a time or all of them; dropping asks first, and Escape keeps them."""
    async with troubled(daemon) as running:
        b = running["b"]
        await seen(running, page)
        await looked(lambda: page.count("#dead > li", 2))
        b.answer = b.deliver
        await looked(lambda: page.find("#dead > li:last-child [data-does=retry]").click())
        await b.until(lambda: "ugly" in b.texts)
        await looked(lambda: page.count("#dead > li", 1))
        await looked(lambda: page.wait(lambda: page.find("#dead-done").text == "1 message put at the end of the lane."))

        def keep() -> None:
            page.find("#dead [data-does=drop]").click()
            page.wait(lambda: page.find("#sure").is_displayed())
            assert page.focused() == "sure-no"
            page.press(Keys.ESCAPE)
            page.wait(lambda: not page.find("#sure").is_displayed())

        await looked(keep)

        def drop() -> None:
            page.count("#dead > li", 1)
            page.find("#dead [data-does=drop]").click()
            page.wait(lambda: page.find("#sure").is_displayed())
            page.find("#sure-yes").click()
            page.count("#dead > li", 0)
            assert page.find("#dead-empty").is_displayed()
            assert page.find("#dead-done").text == "1 message dropped."

        await looked(drop)


async def test_all_dead_letters_are_tried_again_at_once(daemon: RunDaemon, page: StatusWindow) -> None:
    """Also those that the page does not list."""
    async with troubled(daemon) as running:
        b = running["b"]
        for number in range(3):
            await running["a"].post(f"ugly {number}", channel="square")
        await b.until(lambda: len(b.sent) >= 7)
        await seen(running, page)
        await looked(lambda: page.count("#dead > li", 5))
        b.answer = b.deliver
        await looked(lambda: page.find("#retry-all").click())
        await b.until(lambda: {"ugly", "ugly too", "ugly 0", "ugly 1", "ugly 2"} <= set(b.texts))
        await looked(lambda: page.count("#dead > li", 0))
        assert await looked(lambda: page.find("#dead-done").text) == "5 messages put at the end of the lane."


async def test_a_message_is_found_by_its_link_or_id(daemon: RunDaemon, page: StatusWindow) -> None:
    """With what became of it in each target, or why it was not relayed; of one that is not known why that may be."""
    async with troubled(daemon) as running:
        unruled = await running["a"].post("nowhere", channel="7")
        event = await running["a"].post("found", channel="square")
        await running["b"].until(lambda: "found" in running["b"].texts)
        await seen(running, page)

        def search(name: str) -> None:
            page.find("#trace-name").clear()
            page.find("#trace-name").send_keys(name, Keys.ENTER)

        await looked(lambda: search(f"https://chat.example/main/pl/{event.message}"))
        await looked(lambda: page.count("#trace > li", 1))

        def look() -> None:
            (found,) = page.texts("#trace > li")
            assert "posted in square on a by Alice" in found
            assert "delivered 1 on b as m2" in found
            assert "found" not in found.split("message", 1)[1].replace(event.message, "")
            assert "rule town: relays it" in found
            search("nothing-of-the-kind")
            page.count("#trace > li", 0)
            assert "never accepted" in page.find("#trace-said").text
            search(unruled.message)
            page.count("#trace > li", 1)
            (found,) = page.texts("#trace > li")
            assert "not relayed: posted in a/7 by alice" in found
            assert "no_rule no enabled rule takes messages from that channel" in found

        await looked(look)


async def test_a_reload_and_a_lost_instance_show_by_themselves(daemon: RunDaemon, page: StatusWindow) -> None:
    """The picture has the new rules, the headline the instance that is gone; a screen reader is told."""
    async with troubled(daemon) as running:
        await seen(running, page)
        await running.reload(*RULES, rule("new", "b/9", "c/9"))
        await looked(lambda: page.wait(lambda: "new\nboth ways" in page.texts("#legend li")))
        running["c"].connections = [OSError("the cable is out")]
        await running.reload(*RULES, disabled=["c"])
        await looked(lambda: page.wait(lambda: len(page.texts("#instances > li")) == 2))
        assert await looked(page.complaints) == []


async def test_a_large_file_is_shown_and_drawn_once(daemon: RunDaemon, page: StatusWindow) -> None:
    """Three hundred rules, a channel each on both sides; of as many that wait, those that wait longest are shown."""
    many = [rule(f"rule {number}", f"a/many{number}", f"b/many{number}") for number in range(300)]
    async with daemon(*many, status_page=StatusPageSettings(), a=ScriptDriver, b=ScriptDriver) as running:
        running["b"].answer = busy
        for number in range(150):
            await running["a"].post("waits", channel=f"many{number}")
        await running["b"].until(lambda: len(running["b"].sent) == 150)
        await seen(running, page)

        def look() -> None:
            page.count("#columns .station", 600)
            page.count("#wires .wire", 300)
            page.count("#lanes > li", 100)
            assert page.find("#lanes-more").text == "… and 50 more channels, which nextbridge queue shows."
            page.browser.execute_script("document.querySelector('#wires .wire').dataset.first = 'yes'")

        await looked(look)
        for number in range(5):
            await running["a"].post("waits, too", channel=f"many{number}")
        await looked(lambda: page.wait(lambda: page.find("#waiting").text == "155"))
        assert await looked(lambda: page.texts("#wires [data-first]")) != []


async def test_a_page_comes_back_with_the_daemon(daemon: RunDaemon, page: StatusWindow) -> None:
    """While it is away the page says that what it shows is old; afterwards it goes on by itself."""
    (port,) = free_ports(1)
    async with troubled(daemon, port=port) as running:
        await seen(running, page)
    await looked(lambda: page.wait(lambda: page.find("#link").get_attribute("data-state") == "lost"))
    assert await looked(lambda: page.find("#link").text) == "The daemon does not answer. Trying again…"
    async with troubled(daemon, port=port, state="another"):
        await looked(page.live)
        await looked(lambda: page.count("#dead > li", 2))


async def test_the_token_is_asked_for_and_kept_for_this_tab(daemon: RunDaemon, page: StatusWindow) -> None:
    """A wrong one is told; the right one opens the page, also after it is loaded again; in a link it is not left."""
    async with troubled(daemon, token=TOKEN) as running:
        address = f"{running.service.http.address}/status/"
        await asyncio.to_thread(page.open, address)

        def enter() -> None:
            page.wait(lambda: page.find("#entrance").is_displayed())
            assert not page.find("#all").is_displayed()
            assert page.focused() == "token"
            page.press("wrong-token", Keys.ENTER)
            page.wait(lambda: page.find("#token-problem").text == "This is not the token of the status page.")
            page.find("#token").send_keys(TOKEN, Keys.ENTER)
            page.live()
            page.browser.refresh()
            page.live()
            page.browser.execute_script("sessionStorage.clear()")
            page.browser.get("about:blank")
            page.open(f"{address}#token={TOKEN}")
            page.live()
            assert TOKEN not in page.browser.current_url
            assert page.browser.get_cookies() == []

        await looked(enter)


async def test_what_people_and_servers_chose_is_only_text(daemon: RunDaemon, page: StatusWindow) -> None:
    """Names, reasons and ids are never HTML or a script, and turn nothing round that stands beside them."""
    async with troubled(daemon, name="\u202eeman") as running:
        await seen(running, page)
        for number, text in enumerate(EVIL):
            author = Author(id=UserId(f"u{number}"), username=text, name=f"{text} \u202e")
            await running["a"].post(f"ugly {number}", channel="square", author=author)
        await looked(lambda: page.count("#dead > li", 2 + len(EVIL)))

        def look() -> None:
            page.count("#tail li", len(EVIL))
            assert page.browser.title == "NextBridge"
            assert page.browser.find_elements("id", "owned") == []
            shown = " ".join(page.texts("#dead > li"))
            assert all(text in shown for text in EVIL)
            assert "\u202e" not in shown
            assert "\\u{202e}" in shown
            assert page.complaints() == []

        await looked(look)


@pytest.mark.parametrize(("width", "dark"), SCREENS)
async def test_axe_finds_nothing(
    daemon: RunDaemon, page: StatusWindow, screenshots: Path, width: int, dark: bool
) -> None:
    """On a phone and a desktop, light and dark: in trouble, with traffic, with a message found, and while it asks."""
    name = f"status-{width}-{'dark' if dark else 'light'}"
    async with troubled(daemon, token=TOKEN) as running:
        address = f"{running.service.http.address}/status/"
        await asyncio.to_thread(page.open, address)

        def asked() -> None:
            page.resize(width, 900, dark=dark)
            page.wait(lambda: page.find("#entrance").is_displayed())
            page.screenshot(screenshots, f"{name}-entrance")
            assert broken(page) == []
            page.find("#token").send_keys(TOKEN, Keys.ENTER)
            page.live()

        await looked(asked)
        event = await running["a"].post("seen", channel="square")
        await looked(lambda: page.count("#tail li", 1))

        def look() -> None:
            page.find("#trace-name").send_keys(event.message, Keys.ENTER)
            page.count("#trace > li", 1)
            assert page.browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            page.screenshot(screenshots, name)
            assert broken(page) == []
            page.find("#dead [data-does=drop]").click()
            page.wait(lambda: page.find("#sure").is_displayed())
            assert broken(page) == []

        await looked(look)


async def test_everything_is_reached_and_done_by_keyboard(daemon: RunDaemon, page: StatusWindow) -> None:
    """Tab goes from the top to the bottom through all that can be used; a letter is dropped without a mouse."""
    async with troubled(daemon) as running:
        await seen(running, page)
        await running["a"].post("hello", channel="square")
        await looked(lambda: page.count("#tail li", 1))

        def walk() -> None:
            reached = []
            page.find("body").send_keys(Keys.TAB)
            for _ in range(40):
                reached.append(page.focused())
                page.press(Keys.TAB)
                if page.browser.switch_to.active_element.tag_name == "body":
                    break
            letter = ["Try again", "Drop…"]
            assert reached[:12] == [
                "To the content", "map", "retry-all", "drop-all", *letter, *letter, "tail-instance", "tail-rule",
                "tail-pause", "tail-box",
            ]  # fmt: skip
            assert reached[12:14] == ["trace-name", "Find"]
            page.find("#drop-all").send_keys(Keys.ENTER)
            page.wait(lambda: page.find("#sure").is_displayed())
            page.press(Keys.TAB, Keys.ENTER)
            page.count("#dead > li", 0)

        await looked(walk)
