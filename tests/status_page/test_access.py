"""Who may see the status page and press its buttons, and how it is kept from being used against operators."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import nextbridge.status_page
from nextbridge.control.protocol import VERSION, ControlError, Crossed, read_answer
from nextbridge.status_page.feed import Feed
from tests.core.script import RunDaemon
from tests.status_page.conftest import TOKEN, Client, told, troubled

FILES = Path(nextbridge.status_page.__file__).parent / "page"
BEARER = f"Bearer {TOKEN}"


async def test_it_is_open_on_this_machine_alone_where_it_has_no_token(daemon: RunDaemon) -> None:
    """Over loopback, under a loopback name; not through a reverse proxy, which anybody may be behind."""
    async with aiohttp.ClientSession() as http, troubled(daemon) as running:
        client = Client(http, running)
        assert (await client.get())[0] == 200
        assert (await client.ask({"what": "dead ids"}))[0] == 200
        for path in ("", "live"):
            status, text, _ = await client.get(path, **{"X-Forwarded-For": "192.0.2.7"})
            assert status == 403
            assert "global.status_page.token" in text


async def test_another_site_can_neither_read_it_nor_press_its_buttons(daemon: RunDaemon) -> None:
    """Not by a name that leads here, not from its own pages, and not by a form."""
    async with aiohttp.ClientSession() as http, troubled(daemon) as running:
        client = Client(http, running)
        ids = (await client.ask({"what": "dead ids"}))[1]["ids"]
        assert len(ids) == 2
        drop = {"what": "drop", "ids": ids}
        assert (await client.get("", Host="rebound.example"))[0] == 421
        assert (await client.get("live", Host="rebound.example"))[0] == 421
        assert (await client.ask(drop, Host="rebound.example"))[0] == 421
        assert (await client.ask(drop, Origin="https://evil.example"))[0] == 403
        assert (await client.ask(drop, Origin="null"))[0] == 403
        assert (await client.ask(drop, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
        assert (await client.get("live", **{"Sec-Fetch-Site": "same-site"}))[0] == 403
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            assert (await client.ask(drop, kind=kind))[0] == 405
        assert (await client.get("ask"))[0] == 405
        assert (await client.ask({"what": "dead ids"}))[1]["ids"] == ids
        headers = (await client.get())[2]
        assert "Access-Control-Allow-Origin" not in headers
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def test_with_a_token_nothing_is_told_without_it(daemon: RunDaemon) -> None:
    """The files are open, since nothing stands in them; what the daemon knows and does is not."""
    async with aiohttp.ClientSession() as http, troubled(daemon, token=TOKEN) as running:
        client = Client(http, running)
        assert (await client.get())[0] == 200
        for header in (
            {},
            {"Authorization": "Bearer token"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "ö"},
        ):
            assert (await client.get("live", **header))[0] == 401
            assert (await client.ask({"what": "dead ids"}, **header))[0] == 401
        assert (await client.ask({"what": "dead ids"}, Authorization=BEARER))[0] == 200
        async with client.live(Authorization=BEARER) as response:
            assert (await told(response))["what"] == "status"


async def test_whoever_guesses_is_locked_out_and_others_are_not(daemon: RunDaemon) -> None:
    """Ten wrong tokens, then not even the right one for a while; the log tells the operator where they came from."""
    async with aiohttp.ClientSession() as http, troubled(daemon, token=TOKEN) as running:
        guesser = Client(http, running, **{"X-Forwarded-For": "198.51.100.1, 2001:db8::7"})
        for number in range(10):
            status, text = await guesser.ask({"what": "dead ids"}, Authorization=f"Bearer {number}")
            assert (status, text) == (401, "This is not the token of the status page.")
        status, text = await guesser.ask({"what": "dead ids"}, Authorization=BEARER)
        assert status == 429
        assert re.fullmatch(r"Too many wrong tokens came from your address\. Try again in \d+ seconds\.", text)
        neighbour = Client(http, running, **{"X-Forwarded-For": "2001:db8::8"})
        assert (await neighbour.ask({"what": "dead ids"}, Authorization=BEARER))[0] == 429
        other = Client(http, running, **{"X-Forwarded-For": "2001:db8:1::8"})
        assert (await other.ask({"what": "dead ids"}, Authorization=BEARER))[0] == 200


@pytest.mark.parametrize(
    "question",
    [
        {"what": "forget", "person": "alice", "really": True},
        {"what": "reload"},
        {"what": "trace", "message": "x", "text": True},
        {"what": "dead letter", "id": 1, "text": True},
        {"what": "follow"},
        {"what": "nothing"},
        {"what": "drop", "ids": ["1"]},
        "drop",
    ],
)
async def test_it_does_only_what_it_has_buttons_for(daemon: RunDaemon, question: object) -> None:
    """No text of a message, no forgetting, no reload; what makes no sense is refused with the reason."""
    async with aiohttp.ClientSession() as http, troubled(daemon) as running:
        status, answer = await Client(http, running).ask(question)
        assert (status, answer["what"]) == (200, "refused")
        assert answer["reason"]


def test_no_code_and_no_style_stands_in_the_page_and_nothing_comes_from_elsewhere() -> None:
    """So that the policy can forbid both; the page speaks the version of the protocol that the daemon does."""
    texts = {each.name: each.read_text() for each in FILES.iterdir()}
    html = texts["index.html"]
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html) == []
    for name, text in texts.items():
        outside = re.findall(
            r"(?:https?:)?//[\w.]+\.\w+", text.replace("http://www.w3.org/", "").replace("www.w3.org/", "")
        )
        assert outside == [], name
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", "".join(texts.values())) == []
    assert f"const VERSION = {VERSION};" in texts["connection.js"]


async def test_the_files_are_found_with_and_without_the_slash(daemon: RunDaemon) -> None:
    """`/status` leads to the page; what is not there is not found, and nothing beside its folder is given."""
    async with aiohttp.ClientSession() as http, troubled(daemon) as running:
        client = Client(http, running)
        async with http.get(client.address.rstrip("/"), allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (308, "./status/")
        for name, kind in (("status.js", "text/javascript"), ("status.css", "text/css"), ("icon.svg", "image/svg+xml")):
            status, _, headers = await client.get(name)
            assert (status, headers["Content-Type"].partition(";")[0]) == (200, kind)
        for name in ("nothing.js", "../site.py", "..%2fsite.py", "page/index.html"):
            assert (await client.get(name))[0] == 404


async def test_an_open_page_is_told_how_everything_stands_and_then_what_crosses(daemon: RunDaemon) -> None:
    """In the words of the commands; nobody's text is in it."""
    async with aiohttp.ClientSession() as http, troubled(daemon) as running:
        client = Client(http, running)
        async with client.live() as response:
            found = {answer["what"]: answer for answer in [await told(response) for _ in range(4)]}
            assert found.keys() == {"status", "rules", "queue", "dead letters"}
            assert [each["name"] for each in found["status"]["daemon"]["instances"]] == ["a", "b", "c"]
            town = found["rules"]["rules"][0]
            assert (town["rule"], town["kind"], town["sources"][0]["channel"]) == ("town", "connect", "a/square")
            assert {(each["channel"], each["state"]) for each in found["queue"]["lanes"]} == {
                ("2", "retrying"),
                ("1", "paused"),
            }
            assert [each["reason"] for each in found["dead letters"]["letters"]] == ["too ugly for Alice"] * 2
            await running["a"].post("one more", channel="square")
            while (answer := await told(response))["what"] != "crossed":
                pass
            assert (answer["outcome"], answer["source"], answer["target"]) == ("delivered", "a/square", "b/1")
            assert "one more" not in str(answer)


async def test_a_page_that_does_not_read_is_let_go_and_holds_up_nobody(daemon: RunDaemon) -> None:
    """What crosses is told to the others, and the daemon keeps no more of it than a bounded number of lines."""
    async with troubled(daemon) as running:
        served: Any = running.service.http._mounted["status"]
        feed: Feed = served.__self__._feed
        stuck, goes_on, all_heard = asyncio.Event(), asyncio.Event(), asyncio.Event()
        heard: list[Crossed] = []

        async def wait(_lines: bytes) -> None:
            stuck.set()
            await goes_on.wait()

        async def read(lines: bytes) -> None:
            heard.extend(each for line in lines.splitlines() if isinstance(each := read_answer(line), Crossed))
            if len(heard) == 1100:
                all_heard.set()

        slow = asyncio.create_task(feed.tell(wait))
        quick = asyncio.create_task(feed.tell(read))
        await stuck.wait()
        for number in range(1100):
            await running["a"].post(f"more {number}", channel="square")
        await running["b"].until(lambda: running["b"].texts[-1:] == ["more 1099"], within=60)
        goes_on.set()
        with pytest.raises(ControlError, match="were waiting to be read"):
            await asyncio.wait_for(slow, 30)
        await asyncio.wait_for(all_heard.wait(), 30)
        quick.cancel()
        await asyncio.gather(quick, return_exceptions=True)


async def test_only_so_many_pages_are_open_at_once(daemon: RunDaemon) -> None:
    """One more is told so; one that is closed makes room."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http, troubled(daemon) as running:
        client = Client(http, running)
        open_pages = [await http.get(f"{client.address}live") for _ in range(8)]
        for each in open_pages:
            assert (await told(each))["what"] == "status"
        status, text, _ = await client.get("live")
        assert (status, text) == (503, "8 status pages are open already. Close one of them.")
        for each in open_pages:
            each.close()
        async with asyncio.timeout(30):
            while True:
                async with client.live() as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)


async def test_the_end_of_the_daemon_does_not_wait_for_open_pages(daemon: RunDaemon) -> None:
    """Their connection ends, and they try again by themselves."""
    async with aiohttp.ClientSession() as http:
        async with troubled(daemon) as running:
            response = await http.get(f"{Client(http, running).address}live")
            assert (await told(response))["what"] == "status"
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 1.5
        assert (await response.content.read())[-1:] in {b"\n", b""}  # it ends as it should, and is not cut short
        response.close()
