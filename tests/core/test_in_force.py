"""What `global` says takes effect at a reload, key by key, and connects nobody anew who does not go by it.

`log.level` and `watch` are tested in tests/pairs/test_reload.py, by a daemon as a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import aiohttp
import pytest
from msgspec import UNSET
from structlog.testing import capture_logs

from nextbridge.config.model import GlobalSettings, HttpSettings, LogSettings, MetricsSettings, StatusPageSettings
from nextbridge.config.types import OptionalProxy, Secret
from nextbridge.driver import ConfiguredChannel, Host
from nextbridge.envelope import Attachment
from nextbridge.in_force import InForce
from tests.core.remembering import RememberingDriver, Server
from tests.core.script import (
    Daemon,
    FilingDriver,
    LateDriver,
    RunDaemon,
    ScriptChannel,
    ScriptDriver,
    ScriptSettings,
    rule,
)
from tests.core.talking import TalkingDriver

RULES = (rule("r", "a/1", "b/1"),)
FILE = Attachment(id="cat.png", name="cat.png", media_type="image/png", size=None)
OUTSIDE, ELSEWHERE = "https://bridge.example/nb", "https://elsewhere.example"


async def test_a_message_that_waits_is_given_up_after_the_time_that_holds_now(daemon: RunDaemon) -> None:
    """Also where its lane had begun to wait under the old one, and where its instance is not in the file any more."""
    platforms = {"a": ScriptDriver, "b": LateDriver, "c": LateDriver}
    both = (*RULES, rule("s", "a/1", to=["c/1"]))
    async with daemon(*both, **platforms) as running:
        await running["a"].post("hello")
        await running.reload(*both, disabled=["c"])
        await running.reload(*both, disabled=["c"], general={"give_up_after": "1s"})
        await buried(running, "b", "c")


async def buried(running: Daemon, *instances: str) -> None:
    """Return once each has made a dead letter."""

    def are_buried() -> bool:
        return {*instances} <= {each.instance for each, _ in running.service.tally.lines() if each.kind == "buried"}

    async with asyncio.timeout(20):
        while not are_buried():  # noqa: ASYNC110 - a tally tells nobody
            await asyncio.sleep(0.05)


async def test_what_was_delivered_is_forgotten_after_the_time_that_holds_now(daemon: RunDaemon) -> None:
    """At once, and not at the next walk: what comes again is then taken for another message."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver, backfill=0, give_up_after="1s") as running:
        said = await running["a"].post("hello")
        b = running["b"]
        await b.until(lambda: b.texts == ["hello"])
        await (await running["a"].host.accept(said))
        general = {"remember": "1s"}
        async with asyncio.timeout(20):
            while len(b.shown) < 2:
                await running.reload(*RULES, general=general)
                general = {"remember": "2s" if general["remember"] == "1s" else "1s"}
                await (await running["a"].host.accept(said))
                await asyncio.sleep(0.1)
        assert b.texts == ["hello", "hello"]


async def test_how_much_is_relayed_afterwards_is_what_holds_when_the_gap_is_found(daemon: RunDaemon) -> None:
    """Nothing, then all, then the newest one."""
    server = Server("a")
    async with daemon(*RULES, a=RememberingDriver, b=ScriptDriver, backfill=0) as running:
        a, b = running["a"], running["b"]
        assert isinstance(a, RememberingDriver)
        await a.connected()

        async def away(number: int, *texts: str) -> None:
            await a.cut()
            await server.post(*texts)
            a.connects.set()
            await a.connected(number)

        await away(2, "lost")
        await server.post("back")
        await b.until(lambda: b.texts == ["back"])
        await running.reload(*RULES, general={"backfill": "24h"})
        await away(3, "one", "two")
        await b.until(lambda: b.texts == ["back", "one", "two"])
        await running.reload(*RULES, general={"backfill_messages": 1})
        await away(4, "three", "four")
        await b.until(lambda: b.texts == ["back", "one", "two", "four"])
        assert (running["a"], a.runs) == (a, 4)


async def shown(running: Daemon) -> str:
    """Somebody posts a file, and this is what a target shows that takes none."""
    source, target = running.filing("a"), running["b"]
    source.contents["cat.png"] = [b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes(40)]
    before = len(target.shown)
    await source.post("look", attachments=(FILE,))
    await target.until(lambda: len(target.shown) == before + 1)
    return target.texts[-1].partition("\n")[2]


async def status_of(running: Daemon, label: str) -> int:
    """What the media server says to whoever opens a label's link."""
    address = f"{running.service.http.address}/media/{label.rpartition('/media/')[2]}"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status


async def test_links_are_made_below_the_address_that_holds_now(daemon: RunDaemon) -> None:
    """From none to one, to another, where older links open the same, and to none, where they open nothing."""
    async with daemon(*RULES, a=FilingDriver, b=ScriptDriver) as running:
        assert await shown(running) == "[Image: cat.png]"
        await running.reload(*RULES, general={"base_url": f"{OUTSIDE}/"})
        first = await shown(running)
        assert f"] {OUTSIDE}/media/file/" in first
        await running.reload(*RULES, general={"base_url": ELSEWHERE})
        second = await shown(running)
        assert f"] {ELSEWHERE}/media/file/" in second
        assert [await status_of(running, each) for each in (first, second)] == [200, 200]
        await running.reload(*RULES, general={"base_url": None})
        assert [await status_of(running, each) for each in (first, second)] == [404, 404]


async def test_a_link_lasts_as_long_as_holds_now_and_files_have_the_room_that_holds_now(daemon: RunDaemon) -> None:
    """A link that was made under a longer time, too."""
    async with daemon(*RULES, a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        label = await shown(running)
        assert await status_of(running, label) == 200
        await running.reload(*RULES, general={"media_keep": "1s", "spool_size": 10})
        async with asyncio.timeout(20):
            while await status_of(running, label) == 200:  # noqa: ASYNC110 - nobody tells when it is over
                await asyncio.sleep(0.05)
        assert await shown(running) == "[Image: cat.png (there is no room for it now)]"


async def test_a_command_begins_with_the_word_that_holds_now(daemon: RunDaemon) -> None:
    """The old one is an ordinary word from then on."""
    async with daemon(*RULES, a=TalkingDriver, b=TalkingDriver) as running:
        a, b = running["a"], running["b"]
        await running.reload(*RULES, general={"command_prefix": "relay"})
        await a.post("!nb help")
        await b.until(lambda: b.texts == ["!nb help"])
        await a.post("!relay help")
        await a.post("after")
        await b.until(lambda: b.texts == ["!nb help", "after"])


async def test_scrapes_are_answered_by_what_holds_now(daemon: RunDaemon) -> None:
    """Nobody's, then everybody's, then only with the token; what was counted meanwhile is in them."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running, aiohttp.ClientSession() as session:

        async def scrape(token: str = "") -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(f"{running.service.http.address}/metrics", headers=headers) as answer:
                return answer.status, await answer.text()

        await running["a"].post("hello")
        await running["b"].until(lambda: running["b"].texts == ["hello"])
        assert (await scrape())[0] == 404
        await running.reload(*RULES, general={"metrics": MetricsSettings()})
        status, text = await scrape()
        assert status == 200
        assert 'nextbridge_delivery_seconds_count{instance="b"} 1.0' in text
        await running.reload(*RULES, general={"metrics": MetricsSettings(token=Secret("hunter2-secret"))})
        assert [(await scrape(each))[0] for each in ("", "hunter2-secret")] == [401, 200]


async def test_the_status_page_is_there_for_whom_the_file_says_now(daemon: RunDaemon) -> None:
    """Nobody, whoever is on this machine, or whoever has the token; who has it open has to come in again."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running, aiohttp.ClientSession() as session:
        page = f"{running.service.http.address}/status"

        async def live() -> int:
            async with session.get(f"{page}/live") as answer:
                return answer.status

        assert [(await session.get(page)).status, await live()] == [404, 404]
        await running.reload(*RULES, general={"status_page": StatusPageSettings()})
        async with session.get(f"{page}/live") as opened:
            assert await opened.content.readline()
            secret = Secret("token-of-the-status-page")
            await running.reload(*RULES, general={"status_page": StatusPageSettings(token=secret)})
            async with asyncio.timeout(10):
                await opened.content.read()
        assert await live() == 401
        await running.reload(*RULES, general={"status_page": None})
        assert await live() == 404


async def test_what_is_said_stands_in_the_log_while_the_file_says_so(daemon: RunDaemon) -> None:
    """From the reload on, and not after the next."""
    with capture_logs() as lines:
        async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
            for text, content in (("early", False), ("meanwhile", True), ("late", False)):
                await running.reload(*RULES, general={"log": LogSettings(content=content)})
                await running["a"].post(text)
    accepted = [line for line in lines if line["event"] == "message_accepted"]
    assert [line.get("text") for line in accepted] == [None, "meanwhile", None]


async def test_the_server_listens_where_the_file_says_now(daemon: RunDaemon, unused_tcp_port: int) -> None:
    """And no more where it did; also where the address is another one and the port the same."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running, aiohttp.ClientSession() as session:
        old = running.service.http.address
        await running.reload(*RULES, general={"http": HttpSettings(port=unused_tcp_port)})
        new = f"http://127.0.0.1:{unused_tcp_port}"
        assert running.service.http.address == new
        await running.reload(*RULES, general={"http": HttpSettings(host="0.0.0.0", port=unused_tcp_port)})
        async with session.get(f"{new}/healthz") as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            async with session.get(f"{old}/healthz"):
                pass


async def test_a_file_whose_port_is_taken_is_refused_whole(daemon: RunDaemon) -> None:
    """Rules and all else stay as they were, and the server stays where it was."""
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running, taken, aiohttp.ClientSession() as session:
        a = running["a"]
        shouting = rule("r", "a/1", "b/1", msg={"msg_format": "{msg}!"})
        with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await running.reload(
                shouting,
                settings={"a": ScriptSettings(version=2)},
                general={"http": HttpSettings(port=port), "command_prefix": "relay"},
            )
        assert a.runs == 1
        await a.post("hello")
        await running["b"].until(lambda: running["b"].texts == ["hello"])
        async with session.get(f"{running.service.http.address}/healthz") as answer:
            assert answer.status == 200


class ProxiedSettings(ScriptSettings, frozen=True):
    """With what many platforms have."""

    proxy: OptionalProxy = UNSET


class AskingDriver(ScriptDriver):
    """A script platform that asks its host for one thing and keeps it."""

    settings_type = ProxiedSettings
    asks: ClassVar[str]

    def __init__(
        self, settings: ScriptSettings, channels: Sequence[ConfiguredChannel[ScriptChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self.kept = getattr(host, self.asks)


def asking(what: str) -> type[AskingDriver]:
    return type("Asking", (AskingDriver,), {"asks": what})


async def test_an_instance_is_connected_anew_where_something_changes_that_its_driver_goes_by(daemon: RunDaemon) -> None:
    """By that alone: one that never asked for it, or has its own, stays connected."""
    changes: dict[str, object] = {
        "proxy": "http://127.0.0.1:3128",
        "base_url": OUTSIDE,
        "command_prefix": "relay",
        "fetch_allow": ("10.0.0.0/8",),
    }
    platforms = {"a": ScriptDriver, "own": asking("proxy"), **{f"by {each}": asking(each) for each in changes}}
    own = {"own": ProxiedSettings(proxy=None)}
    rules = (rule("r", *(f"{each}/1" for each in platforms)),)
    async with daemon(*rules, **platforms) as running:
        await running.reload(*rules, settings=own)
        for key, value in changes.items():
            done = await running.reload(*rules, settings=own, general={key: value})
            assert (done.reconnected, done.needs_restart) == ((f"by {key}",), ())
            driver = running[f"by {key}"]
            assert isinstance(driver, AskingDriver)
            assert driver.kept == value
        await running["a"].until(lambda: running["own"].runs == 1)
        assert running["a"].runs == 1
        # what nobody kept is there all the same for who asks later
        assert running["a"].host.base_url == OUTSIDE


class Grown(GlobalSettings, frozen=True):
    """With a key that nobody takes up."""

    page: bool = False


def test_a_key_that_nobody_takes_up_is_named_until_the_next_start() -> None:
    """So that none that comes later can be forgotten in silence."""
    in_force = InForce(Grown())
    in_force.replace(Grown(page=True, watch=True))
    assert in_force.needs_restart == ("page",)
    in_force.replace(Grown())
    assert not in_force.needs_restart
